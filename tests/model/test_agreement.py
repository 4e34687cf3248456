"""Attributions beside anatomy: thresholds, overlaps, chance, and which are alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.muscles import SITE_MUSCLES, muscles_of, slots_of
from firmware_host.layout import FACE_12
from model.agreement import agreement, anatomy, likeness, otsu, overlap, shares, tree

FACE = [FACE_12.names[i] for i in FACE_12.face_indices]
MUSCLE_NAMES = {muscle.name for shape in ARKIT_NAMES for muscle in muscles_of(shape)}


def test_every_face_slot_has_muscles_and_every_muscle_named_exists():
    for slot in FACE:
        assert SITE_MUSCLES[slot.removesuffix("_left").removesuffix("_right")]
    assert {name for names in SITE_MUSCLES.values() for name in names} - MUSCLE_NAMES <= {
        "zygomaticus minor"  # makes unit 11, which ARKit does not have
    }


@pytest.mark.parametrize(
    ("shape", "slots"),
    [
        ("mouthSmileLeft", ("zygomaticus_left",)),
        ("mouthUpperUpRight", ("levator_labii_right",)),
        ("cheekPuff", ("buccinator_left", "buccinator_right")),
        ("browInnerUp", ("frontalis_left", "frontalis_right")),
        ("jawOpen", ("mentalis",)),
        ("mouthPucker", ()),
        ("eyeBlinkLeft", ()),
        ("eyeLookUpLeft", ()),
    ],
)
def test_shapes_have_the_slots_over_their_muscles(shape, slots):
    assert slots_of(shape, FACE) == slots


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_otsu_leaves_something_on_both_sides_unless_all_are_equal(values):
    amounts = np.array(values)
    above = amounts > otsu(amounts)
    if amounts.min() == amounts.max():
        assert not above.any()
    else:
        assert 0 < above.sum() < len(amounts)


def test_otsu_splits_where_the_classes_are_farthest_apart():
    assert 0.2 < otsu(np.array([0.0, 0.1, 0.2, 0.8, 0.9, 1.0])) < 0.8


def test_what_is_exactly_anatomy_agrees_wholly_and_what_is_its_opposite_not_at_all():
    truth = np.array([True, False, False, True])
    assert overlap(truth.astype(float), truth) == 1.0
    assert likeness(truth.astype(float), truth) == pytest.approx(1.0)
    assert overlap(1.0 - truth, truth) == 0.0
    assert likeness(1.0 - truth, truth) == pytest.approx(-1.0)
    assert likeness(np.ones(4), truth) == 0.0


def test_chance_does_not_reach_anatomy_and_noise_does_not_exceed_chance():
    truth = anatomy(FACE)
    rng = np.random.default_rng(3)
    right = agreement(np.where(truth, 1.0, 0.1) + 0.05 * rng.random(truth.shape), truth, 1, 199)
    noise = agreement(rng.random(truth.shape), truth, 1, 199)
    assert right is not None
    assert noise is not None
    assert right.iou.value == 1.0
    assert right.iou.p == pytest.approx(1 / 200)
    assert right.iou.control < 0.3
    assert noise.iou.p > 0.01
    assert abs(noise.correlation.value) < 0.25
    assert "mouthPucker" not in right.by_shape  # no slot of its own
    assert "mouthSmileLeft" in right.by_shape


def test_shapes_that_did_not_move_and_slots_that_were_not_worn_are_not_judged():
    truth = anatomy(FACE)
    amount = np.where(truth, 1.0, 0.0)
    amount[INDEX["jawOpen"]] = np.nan
    amount[:, FACE.index("zygomaticus_left")] = np.nan
    found = agreement(amount, truth, shuffles=9)
    assert found is not None
    assert "jawOpen" not in found.by_shape
    assert "mouthSmileLeft" not in found.by_shape  # its slot is off
    assert "mouthSmileRight" in found.by_shape
    assert agreement(np.full_like(amount, np.nan), truth) is None


def test_shares_add_up_and_alike_attributions_join_first():
    rng = np.random.default_rng(0)
    one = rng.random((52, 11))
    np.testing.assert_allclose(shares(one).sum(axis=1), 1.0)
    other = rng.random((52, 11))
    joins = tree([one, other, 3.0 * one + 1e-3 * rng.random((52, 11))])
    assert sorted(joins[0, :2]) == [0, 2]
    assert joins[0, 2] < 0.01 < joins[1, 2]
    with pytest.raises(ValueError, match="no shape in common"):
        tree([one, np.full((52, 11), np.nan)])
