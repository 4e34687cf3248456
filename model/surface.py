"""Errors where an eye sees them: millimetres on the skin of the standard head. Pure.

A weight of 0.1 is a millimetre of brow or four of jaw. Whoever's face was predicted, it is the
standard head that is moved by both tracks, so that figures of several people can be compared.
Gaze and tongue are left out here as everywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import OBSERVABLE, REGIONS
from capture.head import Head, standard_head
from capture.head_anchors import moving_piece
from capture.head_parts import LIP_COLOUR
from firmware_host.samples import Floats

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Skin that no shape moves so far belongs to scalp, neck and ears: it would only dilute the mean.
_MOVED_M = 1e-3
_CHUNK_ROWS = 128  # so few that they stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """The skin that is judged. shapes: (3, S, V) displacements, mm, of the S observable shapes.

    lips, upper: (V,) the red of the lips; brows, lids and what else brow and eye shapes move
    further than any shape of jaw or mouth does.
    """

    shapes: Floats
    lips: Mask
    upper: Mask


def face_of(head: Head) -> Face:
    """The face of one of our own heads, which paint their lips in LIP_COLOUR."""
    way = np.linalg.norm(head.deltas, axis=2)
    skin = moving_piece(head) & (way[OBSERVABLE].max(axis=0) >= _MOVED_M)
    above = way[[*REGIONS["brows"], *REGIONS["eyes"]]].max(axis=0)
    below = way[[*REGIONS["jaw"], *REGIONS["mouth"]]].max(axis=0)
    lips = np.isclose(head.colours, LIP_COLOUR, atol=1e-3).all(axis=1)
    shapes = 1e3 * head.deltas[OBSERVABLE][:, skin].transpose(2, 0, 1)
    return Face(np.ascontiguousarray(shapes), lips[skin], (above > below)[skin])


@cache
def standard_face() -> Face:
    """The face of the standard head."""
    return face_of(standard_head())


def vertex_errors_mm(prediction: Array, truth: Array, face: Face) -> tuple[Array, Array]:
    """Distance between predicted and true skin at each tick, mm: (T,) on average over all vertices
    of the face, and (T,) over those of the lips.

    The lip error in the literature (MeshTalk, arXiv:2104.08223) takes the largest lip vertex
    instead of the mean; it cannot be compared with this one.
    """
    counted = np.stack((np.ones_like(face.lips), face.lips), axis=1)
    shares: Floats = (counted / counted.sum(axis=0)).astype(np.float32)  # (V, 2)
    means = [distance @ shares for distance in _lengths_mm(prediction - truth, face.shapes)]
    everywhere, lips = np.concatenate(means).astype(float).T
    return everywhere, lips


def upper_face_deviation_mm(prediction: Array, truth: Array, face: Face) -> float:
    """Upper-face dynamics deviation (FDD), mm: how much less the upper face moves than the true
    one; negative where it moves more.

    As CodeTalker (arXiv:2301.02379) defines it: the mean over upper-face vertices of dyn(truth) −
    dyn(prediction), where dyn is the standard deviation over time of a vertex's distance from
    where it is in the neutral face.
    """
    return float((_dynamics_mm(truth, face) - _dynamics_mm(prediction, face)).mean())


def _dynamics_mm(weights: Array, face: Face) -> Array:
    """(U,) standard deviation over time of how far each upper-face vertex is from neutral."""
    away = np.concatenate(list(_lengths_mm(weights, face.shapes[:, :, face.upper])))
    return np.asarray(away.std(axis=0, dtype=float))


def _lengths_mm(weights: Array, shapes: Floats) -> Iterator[Floats]:
    """Lengths (≤ _CHUNK_ROWS, V) of what `weights` (T, 52) move each vertex by, in chunks."""
    rows = np.asarray(weights[:, OBSERVABLE], np.float32)
    for start in range(0, len(rows), _CHUNK_ROWS):
        moved = [np.square(rows[start : start + _CHUNK_ROWS] @ axis) for axis in shapes]
        yield np.sqrt(moved[0] + moved[1] + moved[2])
