"""One connected mesh of a head, and its mirror image. No I/O. mm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import MIRROR
from capture.head_chart import mirrored
from capture.head_measures import Array

SKIN_COLOUR = np.array([0.80, 0.63, 0.53])


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One connected mesh. vertices, colours: (V, 3). triangles: (T, 3). deltas: (52, V, 3)."""

    vertices: Array
    triangles: NDArray[np.int64]
    colours: Array
    deltas: Array


def mirror_image(piece: Piece) -> Piece:
    """The same piece on the other side, with left and right shapes exchanged."""
    return Piece(
        mirrored(piece.vertices),
        piece.triangles[:, ::-1],
        piece.colours,
        mirrored(piece.deltas[MIRROR]),
    )
