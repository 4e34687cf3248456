"""The skin of our head: a thin-plate spline carries the chart to the face. No I/O. mm.

The spline passes through the named points of `head_measures` on both sides; lids are laid on the
eyeballs, the inside of the mouth is folded into a bag, and small forms (lid crease, nostrils, the
groove around the nose wing) are pressed in.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from capture.head_chart import (
    CHART_RADIUS,
    SLIT_HALF_OPENING,
    SLIT_HALF_WIDTH,
    angles,
    both_sides,
    chart_of,
    lid_margin,
    lip_edge,
    mirrored,
    slit,
    slit_line,
)
from capture.head_measures import FORM, LANDMARKS, Array
from capture.head_rings import LID_INSIDE, LIP_EDGE, MOUTH_INSIDE, NECK_EDGE
from capture.head_topology import half_mesh

EYE_CENTRE = np.array([31.6, 34.6, 82.2])
EYE_RADIUS = 13.2
_LID = 0.9  # mm of lid between eyeball and outer skin


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """The whole skin; vertex i and `mirror[i]` are mirror images.

    chart: (V, 3) unit vectors. part: (V,) one of the codes of `head_rings`.
    """

    vertices: Array
    chart: Array
    triangles: NDArray[np.int64]
    mirror: NDArray[np.int64]
    part: NDArray[np.int64]


@cache
def build_skin() -> Skin:
    """Mesh and chart of the neutral skin. Built once: its arrays are shared, change none."""
    chart, part, triangles = half_mesh()
    off = np.flatnonzero(chart[:, 0] > 0)
    image = np.arange(len(chart))
    image[off] = len(chart) + np.arange(len(off))
    half = _surface(chart, part)
    return Skin(
        np.concatenate((half, mirrored(half[off]))),
        np.concatenate((chart, mirrored(chart[off]))),
        np.concatenate((triangles, image[triangles][:, ::-1])),
        np.concatenate((image, off)),
        np.concatenate((part, part[off])),
    )


def _controls() -> tuple[Array, Array]:
    """Chart positions and places of points the skin passes through, both sides."""
    t = np.array([0.12, 0.3, 0.5, 0.7, 0.88])
    named = np.stack([*LANDMARKS.values(), *FORM.values()])
    skin = np.concatenate((named, lid_margin(t, True), lid_margin(t, False)))
    side = np.array([0.0, 0.25, 0.45, 0.62, 0.76, 0.88, 0.96, 1.0])
    lips = np.concatenate((slit_line(side), slit_line(side)))
    places = np.concatenate((lips, skin))
    chart = np.concatenate((lip_edge(side, 1.0), lip_edge(side, -1.0), chart_of(skin)))
    keep = _first_of_close(chart, 1.2)
    return both_sides(chart[keep]), both_sides(places[keep])


def _first_of_close(points: Array, distance: float) -> NDArray[np.int64]:
    """Rows to keep so that no two are nearer than `distance` mm of chart; earlier rows win."""
    from scipy.spatial import cKDTree

    dropped = np.zeros(len(points), bool)
    for i, j in sorted(cKDTree(points * CHART_RADIUS).query_pairs(distance)):
        dropped[j] |= not dropped[i]
    return np.flatnonzero(~dropped)


def _surface(chart: Array, part: NDArray[np.int64]) -> Array:
    """Places (N, 3) of chart points of the left half on the neutral face."""
    vertices = _press_out_of_eye(_press_details(on_skin(chart), chart), part)
    vertices[part == NECK_EDGE, 1] = FORM["neck_base"][1]
    vertices = _close_lips(_fold_mouth_inside(vertices, chart, part), chart, part)
    vertices[chart[:, 0] == 0, 0] = 0.0
    return vertices


def on_skin(chart: Array) -> Array:
    """Where the spline carries chart points (N, 3), before lids, mouth and small forms."""
    from scipy.interpolate import RBFInterpolator

    where, places = _controls()
    bent = RBFInterpolator(where, places - 100.0 * where, kernel="thin_plate_spline")
    return np.asarray(100.0 * chart + bent(chart))


def _press_details(vertices: Array, chart: Array) -> Array:
    """Press small forms in along the view from inside the head; depths in mm, by eye."""
    t = np.linspace(0.02, 1.04, 80)
    margin = lid_margin(t, True)
    away = np.linalg.norm(vertices[:, None] - margin[None], axis=-1).min(axis=1)
    above = vertices[:, 1] > np.interp(vertices[:, 0], margin[:, 0], margin[:, 1])
    crease = np.exp(-(((away - 4.6) / 1.0) ** 2)) - 0.6 * np.exp(-(((away - 7.0) / 1.6) ** 2))
    depth = 0.8 * crease * above
    depth += 4.5 * nostril(chart)
    return np.asarray(vertices - depth[:, None] * chart)


def nostril(chart: Array) -> Array:
    """(N,) 1 in the middle of either nostril, falling off over 2 to 3 mm of chart."""
    side = angles(chart) * np.where(chart[:, :1] < 0, [-1.0, 1.0], 1.0)
    gap = side - angles(chart_of(np.array([6.6, -8.6, 119.5])))
    return np.asarray(np.exp(-((gap / np.array([3.0, 1.8])) ** 2).sum(axis=1)))


def _press_out_of_eye(vertices: Array, part: NDArray[np.int64]) -> Array:
    """Lay the lids on the left eyeball: nothing of the skin is nearer to its centre than a lid."""
    away = vertices - EYE_CENTRE
    distance = np.linalg.norm(away, axis=1)
    inside = part == LID_INSIDE
    least = np.where(inside, EYE_RADIUS + 0.15, EYE_RADIUS + _LID)
    close = (distance < least) | (inside & (distance < EYE_RADIUS + 2.0))
    laid = vertices.copy()
    laid[close] = EYE_CENTRE + away[close] * (least / distance)[close, None]
    return laid


def _fold_mouth_inside(vertices: Array, chart: Array, part: NDArray[np.int64]) -> Array:
    """Turn what fills the mouth's hole on the chart into a bag behind the lips."""
    inside = part == MOUTH_INSIDE
    angle = angles(chart[inside])
    a, up = angle[:, 0], angle[:, 1] - slit(angle[:, 0])
    scale = np.hypot(a / SLIT_HALF_WIDTH, up / SLIT_HALF_OPENING)
    # Behind the lips the bag rises steeply in front of the teeth and roofs them over.
    loops = [0.3, 0.55, 0.75, 0.9, 0.96, 1.0]
    depth = np.interp(scale, loops, [45.0, 7.5, 6.0, 3.5, 1.6, 0.0])
    height = np.interp(scale, loops, [15.0, 13.0, 8.0, 1.5, -0.1, 0.0])
    side = np.clip(a / (scale * SLIT_HALF_WIDTH), 0.0, 1.0)
    line = slit_line(side)
    folded = vertices.copy()
    folded[inside, 0] = line[:, 0] * np.interp(scale, [0.3, 1.0], [0.8, 1.0])
    folded[inside, 1] = line[:, 1] + height * up / (scale * SLIT_HALF_OPENING)
    folded[inside, 2] = line[:, 2] - depth * (1.0 - 0.45 * side**2)
    return folded


def _close_lips(vertices: Array, chart: Array, part: NDArray[np.int64]) -> Array:
    """Bring the innermost ring of both lips to one line, overlapping by 0.1 mm: no light."""
    edge = np.flatnonzero(part == LIP_EDGE)
    angle = angles(chart[edge])
    line = slit_line(np.clip(angle[:, 0] / SLIT_HALF_WIDTH, 0.0, 1.0))
    line[:, 1] += np.where(angle[:, 1] >= slit(angle[:, 0]), -0.05, 0.05)
    closed = vertices.copy()
    closed[edge] = line
    return closed
