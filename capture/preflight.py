"""What stands against beginning a take: looked at in the moment before it. No I/O, no clock.

A take cannot be repeated. So it does not begin while a source that is required is silent or stale,
a slot gives nothing, a clock does not run with ours, or the disk has no room; each with the
words that let it pass (`--allow-missing NAME`, written into the take) where something may.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from capture.source_clock import resets
from firmware_host.clock import NS_PER_S
from firmware_host.samples import ImuBlock

FRESH_S = 1.0  # what is older has stalled: the slowest source sends thirty times a second
WINDOW_S = 2.0
MIN_READINGS = 5
# Wi-Fi delivers within 40 ms, mostly; twice the worst that still aligns. Ours.
MAX_LATE_S = 0.25
DISK = "disk"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing. source: what `--allow-missing` would name; the disk cannot be done without."""

    source: str
    text: str
    hint: str

    @property
    def line(self) -> str:
        """For the operator."""
        return f"{self.text} ({self.hint})"


class ClockWatch:
    """The newest readings of one source's clock against ours."""

    def __init__(self) -> None:
        self._readings: deque[tuple[int, int]] = deque()

    def take(self, device_ns: int, arrival_ns: int) -> None:
        """One reading; in order of arrival."""
        self._readings.append((device_ns, arrival_ns))
        self._forget(arrival_ns)

    def _forget(self, now_ns: int) -> None:
        while self._readings and now_ns - self._readings[0][1] > WINDOW_S * NS_PER_S:
            self._readings.popleft()

    def problem(self, name: str, now_ns: int) -> Problem | None:
        """What is wrong with the clock; None also where too little was heard of it of late."""
        self._forget(now_ns)
        if len(self._readings) < MIN_READINGS:
            return None
        device_ns, arrival_ns = np.array(self._readings, np.int64).T
        if jumps := len(resets(device_ns, arrival_ns)):
            hint = "wait until it has settled, or restart it"
            return Problem(name, f"the {name}'s clock jumped {jumps} times just now", hint)
        delay_ns = arrival_ns - device_ns
        late_s = float(np.percentile(delay_ns - delay_ns.min(), 95)) / NS_PER_S
        if late_s > MAX_LATE_S:
            hint = "is its link weak, or does it send in bursts?"
            text = f"the {name}'s clock is not to be read: it comes up to {late_s:.2f} s late"
            return Problem(name, text, hint)
        return None


class SourceWatch:
    """One device or phone: when it was last heard, its clock, and which slots give something."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.clock = ClockWatch()
        self.heard_ns: int | None = None
        self._slots_ns: dict[str, int] = {}

    def take_block(self, block: ImuBlock, slots: Sequence[str]) -> None:
        """Samples; `slots` names their second axis. A tick that is an arrival tells no clock."""
        self.heard_ns = block.arrival_ns
        if block.tick_is_arrival:
            self.clock = ClockWatch()  # whatever clock it had, it is not used any more
        elif len(block):
            self.clock.take(int(block.tick_us[-1]) * 1000, block.arrival_ns)
        readings = np.concatenate((block.accel_m_s2, block.gyro_rad_s), axis=-1)
        known = np.flatnonzero(np.isfinite(readings).any(axis=(0, 2)))
        self._slots_ns |= {slots[slot]: block.arrival_ns for slot in known.tolist()}

    def take_face(self, device_ns: int | None, arrival_ns: int) -> None:
        """A frame of a phone; `device_ns` is None where its app tells no time."""
        self.heard_ns = arrival_ns
        if device_ns is not None:
            self.clock.take(device_ns, arrival_ns)

    def problems(self, now_ns: int, slots: Sequence[str] = ()) -> list[Problem]:
        """What stands against beginning now; `slots` are those that must give something."""
        allow = f"or pass --allow-missing {self.name}"
        if self.heard_ns is None:
            return [Problem(self.name, f"nothing was heard from the {self.name}", allow)]
        age_s = (now_ns - self.heard_ns) / NS_PER_S
        if age_s > FRESH_S:
            text = f"the {self.name} has been silent for {age_s:.1f} s"
            return [Problem(self.name, text, f"check its link, {allow}")]
        found = [self._silent(slot) for slot in slots if self._is_silent(slot, now_ns)]
        clock = self.clock.problem(self.name, now_ns)
        return found if clock is None else [*found, clock]

    def _is_silent(self, slot: str, now_ns: int) -> bool:
        return now_ns - self._slots_ns.get(slot, -(1 << 62)) > FRESH_S * NS_PER_S

    def _silent(self, slot: str) -> Problem:
        hint = f"check that sensor and its wires, or pass --allow-missing {slot}"
        return Problem(slot, f"{slot} gives nothing", hint)


def disk_problem(free_bytes: int, needed_bytes: int, folder: str) -> Problem | None:
    """Whether there is no room for the take."""
    if free_bytes >= needed_bytes:
        return None
    text = f"{folder} has {free_bytes / 1e6:.0f} MB free, {needed_bytes / 1e6:.0f} MB are needed"
    return Problem(DISK, text, "free some space, or record to another disk")


def standing(problems: Sequence[Problem], allowed: Collection[str]) -> list[Problem]:
    """Those that are not allowed."""
    return [problem for problem in problems if problem.source not in allowed]
