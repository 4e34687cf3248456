"""The 52 shapes of the skin: jaw, lids and muscle pulls. No I/O. All lengths in mm.

Every shape is a mechanism (the jaw's hinge, the lid's roll over the eyeball, or nothing) plus the
pulls of `head_pulls` that carry the named points the rest of their way.
"""

from functools import cache

import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX, mirrored_name
from capture.head_chart import angles, chart_of, mirrored, slit
from capture.head_fields import jaw_motion, jaw_share, place, spread
from capture.head_lids import clear_of_eye, lid_motion
from capture.head_measures import Array
from capture.head_pulls import LIP_PULLS, PULLS
from capture.head_rings import LIP_EDGE
from capture.head_surface import EYE_CENTRE, EYE_RADIUS, Skin

# Tissue does not bend sharply between neighbouring pulls. Of 0 … 0.08, 0.03 gave the rotations of
# skin patches nearest to those of ICT-FaceKit.
_SOFTNESS = 0.03
_SEALED = (
    "mouthClose", "mouthPucker", "mouthLeft", "mouthSmileLeft", "mouthFrownLeft",
    "mouthDimpleLeft", "mouthStretchLeft", "mouthPressLeft", "cheekPuff",
)  # fmt: skip
_SEAL_REACH = 22.0
_LEAST_LID = 0.5  # mm of skin that must stay in front of the eyeball


def skin_deltas(skin: Skin, reaches: Array | None = None, strengths: Array | None = None) -> Array:
    """(52, V, 3) displacements of the skin at weight 1.

    Args:
        skin: the neutral face.
        reaches: (52,) factors on how far the pulls of each shape carry the skin, or on how far up
            it follows the jaw; None is all ones.
        strengths: (52,) factors on the shapes; None is all ones.
    """
    deltas = left_deltas(skin, reaches)
    _seal_lips(deltas, skin)
    deltas = with_right(deltas, skin)
    if strengths is not None:
        deltas *= strengths[:, None, None]
    for side in ("Left", "Right"):
        clear_of_eye(deltas, skin, side)
    return deltas


def left_deltas(skin: Skin, reaches: Array | None = None) -> Array:
    """Displacements (52, V, 3) of anything that lies on the skin; right shapes stay zero."""
    deltas = np.zeros((len(ARKIT_NAMES), *skin.vertices.shape))
    pulls, lips = read_pulls(), read_pulls(LIP_PULLS)
    share = jaw_share(skin.chart)[:, None]
    for name in ARKIT_NAMES:
        if "Right" in name:
            continue
        farther = 1.0 if reaches is None else float(reaches[INDEX[name]])
        moved = lid_motion(name, skin)
        if name.startswith("jaw"):
            moved += share ** (1.0 / farther) * jaw_motion(name, skin.vertices)
        if name in pulls:
            moved += _pulled(name, *pulls[name], skin, farther)
        if name in lips:
            moved += _pulled(name, *lips[name], skin)
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


@cache
def read_pulls(text: str = PULLS) -> dict[str, tuple[float, dict[str, Array]]]:
    """`head_pulls` as shape name → reach in mm and displacement (3,) in mm per named point."""
    pulls: dict[str, tuple[float, dict[str, Array]]] = {}
    for entry in text.replace("\n  ", "  ").strip().splitlines():
        name, reach, *words = entry.split()
        points = {
            words[i]: np.array([float(word) for word in words[i + 1 : i + 4]])
            for i in range(0, len(words), 4)
        }
        pulls[name] = (float(reach.removeprefix("@")), points)
    return pulls


def _pulled(
    name: str, reach: float, points: dict[str, Array], skin: Skin, farther: float = 1.0
) -> Array:
    """What pulls add to the shape's mechanism, (V, 3), on a face that carries them `farther`."""
    if mirrored_name(name) == name:
        right = {f"-{p}": mirrored(d) for p, d in points.items() if place(p)[0] > 0}
        points = {**points, **right}
    where = np.stack([place(point) for point in points])
    told = np.stack(list(points.values()))
    anchors = chart_of(where)
    if name.startswith("jaw"):
        told = told - jaw_share(anchors)[:, None] ** (1.0 / farther) * jaw_motion(name, where)
        farther = 1.0  # the jaw itself has carried it farther
    return spread(anchors, told, farther * reach, skin.chart, _SOFTNESS)


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
