"""Keeping a computer awake during a take, and noticing where it was not.

What can be held off is held off for as long as the block runs; what would disturb a take and is for
the operator to change is told, with the command that changes it. That it slept all the same shows
in two clocks of which only one goes on meanwhile.
"""

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from firmware_host.rig import Rig

SLEPT_S = 0.5  # less is the two clocks being read one after the other
_SYS = Path("/sys")
_WIRELESS = Path("/proc/net/wireless")


class SleepWatch:
    """Tells how long the computer slept since the last look. clock: how long it ever did, in s."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or _slept_ever_s
        self._before_s = self._clock()

    def look(self) -> float:
        """Seconds, 0 where it stayed awake."""
        now_s = self._clock()
        slept_s, self._before_s = now_s - self._before_s, now_s
        return slept_s if slept_s >= SLEPT_S else 0.0


def _slept_ever_s() -> float:
    """How long this computer has slept since it was started; 0 where nobody counts."""
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux: only this one goes on in its sleep
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return 0.0


@contextlib.contextmanager
def kept_awake(say: Callable[[str], None]) -> Iterator[None]:
    """Hold off sleep while the block runs; say where that cannot be done."""
    if sys.platform == "win32":
        with _windows():
            yield
        return
    command = _inhibitor()
    if command is None:
        say("note: nothing here can keep this computer awake: switch its sleep off")
        yield
        return
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # it ends with us, however we end
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.3)
            say("note: this computer may fall asleep during a take: switch its sleep off")
        yield
    finally:
        if child.stdin is not None:
            child.stdin.close()
        child.terminate()
        child.wait()


def _inhibitor() -> list[str] | None:
    """A program that holds off sleep until its input ends; None where there is none."""
    if sys.platform == "darwin" and shutil.which("caffeinate"):
        return ["caffeinate", "-dimsu", "cat"]
    if shutil.which("systemd-inhibit"):
        what = "--what=sleep:idle:handle-lid-switch"
        return ["systemd-inhibit", what, "--who=imusic", "--why=a take is recorded", "cat"]
    return None


@contextlib.contextmanager
def _windows() -> Iterator[None]:
    import ctypes

    continuous, system, display = 0x80000000, 0x1, 0x2
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    kernel.SetThreadExecutionState(continuous | system | display)
    try:
        yield
    finally:
        kernel.SetThreadExecutionState(continuous)


def power_notes(rig: Rig, sys_root: Path = _SYS, wireless: Path = _WIRELESS) -> list[str]:
    """What saves power at the cost of a take: suspended USB ports, Wi-Fi that dozes. Linux only."""
    lines = [device.url.split(",")[0].partition(":") for device in rig.sources]
    notes = []
    for scheme, _, target in lines:
        control = _usb_control(Path(target), sys_root) if scheme == "serial" else None
        if control is not None:
            notes.append(f"the USB port of {target} may be suspended: echo on | sudo tee {control}")
    by_air = rig.phone is not None or any(scheme in ("udp", "tcp") for scheme, _, _ in lines)
    if by_air:
        notes += [
            f"Wi-Fi {name} saves power, which delays packets by tenths of a second: "
            f"sudo iw dev {name} set power_save off"
            for name in _dozing(wireless)
        ]
    return notes


def _usb_control(device: Path, sys_root: Path) -> Path | None:
    """The switch of a serial device's USB port, where it is set to suspend by itself."""
    name = device.resolve().name
    at = (sys_root / "class/tty" / name / "device").resolve()
    for folder in (at, *at.parents):
        control, delay = folder / "power/control", folder / "power/autosuspend_delay_ms"
        if (folder / "idVendor").is_file() and control.is_file():
            suspends = not delay.is_file() or not delay.read_text("ascii").startswith("-")
            auto = control.read_text("ascii").strip() == "auto"
            return control if auto and suspends else None
    return None


def _dozing(wireless: Path) -> list[str]:
    """Wi-Fi interfaces whose power saving is on."""
    if not wireless.is_file() or shutil.which("iw") is None:
        return []
    names = [line.split(":")[0].strip() for line in wireless.read_text("ascii").splitlines()[2:]]
    return [name for name in names if "on" in _power_save(name)]


def _power_save(interface: str) -> str:
    """What `iw` says of it."""
    asked = subprocess.run(
        ["iw", "dev", interface, "get", "power_save"],
        capture_output=True,
        text=True,
        timeout=5.0,
        check=False,
    )
    return asked.stdout.rpartition(":")[2].strip()
