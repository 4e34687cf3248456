"""Where a face moves when a shape pulls, and what that says about its proportions. No I/O.

A shape's *centre* is the middle of the skin that it moves most. Centres name the same anatomy on
every head (the upper lid, the corner of the mouth, the chin) whatever its mesh, so they carry
places from the head on which a layout was measured to any other.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.head_mesh import Head

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Centres of these shapes on the neutral light head of ICT-FaceKit (MIT, (c) USC Institute for
# Creative Technologies), measured with `shape_centres`, made symmetric and rounded to 0.1 mm: the
# head on which the built-in layout's positions were measured. Shapes are left out whose centre
# depends on how an artist understood them (noseSneer: root or wing; mouthUpperUp: lip or cheek).
_REFERENCE_MM = """
eyeBlink 34.4 40.0 95.1
eyeSquint 35.4 19.2 93.4
browDown 40.6 60.5 93.8
browOuterUp 44.3 58.1 91.7
browInnerUp 0.0 58.0 104.3
cheekSquint 53.9 -6.8 79.6
cheekPuff 0.0 -33.3 97.1
mouthSmile 31.8 -32.8 98.4
mouthDimple 27.9 -37.8 100.4
mouthPucker 0.0 -35.1 105.7
mouthShrugLower 0.0 -57.0 106.4
jawForward 0.0 -62.9 94.9
"""

_PEAK = 0.5  # skin that moves less than this share of the most belongs to the rim, not the centre
_LEAST_ANCHORS = 6
# Ours: how far one anchor's own offset reaches, and how far anchors are trusted against each other
# (artists' shapes scatter by some millimetres).
_REACH_M = 0.035
_DOUBT = 0.3
_LEAST_SIZE = 0.2  # of the reference face: anything less is no upright face


def _reference() -> dict[str, Array]:
    found: dict[str, Array] = {}
    for line in _REFERENCE_MM.split("\n"):
        if line:
            name, *numbers = line.split()
            point = 1e-3 * np.array([float(number) for number in numbers])
            for side, sign in (("Left", 1.0), ("Right", -1.0)) if point[0] else (("", 1.0),):
                found[name + side] = point * [sign, 1.0, 1.0]
    return found


REFERENCE: dict[str, Array] = _reference()


def shape_centres(head: Head) -> dict[str, Array]:
    """The centre (3,) of each shape that moves skin, in the axes and units of the head.

    Weighted by area and by the square of the way, so that neither a fine mesh nor a wide rim pulls.
    """
    area = _vertex_areas(head) * moving_piece(head)
    centres = {}
    for name, deltas in zip(ARKIT_NAMES, head.deltas, strict=True):
        way = np.linalg.norm(deltas, axis=1) * (area > 0)
        if way.max(initial=0.0) > 0:
            weight = area * way**2 * (way > _PEAK * way.max())
            centres[name] = np.asarray(weight @ head.vertices / weight.sum(), float)
    return centres


@lru_cache(maxsize=2)  # many layouts are tried on one head
def moving_piece(head: Head) -> Mask:
    """Whether vertices belong to the connected piece that shapes move most, which is the skin.

    Eyeballs, teeth and hair may have more vertices, but they do not move more.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(head.vertices)
    a, b = head.triangles[:, :2].T, head.triangles[:, 1:].T
    edges = coo_matrix((np.ones(a.size, np.int8), (a.ravel(), b.ravel())), (count, count))
    piece = connected_components(edges, directed=False)[1]
    motion = np.einsum("kvi,kvi->v", head.deltas, head.deltas) * _vertex_areas(head)
    if not motion.any():
        return np.asarray(piece == np.bincount(piece).argmax())
    return np.asarray(piece == np.bincount(piece, motion).argmax())


def _vertex_areas(head: Head) -> Array:
    """(V,) a third of the area of the triangles at each vertex."""
    a, b, c = (head.vertices[head.triangles[:, k]].astype(float) for k in range(3))
    third = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    summed = np.bincount(head.triangles.ravel(), np.repeat(third, 3), len(head.vertices))
    return np.asarray(summed, float)


def shared_anchors(centres: dict[str, Array]) -> tuple[Array, Array]:
    """Places of the anchors that a head has: (A, 3) on the reference head, (A, 3) on this one."""
    names = [name for name in REFERENCE if name in centres]
    pairs = [REFERENCE[name] for name in names], [centres[name] for name in names]
    return np.array(pairs[0]).reshape(-1, 3), np.array(pairs[1]).reshape(-1, 3)


@lru_cache(maxsize=2)
def place_carrier(head: Head) -> Callable[[Array], Array]:
    """How places (…, 3) in m on the reference head lie on an upright `head` of other proportions.

    First width, height and position of the whole face, then what the anchors near a place add to
    that. A head with fewer than six anchors, or one that does not stand upright, is taken for the
    reference head itself. Swapped names of left and right do no harm.
    """
    reference, here = shared_anchors(shape_centres(head))
    if len(reference) < _LEAST_ANCHORS:
        return np.asarray
    middle, centre = reference.mean(axis=0), here.mean(axis=0)
    wide, tall = (_slope(reference[:, k] - middle[k], here[:, k] - centre[k]) for k in (0, 1))
    if wide < 0:
        wide, reference = -wide, reference * [-1.0, 1.0, 1.0]
    if min(wide, tall) < _LEAST_SIZE:
        return np.asarray
    scale = np.array([wide, tall, np.sqrt(wide * tall)])

    def roughly(places: Array) -> Array:
        return np.asarray((places - middle) * scale + centre)

    kernel = _nearness(reference, reference) + _DOUBT * np.eye(len(reference))
    pull = np.linalg.solve(kernel, here - roughly(reference))

    def carried(places: Array) -> Array:
        return roughly(places) + _nearness(np.asarray(places), reference) @ pull

    return carried


def _slope(x: Array, y: Array) -> float:
    """The factor between two rows of centred numbers."""
    return float(x @ y) / max(float(x @ x), 1e-12)


def _nearness(places: Array, anchors: Array) -> Array:
    """(…, A): 1 at an anchor, falling off smoothly."""
    squared = ((places[..., None, :] - anchors) ** 2).sum(axis=-1)
    return np.asarray(np.exp(-0.5 * squared / _REACH_M**2))
