"""Gyroscope bias followed while a sensor is still. Pure, causal. No I/O.

Chips warm up on the skin, and what was measured at rest goes stale: a hundredth of a radian a
second, integrated over the leak of a patch's angle, is half a degree of it. Whenever a slot has
neither turned nor tilted for a second, its bias goes slowly to what the gyroscope says then.
"""

import numpy as np
from numpy.typing import NDArray

from capture.resample import TICK_HZ

Array = NDArray[np.float64]

_WINDOW_ROWS = TICK_HZ
_EVERY_ROWS = TICK_HZ // 4
_TIME_CONSTANT_S = 4.0
# Still: per axis within the window. Hiss of the poorest chip we know is a tenth of it.
STILL_RAD_S, STILL_M_S2 = 0.012, 0.12
# What bias does at once is no drift, and in all it does not go further than chips do.
MOST_AT_ONCE_RAD_S, MOST_RAD_S = 0.02, 0.1


class BiasFollower:
    """Takes every row of a face, in order, and moves the bias of slots that are still.

    Args:
        bias_rad_s: (S, 3) as it was at rest, sensor frames.
    """

    def __init__(self, bias_rad_s: Array) -> None:
        self._first = np.asarray(bias_rad_s, float)
        self.bias_rad_s = self._first.copy()
        self._rows = np.full((_WINDOW_ROWS, len(self._first), 6), np.nan)
        self._count = 0

    def step(self, row: Array) -> bool:
        """Take the next (S, 6) row, NaN where nothing was heard; whether the bias moved."""
        self._rows[self._count % _WINDOW_ROWS] = row
        self._count += 1
        if self._count < _WINDOW_ROWS or self._count % _EVERY_ROWS:
            return False
        mean = self._rows.mean(axis=0)
        spread = self._rows.std(axis=0)
        away = mean[:, 3:] - self.bias_rad_s
        still = (spread[:, 3:] < STILL_RAD_S).all(axis=1) & (spread[:, :3] < STILL_M_S2).all(axis=1)
        still &= (np.abs(away) < MOST_AT_ONCE_RAD_S).all(axis=1)
        if not still.any():
            return False
        share = _EVERY_ROWS / (TICK_HZ * _TIME_CONSTANT_S)
        moved = self.bias_rad_s + share * np.where(still[:, None], away, 0.0)
        self.bias_rad_s = np.clip(moved, self._first - MOST_RAD_S, self._first + MOST_RAD_S)
        return True
