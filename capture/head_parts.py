"""The pieces of our head with their colours: skin, eyeballs, teeth, tongue. No I/O. mm."""

from dataclasses import replace

import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.head_brows import build_brows
from capture.head_ears import build_ears
from capture.head_fields import jaw_motion
from capture.head_measures import Array
from capture.head_pieces import SKIN_COLOUR, Piece, mirror_image
from capture.head_rings import (
    LID_EDGE,
    LID_INSIDE,
    LIP,
    LIP_EDGE,
    MOUTH_INSIDE,
    grid_triangles,
)
from capture.head_shapes import skin_deltas
from capture.head_surface import EYE_CENTRE, EYE_RADIUS, Skin, build_skin, nostril

LIP_COLOUR = np.array([0.70, 0.44, 0.41])
LASH_COLOUR = np.array([0.22, 0.15, 0.13])
THROAT_COLOUR = np.array([0.22, 0.07, 0.07])
MUCOSA_COLOUR = np.array([0.55, 0.27, 0.26])
NOSTRIL_COLOUR = np.array([0.30, 0.17, 0.15])
LID_COLOUR = np.array([0.68, 0.48, 0.43])
TOOTH_COLOUR = np.array([0.93, 0.91, 0.86])
GUM_COLOUR = np.array([0.70, 0.40, 0.39])
TONGUE_COLOUR = np.array([0.72, 0.38, 0.38])
EYE_WHITE = np.array([0.93, 0.92, 0.90])
IRIS_COLOUR = np.array([0.33, 0.43, 0.47])
IRIS_RIM_COLOUR = np.array([0.14, 0.19, 0.22])
PUPIL_COLOUR = np.array([0.03, 0.03, 0.04])

# Largest turns of the eye at weight 1, within the range of human gaze.
GAZE_RAD = {"Down": 0.50, "Up": 0.42, "In": 0.56, "Out": 0.52}
_JAW_SHAPES = ("jawOpen", "jawForward", "jawLeft", "jawRight")


def build_pieces(reaches: Array | None = None, strengths: Array | None = None) -> tuple[Piece, ...]:
    """Every piece of the neutral head; the skin comes first. Arguments as for `skin_deltas`."""
    skin = build_skin()
    deltas = skin_deltas(skin, reaches, strengths)
    left_eye = _eyeball()
    others: tuple[Piece, ...] = (
        left_eye,
        mirror_image(left_eye),
        *build_brows(reaches),
        *build_ears(),
        _teeth(upper=True),
        _teeth(upper=False),
        _tongue(),
    )
    if strengths is not None:
        others = tuple(replace(o, deltas=o.deltas * strengths[:, None, None]) for o in others)
    return Piece(skin.vertices, skin.triangles, _skin_colours(skin), deltas), *others


def _skin_colours(skin: Skin) -> Array:
    colours = np.tile(SKIN_COLOUR, (len(skin.vertices), 1))
    colours[np.isin(skin.part, (LIP, LIP_EDGE))] = LIP_COLOUR
    lashes = skin.vertices[:, 1] > 34.0  # canthi lie at 32.5 and 34.3
    colours[skin.part == LID_EDGE] = LID_COLOUR
    colours[(skin.part == LID_EDGE) & lashes] = LASH_COLOUR
    colours[skin.part == LID_INSIDE] = LID_COLOUR
    inside = skin.part == MOUTH_INSIDE
    depth = np.clip((112.0 - skin.vertices[inside, 2]) / 14.0, 0.0, 1.0)[:, None]
    colours[inside] = MUCOSA_COLOUR + depth * (THROAT_COLOUR - MUCOSA_COLOUR)
    dark = np.clip(1.6 * nostril(skin.chart) - 0.5, 0.0, 1.0)[:, None] * (skin.chart[:, 2:] > 0)
    return np.asarray(colours + dark * (NOSTRIL_COLOUR - colours))


def _eyeball() -> Piece:
    """The left eyeball: rings around the gaze axis, so that iris and pupil are round."""
    polar = np.radians([0.05, 6, 9.5, 10.5, 16, 22, 24.5, 26.5, 36, 48, 62, 78, 95, 115])
    shades = [PUPIL_COLOUR] * 3 + [0.7 * IRIS_COLOUR, IRIS_COLOUR, IRIS_COLOUR, IRIS_RIM_COLOUR]
    shades += [EYE_WHITE] * (len(polar) - len(shades))
    turn = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    ring = np.sin(polar)[:, None]
    depth = np.broadcast_to(np.cos(polar)[:, None], (len(polar), len(turn)))
    unit = np.stack((ring * np.cos(turn), ring * np.sin(turn), depth), axis=-1).reshape(-1, 3)
    deltas = np.zeros((len(ARKIT_NAMES), len(unit), 3))
    for way, angle in GAZE_RAD.items():
        deltas[INDEX[f"eyeLook{way}Left"]] = EYE_RADIUS * (unit @ _gaze(way, angle).T - unit)
    return Piece(
        EYE_CENTRE + EYE_RADIUS * unit,
        grid_triangles(len(polar), len(turn), wrap=True),
        np.repeat(np.array(shades), len(turn), axis=0),
        deltas,
    )


def _gaze(way: str, angle: float) -> Array:
    """Rotation matrix that turns the left eye's gaze; in is towards the nose (−x)."""
    cos, sin = np.cos(angle), np.sin(angle)
    if way in ("Down", "Up"):
        sin = sin if way == "Down" else -sin
        return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    sin = sin if way == "Out" else -sin
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _jaw_deltas(points: Array) -> Array:
    deltas = np.zeros((len(ARKIT_NAMES), *points.shape))
    for name in _JAW_SHAPES:
        deltas[INDEX[name]] = jaw_motion(name, points)
    return deltas


def _teeth(upper: bool) -> Piece:
    """A row of teeth on a parabola, from gum to edge and back behind it."""
    side = np.linspace(-1.0, 1.0, 71)
    half_width, front, depth = (25.0, 104.0, 27.0) if upper else (23.0, 101.5, 25.0)
    x = half_width * side
    z = front - depth * side**2
    bulge = 0.5 * np.abs(np.cos(side * np.pi * 5.0))
    # (height above the edge, outwards) of each row of vertices, gum first.
    profile = [
        (11.5, -0.6),
        (8.6, 0.0),
        (7.6, 0.1),
        (3.5, 0.6),
        (0.4, 0.2),
        (0.0, -0.7),
        (6.0, -4.0),
    ]
    edge, sign = (-35.0, 1.0) if upper else (-34.2, -1.0)
    outward = np.stack((2.0 * depth * side / half_width, np.ones_like(side)), axis=-1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    rows = []
    for height, out in profile:
        push = out + (bulge if 0 < height < 8 else 0.0)
        y = np.full_like(x, edge + sign * height)
        rows.append(np.stack((x + push * outward[:, 0], y, z + push * outward[:, 1]), axis=-1))
    points = np.concatenate(rows)
    shades = [GUM_COLOUR, GUM_COLOUR, *[TOOTH_COLOUR] * 4, 0.8 * TOOTH_COLOUR]
    # Back teeth lie in the dark of the cheeks.
    light = np.tile(1.0 - 0.55 * side**2, len(rows))[:, None]
    triangles = grid_triangles(len(rows), len(side), wrap=False)
    deltas = np.zeros((len(ARKIT_NAMES), *points.shape)) if upper else _jaw_deltas(points)
    return Piece(
        points,
        triangles if upper else triangles[:, ::-1],
        light * np.repeat(np.array(shades), len(side), axis=0),
        deltas,
    )


def _tongue() -> Piece:
    """A flat tongue behind the lower teeth; tongueOut slides it forward between them."""
    polar = np.linspace(0.06, np.pi - 0.06, 14)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.sin(polar)[:, None] ** 0.7
    depth = np.broadcast_to(np.cos(polar)[:, None], (len(polar), len(turn)))
    unit = np.stack((ring * np.cos(turn), ring * np.sin(turn), depth), axis=-1).reshape(-1, 3)
    points = np.array([0.0, -41.0, 77.0]) + unit * np.array([15.0, 4.5, 20.0])
    groove = np.exp(-((unit[:, 0] / 0.25) ** 2)) * (unit[:, 1] > 0)
    points[:, 1] -= 1.2 * groove + 2.0 * unit[:, 2] ** 2
    deltas = _jaw_deltas(points)
    forward = 0.5 + 0.5 * unit[:, 2]
    out = np.stack((0 * forward, 4.5 * forward - 11.0 * forward**4, 16.0 + 32.0 * forward), axis=-1)
    deltas[INDEX["tongueOut"]] = out
    colours = np.tile(TONGUE_COLOUR, (len(points), 1))
    return Piece(points, grid_triangles(len(polar), len(turn), wrap=True), colours, deltas)
