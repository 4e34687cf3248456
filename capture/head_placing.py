"""Any face into the head frame: upright, looking to +z, in metres. No I/O.

The centres of shapes (`head_anchors`) are laid over those of the reference head. That gives how the
file is turned, how large its unit is and where its origin lies.
"""

from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.head_anchors import REFERENCE, shape_centres
from capture.head_mesh import Head

Array = NDArray[np.float64]

UNITS = {"metres": 1.0, "centimetres": 1e-2, "millimetres": 1e-3, "inches": 0.0254}
# Ours: a face that differs by more from the reference is no human one in that unit.
_UNIT_BAND = (0.75, 1.33)
_LEAST_ANCHORS = 6
_LEVEL_RAD = float(np.radians(0.5))  # what an artist's asymmetry may look like


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """How a file's axes become the head frame: x ↦ scale_m · turn · x + origin_m.

    scale_m: metres per unit of the file. unit: its name; `as large as the reference head` where no
    unit fits; `metres, not checked` where too few shapes move to tell.
    """

    turn: Array
    scale_m: float
    origin_m: Array
    unit: str

    @property
    def turned_deg(self) -> float:
        """The angle of `turn`."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.turn) - 1) / 2, -1, 1))))


def placement_of(head: Head) -> Placement:
    """Find how a face in any axes and units comes into the head frame.

    The angle at which the face looks up or down stays as the file has it (after quarter turns):
    shapes do not tell it well. Left and right go by the surface, not by the names of shapes.
    """
    centres = shape_centres(head)
    names = [name for name in REFERENCE if name in centres]
    if len(names) < _LEAST_ANCHORS:
        return Placement(np.eye(3), 1.0, np.zeros(3), "metres, not checked")
    here = np.array([centres[name] for name in names])
    forward = _forward(head)
    reference = np.array([REFERENCE[name] for name in names])
    turn, fitted = _similar(here, reference)
    if (turn @ forward)[2] < 0:  # the names of left and right contradict where the face looks
        reference = reference * [-1.0, 1.0, 1.0]
        turn, fitted = _similar(here, reference)
    turn = _levelled(turn)
    unit, scale = _unit(fitted)
    return Placement(turn, scale, reference.mean(axis=0) - scale * turn @ here.mean(axis=0), unit)


def placed_head(head: Head, placement: Placement) -> Head:
    """The same head in the head frame."""
    linear = (placement.scale_m * placement.turn.T).astype(np.float32)
    return replace(
        head,
        vertices=(head.vertices @ linear + placement.origin_m).astype(np.float32),
        deltas=np.asarray(head.deltas @ linear, np.float32),
    )


def sides_are_swapped(head: Head) -> bool:
    """Whether the shapes called left move the side of the wearer's right, of an upright head."""
    centres = shape_centres(head)
    pairs = [name for name in centres if name.endswith("Left") and _other(name) in centres]
    # Sliding the mouth or the jaw to a side moves its middle: such shapes say nothing.
    apart = [centres[name][0] - centres[_other(name)][0] for name in pairs if name[:3] == "eye"]
    return bool(apart) and float(np.median(apart)) < 0


def _other(name: str) -> str:
    return name.removesuffix("Left") + "Right"


def _forward(head: Head) -> Array:
    """(3,) where the moving skin faces on average, in the file's axes."""
    way = np.linalg.norm(head.deltas, axis=-1).max(axis=0)
    return np.asarray(way @ head.normals(head.vertices), float)


def _similar(points: Array, reference: Array) -> tuple[Array, float]:
    """Rotation (3, 3) and scale of the least-squares similarity from (A, 3) to (A, 3).

    Umeyama, IEEE Trans. Pattern Anal. Mach. Intell. 13 (1991) 376, eq. 40–42.
    """
    x, y = points - points.mean(axis=0), reference - reference.mean(axis=0)
    u, strength, vt = np.linalg.svd(y.T @ x)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return u * sign @ vt, float(strength @ sign / max((x**2).sum(), 1e-30))


def _quarter_turns() -> list[Array]:
    """The 24 rotations that lay axes on axes."""
    return [
        matrix
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
        if np.linalg.det(matrix := np.eye(3)[list(order)] * signs) > 0
    ]


def _levelled(turn: Array) -> Array:
    """The quarter turns in `turn`, and of the rest what levels the face and turns it ahead."""
    coarse = max(_quarter_turns(), key=lambda matrix: float((matrix * turn).sum()))
    rest = rotations.to_vector(_quaternion(turn @ coarse.T))
    rest[0] = 0.0
    if np.linalg.norm(rest) < _LEVEL_RAD:
        return coarse
    return rotations.to_matrix(rotations.from_vector(rest)) @ coarse


def _quaternion(matrix: Array) -> Array:
    """(4,) wxyz of a rotation by less than half a turn."""
    axis = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], 0.0])
    axis[2] = matrix[1, 0] - matrix[0, 1]
    return rotations.normalise(np.array([1 + np.trace(matrix), *axis]))


def _unit(fitted: float) -> tuple[str, float]:
    """The unit that makes the face human in size, or the size of the reference head."""
    for name, metres in UNITS.items():
        if _UNIT_BAND[0] < metres / fitted < _UNIT_BAND[1]:
            return name, metres
    return "as large as the reference head", fitted
