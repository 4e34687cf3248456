"""How long a face takes from message to pixel in the console, in headless Chromium.

    python benchmarks/browser.py [--seconds 20] [--size 640x640] [--json]

A process of its own publishes 60 faces a second over TCP, `imusic console` passes their weights on,
and Chromium morphs and draws them; the age of a face is taken when its drawing is finished on the
GPU (or on Mesa, where there is none). Clocks are one computer's. Memory is that of the console's
process after the first tenth and at the end. Needs NiceGUI, playwright and a Chromium.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from viewer import PUBLISHER

ROOT = Path(__file__).parents[1]
HZ, WARM_UP_S, PATIENCE_S = 60.0, 3.0, 120.0
GRAPHICS = ("--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist")


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def wait_for(url: str) -> None:
    """Until somebody answers there."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nothing answers at {url}")


def resident_mb(pid: int) -> float:
    """Memory of a process; NaN where the system does not tell so."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(seconds: float, size: tuple[int, int]) -> dict[str, float]:
    """Run publisher, console and browser; ages in ms."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("there is no chromium here")
    length_s = str(seconds + WARM_UP_S + PATIENCE_S)
    publisher = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, length_s, str(HZ)], stdout=subprocess.PIPE, text=True
    )
    port = free_port()
    console = None
    try:
        assert publisher.stdout is not None
        faces = publisher.stdout.readline().strip()
        console = subprocess.Popen(
            [sys.executable, "-m", "imusic", "console", "--port", str(port), "--faces", faces],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        wait_for(f"http://127.0.0.1:{port}")
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=chromium,
                args=["--no-sandbox", *GRAPHICS],
                env={**os.environ, "EGL_PLATFORM": "surfaceless"},
            )
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            page.set_default_timeout(1000 * PATIENCE_S)
            page.goto(f"http://127.0.0.1:{port}/?measure", wait_until="domcontentloaded")
            page.wait_for_function("(window.imusicAges ?? []).length > 10")
            return watched(page, console.pid, seconds)
    finally:
        for child in filter(None, (console, publisher)):
            child.kill()
            child.wait()


def watched(page: Any, pid: int, seconds: float) -> dict[str, float]:
    """What the page tells of so many seconds, after a warm-up."""
    page.wait_for_timeout(1000 * WARM_UP_S)
    page.evaluate("window.imusicAges = []")
    began = time.monotonic()
    page.wait_for_timeout(100 * seconds)
    early_mb = resident_mb(pid)
    page.wait_for_timeout(900 * seconds)
    ages = np.array(page.evaluate("window.imusicAges"))
    took = time.monotonic() - began
    p50, p95, p99 = np.quantile(ages, [0.5, 0.95, 0.99])
    return {
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "drawn_hz": round(len(ages) / took, 1),
        "console_early_mb": round(early_mb, 1),
        "console_end_mb": round(resident_mb(pid), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--size", default="640x640", help="of the page, WIDTHxHEIGHT")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wide, high = (int(part) for part in options.size.split("x"))
    found = measure(options.seconds, (wide, high))
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:22} {value:g}")


if __name__ == "__main__":
    main()
