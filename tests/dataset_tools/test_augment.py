import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture import rotations
from capture.blendshapes import INDEX
from dataset_tools import augment
from dataset_tools.performance import Performance, baseline, generate_performance

seeds = st.integers(0, 10_000)


def performance(seed=0, seconds=6.0, walking=False):
    made = generate_performance(seed, seconds)
    if walking:
        path = np.random.default_rng(seed).normal(size=(len(made.time_s), 3))
        return Performance(made.time_s, made.weights, made.quat_world_from_head, made.tracked, path)
    return made


@settings(max_examples=8, deadline=None)
@given(seeds, st.booleans())
def test_a_mirror_twice_is_the_original(seed, walking):
    take = performance(seed, 2.0, walking)
    again = augment.mirrored(augment.mirrored(take))
    np.testing.assert_array_equal(again.weights, take.weights)
    np.testing.assert_array_equal(again.quat_world_from_head, take.quat_world_from_head)
    if walking:
        np.testing.assert_array_equal(again.head_position_m, take.head_position_m)


def test_a_mirror_turns_left_into_right():
    take = performance(1, walking=True)
    seen = augment.mirrored(take)
    np.testing.assert_array_equal(
        seen.weights[:, INDEX["mouthSmileLeft"]], take.weights[:, INDEX["mouthSmileRight"]]
    )
    nod, turn, tilt = rotations.to_vector(seen.quat_world_from_head).T
    was_nod, was_turn, was_tilt = rotations.to_vector(take.quat_world_from_head).T
    np.testing.assert_allclose(nod, was_nod, atol=1e-12)
    np.testing.assert_allclose(turn, -was_turn, atol=1e-12)
    np.testing.assert_allclose(tilt, -was_tilt, atol=1e-12)
    np.testing.assert_array_equal(seen.head_position_m[:, 0], -take.head_position_m[:, 0])


@pytest.mark.parametrize(("tempo", "waver"), [(2.0, 0.0), (0.8, 0.1), (1.0, 0.3)])
def test_another_pace_keeps_the_frames(tempo, waver):
    take = performance(2)
    made = augment.time_warped(take, np.random.default_rng(0), tempo, waver)
    assert (np.diff(made.time_s) > 0).all()
    np.testing.assert_array_equal(made.weights, take.weights)
    assert made.duration_s == pytest.approx(take.duration_s / tempo, rel=0.01 + 2 * waver)


def test_a_donor_gives_its_upper_face_and_keeps_its_rest():
    take, donor = performance(3), performance(4, 2.5)
    made = augment.recombined(take, donor)
    lower = np.setdiff1d(np.arange(52), augment.UPPER_FACE)
    np.testing.assert_array_equal(made.weights[:, lower], take.weights[:, lower])
    brow = INDEX["browInnerUp"]
    span = min(len(donor.time_s), 100)
    was = donor.weights[:span, brow] + baseline(take)[brow] - baseline(donor)[brow]
    np.testing.assert_allclose(made.weights[:span, brow], np.clip(was, 0, 1), atol=1e-9)
    # The donor is shorter: it plays backwards then, with no jump.
    assert np.abs(np.diff(made.weights[:, brow])).max() <= np.abs(np.diff(was)).max() * 1.5 + 0.05


def test_quiet_people_move_everything_less_but_close_their_lids():
    lid, jaw = INDEX["eyeBlinkLeft"], INDEX["jawOpen"]
    drawn = np.array([augment.quietness(np.random.default_rng(seed)) for seed in range(200)])
    assert (drawn[:, lid] == 1.0).all()
    assert (drawn[:, jaw] == drawn[:, INDEX["mouthSmileRight"]]).all()
    assert drawn[:, jaw].min() >= 0.2
    assert drawn[:, jaw].max() <= 1.0
    assert 0.4 < np.median(drawn[:, jaw]) < 0.6


def test_blinks_are_added_and_nothing_else():
    take = performance(5, 40.0)
    calm = Performance(take.time_s, 0.1 * take.weights, take.quat_world_from_head, take.tracked)
    made = augment.with_blinks(calm, np.random.default_rng(1))
    lid = made.weights[:, INDEX["eyeBlinkLeft"]]
    count = ((lid[1:] > 0.5) & (lid[:-1] <= 0.5)).sum()
    assert 4 <= count <= 40
    others = [i for n, i in INDEX.items() if not n.startswith(("eyeBlink", "eyeWide"))]
    np.testing.assert_array_equal(made.weights[:, others], calm.weights[:, others])
    assert (lid >= calm.weights[:, INDEX["eyeBlinkLeft"]]).all()


def test_strengths_of_a_face_are_nearly_the_same_on_both_sides():
    drawn = np.array([augment.face_strengths(np.random.default_rng(s)) for s in range(100)])
    left, right = (np.log(drawn[:, INDEX["mouthSmile" + s]]) for s in ("Left", "Right"))
    assert np.corrcoef(left, right)[0, 1] > 0.8
    assert 0.1 < left.std() < 0.3


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_whatever_is_drawn_is_still_a_face(seed):
    take, other = performance(seed, 5.0), performance(seed + 1, 3.0)
    made = augment.varied(take, other, np.random.default_rng(seed), 4.0)
    assert made.weights.min() >= 0
    assert made.weights.max() <= 1
    assert (np.diff(made.time_s) > 0).all()
    assert 4.0 / 1.7 < made.duration_s < 4.0 * 1.7
    count = len(made.time_s)
    assert made.weights.shape == (count, 52)
    assert made.quat_world_from_head.shape == (count, 4)
    assert made.tracked.shape == (count,)
    np.testing.assert_allclose(np.linalg.norm(made.quat_world_from_head, axis=1), 1.0)


def test_the_same_draw_is_the_same_variation():
    take, other = performance(8), performance(9)
    a, b = (augment.varied(take, other, np.random.default_rng(7), 4.0) for _ in range(2))
    np.testing.assert_array_equal(a.weights, b.weights)
    np.testing.assert_array_equal(a.time_s, b.time_s)


def test_a_cut_is_no_longer_than_the_take():
    take = performance(10, 3.0)
    assert augment.cut(take, np.random.default_rng(0), 10.0) is take
    assert augment.cut(take, np.random.default_rng(0), 1.0).duration_s == pytest.approx(1, abs=0.05)


def test_every_shape_belongs_to_one_group():
    assert sorted(np.concatenate(augment.GROUPS)) == list(range(52))


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_reassembling_keeps_length_range_and_what_is_not_chosen(seed):
    take, rng = performance(seed), np.random.default_rng(seed)
    made = augment.reassembled(take, (performance(seed + 1, 9.0),), rng)
    assert made.weights.shape == take.weights.shape
    assert made.weights.min() >= 0
    assert made.weights.max() <= 1
    same = augment.reassembled(take, (take,), rng, chance=0.0)
    np.testing.assert_array_equal(same.weights, take.weights)


def test_reassembling_breaks_habits_between_groups_and_keeps_them_within():
    take = performance(3, 20.0)
    walk = np.cumsum(np.random.default_rng(5).normal(size=len(take.time_s)))
    beat = 0.2 + 0.6 * (walk - walk.min()) / np.ptp(walk)
    for name in ("mouthFunnel", "mouthPucker", "browInnerUp", "browOuterUpLeft"):
        take.weights[:, INDEX[name]] = beat
    late = Performance(
        take.time_s, take.weights[::-1].copy(), take.quat_world_from_head, take.tracked
    )
    made = augment.reassembled(take, (late,), np.random.default_rng(1), chance=0.5)
    funnel, pucker, inner, outer = (
        made.weights[:, INDEX[n]]
        for n in ("mouthFunnel", "mouthPucker", "browInnerUp", "browOuterUpLeft")
    )
    assert np.corrcoef(funnel, pucker)[0, 1] > 0.99
    assert np.corrcoef(inner, outer)[0, 1] > 0.99
    assert abs(np.corrcoef(funnel, inner)[0, 1]) < 0.9
