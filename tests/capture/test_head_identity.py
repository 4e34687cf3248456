"""People: what varies, by how much, and what stays."""

import time

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.head import STANDARD, Identity, build_head, draw_identity, identity_of, seeded_head
from capture.head_fields import place
from capture.head_forms import FORMS, STRETCH, WARP_AXES, carried, warp
from capture.head_identity import FARTHEST, IDENTITY_AXES

# Standard deviation over people of distances between landmarks, mm: the 40 identity directions of
# ICT-FaceKit's light head (MIT), coefficients drawn from N(0, 1), 4,000 people.
SPREADS_MM = {
    ("-ear_front", "ear_front"): 7.3,
    ("-jaw_low", "jaw_low"): 6.9,
    ("nasion", "menton"): 6.3,
    ("subnasale", "menton"): 4.3,
    ("nasion", "subnasale"): 3.0,
    ("-alar_base", "alar_base"): 2.5,
    ("-canthus_inner", "canthus_inner"): 3.3,
    ("-canthus_outer", "canthus_outer"): 4.9,
    ("-mouth_corner", "mouth_corner"): 3.7,
    ("lip_top", "lip_bottom"): 3.7,
    ("-buccinator", "buccinator"): 4.3,
}


def test_the_zero_vector_is_the_standard_head() -> None:
    zero = build_head(Identity((0.0,) * len(IDENTITY_AXES)))
    standard = build_head()
    for name in ("vertices", "triangles", "deltas", "colours"):
        np.testing.assert_array_equal(getattr(zero, name), getattr(standard, name))
    points = standard.vertices[:500].astype(float) * 1e3
    np.testing.assert_array_equal(warp(points, STANDARD.amounts), points)
    assert (STANDARD.reaches == 1.0).all()
    assert (STANDARD.strengths == 1.0).all()


def test_a_seed_is_a_person() -> None:
    first, again, other = seeded_head(3), seeded_head(3), seeded_head(4)
    np.testing.assert_array_equal(first.deltas, again.deltas)
    np.testing.assert_array_equal(first.triangles, other.triangles)
    differ_mm = 1e3 * np.linalg.norm(first.vertices - other.vertices, axis=1)
    assert 2.0 < differ_mm.mean() < 30.0
    for array in (first.vertices, first.deltas):
        assert np.isfinite(array).all()


def test_a_head_is_built_in_under_two_seconds() -> None:
    build_head()
    started = time.perf_counter()
    seeded_head(11)
    assert time.perf_counter() - started < 2.0


# Eyes move as one: there a warp changes its measure by nearly, not exactly, its spread.
OFF_THE_EYES = [form for form in FORMS if not form.start.startswith(("-canthus", "lid"))]


@pytest.mark.parametrize("form", OFF_THE_EYES, ids=lambda form: form.name)
def test_one_deviation_changes_a_forms_measure_by_its_spread(form) -> None:
    ends = np.stack([place(form.start), place(form.end)])
    moved = warp(ends, {form.name: 1.0}) - ends
    change = abs(float(moved[1, form.along] - moved[0, form.along]))
    assert change == pytest.approx(form.spread_mm, rel=0.25)


def test_people_differ_as_much_as_measured_ones() -> None:
    names = sorted({name for pair in SPREADS_MM for name in pair})
    points = np.stack([place(name) for name in names])
    rng = np.random.default_rng(0)
    people = np.stack([warp(points, draw_identity(rng).amounts) for _ in range(300)])
    for (a, b), spread in SPREADS_MM.items():
        apart = people[:, names.index(a)] - people[:, names.index(b)]
        found = np.linalg.norm(apart, axis=1).std()
        assert 0.65 * spread < found < 1.5 * spread, (a, b, found)


def test_no_warp_turns_skin_inside_out() -> None:
    points = 1e3 * build_head().vertices[::7].astype(float)
    unit = np.eye(3)[:, None] * np.ones((1, len(points), 1))
    rng = np.random.default_rng(5)
    for _ in range(10):
        _, columns = carried(points, unit, draw_identity(rng).amounts)
        assert np.linalg.det(np.moveaxis(columns, 0, 1)).min() > 0.2


def test_axes_are_named_once_and_do_what_they_say() -> None:
    assert len(set(IDENTITY_AXES)) == len(IDENTITY_AXES)
    assert set(STRETCH) < set(WARP_AXES) < set(IDENTITY_AXES)
    strong = identity_of({"strength_mouthSmile": 1.0, "skew_mouthSmile": 1.0}).strengths
    assert strong[INDEX["mouthSmileLeft"]] > strong[INDEX["mouthSmileRight"]] > 1.0
    others = [i for i, name in enumerate(ARKIT_NAMES) if not name.startswith("mouthSmile")]
    assert (strong[others] == 1.0).all()
    assert (identity_of({"stiffness": 1.0}).reaches > 1.0).all()
    broad = identity_of({"reach_mouthSmile": 1.0}).reaches
    assert broad[INDEX["mouthSmileLeft"]] == broad[INDEX["mouthSmileRight"]] > 1.2
    assert (broad[others] == 1.0).all()
    with pytest.raises(ValueError, match="'beard' is no axis"):
        identity_of({"beard": 1.0})
    with pytest.raises(ValueError, match=r"expected \d+ values, got 2"):
        Identity((0.0, 1.0))


def test_drawn_people_keep_what_must_not_vary() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        someone = draw_identity(rng)
        assert np.abs(someone.vector).max() <= FARTHEST
        strengths = dict(zip(ARKIT_NAMES, someone.strengths, strict=True))
        assert strengths["jawOpen"] == strengths["mouthClose"]  # the one cancels the other
        assert strengths["eyeBlinkLeft"] == strengths["eyeLookUpRight"] == 1.0
        assert 0.5 < min(strengths.values()) <= max(strengths.values()) < 2.0


@pytest.mark.parametrize("axis", ["stiffness", "reach_browOuterUp"])
def test_stiff_skin_and_broad_muscles_carry_a_pull_farther(axis: str) -> None:
    def area(amount: float) -> int:
        deltas = build_head(identity_of({axis: amount})).deltas
        return int((np.linalg.norm(deltas[INDEX["browOuterUpLeft"]], axis=-1) > 5e-4).sum())

    assert area(-2.0) < area(0.0) < area(2.0)
