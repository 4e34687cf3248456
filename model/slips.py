"""Sensors that slipped, told from where gravity is when a face comes back to rest. Pure, causal.

A patch of skin tilts with every expression and comes back; a sensor that slipped stays tilted. Over
half a minute a face is at rest at least a fifth of the time, so the least tilt of that time is
small where the sensor sits as it did, and large where it does not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.calibration import GRAVITY_M_S2
from capture.resample import TICK_HZ
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats
from model.features import perceived

Array = NDArray[np.float64]

_LOOK_ROWS = TICK_HZ // 2
_LOOKS = 60  # half a minute
_FEWEST_LOOKS = 40
_REST_SHARE = 0.2
# Tilts of 5° are told, and are over at half of that. The tilt about gravity itself is not felt.
SLIPPED_RAD = float(np.radians(5.0))
_CALM_RAD_S = 0.3
# Where more slots than these tilt at once, it is the reference that slipped, or the face that rests
# otherwise.
_MOST_SLOTS = 5
_SURE_LOOKS = 10  # a slip is told once it was there for so many looks


@dataclass(frozen=True, slots=True)
class Slip:
    """A sensor sits otherwise than when rest was measured. time_ns is not known: it went on."""

    slot: str
    degrees: float


class SlipWatch:
    """Takes feature rows in order of time, and tells of each slip once."""

    def __init__(self, layout: SensorLayout) -> None:
        self._slots = tuple(layout.slots[i].name for i in layout.face_indices)
        self._reference = layout.names[layout.reference_index]
        self._looks = np.full((_LOOKS, len(self._slots), 3), np.nan)
        self._count = 0
        self._sum = np.zeros((len(self._slots), 3))
        self._rows = np.zeros((len(self._slots), 1))
        self._taken = 0
        self._over = np.zeros(len(self._slots), int)
        self.slipped: dict[str, float] = {}

    def advance(self, rows: Floats) -> list[Slip]:
        """What (T, F) rows that follow the last ones tell anew."""
        seen = perceived(rows, len(self._slots))
        calm = seen.heard & (np.linalg.norm(seen.rate, axis=-1) < _CALM_RAD_S)
        told: list[Slip] = []
        for k in range(len(rows)):
            self._sum += np.where(calm[k][:, None], seen.force[k], 0.0)
            self._rows += calm[k][:, None]
            self._taken += 1
            if self._taken == _LOOK_ROWS:
                told += self._look()
        return told

    def _look(self) -> list[Slip]:
        known = self._rows > 0
        mean = np.where(known, self._sum / np.maximum(self._rows, 1.0), np.nan)
        self._looks[self._count % _LOOKS] = mean
        self._count += 1
        self._taken, self._sum[:], self._rows[:] = 0, 0.0, 0.0
        tilts = np.linalg.norm(self._looks, axis=-1)  # (L, R)
        known = np.isfinite(tilts)
        sorted_ = np.sort(np.where(known, tilts, np.inf), axis=0)
        counts = known.sum(axis=0)
        at = np.floor(_REST_SHARE * counts).astype(int)
        least = sorted_[np.minimum(at, _LOOKS - 1), np.arange(len(self._slots))]
        angle = np.where(counts >= _FEWEST_LOOKS, least / GRAVITY_M_S2, 0.0)
        return self._news(angle)

    def _news(self, angle: Array) -> list[Slip]:
        self._over = np.where(angle > SLIPPED_RAD, self._over + 1, 0)
        sure = np.flatnonzero(self._over >= _SURE_LOOKS)
        names = {self._slots[k]: float(np.degrees(angle[k])) for k in sure}
        if len(sure) > _MOST_SLOTS:
            names = {self._reference: float(np.degrees(np.median(angle[sure])))}
        elif self._reference not in self.slipped:
            low = dict(zip(self._slots, (angle > 0.5 * SLIPPED_RAD).tolist(), strict=True))
            held = {slot: value for slot, value in self.slipped.items() if low[slot]}
            names = held | names
        news = [Slip(slot, degrees) for slot, degrees in names.items() if slot not in self.slipped]
        self.slipped = names
        return news
