"""Ears: a rim, a fold and a bowl on an oval that stands off the head. No I/O. mm."""

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.head_measures import Array
from capture.head_pieces import SKIN_COLOUR, Piece, mirror_image
from capture.head_rings import grid_triangles

_ROOT = np.array([74.5, 17.0, 13.0])  # where the front edge meets the cheek
_OFF_HEAD = np.radians(28.0)
_LEAN = np.radians(9.0)  # the top leans backwards
# Rings from behind the ear over its rim into the bowl: share of the oval, height over its plane.
_PROFILE = (
    (0.50, -17.0), (0.80, -7.0), (0.96, -2.6), (1.0, -0.4), (1.0, 1.4), (0.95, 2.3), (0.88, 1.4),
    (0.81, -0.4), (0.72, 0.3), (0.62, 1.9), (0.53, 1.2), (0.44, -0.9), (0.30, -2.0), (0.04, -2.2),
)  # fmt: skip


def build_ears() -> tuple[Piece, Piece]:
    """The left and the right ear. No shape moves them."""
    turn = np.linspace(0.0, 2.0 * np.pi, 44, endpoint=False)
    points = np.concatenate([_ring(turn, share, height) for share, height in _PROFILE])
    triangles = grid_triangles(len(_PROFILE), len(turn), wrap=True)[:, ::-1]
    shade = np.interp([height for _, height in _PROFILE], [-2.2, 0.5], [0.66, 1.0])
    colours = np.repeat(shade, len(turn))[:, None] * SKIN_COLOUR
    ear = Piece(points, triangles, colours, np.zeros((len(ARKIT_NAMES), *points.shape)))
    return ear, mirror_image(ear)


def _ring(turn: Array, share: float, height: float) -> Array:
    """(K, 3) one ring of the left ear; `turn` starts at the back and rises over the top."""
    lobe = np.clip(-np.sin(turn) - 0.35, 0.0, None)
    back = 17.0 + 16.0 * np.cos(turn) * (1.0 - 0.45 * lobe) - 5.0 * lobe
    up = 2.0 + 31.0 * np.sin(turn)
    # The bowl sits low and in front; the lobe is flat.
    middle_back, middle_up = 12.5, -1.0
    back = middle_back + share * (back - middle_back)
    up = middle_up + share * (up - middle_up)
    flat = np.clip(1.0 - 1.3 * lobe, 0.0, 1.0)
    lift = height * np.where(height > -3.0, flat, 1.0) - 3.0 * (1.0 - np.cos(turn)) * (share > 0.7)
    lean_back = back * np.cos(_LEAN) + up * np.sin(_LEAN)
    lean_up = up * np.cos(_LEAN) - back * np.sin(_LEAN)
    sin, cos = np.sin(_OFF_HEAD), np.cos(_OFF_HEAD)
    outward = np.array([cos, 0.0, sin])
    backward = np.array([sin, 0.0, -cos])
    upward = np.array([0.0, 1.0, 0.0])
    return np.asarray(
        _ROOT + lean_back[:, None] * backward + lean_up[:, None] * upward + lift[:, None] * outward
    )
