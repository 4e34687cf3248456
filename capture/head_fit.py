"""How well our head fits measured landmarks: neutral places and displacements. No I/O. mm.

A measured point is looked up on our surface by anatomy: by its name on the chart of the face where
it has one (lip corners, lid corners, nose tip), by the nearest point of the surface along the
contour of the jaw, where a landmark is a line rather than a place. No vertex numbers are fitted.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX, mirrored_name
from capture.head_chart import chart_of
from capture.head_fields import place
from capture.head_measures import Array
from capture.head_shapes import read_pulls, skin_deltas
from capture.head_surface import Skin, build_skin

Landmarks = dict[str, dict[str, Array]]

# The 68 points of the iBUG scheme in our names, from the wearer's right to the left.
_IBUG_TEXT = """
-ear_front -ear_low_front -jaw_branch -jaw_angle -jaw_low -jaw_middle -jaw_front -chin_side menton
chin_side jaw_front jaw_middle jaw_low jaw_angle jaw_branch ear_low_front ear_front
-brow_outer -brow_far -brow_middle -brow_near -brow_inner
brow_inner brow_near brow_middle brow_far brow_outer
nasion nose_bridge nose_ridge nose_tip -alar_base -nostril_sill subnasale nostril_sill alar_base
-canthus_outer -lid_upper_outer -lid_upper_inner -canthus_inner -lid_lower_inner -lid_lower_outer
canthus_inner lid_upper_inner lid_upper_outer canthus_outer lid_lower_outer lid_lower_inner
-mouth_corner -lip_upper_side -lip_peak lip_top lip_peak lip_upper_side mouth_corner
lip_lower_side lip_lower_near lip_bottom -lip_lower_near -lip_lower_side
-slit_corner -slit_upper_side slit_upper slit_upper_side slit_corner
slit_lower_side slit_lower -slit_lower_side
"""
_IBUG = tuple(_IBUG_TEXT.split())
_CONTOUR = frozenset(_IBUG[:17]) - {"menton"}
MOVED_MM = 1.0  # points that a shape moves less say little about it


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Errors in mm at N measured points. points: their names in the table.

    neutral, aligned: (N,) distance from our surface as it stands, and after one rigid motion.
    displacement: (K, N) length of the difference per shape. travel: (K, N) measured length.
    told: (K, N) whether this point is among the pulls that built the shape.
    """

    points: tuple[str, ...]
    shapes: tuple[str, ...]
    neutral: Array
    aligned: Array
    displacement: Array
    travel: Array
    told: NDArray[np.bool_]

    @property
    def moved(self) -> NDArray[np.bool_]:
        """(K, N) where the measured head moves by more than `MOVED_MM`."""
        return np.asarray(self.travel > MOVED_MM)


def parse_landmarks(lines: Iterable[str]) -> Landmarks:
    """Rows `shape,point,x_mm,y_mm,z_mm` as shape → point → (3,) mm; shape `neutral` is places."""
    table: Landmarks = {}
    for row in csv.DictReader(lines):
        where = np.array([float(row[axis]) for axis in ("x_mm", "y_mm", "z_mm")])
        table.setdefault(row["shape"], {})[row["point"]] = where
    return table


def our_name(point: str) -> str:
    """Our name of a point in the table, with a leading '-' on the wearer's right."""
    if point.startswith("ibug_"):
        return _IBUG[int(point.removeprefix("ibug_"))]
    if point.endswith("_right"):
        return "-" + point.removesuffix("_right")
    return point.removesuffix("_left")


def fit(table: Landmarks) -> Fit:
    """Measure our own head against a table of landmarks (points without a row did not move)."""
    skin = build_skin()
    points = tuple(table["neutral"])
    measured = np.stack(list(table["neutral"].values()))
    corners, shares = _feet(skin, [our_name(point) for point in points], measured)
    shapes = tuple(name for name in ARKIT_NAMES if name in table)
    still = np.zeros(3)
    truth = np.stack([[table[s].get(p, still) for p in points] for s in shapes])
    deltas = skin_deltas(skin)[[INDEX[shape] for shape in shapes]]
    ours = np.einsum("kncd,nc->knd", deltas[:, corners], shares)
    places = np.einsum("ncd,nc->nd", skin.vertices[corners], shares)
    return Fit(
        points,
        shapes,
        np.linalg.norm(places - measured, axis=1),
        np.linalg.norm(rigidly_aligned(places, measured) - measured, axis=1),
        np.linalg.norm(ours - truth, axis=-1),
        np.linalg.norm(truth, axis=-1),
        np.array([[_is_told(shape, our_name(p)) for p in points] for shape in shapes]),
    )


def _is_told(shape: str, point: str) -> bool:
    pulls = read_pulls()
    if "Right" in shape:
        shape = mirrored_name(shape)
        point = point.removeprefix("-") if point.startswith("-") else "-" + point
    if mirrored_name(shape) == shape or place(point)[0] == 0:
        point = point.removeprefix("-")
    return shape in pulls and point in pulls[shape][1]


def _feet(skin: Skin, names: list[str], measured: Array) -> tuple[NDArray[np.int64], Array]:
    """Corners (N, 3) of the triangle that holds each point on our skin, and their shares (N, 3)."""
    named = nearest_on(
        chart_of(np.stack([place(name) for name in names])), skin.chart, skin.triangles
    )
    nearest = nearest_on(measured, skin.vertices, skin.triangles)
    contour = np.array([name in _CONTOUR for name in names])[:, None]
    return np.where(contour, nearest[0], named[0]), np.where(contour, nearest[1], named[1])


def rigidly_aligned(points: Array, target: Array) -> Array:
    """`points` (N, 3) after the rotation and shift that bring them nearest to `target` (Kabsch)."""
    away, towards = points - points.mean(axis=0), target - target.mean(axis=0)
    u, _, vt = np.linalg.svd(away.T @ towards)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return np.asarray(away @ (u @ flip @ vt) + target.mean(axis=0))


def nearest_on(
    points: Array, vertices: Array, triangles: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Array]:
    """Nearest points of a surface: corners (N, 3) of their triangles and barycentric shares (N, 3).

    Looked for in the triangles around the six vertices that are nearest to each of `points` (N, 3).
    """
    from scipy.spatial import cKDTree

    near = cKDTree(vertices).query(points, k=6)[1]
    found = []
    for point, around in zip(points, near, strict=True):
        candidates = triangles[np.isin(triangles, around).any(axis=1)]
        shares = _shares(point, vertices[candidates])
        feet = np.einsum("tc,tcd->td", shares, vertices[candidates])
        best = int(np.linalg.norm(feet - point, axis=1).argmin())
        found.append((candidates[best], shares[best]))
    return np.stack([corners for corners, _ in found]), np.stack([share for _, share in found])


def _shares(point: Array, corners: Array) -> Array:
    """Barycentric shares (T, 3) of the point nearest to `point` in each triangle (T, 3, 3)."""
    ab, ac, ap = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], point - corners[:, 0]
    aa, bb, cc = (np.einsum("td,td->t", p, q) for p, q in ((ab, ab), (ac, ac), (ab, ac)))
    d1, d2 = np.einsum("td,td->t", ap, ab), np.einsum("td,td->t", ap, ac)
    area = np.maximum(aa * bb - cc * cc, 1e-30)
    v, w = (bb * d1 - cc * d2) / area, (aa * d2 - cc * d1) / area
    options = [np.stack((1.0 - v - w, v, w), axis=-1)]
    inside = (options[0] >= 0.0).all(axis=-1)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        edge = corners[:, j] - corners[:, i]
        length = np.maximum(np.einsum("td,td->t", edge, edge), 1e-30)
        along = np.clip(np.einsum("td,td->t", point - corners[:, i], edge) / length, 0.0, 1.0)
        share = np.zeros((len(corners), 3))
        share[:, i], share[:, j] = 1.0 - along, along
        options.append(share)
    feet = np.einsum("otc,tcd->otd", np.stack(options), corners)
    gap = np.linalg.norm(feet - point, axis=-1)
    gap[0, ~inside] = np.inf
    return np.asarray(np.stack(options)[gap.argmin(axis=0), np.arange(len(corners))])
