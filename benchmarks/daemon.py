"""What a recording costs: processor and memory of `imusic record`, and whether it loses anything.

    python -m benchmarks.daemon --seconds 1800 --console --browser

A hub of 12 slots at 200 Hz on a pseudo-terminal and a phone that sends 60 faces a second over UDP
play in a process of their own; the console is served by another, and a headless Chromium looks at
it. Only the recorder is measured, by what the system counts for it (Linux). At the end the take is
verified and compared with what was sent. One JSON line.

Goals: under 35 % of one core, memory flat, nothing lost. Exit code 1 where one is missed.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from capture.verify import verify
from firmware_host.rig import HubConfig, PhoneConfig, Rig, SessionConfig, write_rig

MOST_CPU, MOST_MB_PER_H = 0.35, 20.0
LOOK_S, SETTLED_S = 5.0, 60.0
ROOT = Path(__file__).resolve().parents[1]
PLAYERS = """
import asyncio, sys, time
import numpy as np
from capture.arkit_source import LiveLinkSender
from capture.livelink import packet_at
from firmware_host.layout import FACE_12
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub

master, port, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
rng = np.random.default_rng(1)
time_s = np.arange(round((seconds + 120) * 200)) / 200
some = rng.normal(size=(2, 2000, 12, 3)).astype(np.float32)
again = np.arange(len(time_s)) % 2000
accel, gyro = some[0][again], 0.1 * some[1][again]
accel[..., 1] += 9.81
started = asyncio.Event()
hub = SimulatedHub(time_s, accel, gyro, FACE_12.names, HubOptions(seed=2, drift_ppm=20))

async def phone():
    await started.wait()
    begun = time.monotonic()
    weights = rng.uniform(0, 0.8, (600, 52)).astype(np.float32)
    with LiveLinkSender("127.0.0.1", port) as sender:
        for frame in range(10**9):
            head = np.array([0.2 * np.sin(frame / 40), 0.0, 0.0], np.float32)
            sender.send(packet_at(40_000 + frame / 60, weights[frame % 600], head))
            await asyncio.sleep(max(0.0, begun + (frame + 1) / 60 - time.monotonic()))

async def play():
    task = asyncio.create_task(phone())
    await run_hub(hub, master, on_start=lambda _: started.set())
    task.cancel()

asyncio.run(play())
"""


def cost_of(pid: int) -> tuple[float, float]:
    """Seconds of processor that a process had, all threads, and its memory in MB."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port(kind: socket.SocketKind) -> int:
    """A port that nobody has, now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def looked_at(url: str, is_wanted: bool) -> Iterator[bool]:
    """A headless Chromium that has the page open; whether there is one."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not is_wanted or chromium is None:
        yield False
        return
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--use-angle=swiftshader",
        "--remote-debugging-port=0",
    ]
    with tempfile.TemporaryDirectory() as profile:
        child = subprocess.Popen(
            [chromium, *flags, "--enable-unsafe-swiftshader", f"--user-data-dir={profile}", url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield True
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            time.sleep(0.5)  # its children let go of the folder


def measured(pid: int, seconds: float, is_over: Any) -> np.ndarray:
    """(K, 3): time, processor seconds, MB."""
    rows, begun = [], time.monotonic()
    while (now := time.monotonic() - begun) < seconds and is_over() is None:
        rows.append((now, *cost_of(pid)))
        time.sleep(LOOK_S)
    return np.array(rows)


def told(rows: np.ndarray) -> dict[str, Any]:
    """Shares of a core, and how memory went, without the first minute where there is more."""
    settled = rows[rows[:, 0] >= min(SETTLED_S, rows[-1, 0] / 3)]
    spans = np.diff(settled, axis=0)
    shares = spans[:, 1] / spans[:, 0]
    slope = float(np.polyfit(settled[:, 0] / 3600, settled[:, 2], 1)[0])
    return {
        "seconds": round(float(rows[-1, 0])),
        "cpu_share": round(float((settled[-1, 1] - settled[0, 1]) / np.ptp(settled[:, 0])), 4),
        "cpu_share_p95": round(float(np.percentile(shares, 95)), 4),
        "mb_first": round(float(settled[0, 2]), 1),
        "mb_last": round(float(settled[-1, 2]), 1),
        "mb_most": round(float(rows[:, 2].max()), 1),
        "mb_per_hour": round(slope, 2),
    }


def main() -> int:
    """Record, measure, verify."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=1800.0)
    options.add_argument("--console", action="store_true", help="serve the console too")
    options.add_argument("--browser", action="store_true", help="and look at it in Chromium")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="daemon-") as name:
        found = run(Path(name), asked.seconds, asked.console or asked.browser, asked.browser)
    print(json.dumps(found))
    flat = abs(found["mb_per_hour"]) <= MOST_MB_PER_H or asked.seconds < 600
    good = found["cpu_share"] <= MOST_CPU and flat and not found["lost"] and not found["problems"]
    return int(not good)


def run(folder: Path, seconds: float, console: bool, browser: bool) -> dict[str, Any]:
    """One recording under `folder`, and what it cost."""
    master, slave = os.openpty()
    tty.setraw(slave)
    port, page = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    rig = Rig(
        hub=HubConfig(url=f"serial:{os.ttyname(slave)}"),
        phone=PhoneConfig(bind="127.0.0.1", port=port),
        session=SessionConfig(simulated=True),
    )
    write_rig(rig, folder / "rig.toml")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    players = subprocess.Popen(
        [sys.executable, "-c", PLAYERS, str(master), str(port), str(seconds)],
        pass_fds=[master],
        env=environment,
    )
    command = [sys.executable, "-m", "imusic", "record", "--rig", str(folder / "rig.toml")]
    shown = ["--console", "--console-port", str(page)] if console else []
    recorder = subprocess.Popen(
        [*command, "--out", str(folder), "--start-timeout", "120", *shown],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    data = folder / "take-001/data.mcap"
    try:
        while not data.is_file():
            assert recorder.poll() is None, recorder.stderr.read() if recorder.stderr else ""
            time.sleep(0.1)
        with looked_at(f"http://127.0.0.1:{page}", browser) as is_seen:
            rows = measured(recorder.pid, seconds, recorder.poll)
        recorder.send_signal(signal.SIGINT)
        recorder.communicate(timeout=120)
    finally:
        for child in (recorder, players):
            child.kill()
            child.wait()
        os.close(master)
        os.close(slave)
    checked = verify(data.parent)
    counts = json.loads(
        subprocess.run(
            [*command[:3], "info", str(data.parent), "--json"],
            env=environment,
            capture_output=True,
            check=True,
        ).stdout
    )["counts"]
    return told(rows) | {
        "console": console,
        "browser": browser and is_seen,
        "samples": checked.samples,
        "faces": checked.faces,
        "lost": counts.get("samples_lost", 0) + counts["samples_sent"] - checked.samples,
        "faces_hz": round(checked.faces / max(checked.samples / 200, 1), 2),
        "problems": list(checked.problems),
        "mb_written": round(sum(p.stat().st_size for p in data.parent.iterdir()) / 1e6, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
