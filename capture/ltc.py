"""SMPTE 12M linear timecode from sound. Pure: samples in, timecodes with their places out.

LTC is a square wave on a sound line: 80 bits a frame, biphase mark coded, so a bit begins with a
change of level and a one has another in its middle. Bits come in the order of their number, the
least significant of every digit first; the last 16 of a frame are a word that no data can hold.
The layout of the bits is of SMPTE ST 12-1 and EBU Tech 3097.

The level may drift, the wave may be rounded by the recorder, and its sign does not matter. It is
read at the speed of 23 to 32 frames a second, forwards.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.timecode import Timecode

BITS = 80
SYNC = 0b1011_1111_1111_1100  # bits 64 to 79 of a frame as a number, the first the lowest
FASTEST_HZ, SLOWEST_HZ = 32.0, 23.0
_QUIET = 1e-3  # of full scale: below it a line is not connected
_BLOCK_S = 0.01  # over which the level of the line is followed: a quarter of a frame
_FOLLOWS, _FADES = 0.3, 0.6  # its mean and its height, block by block
_HYSTERESIS = 0.2  # of the level: noise around zero is no change


@dataclass(frozen=True, slots=True)
class LtcFrame:
    """One frame. at: sample at which its first bit began, counted from the first that was fed.

    samples: how many it took; fewer than usual where it played faster.
    """

    timecode: Timecode
    at: float
    samples: float


class LtcDecoder:
    """Feed it what was heard; it gives what frames that completes. Never raises, whatever comes.

    Args:
        rate_hz: of the sound. At least 12 kHz: a half of a bit is then two samples and more.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        longest = rate_hz / (SLOWEST_HZ * BITS)  # of a bit, in samples
        shortest = rate_hz / (FASTEST_HZ * BITS)
        # Between the longest half and the shortest whole.
        self._middle = (longest / 2 + shortest) / 2
        self._limits = 0.7 * shortest / 2, 1.3 * longest
        self._block = max(1, round(_BLOCK_S * rate_hz))
        self._waiting = np.zeros(0)
        self._fed = 0
        self._mean = self._level = 0.0
        self._last_value = 0.0
        self._is_high = False
        self._changed_at = -1.0
        self._is_half = False
        self._bits = 0
        self._starts: list[float] = []  # of the bits held, the newest last
        self._bit_at = -1.0

    def feed(self, sound: NDArray[np.floating]) -> list[LtcFrame]:
        """Take (N,) samples from −1 to 1, one channel; return what frames they complete."""
        found: list[LtcFrame] = []
        for change in self._changes(np.nan_to_num(np.asarray(sound, np.float64))):
            if (frame := self._take(change)) is not None:
                found.append(frame)
        return found

    def _changes(self, sound: NDArray[np.float64]) -> list[float]:
        """Where the level changes, between samples, block by block of what was fed."""
        self._waiting = np.concatenate([self._waiting, np.clip(sound, -1e3, 1e3)])
        changes: list[float] = []
        whole = len(self._waiting) // self._block * self._block
        for start in range(0, whole, self._block):
            changes += self._block_changes(self._waiting[start : start + self._block])
        self._waiting = self._waiting[whole:]
        return changes

    def _block_changes(self, raw: NDArray[np.float64]) -> list[float]:
        values = raw - self._mean
        self._mean += _FOLLOWS * float(values.mean())
        self._level = max(_FADES * self._level, float(np.abs(values).max()))
        first, self._fed = self._fed, self._fed + len(raw)
        last, self._last_value = self._last_value, float(values[-1])
        if self._level <= _QUIET:
            return []
        known = np.flatnonzero(np.abs(values) > _HYSTERESIS * self._level)
        if not len(known):
            return []
        high = values[known] > 0
        flips = known[np.flatnonzero(high != np.concatenate([[self._is_high], high[:-1]]))]
        self._is_high = bool(high[-1])
        before = np.concatenate([[last], values])[flips]
        steps = values[flips] - before
        with np.errstate(divide="ignore", invalid="ignore"):
            back = np.nan_to_num(values[flips] / steps, posinf=0.0, neginf=0.0)
        return [float(n) for n in first + flips - np.where(np.abs(back) <= 1.0, back, 0.0)]

    def _take(self, change: float) -> LtcFrame | None:
        """One change of level."""
        length = change - self._changed_at
        before, self._changed_at = self._changed_at, change
        if not self._limits[0] <= length <= self._limits[1]:
            self._lose()
            return None
        if length < self._middle:
            if not self._is_half:
                self._is_half, self._bit_at = True, before
                return None
            self._is_half = False
            return self._bit(1, self._bit_at, change)
        if self._is_half:  # one half without the other: these were the wrong halves
            self._lose()
            return None
        return self._bit(0, before, change)

    def _lose(self) -> None:
        self._bits, self._is_half = 0, False
        self._starts.clear()

    def _bit(self, value: int, start: float, end: float) -> LtcFrame | None:
        self._bits = (self._bits >> 1) | (value << (BITS - 1))
        self._starts.append(start)
        if len(self._starts) > BITS:
            del self._starts[0]
        if len(self._starts) < BITS or self._bits >> 64 != SYNC:
            return None
        timecode = timecode_of_bits(self._bits)
        if timecode is None:
            return None
        return LtcFrame(timecode, self._starts[0], end - self._starts[0])


def timecode_of_bits(bits: int) -> Timecode | None:
    """The time that 80 bits tell, bit 0 the lowest; None where it is none."""

    def digits(units: int, tens: int, width: int) -> int | None:
        low, high = bits >> units & 15, bits >> tens & (1 << width) - 1
        return None if low > 9 else 10 * high + low

    parts = digits(48, 56, 2), digits(32, 40, 3), digits(16, 24, 3), digits(0, 8, 2)
    hours, minutes, seconds, frames = parts
    if hours is None or minutes is None or seconds is None or frames is None:
        return None
    if hours > 23 or minutes > 59 or seconds > 59 or frames > 29:
        return None
    return Timecode(hours, minutes, seconds, frames, drop=bool(bits >> 10 & 1))
