"""Which positions each sensor has rested in, what comes next, the corrections at the end. Pure.

Sensors may lie in one box that is turned six times, or each be turned by itself, in any order:
every slot has its own list of faces. A face that was up already is refused; so is one that leans.

    rest of a slot ──► Taken | Refused (again, leaning, wrong length) … all done ──► corrections
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_host.accel_calibration import (
    GRAVITY_M_S2,
    MIN_RESTS,
    MIN_RESTS_MISALIGNED,
    fit_accel,
)
from firmware_host.rest import Rest
from firmware_host.sensor_profile import Correction, Matrix, Vector

Array = NDArray[np.float64]

FACES = ("+z", "-z", "+x", "-x", "+y", "-y")
MAX_LEAN_DEG = 25.0  # from the face: gravity's length serves the fit, not its direction
APART_DEG = 25.0  # of positions beyond the six faces
MIN_LENGTH, MAX_LENGTH = 0.7 * GRAVITY_M_S2, 1.3 * GRAVITY_M_S2


@dataclass(frozen=True, slots=True)
class Taken:
    """The rest counts; `position` is the face that was up, or `between` for one beside the six."""

    slot: str
    position: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The rest does not count, for this reason."""

    slot: str
    reason: str


class SixPositions:
    """Collects the rests of every slot.

    Args:
        slots: names of the slots whose rests are wanted.
        with_misalignment: also wants six positions between the faces.
    """

    def __init__(self, slots: Sequence[str], with_misalignment: bool = False) -> None:
        self.slots = tuple(slots)
        self._with_misalignment = with_misalignment
        self._rests: dict[str, list[tuple[str, Rest]]] = {slot: [] for slot in slots}

    @property
    def wanted(self) -> int:
        """How many rests each slot needs."""
        return MIN_RESTS_MISALIGNED if self._with_misalignment else MIN_RESTS

    @property
    def is_done(self) -> bool:
        """Whether every slot has rested enough."""
        return all(len(rests) >= self.wanted for rests in self._rests.values())

    def done(self, slot: str) -> tuple[str, ...]:
        """The positions that a slot has rested in."""
        return tuple(position for position, _ in self._rests[slot])

    def missing(self, slot: str) -> tuple[str, ...]:
        """The positions that a slot still needs."""
        done = self.done(slot)
        faces = tuple(face for face in FACES if face not in done)
        between = max(0, self.wanted - len(FACES) - done.count("between"))
        return faces + between * ("between",)

    @property
    def next(self) -> tuple[str, tuple[str, ...]]:
        """(position, slots that need it): the first that anybody needs."""
        for position in (*FACES, "between"):
            slots = tuple(slot for slot in self.slots if position in self.missing(slot))
            if slots:
                return position, slots
        return "", ()

    def take(self, slot: str, rest: Rest) -> Taken | Refused:
        """Take a rest of one slot."""
        length = float(np.linalg.norm(rest.accel_m_s2))
        if not MIN_LENGTH < length < MAX_LENGTH:
            reason = f"it feels {length:.1f} m/s² at rest: is its range right?"
            return Refused(slot, reason)
        up = rest.accel_m_s2 / length
        face, lean_deg = _face(up)
        if lean_deg <= MAX_LEAN_DEG:
            if face in self.done(slot):
                return Refused(slot, f"{face} was up before: turn it to {self._others(slot)}")
            return self._keep(slot, face, rest)
        if "between" not in self.missing(slot):
            reason = f"it leans by {lean_deg:.0f} degrees: lay it flat with {face} up"
            return Refused(slot, reason)
        if any(_angle_deg(up, before.accel_m_s2) < APART_DEG for _, before in self._rests[slot]):
            return Refused(slot, "it lay like this before: turn it by 30 degrees or more")
        return self._keep(slot, "between", rest)

    def corrections(self) -> tuple[dict[str, Correction], dict[str, str]]:
        """What was found, and why nothing was, by slot; slots that lack rests are in neither."""
        found: dict[str, Correction] = {}
        objections: dict[str, str] = {}
        for slot, rests in self._rests.items():
            if len(rests) < self.wanted:
                continue
            try:
                found[slot] = correction([rest for _, rest in rests], self._with_misalignment)
            except ValueError as error:
                objections[slot] = str(error)
        return found, objections

    def _keep(self, slot: str, position: str, rest: Rest) -> Taken:
        self._rests[slot].append((position, rest))
        return Taken(slot, position)

    def _others(self, slot: str) -> str:
        return " or ".join(dict.fromkeys(self.missing(slot))) or "wherever you like, it is done"


def correction(rests: Sequence[Rest], with_misalignment: bool) -> Correction:
    """The correction of one sensor. Raises ValueError where no such sensor can be."""
    fit = fit_accel(np.stack([rest.accel_m_s2 for rest in rests]), with_misalignment)
    if fit.objection:
        raise ValueError(f"it would have {fit.objection}: is its range right, was it still?")
    bias = np.mean([rest.gyro_rad_s for rest in rests], axis=0)
    return Correction(
        accel_offset_m_s2=_vector(fit.offset_m_s2),
        accel_matrix=_rows(fit.matrix),
        gyro_bias_rad_s=_vector(bias),
        rests=len(rests),
        before_m_s2=round(fit.before_m_s2, 6),
        residual_m_s2=None if np.isnan(fit.residual_m_s2) else round(fit.residual_m_s2, 6),
        accel_noise_m_s2=round(float(np.mean([r.accel_noise_m_s2 for r in rests])), 6),
        gyro_noise_rad_s=round(float(np.mean([r.gyro_noise_rad_s for r in rests])), 7),
    )


def _vector(values: Array) -> Vector:
    x, y, z = (round(float(value), 7) for value in values)
    return x, y, z


def _rows(matrix: Array) -> Matrix:
    first, second, third = (_vector(row) for row in matrix)
    return first, second, third


def _face(up: Array) -> tuple[str, float]:
    """The face that is most nearly up, and by how many degrees it leans."""
    axis = int(np.abs(up).argmax())
    sign = "+" if up[axis] > 0 else "-"
    return f"{sign}{'xyz'[axis]}", float(np.degrees(np.arccos(min(1.0, abs(up[axis])))))


def _angle_deg(up: Array, other: Array) -> float:
    cosine = np.dot(up, other) / np.linalg.norm(other)
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
