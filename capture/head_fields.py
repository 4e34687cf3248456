"""How skin follows what pulls it: fields on the chart of the face. No I/O.

A muscle moves the skin most where it inserts, and less with distance: Waters' linear muscles
(K. Waters, SIGGRAPH 1987) give each pull a smooth falloff of finite reach. Where several pulls of
one expression overlap, `spread` finds the strengths at which every named point moves as told.
 Lips and lids are far apart on the chart, so what pulls one does not drag the other.
"""

import numpy as np

from capture.head_chart import CHART_RADIUS, chart_of, mirrored
from capture.head_measures import FORM, LANDMARKS, Array

# The temporomandibular axis, about which the jaw opens, and how far: fitted by eye to the path of
# chin and lower lip in the landmark table (about 42 mm at the mentalis).
JAW_AXIS = np.array([0.0, 10.0, 5.0])
JAW_ANGLE_RAD = float(np.radians(19.0))

# How much of the jaw's motion the skin over it takes up.
_JAW_SHARE = {
    "mentalis": 1.0, "menton": 0.96, "chin_ball": 1.0, "chin_side": 0.92, "sulcus": 1.0,
    "lip_bottom": 1.0, "slit_lower": 1.0, "slit_lower_side": 0.9, "lip_lower_side": 0.82,
    "slit_corner": 0.46, "mouth_corner": 0.42, "jowl": 0.62, "jaw_front": 0.72,
    "jaw_middle": 0.46, "jaw_low": 0.24, "jaw_angle": 0.08, "jaw_branch": 0.0, "ear_low_front": 0.0,
    "buccinator": 0.36, "mid_cheek": 0.13, "cheek": 0.0, "nasolabial": 0.05, "lip_top": 0.0,
    "lip_peak": 0.0, "lip_upper_side": 0.12, "slit_upper": 0.0, "slit_upper_side": 0.03,
    "subnasale": 0.0, "alar_base": 0.0, "submental": 0.9, "submental_back": 0.66, "throat": 0.38,
    "jaw_under": 0.36, "jaw_under_back": 0.16, "neck_front": 0.1, "neck_side": 0.03,
    "neck_base": 0.0, "neck_base_side": 0.0, "neck_flank": 0.0, "neck_base_flank": 0.0,
    "zygoma": 0.0, "cheek_side": 0.06, "mastoid": 0.0, "under_eye": 0.0, "nose_tip": 0.0,
    "sterno": 0.0, "below_mastoid": 0.0, "skull_side": 0.0, "forehead": 0.0, "nape": 0.0,
}  # fmt: skip


def place(name: str) -> Array:
    """A named point (3,), mm; a leading '-' asks for its mirror image."""
    bare = name.removeprefix("-")
    point = LANDMARKS[bare] if bare in LANDMARKS else FORM[bare]
    return mirrored(point) if name.startswith("-") else point


def spread(
    anchors: Array, values: Array, reach: float, chart: Array, softness: float = 0.0
) -> Array:
    """Carry `values` (K, …) given at chart points `anchors` to the chart points `chart` (N, 3).

    Exact at the anchors (with `softness` only nearly so, and calmer between them), zero beyond
    `reach` mm from all of them. Wendland's C2 function (1995), positive definite in 3-D.
    """
    strength = np.linalg.solve(
        _bell(anchors, anchors, reach) + softness * np.eye(len(anchors)), values
    )
    return np.asarray(_bell(chart, anchors, reach) @ strength)


def _bell(points: Array, centres: Array, reach: float) -> Array:
    gap = CHART_RADIUS / reach * np.linalg.norm(points[:, None] - centres[None], axis=-1)
    return np.asarray(np.clip(1.0 - gap, 0.0, None) ** 4 * (4.0 * gap + 1.0))


def jaw_share(chart: Array) -> Array:
    """(N,) how much of the jaw's motion the skin at `chart` takes up, 0 … 1."""
    names = [*_JAW_SHARE, *(f"-{name}" for name in _JAW_SHARE if place(name)[0] > 0)]
    values = np.array([_JAW_SHARE[name.removeprefix("-")] for name in names])
    anchors = chart_of(np.stack([place(name) for name in names]))
    return np.clip(spread(anchors, values, 75.0, chart), 0.0, 1.0)


def turn_about_x(points: Array, centre: Array, angle: Array | float) -> Array:
    """Displacements (N, 3) of points turned nose-down by `angle` (N,) rad about an x axis."""
    y, z = points[:, 1] - centre[1], points[:, 2] - centre[2]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack((np.zeros_like(y), cos * y - sin * z - y, sin * y + cos * z - z), axis=-1)


def jaw_motion(name: str, points: Array) -> Array:
    """Displacements (N, 3) at weight 1 of points fixed to the lower jaw, mm.

    `name` is one of jawOpen, jawForward, jawLeft and jawRight.
    """
    if name == "jawOpen":
        return turn_about_x(points, JAW_AXIS, JAW_ANGLE_RAD)
    slide = {
        "jawForward": (0.0, -1.5, 10.8),
        "jawLeft": (8.6, 0.2, 0.0),
        "jawRight": (-8.6, 0.2, 0.0),
    }
    return np.broadcast_to(np.array(slide[name]), points.shape)
