"""Lids: how they roll over the eyeball, and how they stay off it when shapes add up. No I/O. mm.

A lid rolls on a circle, a blendshape moves on its chord: half-way the chord would cut the eyeball,
and chords of several shapes added up would cut it deeper. `clear_of_eye` bends the shapes forwards
just so far that no mixture of them does.
"""

import numpy as np

from capture.blendshapes import INDEX
from capture.head_chart import lid_margin, mirrored
from capture.head_measures import LANDMARKS, Array
from capture.head_rings import LID_EDGE, LID_INSIDE
from capture.head_surface import EYE_CENTRE, EYE_RADIUS, Skin

# Share of a full blink that the upper lid goes along with: gaze carries the lids with it.
_LID_TRAVEL = {
    "eyeBlinkLeft": 1.0,
    "eyeLookDownLeft": 0.6,
    "eyeLookUpLeft": -0.4,
    "eyeWideLeft": -0.4,
}
_LID_SIDEWAYS = {"eyeLookInLeft": -0.14, "eyeLookOutLeft": 0.14}  # rad about the eye's vertical
_LID_REACH = 10.5

# Shapes whose every mixture in [0, 1] must clear the eye, and how willingly each gives way. A blink
# gives least: its lids have to meet.
_YIELD = {
    "eyeBlink": 0.15,
    "eyeLookDown": 0.6,
    "eyeLookIn": 1.0,
    "eyeLookOut": 1.0,
    "eyeLookUp": 1.0,
    "eyeSquint": 0.6,
    "eyeWide": 1.0,
}
_CLEARANCE = 0.1  # mm between eyeball and skin, at least; rounding to float32 costs 1e-5
_REACH = 27.0  # mm from the eye's centre within which skin can come near it
_ROUNDS, _SWEEPS = 60, 4


def lid_motion(name: str, skin: Skin) -> Array:
    """What the left lids do in a shape of the left eye, (V, 3) mm; zero for every other shape."""
    moved = np.zeros_like(skin.vertices)
    near = np.linalg.norm(skin.vertices - EYE_CENTRE, axis=1) < 40.0
    points, part = skin.vertices[near], skin.part[near]
    if name in _LID_TRAVEL:
        moved[near] = _lid_roll(points, part, _LID_TRAVEL[name])
    elif name in _LID_SIDEWAYS:
        moved[near] = _lid_slide(points, _LID_SIDEWAYS[name])
    return moved


def _along_lid(points: Array) -> Array:
    """(N,) 0 at the inner, 1 at the outer canthus."""
    inner, outer = LANDMARKS["canthus_inner"][0], LANDMARKS["canthus_outer"][0]
    return np.asarray(np.clip((points[:, 0] - inner) / (outer - inner), 0.0, 1.0))


def _lid_angle(points: Array) -> Array:
    """(N,) elevation about the eyeball's horizontal axis, rad."""
    return np.asarray(np.arctan2(points[:, 1] - EYE_CENTRE[1], points[:, 2] - EYE_CENTRE[2]))


def _nearness(points: Array, curve: Array, reach: float) -> Array:
    """(N,) 1 on the curve, 0 from `reach` mm on."""
    gap = np.linalg.norm(points[:, None] - curve[None], axis=-1).min(axis=1)
    return np.asarray(np.clip(1.0 - (gap / reach) ** 2, 0.0, None) ** 2)


def _lid_roll(points: Array, part: Array, travel: float) -> Array:
    """Roll the upper lid over the eyeball by `travel` of the way to the lower lid."""
    t = _along_lid(points)
    upper, lower = lid_margin(t, True), lid_margin(t, False)
    opening = _lid_angle(upper) - _lid_angle(lower)
    curve = lid_margin(np.linspace(0, 1, 60), True)
    share = _nearness(points, curve, _LID_REACH)
    share = np.where(np.isin(part, (LID_EDGE, LID_INSIDE)), 1.0, share)
    is_upper = _lid_angle(points) > 0.5 * (_lid_angle(upper) + _lid_angle(lower))
    turn = np.where(is_upper, -travel * opening * share, 0.0)
    y, z = points[:, 1] - EYE_CENTRE[1], points[:, 2] - EYE_CENTRE[2]
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack((np.zeros_like(y), cos * y + sin * z - y, cos * z - sin * y - z), axis=-1)


def _lid_slide(points: Array, angle: float) -> Array:
    """Carry both lids sideways with the cornea, by `angle` rad about the eye's vertical axis."""
    t = np.linspace(0, 1, 60)
    curve = np.concatenate((lid_margin(t, True), lid_margin(t, False)))
    ends = 4.0 * _along_lid(points) * (1.0 - _along_lid(points))
    turn = angle * _nearness(points, curve, _LID_REACH) * ends
    x, z = points[:, 0] - EYE_CENTRE[0], points[:, 2] - EYE_CENTRE[2]
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack((cos * x + sin * z - x, np.zeros_like(x), cos * z - sin * x - z), axis=-1)


# ── clearance ─────────────────────────────────────────────────────────────────────────────────


def clear_of_eye(deltas: Array, skin: Skin, side: str) -> None:
    """Change the shapes of one eye in `deltas` (52, V, 3) so that no mixture of them cuts it.

    For every vertex: find the mixture that brings it nearest to the eye's centre, and if that is
    too near, push the shapes taking part straight out by what is missing; repeat. Where the
    nearest point clears the sphere, so does the whole box of mixtures, since it is convex.
    """
    shapes = np.array([INDEX[name + side] for name in _YIELD])
    away = skin.vertices - (EYE_CENTRE if side == "Left" else mirrored(EYE_CENTRE))
    near = np.flatnonzero(np.linalg.norm(away, axis=1) < _REACH)
    offset, moved = away[near], deltas[np.ix_(shapes, near)]
    yielding = np.array(list(_YIELD.values()))[:, None]
    weights = np.zeros(moved.shape[:2])
    for _ in range(_ROUNDS):
        nearest = nearest_mixture(offset, moved, weights, _SWEEPS)
        distance = np.linalg.norm(nearest, axis=1)
        short = np.clip(EYE_RADIUS + _CLEARANCE - distance, 0.0, None)
        share = yielding * weights
        share *= short / np.maximum((share * weights).sum(axis=0), 1e-9)
        moved += share[..., None] * (nearest / distance[:, None])
    deltas[np.ix_(shapes, near)] = moved


def nearest_mixture(offset: Array, moved: Array, weights: Array, sweeps: int) -> Array:
    """Points (N, 3) nearest to the origin among offset + Σ w · moved with every w in [0, 1].

    Least squares in a box by coordinate descent, one weight of all points at a time.

    Args:
        offset: (N, 3).
        moved: (K, N, 3).
        weights: (K, N) where to start; changed in place to the weights found.
        sweeps: how often each weight is set.
    """
    nearest = offset + np.einsum("kn,knd->nd", weights, moved)
    size = np.maximum((moved**2).sum(axis=-1), 1e-12)
    for _ in range(sweeps):
        for k in range(len(moved)):
            along = np.einsum("nd,nd->n", nearest, moved[k]) / size[k]
            wanted = np.clip(weights[k] - along, 0.0, 1.0)
            nearest += (wanted - weights[k])[:, None] * moved[k]
            weights[k] = wanted
    return np.asarray(nearest)
