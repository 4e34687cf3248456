"""Orientations that a hub computed itself, as the readings that everything downstream uses. No I/O.

Fused samples hold no angular rate, so it is taken from two successive orientations: the mean rate
between them, which is that of half a tick ago. One count of the wire (1/32768) is 61 µrad of angle,
so at 200 Hz rounding adds about 0.005 rad/s (rms) of noise, and n times that at n times the rate.
"""

import numpy as np
from numpy.typing import NDArray

from firmware_host.samples import Floats, Ints

MAX_STEP_US = 50_000  # over a longer gap the mean rate no longer says how the sensor moves now
_UNIT = 0.05  # how far from 1 the length of a quaternion may be


def unit_quats(counts: Floats) -> NDArray[np.float64]:
    """(…, 4) counts as quaternions of length 1; NaN where they are none, such as (0, 0, 0, 0)."""
    quat = counts.astype(np.float64) / 32768
    norm = np.linalg.norm(quat, axis=-1, keepdims=True)
    sound = np.abs(norm - 1.0) < _UNIT
    return np.where(sound, quat / np.where(sound, norm, 1.0), np.nan)


class RateFromOrientation:
    """Angular rates from a stream of orientations of S slots; remembers the last one."""

    def __init__(self) -> None:
        self._tick: Ints = np.zeros(0, np.int64)
        self._quat: NDArray[np.float64] = np.zeros((0, 0, 4))

    def push(self, tick_us: Ints, quat: NDArray[np.float64]) -> Floats:
        """(N, S, 3) rad/s in the sensor's own frame, of N increasing ticks and (N, S, 4) wxyz.

        NaN where the slot's orientation is unknown at this or the last tick, or that is longer ago
        than MAX_STEP_US.
        """
        if self._quat.shape[1] != quat.shape[1]:
            self._tick, self._quat = tick_us[:0], quat[:0]
        ticks = np.concatenate((self._tick, tick_us))
        quats = np.concatenate((self._quat, quat))
        self._tick, self._quat = ticks[-1:], quats[-1:]
        step_us = np.diff(ticks)
        rates = _turn(quats[:-1], quats[1:]) / (step_us[:, None, None] * 1e-6)
        rates[step_us > MAX_STEP_US] = np.nan
        unknown = np.full((len(quat) - len(rates), quat.shape[1], 3), np.nan)
        return np.concatenate((unknown, rates)).astype(np.float32)


def _turn(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, S, 3) rotation vectors, rad, that lead from one orientation to the next, at most π."""
    w0, v0, w1, v1 = before[..., :1], before[..., 1:], after[..., :1], after[..., 1:]
    w = w0 * w1 + np.sum(v0 * v1, axis=-1, keepdims=True)
    v = w0 * v1 - w1 * v0 - np.cross(v0, v1)  # conjugate(before) · after
    v = np.where(w < 0, -v, v)  # q and −q are one orientation: the shorter way round
    sine = np.linalg.norm(v, axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, np.abs(w))
    scale: NDArray[np.float64] = np.where(sine > 0, angle / np.where(sine > 0, sine, 1.0), 2.0)
    return scale * v
