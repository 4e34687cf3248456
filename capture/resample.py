"""The 60 Hz grid: samples at any rate become one row per tick. numpy only, no I/O.

Tick k lies at k/60 s of the clock in use, so that live and offline share a grid without agreeing on
a start. Row k is the mean of the samples in (tick k−1, tick k]: a box filter that ends at the tick
and never looks ahead.
"""

import numpy as np
from numpy.typing import NDArray

from firmware_host.samples import Floats, Ints

TICK_HZ = 60
_NS_PER_S = 1_000_000_000


def tick_of(time_ns: Ints) -> Ints:
    """The tick whose row each sample (…,) belongs to: the first one at or after it."""
    # Whole seconds apart: Unix time in ns does not bear being multiplied in 64 bits.
    seconds, rest_ns = np.divmod(np.asarray(time_ns, np.int64), _NS_PER_S)
    ticks: Ints = seconds * TICK_HZ - (-rest_ns * TICK_HZ // _NS_PER_S)
    return ticks


def tick_before(time_ns: Ints) -> Ints:
    """The last tick at or before each time (…,), int64 ns."""
    seconds, rest_ns = np.divmod(np.asarray(time_ns, np.int64), _NS_PER_S)
    ticks: Ints = seconds * TICK_HZ + rest_ns * TICK_HZ // _NS_PER_S
    return ticks


def tick_time_ns(tick: int) -> int:
    """When tick `tick` is, in ns, rounded down."""
    return int(tick) * _NS_PER_S // TICK_HZ


class RowBuffer:
    """The last `length` rows, growing as samples arrive; late samples still reach their row.

    A row is (S, 6): accel then gyro, the mean of what arrived, NaN where nothing did.
    """

    def __init__(self, length: int, slots: int) -> None:
        self._sums = np.zeros((length, slots, 6))
        self._counts = np.zeros((length, slots, 1))
        self._length = length
        self._newest: int | None = None

    def push(self, time_ns: Ints, accel: Floats, gyro: Floats) -> None:
        """Add samples (N,), (N, S, 3), (N, S, 3); those older than the buffer are left out."""
        if len(time_ns) == 0:
            return
        ticks = tick_of(time_ns)
        self.advance(int(ticks.max()))
        assert self._newest is not None
        values = np.concatenate((accel, gyro), axis=-1, dtype=np.float64)
        heard = np.asarray(np.isfinite(values).all(axis=-1, keepdims=True))
        kept = ticks > self._newest - self._length
        at = ticks[kept] % self._length
        np.add.at(self._sums, at, np.where(heard, values, 0.0)[kept])
        np.add.at(self._counts, at, heard[kept].astype(float))

    def advance(self, tick: int) -> None:
        """Make `tick` the newest row if it is later than what was seen; new rows start empty."""
        if self._newest is None:
            self._newest = tick
        fresh = np.arange(max(self._newest + 1, tick - self._length + 1), tick + 1) % self._length
        self._sums[fresh] = 0.0
        self._counts[fresh] = 0.0
        self._newest = max(self._newest, tick)

    def rows(self, tick: int, count: int) -> NDArray[np.float64]:
        """(count, S, 6) rows that end at `tick`, oldest first; NaN beyond what is kept."""
        wanted = np.arange(tick - count + 1, tick + 1)
        at = wanted % self._length
        newest = tick if self._newest is None else self._newest
        kept = (wanted > newest - self._length) & (wanted <= newest)
        counts = self._counts[at] * kept[:, None, None]
        filled = counts > 0
        mean = self._sums[at] / np.where(filled, counts, 1.0)
        return np.where(filled, mean, np.nan)


def rows_of(
    time_ns: Ints, accel: Floats, gyro: Floats, first_tick: int, count: int
) -> NDArray[np.float64]:
    """(count, S, 6) rows of a whole recording: what a `RowBuffer` long enough would hold."""
    buffer = RowBuffer(count, accel.shape[1])
    buffer.advance(first_tick + count - 1)
    inside = tick_of(time_ns) <= first_tick + count - 1
    buffer.push(time_ns[inside], accel[inside], gyro[inside])
    return buffer.rows(first_tick + count - 1, count)
