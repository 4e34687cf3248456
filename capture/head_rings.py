"""Edge loops of the left half of the skin, on the chart: lids, lips, the mouth's inside. No I/O."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.head_chart import (
    SLIT_HALF_OPENING,
    SLIT_HALF_WIDTH,
    angles,
    chart_of,
    direction,
    lid_margin,
    slit,
)
from capture.head_measures import FORM, LANDMARKS, Array

PLAIN, LID_EDGE, LID_INSIDE, LIP, LIP_EDGE, MOUTH_INSIDE, NECK_EDGE = range(7)


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """Nested loops of K points each, innermost first. points: (R, K, 3). part: (R,) what they are.

    closed: False where the loop is cut by the midline and the mirror image completes it.
    """

    points: Array
    part: NDArray[np.int64]
    closed: bool

    def triangles(self) -> NDArray[np.int64]:
        """The strips between the loops, numbered loop by loop."""
        rows, columns = self.points.shape[:2]
        return grid_triangles(rows, columns, wrap=self.closed)


def grid_triangles(rows: int, columns: int, wrap: bool) -> NDArray[np.int64]:
    """Triangles of a (rows, columns) grid of vertices, numbered row by row."""
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - (not wrap)), indexing="ij")
    k = (j + 1) % columns
    a, b, c, d = i * columns + j, i * columns + k, (i + 1) * columns + k, (i + 1) * columns + j
    quads = np.stack((np.stack((a, d, b), -1), np.stack((b, d, c), -1)), axis=-2)
    return quads.reshape(-1, 3)


def lid_rings() -> Rings:
    """Loops around the left eye, from the inside of the lids to the rim of the orbit."""
    t = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 21))
    edge = np.concatenate((lid_margin(t, True), lid_margin(t[-2:0:-1], False)))
    flat = angles(chart_of(edge))
    outward = _outward(flat, np.clip(flat[:, :1], flat[0, 0] + 8.0, flat[len(t) - 1, 0] - 8.0))
    away = (-0.9, 0.0, 0.7, 1.7, 2.9, 4.0, 5.1, 6.6, 8.6)
    loops = [_even_out(flat + d * outward, max(d, 0.0) / away[-1]) for d in away]
    points = direction(np.stack(loops))
    part = np.array([LID_INSIDE, LID_EDGE, *[PLAIN] * (len(away) - 2)])
    return Rings(points, part, closed=True)


def mouth_rings() -> Rings:
    """Left halves of the loops from deep inside the mouth to beyond the lips' border."""
    even = np.linspace(1.0, -1.0, 33)
    turn = np.pi / 2 * np.sign(even) * np.abs(even) ** 0.75  # closer where the lips are long
    centre = np.array([0.0, float(slit(np.zeros(1))[0])])
    edge, border = _hole(1.0, turn), _lip_border(turn, centre)
    outward = _outward(border, np.clip(border[:, :1], 0.0, 15.0))
    loops = [_hole(scale, turn) for scale in (0.3, 0.55, 0.75, 0.9, 0.96)]
    loops += [edge + f * (border - edge) for f in (0.0, 0.15, 0.35, 0.6, 0.82, 1.0)]
    loops += [border + d * outward for d in (0.8, 2.2, 4.2)]
    points = direction(np.stack(loops))
    points[:, [0, -1], 0] = 0.0
    part = np.array([MOUTH_INSIDE] * 5 + [LIP_EDGE] + [LIP] * 5 + [PLAIN] * 3)
    return Rings(points / np.linalg.norm(points, axis=-1, keepdims=True), part, closed=False)


def neck_loop() -> Array:
    """(K, 3) points of the left half of the neck's lower edge, front to back."""
    names = ["neck_base", "neck_base_side", "neck_base_flank"]
    names += ["neck_base_back", "neck_base_rear", "neck_base_spine"]
    knots = np.stack([FORM[name] for name in names])
    s = np.linspace(0, len(knots) - 1, 17)
    return np.stack([np.interp(s, range(len(knots)), knots[:, k]) for k in range(3)], axis=-1)


def _outward(loop: Array, foot: Array) -> Array:
    """Unit vectors (K, 2) away from a level line inside; `foot` (K, 1) is where each starts.

    Away from one point they would crowd at the corners of eye and mouth.
    """
    away = loop - np.concatenate((foot, np.full_like(foot, loop[:, 1].mean())), axis=1)
    return np.asarray(away / np.linalg.norm(away, axis=1, keepdims=True))


def _even_out(loop: Array, share: float) -> Array:
    """Slide points (K, 2) along their loop towards even spacing; both canthi stay."""
    half = len(loop) // 2
    halves = (loop[: half + 1], np.concatenate((loop[half:], loop[:1])))
    return np.concatenate([_slide(arc, share)[:-1] for arc in halves])


def _slide(arc: Array, share: float) -> Array:
    length = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(arc, axis=0), axis=1))))
    even = np.linspace(0.0, length[-1], len(arc))
    wanted = (1.0 - share) * length + share * even
    return np.stack([np.interp(wanted, length, arc[:, k]) for k in range(2)], axis=-1)


def _hole(scale: float, turn: Array) -> Array:
    a = scale * SLIT_HALF_WIDTH * np.cos(turn)
    return np.stack((a, slit(a) + scale * SLIT_HALF_OPENING * np.sin(turn)), axis=-1)


def _lip_border(turn: Array, centre: Array) -> Array:
    """The vermilion border on the chart, (len(turn), 2), through the lip landmarks."""
    from scipy.interpolate import PchipInterpolator

    names = ["lip_bottom", "lip_lower_near", "lip_lower_side", "border_lower", "mouth_corner"]
    names += ["border_upper", "lip_upper_side", "lip_peak", "lip_top"]
    points = {**FORM, **LANDMARKS}
    knots = angles(chart_of(np.stack([points[name] for name in names]))) - centre
    where = np.arctan2(knots[:, 1] / SLIT_HALF_OPENING, knots[:, 0] / SLIT_HALF_WIDTH)
    where[0], where[-1] = -np.pi / 2, np.pi / 2
    return np.asarray(PchipInterpolator(where, knots)(turn) + centre)
