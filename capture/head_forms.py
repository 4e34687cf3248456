"""How skulls and faces differ: smooth warps of our standard head, one per named axis. No I/O. mm.

A warp moves everything near a point alike: lips that touch keep touching, teeth stay behind them,
and a shape's displacement is carried along by the warp's Jacobian. Eyeballs and the lids on them
are moved and scaled as one, so that lids still roll on a sphere.

Spreads are standard deviations measured on the 40 identity directions of ICT-FaceKit's light head
(MIT, (c) USC Institute for Creative Technologies; coefficients drawn from N(0, 1)): of the whole
head in breadth, length and depth, and for every other axis what remains of a distance between
landmarks once those three are known. Radii, and which way a bump points, are ours. `STRETCH` splits
the first three so that they correlate about as there (0.3 to 0.6). Adults of one sex and population
differ less: Table 9 of doi:10.1186/s40902-019-0191-7 gives half to all of these deviations.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from capture.head_chart import mirrored
from capture.head_fields import place
from capture.head_measures import Array
from capture.head_surface import EYE_CENTRE

# Share by which one standard deviation stretches the head along x, y and z.
STRETCH: dict[str, tuple[float, float, float]] = {
    "size": (0.040, 0.040, 0.040),
    "breadth": (0.029, 0.0, 0.0),
    "length": (0.0, 0.039, 0.0),
    "depth": (0.0, 0.0, 0.063),
}
EYE_SIZE = 0.060  # share per standard deviation: 1.63 mm of a lid fissure of 27.0 mm
# Round the eye's centre everything moves as one up to the first radius, freely from the second on.
_EYE_ZONE = (18.0, 36.0)
_STEP = 0.05  # mm, of the finite differences of the Jacobian


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which faces differ.

    spread_mm: standard deviation of the coordinate `along` (0 … 2) of point `end` less `start`.
    centre: named point round which the warp acts, on both sides of the face. radius: of the bump,
    mm along x, y and z. push: direction; on the right its mirror image, or where `odd`, mirrored
    and reversed. stretch: grows with the height over `centre` instead of being a bump.
    """

    name: str
    start: str
    end: str
    along: int
    spread_mm: float
    centre: str
    radius: tuple[float, float, float]
    push: tuple[float, float, float]
    stretch: bool = False
    odd: bool = False


FORMS: tuple[Form, ...] = (
    Form("jaw_width", "-jaw_low", "jaw_low", 0, 3.45, "jaw_low", (30, 32, 40), (1, 0, 0)),
    Form("jaw_forward", "subnasale", "menton", 2, 4.54, "menton", (45, 26, 42), (0, 0, 1)),
    Form("chin_width", "-chin_side", "chin_side", 0, 1.81, "chin_side", (14, 16, 20), (1, 0, 0)),
    Form("chin_length", "subnasale", "menton", 1, 1.55, "menton", (36, 20, 36), (0, -1, 0)),
    Form("nose_length", "nasion", "subnasale", 1, 1.68, "subnasale", (18, 14, 20), (0, -1, 0)),
    Form("nose_width", "-alar_base", "alar_base", 0, 2.00, "ala", (9, 12, 14), (1, 0, 0)),
    Form("nose_tip", "subnasale", "nose_tip", 2, 1.98, "nose_tip", (13, 12, 14), (0, 0.15, 1)),
    Form("nose_bridge", "under_eye", "nose_bridge", 2, 2.56, "nose_bridge", (9, 16, 14), (0, 0, 1)),
    Form("brow_ridge", "nasion", "glabella", 2, 1.76, "brow_near", (26, 11, 24), (0, 0, 1)),
    Form("brow_height", "lid_upper_outer", "brow_middle", 1, 1.64, "brow_middle", (26, 12, 26),
         (0, 1, 0)),
    Form("forehead", "glabella", "forehead_centre", 2, 2.52, "forehead_centre", (46, 28, 40),
         (0, 0, 1)),
    Form("cheek_fullness", "-buccinator", "buccinator", 0, 2.82, "buccinator", (20, 22, 26),
         (1, 0, 0.25)),
    Form("cheekbone", "subnasale", "cheek", 2, 2.84, "cheek", (24, 18, 26), (0.45, 0, 1)),
    Form("mouth_width", "-mouth_corner", "mouth_corner", 0, 2.97, "mouth_corner", (14, 14, 18),
         (1, 0, -0.2)),
    Form("lip_fullness", "lip_bottom", "lip_top", 1, 3.26, "slit_upper", (30, 15, 30), (0, 1, 0),
         stretch=True),
    Form("philtrum", "lip_top", "subnasale", 1, 1.17, "slit_upper", (30, 15, 30), (0, -1, 0)),
    Form("eye_spacing", "-canthus_inner", "canthus_inner", 0, 2.05, "lid_upper_outer",
         (20, 22, 24), (1, 0, 0)),
    # Asymmetry, as far as those directions hold any; of real people we found no figures to read.
    Form("jaw_aside", "nasion", "menton", 0, 0.84, "menton", (50, 36, 50), (1, 0, 0), odd=True),
    Form("nose_aside", "nasion", "nose_tip", 0, 0.34, "nose_tip", (14, 16, 16), (1, 0, 0),
         odd=True),
    Form("mouth_tilt", "-mouth_corner", "mouth_corner", 1, 0.63, "mouth_corner", (16, 14, 20),
         (0, 1, 0), odd=True),
    Form("eye_tilt", "-canthus_inner", "canthus_inner", 1, 0.26, "lid_upper_outer", (20, 22, 24),
         (0, 1, 0), odd=True),
)  # fmt: skip
WARP_AXES: tuple[str, ...] = (*STRETCH, "eye_size", *(form.name for form in FORMS))


def warp(points: Array, amounts: dict[str, float]) -> Array:
    """Where (N, 3) points of the standard head lie on another one.

    Args:
        points: (N, 3), mm in the head frame.
        amounts: standard deviations along any of `WARP_AXES`; those left out are zero.
    """
    moved = _free(points, amounts)
    warped = points + moved
    for centre in (EYE_CENTRE, mirrored(EYE_CENTRE)):
        away = points - centre
        share = _eye_share(np.linalg.norm(away, axis=1))[:, None]
        shift = _free(centre[None], amounts)
        warped += share * (shift + _eye_growth(amounts) * away - moved)
    return warped


def carried(points: Array, deltas: Array, amounts: dict[str, float]) -> tuple[Array, Array]:
    """Warped points (N, 3), and displacements (K, N, 3) turned and stretched as the warp does."""
    steps = _STEP * np.eye(3)
    columns = [(warp(points + h, amounts) - warp(points - h, amounts)) for h in steps]
    jacobian = np.stack(columns, axis=-1) / (2.0 * _STEP)  # (N, 3, 3)
    return warp(points, amounts), np.einsum("nij,knj->kni", jacobian, deltas, optimize=True)


def _free(points: Array, amounts: dict[str, float]) -> Array:
    """Displacements (N, 3) before the eyes are kept whole."""
    moved = points * _stretch(amounts)
    for form in FORMS:
        if amounts.get(form.name):
            moved = moved + amounts[form.name] * _gain(form) * _bump(form, points)
    return moved


def _stretch(amounts: dict[str, float]) -> Array:
    return np.asarray(sum(amounts.get(name, 0.0) * np.array(STRETCH[name]) for name in STRETCH))


def _eye_growth(amounts: dict[str, float]) -> float:
    return float(_stretch(amounts).mean()) + EYE_SIZE * amounts.get("eye_size", 0.0)


def _eye_share(distance: Array) -> Array:
    """(N,) 1 near the eye, 0 far from it, with two smooth derivatives in between."""
    inner, outer = _EYE_ZONE
    t = np.clip((outer - distance) / (outer - inner), 0.0, 1.0)
    return np.asarray(t**3 * (10.0 - 15.0 * t + 6.0 * t**2))


def _bump(form: Form, points: Array) -> Array:
    """Displacements (N, 3) of a form before it is scaled to its spread."""
    centre, push = place(form.centre), np.array(form.push, float)
    moved = _one_bump(form, points, centre, push)
    if centre[0] == 0.0:
        return moved
    across = -mirrored(push) if form.odd else mirrored(push)
    return moved + _one_bump(form, points, mirrored(centre), across)


def _one_bump(form: Form, points: Array, centre: Array, push: Array) -> Array:
    away = (points - centre) / np.array(form.radius, float)
    height = np.exp(-0.5 * (away**2).sum(axis=1))
    if form.stretch:
        height = height * ((points - centre) @ push)
    return np.asarray(height[:, None] * push)


@cache
def _gain(form: Form) -> float:
    """What makes one standard deviation change the form's own measure by `spread_mm`."""
    ends = np.stack([place(form.start), place(form.end)])
    moved = _bump(form, ends)
    return form.spread_mm / abs(float(moved[1, form.along] - moved[0, form.along]))
