"""The console's page in a real browser: headless Chromium, with Mesa where it is there."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0  # for a browser that draws on a busy processor
DRAWN = "Number(document.querySelector('canvas')?.dataset.drawn ?? 0)"


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def outside_of_pytest() -> dict[str, str]:
    """NiceGUI serves for its own kind of tests where it believes to be in one."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "NICEGUI_"))}


@contextlib.contextmanager
def child_of(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """`imusic` with these words, ended with the block."""
    child = subprocess.Popen(
        [sys.executable, "-m", "imusic", *map(str, arguments)],
        cwd=ROOT,
        env=outside_of_pytest(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def require_browser() -> tuple[Any, str]:
    """Playwright and where Chromium is; skips where one of them or the console is missing."""
    pytest.importorskip("nicegui", reason="the console needs NiceGUI: pip install 'imusic[web]'")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no playwright to drive a browser"
    )
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium here: apt-get install chromium")
    return playwright, chromium


@contextlib.contextmanager
def opened_page(url: str, width: int = 1000, height: int = 640) -> Iterator[Any]:
    """A page in headless Chromium; skips where there is none."""
    playwright, chromium = require_browser()
    with playwright.sync_playwright() as driver:
        browser = opened_browser(driver, chromium, playwright.Error)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(1000 * PATIENCE_S)
        page.goto(url, wait_until="domcontentloaded")
        yield page
        browser.close()


def wait_for_page(url: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert child.poll() is None, "the console ended"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=20):
            return
        time.sleep(0.1)
    raise AssertionError("the console did not answer")


# Mesa where it is there, which is twice as fast, else what Chromium brings along.
GRAPHICS = (
    ["--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist"],
    ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
)


def opened_browser(driver: Any, chromium: str, error: type[Exception]) -> Any:
    """A browser that has WebGL; skips where none will start or none has."""
    environment = {**os.environ, "EGL_PLATFORM": "surfaceless"}
    reason = "no WebGL in this chromium"
    for flags in GRAPHICS:
        try:
            browser = driver.chromium.launch(
                executable_path=chromium,
                args=["--no-sandbox", *flags],
                env=environment,
                timeout=1000 * PATIENCE_S,
            )
        except error as failed:
            reason = f"chromium does not start here: {str(failed).splitlines()[0]}"
            continue
        blank = browser.new_page()
        if blank.evaluate("!!document.createElement('canvas').getContext('webgl2')"):
            blank.close()
            return browser
        browser.close()
    pytest.skip(reason)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def screenshot(page: Any, path: Path) -> np.ndarray:
    """(H, W, 3) BGR."""
    page.screenshot(path=path)
    return cv2.imread(str(path))
