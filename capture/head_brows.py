"""Eyebrows: two narrow cushions that ride on the skin. No I/O. mm."""

import numpy as np

from capture.head_chart import angles, chart_of, direction, mirrored
from capture.head_measures import LANDMARKS, Array
from capture.head_pieces import Piece, mirror_image
from capture.head_rings import PLAIN, grid_triangles
from capture.head_shapes import left_deltas, with_right
from capture.head_surface import Skin, on_skin

BROW_COLOUR = np.array([0.37, 0.27, 0.22])
_LINE = ("brow_inner", "brow_near", "brow_middle", "brow_far", "brow_outer")


def build_brows(reaches: Array | None = None) -> tuple[Piece, Piece]:
    """The left and the right brow; `reaches` as for the skin (`head_shapes.skin_deltas`)."""
    chart, rise, rows = _cushion()
    left = on_skin(chart) + rise[:, None] * chart
    both = Skin(
        np.concatenate((left, mirrored(left))),
        np.concatenate((chart, mirrored(chart))),
        grid_triangles(rows, len(chart) // rows, wrap=False)[:, ::-1],
        np.roll(np.arange(2 * len(chart)), len(chart)),
        np.full(2 * len(chart), PLAIN),
    )
    deltas = with_right(left_deltas(both, reaches), both)[:, : len(chart)]
    brow = Piece(left, both.triangles, np.tile(BROW_COLOUR, (len(chart), 1)), deltas)
    return brow, mirror_image(brow)


def _cushion() -> tuple[Array, Array, int]:
    """Chart points of the left brow, their height over the skin, and how many rows they form."""
    from scipy.interpolate import PchipInterpolator

    knots = angles(chart_of(np.stack([LANDMARKS[name] for name in _LINE])))
    s = np.linspace(0.0, 1.0, 33)
    line = PchipInterpolator(np.linspace(0.0, 1.0, len(knots)), knots)(s)
    across = np.array([-1.0, -0.75, -0.3, 0.3, 0.75, 1.0])
    # Full and blunt towards the nose, tapering to a point at the temple.
    half = 2.7 * np.minimum(1.0, (s / 0.08 + 0.25) ** 0.5) * (1.0 - s**1.7) + 0.12
    angle = np.repeat(line[None], len(across), axis=0)
    angle[..., 1] += across[:, None] * half + 0.6
    thick = np.minimum(1.0, half / 2.0)
    rise = -0.35 + 1.15 * (1.0 - across[:, None] ** 2) ** 0.5 * thick
    return direction(angle).reshape(-1, 3), rise.ravel(), len(across)
