"""Finds rests of many sensors at once, as their readings come. No I/O.

A piece of a quarter of a second is still where its readings scatter by no more than noise. A rest
is still pieces in a row that also agree with each other: a sensor turned slowly by hand is not one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PIECE_S = 0.25
# Standard deviations and drifts that no hand stays below; a sensor on a table does, however cheap.
MAX_ACCEL_NOISE_M_S2, MAX_GYRO_NOISE_RAD_S = 0.2, 0.03
MAX_ACCEL_DRIFT_M_S2, MAX_GYRO_DRIFT_RAD_S = 0.1, 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """One rest of one sensor. accel_m_s2, gyro_rad_s: (3,) means. The noises are of one reading."""

    slot: int
    accel_m_s2: Array
    gyro_rad_s: Array
    accel_noise_m_s2: float
    gyro_noise_rad_s: float


class RestFinder:
    """Feed it readings; it gives each rest of each slot once, when it has lasted for `rest_s`.

    still_s: (S,) for how long each slot has been still by now.
    """

    def __init__(self, slots: int, rate_hz: float, rest_s: float = 2.0) -> None:
        self._piece = max(4, round(PIECE_S * rate_hz))
        self._wanted = max(2, round(rest_s / PIECE_S))
        self._waiting = np.zeros((0, slots, 6))
        self._pieces: list[list[tuple[Array, Array]]] = [[] for _ in range(slots)]
        self._is_told = [False] * slots

    @property
    def still_s(self) -> Array:
        """(S,) how long each slot has been still."""
        return np.array([PIECE_S * len(pieces) for pieces in self._pieces])

    def push(
        self, accel_m_s2: NDArray[np.floating], gyro_rad_s: NDArray[np.floating]
    ) -> list[Rest]:
        """Take (N, S, 3) and (N, S, 3), NaN where a slot gave nothing; return what is complete."""
        readings = np.concatenate((accel_m_s2, gyro_rad_s), axis=-1, dtype=np.float64)
        self._waiting = np.concatenate((self._waiting, readings))
        found: list[Rest] = []
        while len(self._waiting) >= self._piece:
            piece, self._waiting = self._waiting[: self._piece], self._waiting[self._piece :]
            for slot, part in enumerate(np.moveaxis(piece, 1, 0)):
                found += self._take(slot, part[np.isfinite(part).all(axis=1)])
        return found

    def _take(self, slot: int, readings: Array) -> list[Rest]:
        """One piece of one slot, (N, 6)."""
        pieces = self._pieces[slot]
        if len(readings) < self._piece // 2:
            self._move(slot)
            return []
        mean, spread = readings.mean(axis=0), readings.std(axis=0, ddof=1)
        if not _is_still(spread):
            self._move(slot)
            return []
        if pieces and not _agree(mean, np.mean([m for m, _ in pieces], axis=0)):
            self._move(slot)
        pieces.append((mean, spread))
        if len(pieces) < self._wanted or self._is_told[slot]:
            del pieces[: -self._wanted]
            return []
        self._is_told[slot] = True
        return [_rest(slot, pieces)]

    def _move(self, slot: int) -> None:
        self._pieces[slot].clear()
        self._is_told[slot] = False


def _is_still(spread: Array) -> bool:
    return bool(spread[:3].max() < MAX_ACCEL_NOISE_M_S2 and spread[3:].max() < MAX_GYRO_NOISE_RAD_S)


def _agree(mean: Array, before: Array) -> bool:
    moved = np.abs(mean - before)
    return bool(moved[:3].max() < MAX_ACCEL_DRIFT_M_S2 and moved[3:].max() < MAX_GYRO_DRIFT_RAD_S)


def _rest(slot: int, pieces: list[tuple[Array, Array]]) -> Rest:
    mean = np.mean([m for m, _ in pieces], axis=0)
    spread = np.sqrt(np.mean([s**2 for _, s in pieces], axis=0))
    return Rest(slot, mean[:3], mean[3:], float(spread[:3].mean()), float(spread[3:].mean()))
