"""Readings of other makers' sensors, gathered into the blocks that everything downstream takes.

No I/O. One row is one instant of S slots: (S, 10) accel m/s², gyro rad/s, quaternion wxyz that
turns the sensor's axes into a world with z up; NaN is what the device did not say.
"""

import math

import numpy as np
from numpy.typing import NDArray

from firmware_host.samples import ImuBlock

GRAVITY_M_S2 = 9.80665
ACCEL, GYRO, QUAT = slice(0, 3), slice(3, 6), slice(6, 10)
MAX_TICK_US = 1 << 53  # 285 years: a device that says more says nonsense
MAX_JUMP_US = 3_600_000_000  # a clock that leaps further was set, not waited for
_MAX_STEP_US = 1_000_000
_UNIT = 0.05  # how far from 1 the length of a quaternion may be

Row = NDArray[np.float64]


def blank_row(slots: int = 1) -> Row:
    """(S, 10) of NaN: an instant at which nothing is known yet."""
    return np.full((slots, 10), np.nan)


def unit_quat(quat: Row) -> Row:
    """(4,) as a quaternion of length 1; NaN where it is none, such as all zeros or NaN."""
    norm = math.hypot(*quat)  # that of the largest floats is infinite, without a warning
    return quat / norm if abs(norm - 1.0) < _UNIT else np.full(4, np.nan)


def into_sensor(quat: Row, vector: Row) -> Row:
    """(3,) a vector of the world as the sensor sees it. NaN where the orientation is unknown."""
    w, axis = quat[0], -quat[1:]
    twice: Row = 2.0 * np.cross(axis, vector)
    turned: Row = vector + w * twice + np.cross(axis, twice)
    return turned


class BlockMaker:
    """Numbers rows and keeps their ticks increasing, whatever the device's clock does.

    A clock that goes back, stands still or leaps by more than MAX_JUMP_US was set or restarted:
    time goes on from the last sample by the last step, as it does where a sample's time was lost.

    Args:
        has_clock: the device tells time; without, samples get the time of their arrival.
    """

    def __init__(self, has_clock: bool) -> None:
        self._has_clock = has_clock
        self._rows: list[Row] = []
        self._ticks: list[int | None] = []
        self._sequence = 0
        self._last: int | None = None
        self._offset = 0  # of our time over the device's
        self._step = 1
        self.stuck_ticks = 0  # samples whose time stood still, went back or leapt

    def add(self, row: Row, tick_us: int | None = None) -> None:
        """Take one row (S, 10); it belongs to the maker now. tick_us: in [0, MAX_TICK_US]."""
        self._rows.append(row)
        self._ticks.append(tick_us)

    def take(self, time_ns: int) -> list[ImuBlock]:
        """Return what was added as one block, if anything was, and forget it.

        time_ns: host monotonic time at which the last of it arrived.
        """
        if not self._rows:
            return []
        with np.errstate(over="ignore"):  # nonsense that is too large for float32 is no reading
            values = np.stack(self._rows).astype(np.float32)  # (N, S, 10)
        values[~np.isfinite(values)] = np.nan
        sequence = np.arange(self._sequence, self._sequence + len(values), dtype=np.int64)
        ticks = np.array([self._next_tick(tick, time_ns) for tick in self._ticks], np.int64)
        self._sequence += len(values)
        self._rows, self._ticks = [], []
        quat = values[..., QUAT]
        orientation = None if np.isnan(quat).all() else quat
        accel, gyro = values[..., ACCEL], values[..., GYRO]
        return [ImuBlock(ticks, sequence, accel, gyro, time_ns, orientation, not self._has_clock)]

    def _next_tick(self, tick_us: int | None, time_ns: int) -> int:
        if not self._has_clock:
            arrival = time_ns // 1000
            self._last = arrival if self._last is None else max(self._last + 1, arrival)
            return self._last
        if self._last is None:
            self._last = tick_us or 0
            return self._last
        tick = self._last + self._step if tick_us is None else tick_us + self._offset
        if tick_us is not None and not 0 < tick - self._last <= MAX_JUMP_US:
            self.stuck_ticks += 1
            self._offset += self._last + self._step - tick
            tick = self._last + self._step
        self._step = min(tick - self._last, _MAX_STEP_US)
        self._last = tick
        return tick
