"""Which sensors sit on the wrong side, told from how the head moves. Pure.

While the head turns, a sensor feels what its place makes of that: α × r + ω × (ω × r). From a
few seconds of side tilts and turns the place r of each sensor from the reference comes out by
least squares, beside a small mounting error and an offset, which do not move with the head in the
same way. Nods alone say nothing about left and right. The face must be still.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.calibration import Calibration, cross_matrices
from capture.resample import TICK_HZ
from firmware_host.layout import SensorLayout

Array = NDArray[np.float64]

LEFT, RIGHT = "_left", "_right"
_MIN_ROWS = 60
# What is left over is motion of skin, the same for many rows: it counts this many times.
_CORRELATED_ROWS = 25
_SURE = 0.25  # of the nominal distance: a swapped pair is found at −1, a true one at +1


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where sensors were felt to be. position_m, deviation_m: (S, 3), relative to the reference,
    head frame; NaN where it could not be told.
    """

    position_m: Array
    deviation_m: Array


@dataclass(frozen=True, slots=True)
class Swaps:
    """Pairs of slots: those that sit on each other's side, and those that could not be told."""

    swapped: tuple[tuple[str, str], ...]
    unknown: tuple[tuple[str, str], ...]


def find_places(rows: Array, layout: SensorLayout, calibration: Calibration) -> Places:
    """Place every sensor by (N, S, 6) rows of head motion at TICK_HZ, slots as in `layout`."""
    quats, reference = calibration.quat_head_from_sensor, layout.reference_index
    rate = rotations.rotate(
        quats[reference], rows[:, reference, 3:] - calibration.gyro_bias_rad_s[reference]
    )
    force = rotations.rotate(quats[reference], rows[:, reference, :3])
    turning = cross_matrices(rate)
    lever = cross_matrices(np.gradient(rate, 1.0 / TICK_HZ, axis=0)) + turning @ turning
    offsets = np.broadcast_to(np.eye(3), lever.shape)
    design = np.concatenate((lever, -cross_matrices(force), offsets), axis=2)  # (N, 3, 9)
    place = np.full((len(layout.slots), 3), np.nan)
    deviation = np.full_like(place, np.nan)
    known_design = np.asarray(np.isfinite(design).all(axis=(1, 2)), np.bool_)
    felt = rotations.rotate(quats, rows[..., :3]) - force[:, None]  # (N, S, 3)
    known = np.asarray(np.isfinite(felt).all(axis=2), np.bool_) & known_design[:, None]
    solvers: dict[bytes, _Solver] = {}  # most slots are heard in the same rows
    for slot in layout.face_indices:
        if known[:, slot].sum() >= _MIN_ROWS:
            mask = known[:, slot]
            if (key := mask.tobytes()) not in solvers:
                solvers[key] = _Solver(design[mask])
            place[slot], deviation[slot] = solvers[key].fitted(felt[mask, slot])
    return Places(place, deviation)


class _Solver:
    """Least squares of one (N, 3, 9) design and several (N, 3) of what was felt."""

    def __init__(self, design: Array) -> None:
        self._tall = design.reshape(-1, 9)
        self._information = self._tall.T @ self._tall
        moved = np.linalg.cond(self._information) <= 1e12  # else the head hardly did
        self._variance = np.diag(np.linalg.inv(self._information)) if moved else None

    def fitted(self, felt: Array) -> tuple[Array, Array]:
        """(3,) place and (3,) its standard deviation."""
        if self._variance is None:
            return np.full(3, np.nan), np.full(3, np.nan)
        flat = felt.reshape(-1)
        found = np.linalg.solve(self._information, self._tall.T @ flat)
        noise = np.mean((flat - self._tall @ found) ** 2) * _CORRELATED_ROWS
        return np.asarray(found[:3]), np.sqrt(noise * self._variance[:3])


def find_swaps(places: Places, layout: SensorLayout) -> Swaps:
    """Judge each pair of a left and a right slot by the way from one to the other."""
    swapped, unknown = [], []
    for left, right in pairs(layout):
        nominal = np.subtract(layout.slots[left].position_m, layout.slots[right].position_m)
        length = float(np.linalg.norm(nominal))
        along = (places.position_m[left] - places.position_m[right]) @ nominal / length**2
        spread = np.hypot(places.deviation_m[left], places.deviation_m[right])
        sure = float(np.linalg.norm(spread)) < _SURE * length  # False where NaN
        names = layout.names[left], layout.names[right]
        if not sure or abs(along) < _SURE:
            unknown.append(names)
        elif along < 0:
            swapped.append(names)
    return Swaps(tuple(swapped), tuple(unknown))


def pairs(layout: SensorLayout) -> list[tuple[int, int]]:
    """(left, right) indices of slots that differ in their side only."""
    index = {name: i for i, name in enumerate(layout.names)}
    lefts = [name for name in layout.names if name.endswith(LEFT)]
    found = ((name, name.removesuffix(LEFT) + RIGHT) for name in lefts)
    return [(index[left], index[right]) for left, right in found if right in index]
