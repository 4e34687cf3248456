"""Vertices and triangles of the left half of the skin, on the chart. No I/O.

Explicit strips around eyes and mouth, spherical Delaunay triangles (the convex hull of points on a
sphere) everywhere else. The other half is the mirror image.
"""

import numpy as np
from numpy.typing import NDArray

from capture.head_chart import CHART_RADIUS, angles, chart_of
from capture.head_measures import LANDMARKS, Array
from capture.head_rings import NECK_EDGE, PLAIN, Rings, lid_rings, mouth_rings, neck_loop

Indices = NDArray[np.int64]

# Nearer to a loop than this (edges there are up to 3.6 mm long), a vertex could break the loop.
_LOOP_MARGIN = 2.1
_ON_RINGS = ("lid", "canthus", "slit", "lip", "mouth_corner")


def half_mesh() -> tuple[Array, Indices, Indices]:
    """Chart (N, 3), part (N,) and triangles (T, 3) of the left half, midline included."""
    lids, mouth = lid_rings(), mouth_rings()
    rings = [ring.points.reshape(-1, 3) for ring in (lids, mouth)]
    neck = chart_of(neck_loop())
    neck[[0, -1], 0] = 0.0
    outer = np.concatenate((_dense(lids), _dense(mouth), neck))
    named = _named_points(outer)
    free = _relax(np.concatenate((outer, named)), _filler(np.concatenate((outer, named))))
    chart = np.concatenate((*rings, neck, named, free))
    part = np.concatenate(
        (
            np.repeat(lids.part, lids.points.shape[1]),
            np.repeat(mouth.part, mouth.points.shape[1]),
            np.full(len(neck), NECK_EDGE),
            np.full(len(named) + len(free), PLAIN),
        )
    )
    strips = (
        lids.triangles(),
        mouth.triangles() + len(rings[0]),
        _lid_of_bag(mouth, len(rings[0])),
    )
    hull = _outside(chart, lids, mouth, np.flatnonzero(part == NECK_EDGE))
    return chart, part, _facing_out(chart, np.concatenate((*strips, hull)))


def _dense(rings: Rings) -> Array:
    """The outermost loop with the middles of its edges: what filler must keep away from."""
    loop = rings.points[-1]
    following = np.roll(loop, -1, axis=0)
    middles = (loop + following) if rings.closed else (loop + following)[:-1]
    return np.concatenate((loop, middles / np.linalg.norm(middles, axis=1, keepdims=True)))


def _named_points(outer: Array) -> Array:
    """Landmarks off the rings become vertices, so that a named point is a point of the mesh."""
    names = [name for name in LANDMARKS if not name.startswith(_ON_RINGS)]
    named = chart_of(np.stack([LANDMARKS[name] for name in names]))
    clear = _distance(outer, named) > _LOOP_MARGIN
    return named[clear & ~_inside_holes(named)]


def _outside(chart: Array, lids: Rings, mouth: Rings, neck: Indices) -> Indices:
    """Delaunay triangles of everything from the outermost loops on."""
    from scipy.spatial import ConvexHull

    first_mouth = lids.points[..., 0].size
    last = first_mouth + mouth.points[..., 0].size
    eye_loop = np.arange(first_mouth - lids.points.shape[1], first_mouth)
    mouth_loop = np.arange(last - mouth.points.shape[1], last)
    # The next loops inwards keep the hull from reaching across eye and mouth; they go again.
    guards = np.concatenate((eye_loop - len(eye_loop), mouth_loop - len(mouth_loop)))
    used = np.concatenate((guards, eye_loop, mouth_loop, np.arange(last, len(chart))))
    faces = used[ConvexHull(chart[used]).simplices]
    faces = faces[~(chart[faces, 0] < 1e-9).all(axis=1) & ~np.isin(faces, guards).any(axis=1)]
    for loop in (eye_loop, mouth_loop, neck):
        faces = faces[~_within(faces, loop, chart)]
    return np.asarray(faces)


def _within(faces: Indices, loop: Indices, chart: Array) -> NDArray[np.bool_]:
    """Whether triangles lie within a loop of vertices.

    Such a triangle has its three corners on the loop, and taken in the loop's order they turn the
    way the loop turns; in a pocket outside they would turn the other way.
    """
    corners = np.sort(faces, axis=1)  # loops are numbered in their own order
    a, b, c = (chart[corners[:, k]] for k in range(3))
    middle = chart[loop].mean(axis=0)
    way = np.cross(chart[loop], chart[np.roll(loop, -1)]).sum(axis=0) @ middle
    turn = np.einsum("ij,ij->i", np.cross(b - a, c - a), a)
    return np.asarray(np.isin(faces, loop).all(axis=1) & (turn * way > 0))


def _lid_of_bag(mouth: Rings, first: int) -> Indices:
    """Triangles that close the innermost loop of the mouth, from its upper to its lower half."""
    columns = mouth.points.shape[1]
    upper = np.arange(columns // 2)
    lower = columns - 1 - upper
    a, b, c, d = upper[:-1], upper[1:], lower[1:], lower[:-1]
    quads = np.concatenate((np.stack((a, b, c), -1), np.stack((a, c, d), -1)))
    tip = [[columns // 2 - 1, columns // 2, columns // 2 + 1]]
    return np.concatenate((quads, tip)) + first


def _facing_out(chart: Array, triangles: Indices) -> Indices:
    """Order the corners counter-clockwise as seen from outside the chart."""
    a, b, c = (chart[triangles[:, k]] for k in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a + b + c) < 0
    return np.where(inward[:, None], triangles[:, ::-1], triangles)


def _inside_loops(chart: Array) -> NDArray[np.bool_]:
    """Whether points lie within the outermost loop of eye or mouth."""
    angle = angles(chart)
    half = angles(mouth_rings().points[-1])
    lips = np.concatenate((half, half[::-1] * [-1, 1]))
    return _inside(angle, angles(lid_rings().points[-1])) | _inside(angle, lips)


def _inside_holes(chart: Array) -> NDArray[np.bool_]:
    """Whether points lie within the loops of eye or mouth, or below the neck's edge."""
    neck = chart_of(neck_loop())
    turn = np.arctan2(np.abs(chart[:, 0]), chart[:, 2])
    height = np.interp(turn, np.arctan2(neck[:, 0], neck[:, 2]), neck[:, 1])
    return np.asarray(_inside_loops(chart) | (chart[:, 1] < height))


def _inside(points: Array, polygon: Array) -> NDArray[np.bool_]:
    """Whether (N, 2) points lie in a polygon (K, 2), by counting crossings."""
    x, y = points[:, :1], points[:, 1:]
    x0, y0 = polygon.T
    x1, y1 = np.roll(polygon, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    hits = crosses & (x < x0 + (y - y0) * (x1 - x0) / rise)
    return np.asarray(hits.sum(axis=1) % 2 == 1)


# ── filler ────────────────────────────────────────────────────────────────────────────────────


def _distance(fixed: Array, points: Array) -> Array:
    """(N,) distance from the nearest fixed point, mm of chart."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(fixed).query(points)[0] * CHART_RADIUS)


def _spacing(chart: Array) -> Array:
    """Wanted distance between vertices (…,) in mm of chart: fine in the face, coarse behind."""
    angle = angles(chart)
    a, e = np.abs(angle[..., 0]), angle[..., 1]
    nose = np.hypot(a / 22.0, (e + 4.0) / 30.0)
    face = np.hypot(a / 70.0, (e + 5.0) / 95.0)
    fine = 1.5 + 0.9 * np.clip(nose - 0.8, 0.0, 1.0)
    return np.asarray(fine + 6.5 * np.clip(face - 0.85, 0.0, 1.0))


def _filler(fixed: Array) -> Array:
    """Points between the rings, spaced as `_spacing` asks; a fixed seed makes it repeatable."""
    turn = np.linspace(-np.pi, np.pi, 2400, endpoint=False)
    midline = np.stack((np.zeros_like(turn), np.sin(turn), np.cos(turn)), axis=-1)
    fine, coarse = _fibonacci(130_000), _fibonacci(14_000)
    candidates = np.concatenate((midline, fine[_spacing(fine) < 4.0], coarse))
    wanted = _spacing(candidates)
    # Off the midline a point keeps half a spacing away, or its mirror image would be too near.
    clear = (candidates[:, 0] == 0) | (candidates[:, 0] * CHART_RADIUS > 0.55 * wanted)
    clear &= _distance(fixed, candidates) > np.maximum(0.75 * wanted, _LOOP_MARGIN)
    candidates, wanted = candidates[clear], wanted[clear]
    clear = ~_inside_holes(candidates)
    candidates, wanted = candidates[clear], wanted[clear]
    return np.asarray(candidates[_dart_throw(candidates, wanted)])


def _fibonacci(count: int) -> Array:
    """Evenly spread points of the unit sphere's left half, shuffled."""
    i = np.arange(count) + 0.5
    y = 1 - 2 * i / count
    turn = np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - y * y)
    points = np.stack((ring * np.cos(turn), y, ring * np.sin(turn)), axis=-1)
    points = points[points[:, 0] > 0]
    return points[np.random.default_rng(7).permutation(len(points))]


def _dart_throw(points: Array, wanted: Array) -> Indices:
    """Greedy subset whose members keep their `wanted` distance from one another."""
    from scipy.spatial import cKDTree

    neighbours = cKDTree(points * CHART_RADIUS).query_ball_point(points * CHART_RADIUS, wanted)
    alive = np.ones(len(points), bool)
    kept = []
    for i in range(len(points)):
        if alive[i]:
            kept.append(i)
            alive[neighbours[i]] = False
    return np.array(kept)


def _relax(fixed: Array, free: Array, rounds: int = 4) -> Array:
    """Even out the filler: each free point moves to the mean of its Delaunay neighbours."""
    from scipy.sparse import coo_matrix
    from scipy.spatial import ConvexHull

    midline = free[:, 0] == 0
    margin = np.maximum(0.7 * _spacing(free), _LOOP_MARGIN)
    for _ in range(rounds):
        points = np.concatenate((fixed, free))
        faces = ConvexHull(points).simplices
        faces = faces[~(points[faces, 0] < 1e-9).all(axis=1)]
        a, b = np.concatenate((faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]])).T
        rows, columns = np.concatenate((a, b)), np.concatenate((b, a))
        links = coo_matrix((np.ones(len(rows)), (rows, columns)), (len(points),) * 2).tocsr()
        mean = (links @ points) / links.sum(axis=1)
        moved = np.asarray(mean)[len(fixed) :]
        moved[midline] = free[midline]
        keep = _inside_holes(moved) | (_distance(fixed, moved) < margin)
        moved[keep] = free[keep]
        free = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return free
