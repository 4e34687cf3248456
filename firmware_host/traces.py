"""Traces for a terminal: what each slot felt lately, as strips of braille dots. No I/O, no clock.

A strip shows the length of a vector, so that nothing depends on how a sensor sits: acceleration at
rest is a line at 9.8 m/s², rates at rest one at 0. One column of dots is a stretch of time, drawn
from the least to the most that was read in it; a stretch without a reading is empty.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_host.clock import NS_PER_S
from firmware_host.samples import ImuBlock

Array = NDArray[np.float64]

WINDOW_S = 10.0
GRAVITY_M_S2 = 9.80665
_LEAST_ACCEL_M_S2, _LEAST_RATE_DEG_S = 2.0, 20.0  # what a strip spans where nothing moves
_BLANK = 0x2800
_DOTS = np.array([[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]])  # of the two columns, down


@dataclass(frozen=True, slots=True)
class SlotStrips:
    """One slot: `rows` lines of braille for each, newest at the right."""

    accel: str
    gyro: str


@dataclass(frozen=True, slots=True)
class Scales:
    """(bottom, top) of every strip that is shown together."""

    accel_m_s2: tuple[float, float]
    gyro_deg_s: tuple[float, float]


class Traces:
    """The last seconds of one device, in memory that does not grow.

    Args:
        columns: width of a strip in letters.
        window_s: what a strip spans.
    """

    def __init__(self, columns: int = 24, window_s: float = WINDOW_S) -> None:
        self._stretches = 2 * columns
        self._step_ns = round(window_s * NS_PER_S / self._stretches)
        self._newest = 0  # number of the stretch at the right, in steps since the host's epoch
        self._forget(0)

    def take(self, block: ImuBlock) -> None:
        """Take note of readings. Another number of slots begins anew."""
        slots = block.accel_m_s2.shape[1]
        if slots != self._low.shape[1]:
            self._forget(slots)
        self.move_to(block.arrival_ns)
        lengths = np.stack((_length(block.accel_m_s2), np.degrees(_length(block.gyro_rad_s))))
        for way, pick in ((self._low, np.fmin), (self._high, np.fmax)):
            way[:, :, -1] = pick(way[:, :, -1], pick.reduce(lengths, axis=1))

    def move_to(self, time_ns: int) -> None:
        """Let time pass, up to this host time."""
        now = time_ns // self._step_ns
        passed = min(now - self._newest, self._stretches)
        if passed <= 0:
            return
        self._newest = now
        for way in (self._low, self._high):
            way[...] = np.roll(way, -passed, axis=2)
            way[:, :, self._stretches - passed :] = np.nan

    def strips(self, scales: Scales, rows: int = 2) -> tuple[SlotStrips, ...]:
        """What to draw, `rows` letters high, of each slot."""
        return tuple(
            SlotStrips(
                draw(self._low[0, slot], self._high[0, slot], scales.accel_m_s2, rows),
                draw(self._low[1, slot], self._high[1, slot], scales.gyro_deg_s, rows),
            )
            for slot in range(self._low.shape[1])
        )

    def reach(self) -> tuple[float, float]:
        """How far from gravity accel went, in m/s², and how fast anything turned, in °/s."""
        both = np.stack((self._low, self._high))
        both[:, 0] -= GRAVITY_M_S2
        accel, rate = (np.fmax.reduce(np.abs(both[:, k]), axis=None, initial=0.0) for k in (0, 1))
        return float(accel), float(rate)

    def _forget(self, slots: int) -> None:
        shape = 2, slots, self._stretches  # accel and gyro, slots, time
        self._low: Array = np.full(shape, np.nan)
        self._high: Array = np.full(shape, np.nan)


def scales_of(traces: Iterable[Traces]) -> Scales:
    """Scales on which all that these show has room."""
    reaches = np.array([(_LEAST_ACCEL_M_S2, _LEAST_RATE_DEG_S), *(one.reach() for one in traces)])
    accel, rate = (_rounded_up(most) for most in reaches.max(axis=0).tolist())
    return Scales((max(0.0, GRAVITY_M_S2 - accel), GRAVITY_M_S2 + accel), (0.0, rate))


def draw(low: Array, high: Array, scale: tuple[float, float], rows: int) -> str:
    """Lines of braille that show the spans (2 K,) from `low` to `high`; NaN is empty.

    scale: (bottom, top); what lies beyond is drawn at the edge.
    """
    levels = 4 * rows
    known = ~np.isnan(low)
    bottom, top = scale

    def lines_down(values: Array) -> NDArray[np.int64]:
        shares = (top - np.where(known, values, top)) / (top - bottom)
        return np.clip(np.rint(shares * (levels - 1)), 0, levels - 1).astype(np.int64)

    tops, bottoms = lines_down(high), lines_down(low)
    down = np.arange(levels)[:, None]
    is_on = known & (down >= tops) & (down <= bottoms)  # (levels, 2 K)
    cells = is_on.reshape(rows, 4, -1, 2).transpose(0, 2, 3, 1)  # (rows, K, 2, 4)
    letters = _BLANK + (cells * _DOTS).sum(axis=(2, 3))
    return "\n".join("".join(map(chr, line)) for line in letters.tolist())


def _length(vectors: NDArray[np.float32]) -> Array:
    """(N, S) lengths of (N, S, 3); NaN where there is no reading."""
    return np.asarray(np.sqrt(np.sum(np.square(vectors, dtype=np.float64), axis=-1)))


def _rounded_up(most: float) -> float:
    """The first of 1, 2, 5, 10, 20, … that reaches `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * step for step in (1.0, 2.0, 5.0, 10.0) if power * step >= most * 0.9999)
