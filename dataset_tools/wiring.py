"""Which sensor is heard in which slot, when hands make mistakes: left out, or swapped. No I/O."""

from dataclasses import dataclass

import numpy as np

from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats


@dataclass(frozen=True, slots=True)
class Wiring:
    """Mistakes of one donning, as indices of slots.

    missing: never heard. swapped: pairs whose sensors were put on in each other's place, so that
    each slot delivers what is felt at the other.
    """

    missing: tuple[int, ...] = ()
    swapped: tuple[tuple[int, int], ...] = ()


STRAIGHT = Wiring()


def draw_wiring(
    layout: SensorLayout, rng: np.random.Generator, missing: float, swapped: float
) -> Wiring:
    """With these chances one slot is missing, and one and the face slot nearest to it swapped.

    The reference is spared: without it nothing is predicted, and no session begins.
    """
    lost, crossed = rng.random(2) < (missing, swapped)
    face = layout.face_indices
    return Wiring(
        (int(rng.choice(face)),) if lost and face else (),
        (_neighbours(layout, int(rng.choice(face))),) if crossed and len(face) > 1 else (),
    )


def _neighbours(layout: SensorLayout, slot: int) -> tuple[int, int]:
    """A face slot and the one nearest to it, in the layout's order."""
    place = np.array([s.position_m for s in layout.slots])
    away = np.linalg.norm(place - place[slot], axis=1)
    nearest = min((i for i in layout.face_indices if i != slot), key=lambda i: float(away[i]))
    return min(slot, nearest), max(slot, nearest)


def wired(readings: Floats, wiring: Wiring) -> Floats:
    """(N, S, 3) as the slots deliver them; the argument itself where nothing is wrong."""
    if wiring == STRAIGHT:
        return readings
    source = np.arange(readings.shape[1])
    for one, other in wiring.swapped:
        source[[one, other]] = source[[other, one]]
    heard = readings[:, source]
    heard[:, list(wiring.missing)] = np.nan
    return heard
