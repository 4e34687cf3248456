import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture import rotations
from capture.blendshapes import INDEX
from dataset_tools.performance import (
    REST_S,
    ROUTINE_S,
    baseline,
    from_weights,
    generate_performance,
    trimmed,
    with_routine,
)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.0, 8.0))
def test_what_the_generator_makes_is_a_face(seed, seconds):
    made = generate_performance(seed, seconds)
    assert np.isfinite(made.weights).all()
    assert made.weights.min() >= 0
    assert made.weights.max() <= 1
    assert (np.diff(made.time_s) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(made.quat_world_from_head, axis=1), 1.0)


def test_the_same_seed_makes_the_same_performance_and_another_another():
    a, b, c = (generate_performance(seed, 5.0).weights for seed in (3, 3, 4))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.1


def test_a_generated_minute_speaks_blinks_and_feels():
    made = generate_performance(1, 60.0).weights
    for name in ("jawOpen", "mouthFunnel", "mouthSmileLeft", "browDownRight", "eyeBlinkLeft"):
        assert made[:, INDEX[name]].std() > 0.03, name
    blinks = np.diff((made[:, INDEX["eyeBlinkLeft"]] > 0.5).astype(int)) > 0
    assert 6 <= blinks.sum() <= 35


def test_too_short_a_performance_is_refused():
    with pytest.raises(ValueError, match="at least 1 s"):
        generate_performance(0, 0.5)


def test_rest_and_routine_come_first_with_a_still_face():
    worn = with_routine(generate_performance(2, 5.0), seed=9)
    opening = worn.time_s < REST_S + ROUTINE_S - 0.01
    assert np.ptp(worn.weights[opening], axis=0).max() == 0
    rest = worn.time_s < REST_S
    turned = rotations.to_vector(worn.quat_world_from_head)
    assert np.abs(turned[rest]).max() == 0
    nod, turn, tilt = np.abs(turned[opening & ~rest]).max(axis=0)
    assert min(nod, tilt, turn) > 0.15
    assert np.diff(worn.time_s).min() > 0
    assert np.diff(worn.time_s).max() < 0.02
    skin = [i for n, i in INDEX.items() if not n.startswith("eye")]  # eyes may jump, lids fall
    steps = np.abs(np.diff(worn.weights[:, skin], axis=0)).max(axis=1)
    joint = (worn.time_s[1:] > REST_S + ROUTINE_S - 0.1) & (worn.time_s[1:] < 8.8)
    assert steps[joint].max() < 0.1  # the face eases into the performance


def test_frames_without_a_face_hold_the_last_one_seen_and_stay_marked():
    weights = np.zeros((5, 52))
    weights[:, INDEX["jawOpen"]] = [0.9, 0.1, 0.2, 0.9, 0.3]
    tracked = np.array([False, True, True, False, True])
    made = from_weights(np.arange(5) / 60, weights, tracked)
    assert made.weights[:, INDEX["jawOpen"]].tolist() == [0.1, 0.1, 0.2, 0.2, 0.3]
    np.testing.assert_array_equal(made.tracked, tracked)
    assert baseline(made)[INDEX["jawOpen"]] == 0.2


def test_a_recording_that_never_sees_a_face_is_refused():
    with pytest.raises(ValueError, match="never sees a face"):
        from_weights(np.arange(3) / 60, np.zeros((3, 52)), np.zeros(3, bool))


def test_trimming_keeps_times_and_refuses_an_empty_stretch():
    made = generate_performance(0, 3.0)
    part = trimmed(made, 1.0, 0.5)
    assert part.time_s[0] == pytest.approx(1.0, abs=0.02)
    assert part.duration_s < 0.5
    with pytest.raises(ValueError, match="no two frames"):
        trimmed(made, 10.0, 1.0)
