"""Timecode: numbers of frames that people and machines on a set agree on. Pure.

Frames count at a nominal rate, while film and television may run 1000/1001 of it. Drop-frame code
leaves numbers out so that it keeps up with the clock on the wall: the first two of every minute,
except of every tenth (SMPTE ST 12-1, at 30).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_host.clock import NS_PER_S

_TEXT = re.compile(r"(\d\d):(\d\d):(\d\d)([:;])(\d\d)")
RATES = (24, 25, 30)
MOST_OFF = 0.01  # of a rate: 1000/1001 and crystals are a tenth of that
_NEARLY = 0.1  # of a frame: so near to the next, it is the next


@dataclass(frozen=True, slots=True)
class Timecode:
    """One frame's number. drop: whether it is drop-frame code, written with a semicolon."""

    hours: int
    minutes: int
    seconds: int
    frames: int
    drop: bool = False

    def __str__(self) -> str:
        mark = ";" if self.drop else ":"
        return f"{self.hours:02}:{self.minutes:02}:{self.seconds:02}{mark}{self.frames:02}"

    def count(self, rate: int) -> int:
        """How many frames after midnight, at a nominal rate."""
        minutes = 60 * self.hours + self.minutes
        frames = (60 * minutes + self.seconds) * rate + self.frames
        return frames - (_dropped(minutes, rate) if self.drop else 0)


def _dropped(minutes: int, rate: int) -> int:
    """Numbers left out in so many minutes."""
    return rate // 15 * (minutes - minutes // 10)


def from_count(count: int, rate: int, drop: bool = False) -> Timecode:
    """The code of a frame so many after midnight; begins anew after a day."""
    if drop:
        per_minute, per_ten = 60 * rate - rate // 15, 600 * rate - 9 * (rate // 15)
        tens, rest = divmod(count % (144 * per_ten), per_ten)
        # The first minute of ten drops nothing.
        later = max(0, (rest - rate // 15) // per_minute)
        count = count % (144 * per_ten) + (9 * tens + later) * (rate // 15)
    seconds, frames = divmod(count % (86_400 * rate), rate)
    return Timecode(seconds // 3600, seconds // 60 % 60, seconds % 60, frames, drop)


def parse(text: str) -> Timecode | None:
    """`hh:mm:ss:ff`, or with a semicolon of drop-frame code; None where it is neither."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds, frames = (int(match[k]) for k in (1, 2, 3, 5))
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return Timecode(hours, minutes, seconds, frames, match[4] == ";")


@dataclass(frozen=True, slots=True)
class Reading:
    """A frame's number, and when it began: host monotonic ns."""

    timecode: Timecode
    host_ns: int


@dataclass(frozen=True, slots=True)
class Jam:
    """A take's place on a timecode. start: at its first sample. rate: nominal. true_rate_hz: frames
    a second of our clock. spread_s: how far readings lie from the line, at most. source: who told.
    """

    start: Timecode
    rate: int
    true_rate_hz: float
    spread_s: float
    source: str
    readings: int

    def facts(self) -> dict[str, Any]:
        """For `take.toml`."""
        return {
            "start": str(self.start),
            "rate": self.rate,
            "drop": self.start.drop,
            "true_rate_hz": round(self.true_rate_hz, 6),
            "spread_s": round(self.spread_s, 6),
            "source": self.source,
            "readings": self.readings,
        }


def jam(readings: Sequence[Reading], start_ns: int, source: str, rate: int = 0) -> Jam | None:
    """Where a take that began at `start_ns` lies on the timecode that was heard.

    None where less than a second of it was heard, or where it does not run on. rate: nominal; 0
    finds it by how fast frames come.
    """
    if len(readings) < 2:
        return None
    host_s = np.array([(r.host_ns - start_ns) / NS_PER_S for r in readings])
    if host_s[-1] - host_s[0] < 1.0:
        return None
    most = max(one.timecode.frames for one in readings)
    rates = (rate,) if rate else [nominal for nominal in RATES if nominal > most]
    told = {r: np.array([one.timecode.count(r) for one in readings], float) for r in rates}
    best = None
    for nominal, counts in told.items():
        slope, at_start = np.polyfit(host_s, counts, 1)
        spread = float(np.abs(counts - (at_start + slope * host_s)).max()) / nominal
        # Only at the true rate do numbers lie on a line over the seconds.
        if best is None or spread < best[0]:
            best = spread, nominal, float(slope), float(at_start)
    if best is None:
        return None
    spread, nominal, slope, at_start = best
    if abs(slope / nominal - 1.0) > MOST_OFF or spread > 2.0 / nominal:
        return None
    first = from_count(int(np.floor(at_start + _NEARLY)), nominal, readings[0].timecode.drop)
    return Jam(first, nominal, slope, spread, source, len(readings))
