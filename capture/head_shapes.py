"""The 52 shapes of the skin: jaw, lids and muscle pulls. No I/O. All lengths in mm.

Every shape is a mechanism (the jaw's hinge, the lid's roll over the eyeball, or nothing) plus the
pulls of `head_pulls` that carry the named points the rest of their way.
"""

import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX, mirrored_name
from capture.head_chart import angles, chart_of, lid_margin, mirrored, slit
from capture.head_fields import jaw_motion, jaw_share, place, spread
from capture.head_measures import LANDMARKS, Array
from capture.head_pulls import PULLS
from capture.head_rings import LID_EDGE, LID_INSIDE, LIP_EDGE
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
# Tissue does not bend sharply between neighbouring pulls. Of 0 … 0.08, 0.03 gave the rotations of
# skin patches nearest to those of ICT-FaceKit.
_SOFTNESS = 0.03
_SEALED = (
    "mouthClose", "mouthPucker", "mouthLeft", "mouthSmileLeft", "mouthFrownLeft",
    "mouthDimpleLeft", "mouthStretchLeft", "mouthPressLeft", "cheekPuff",
)  # fmt: skip
_SEAL_REACH = 22.0
_LEAST_LID = 0.5  # mm of skin that must stay in front of the eyeball


def skin_deltas(skin: Skin) -> Array:
    """(52, V, 3) displacements of the skin at weight 1."""
    deltas = left_deltas(skin)
    _seal_lips(deltas, skin)
    return with_right(deltas, skin)


def left_deltas(skin: Skin) -> Array:
    """Displacements (52, V, 3) of anything that lies on the skin; right shapes stay zero."""
    deltas = np.zeros((len(ARKIT_NAMES), *skin.vertices.shape))
    pulls = _read_pulls(PULLS)
    share = jaw_share(skin.chart)[:, None]
    for name in ARKIT_NAMES:
        if "Right" in name:
            continue
        moved = _lids(name, skin)
        if name.startswith("jaw"):
            moved += share * jaw_motion(name, skin.vertices)
        if name in pulls:
            moved += _pulled(name, *pulls[name], skin)
        deltas[INDEX[name]] = _keep_out_of_eyes(moved, skin)
    return deltas


def with_right(deltas: Array, skin: Skin) -> Array:
    """Fill in the shapes of the right side, mirror images of those of the left."""
    for name in ARKIT_NAMES:
        if "Right" in name:
            left = deltas[INDEX[mirrored_name(name)]]
            deltas[INDEX[name]] = mirrored(left[skin.mirror])
    return deltas


def _keep_out_of_eyes(moved: Array, skin: Skin) -> Array:
    """Push skin that a shape would draw into an eyeball back in front of it."""
    for centre in (EYE_CENTRE, mirrored(EYE_CENTRE)):
        away = skin.vertices + moved - centre
        distance = np.linalg.norm(away, axis=1, keepdims=True)
        rest = np.linalg.norm(skin.vertices - centre, axis=1, keepdims=True)
        least = np.minimum(EYE_RADIUS + _LEAST_LID, rest)
        short = np.clip(least - distance, 0.0, None)
        moved = moved + short * away / distance
    return moved


def _read_pulls(text: str) -> dict[str, tuple[float, dict[str, Array]]]:
    """Shape name → reach and displacement (3,) per named point."""
    pulls: dict[str, tuple[float, dict[str, Array]]] = {}
    for entry in text.replace("\n  ", "  ").strip().splitlines():
        name, reach, *words = entry.split()
        points = {
            words[i]: np.array([float(word) for word in words[i + 1 : i + 4]])
            for i in range(0, len(words), 4)
        }
        pulls[name] = (float(reach.removeprefix("@")), points)
    return pulls


def _pulled(name: str, reach: float, points: dict[str, Array], skin: Skin) -> Array:
    """What the pulls add to the shape's mechanism, (V, 3)."""
    if mirrored_name(name) == name:
        right = {f"-{p}": mirrored(d) for p, d in points.items() if place(p)[0] > 0}
        points = {**points, **right}
    where = np.stack([place(point) for point in points])
    told = np.stack(list(points.values()))
    anchors = chart_of(where)
    if name.startswith("jaw"):
        told = told - jaw_share(anchors)[:, None] * jaw_motion(name, where)
    return spread(anchors, told, reach, skin.chart, _SOFTNESS)


def _seal_lips(deltas: Array, skin: Skin) -> None:
    """Let the lower lip follow the upper one in shapes that do not part the lips.

    mouthClose is meant to be worn with jawOpen: there they meet when both are at the same weight.
    """
    edge = np.flatnonzero(skin.part == LIP_EDGE)
    angle = angles(skin.chart[edge])
    above = angle[:, 1] > slit(angle[:, 0])
    upper, lower = edge[above], edge[~above]
    anchors = np.concatenate((skin.chart[lower], skin.chart[upper]))
    for name in _SEALED:
        posed = skin.vertices + deltas[INDEX[name]]
        if name == "mouthClose":
            posed = posed + deltas[INDEX["jawOpen"]]
        missing = _line_at(posed[upper], posed[lower, 0]) - posed[lower]
        told = np.concatenate((missing, np.zeros((len(upper), 3))))
        deltas[INDEX[name]] += spread(anchors, told, _SEAL_REACH, skin.chart)


def _line_at(points: Array, x: Array) -> Array:
    """(N, 3) points of a polyline (K, 3), ordered by x, at the given x."""
    order = np.argsort(points[:, 0])
    return np.stack([np.interp(x, points[order, 0], points[order, k]) for k in range(3)], axis=-1)


# ── lids ──────────────────────────────────────────────────────────────────────────────────────


def _lids(name: str, skin: Skin) -> Array:
    """What the left lids do in a shape of the left eye; zero for every other shape."""
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
