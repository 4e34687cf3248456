"""The camera's face where it sees, the sensors' where it does not, and no jump between them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.blendshapes import BlendshapeFrame
from model.hybrid import CATCH_UP_S, FRESH_S, PHONE_LATENCY_S, Hybrid, repaired

TICK_NS = 16_666_667


def frame(tick, weights, confidence=0.8):
    weights = np.broadcast_to(np.float32(weights), 52)
    return BlendshapeFrame(tick * TICK_NS, weights.astype(np.float32), None, True, confidence)


def told(hybrid, ticks, felt, seen=None):
    """(T, 52) fused faces; `seen(tick)` is what the camera tells of a tick, three ticks later."""
    out = []
    for tick in ticks:
        out.append(hybrid.fuse(frame(tick, felt(tick))))
        if seen is not None and tick - 3 >= ticks[0]:
            hybrid.see((tick - 3) * TICK_NS, np.broadcast_to(np.float32(seen(tick - 3)), 52))
    return out


def faces(frames):
    return np.stack([f.weights for f in frames])


def test_without_a_camera_the_face_is_that_of_the_sensors():
    hybrid = Hybrid()
    (only,) = told(hybrid, range(1), lambda _: 0.3)
    np.testing.assert_array_equal(only.weights, np.float32(0.3))
    assert (only.tracked, only.confidence) == (True, pytest.approx(0.8))
    assert not hybrid.fresh(0).any()


def test_while_it_sees_the_camera_says_where_and_the_sensors_what_came_since():
    def felt(tick):
        return 0.2 + 0.001 * tick

    hybrid = Hybrid()
    frames = told(hybrid, range(120), felt, lambda tick: felt(tick) + 0.4)
    np.testing.assert_allclose(
        faces(frames)[10:, 0], [felt(k) + 0.4 for k in range(10, 120)], atol=1e-5
    )
    assert {f.confidence for f in frames[10:]} == {1.0}
    assert hybrid.fresh(119 * TICK_NS).all()


def test_a_lost_face_goes_on_from_where_it_was_and_back_to_where_it_usually_is():
    hybrid = Hybrid()
    told(hybrid, range(1200), lambda _: 0.1, lambda _: 0.3)  # usually 0.2 above what is felt
    told(hybrid, range(1200, 1230), lambda _: 0.1, lambda _: 0.6)
    lost = told(hybrid, range(1230, 1230 + 1200), lambda _: 0.1)
    weights = faces(lost)[:, 7]
    assert abs(weights[0] - 0.6) < 0.01
    assert np.abs(np.diff(weights)).max() < 0.01
    assert 0.3 < weights[-1] < 0.35
    seen = int(60 * (FRESH_S + PHONE_LATENCY_S))
    assert lost[0].confidence == 1.0
    np.testing.assert_allclose([f.confidence for f in lost[seen + 1 :]], 0.8)


def test_in_a_gap_the_face_moves_as_the_sensors_feel_it():
    hybrid = Hybrid()
    told(hybrid, range(60), lambda _: 0.1, lambda _: 0.1)
    moved = told(hybrid, range(60, 90), lambda tick: 0.1 + 0.01 * (tick - 60))
    np.testing.assert_allclose(faces(moved)[-1], 0.39, atol=0.01)


def test_a_face_that_is_seen_again_is_caught_up_with_and_not_jumped_to():
    hybrid = Hybrid()
    told(hybrid, range(60), lambda _: 0.1, lambda _: 0.2)
    lost = faces(told(hybrid, range(60, 120), lambda _: 0.1))
    again = faces(told(hybrid, range(120, 180), lambda _: 0.1, lambda _: 0.8))
    steps = np.abs(np.diff(np.concatenate((lost, again)), axis=0)).max()
    assert steps < 0.6 * (1 / 60) / CATCH_UP_S * 1.2
    np.testing.assert_allclose(again[40:], 0.8, atol=0.01)


def test_a_shape_that_the_camera_does_not_know_is_that_of_the_sensors():
    hybrid = Hybrid()
    seen = np.full(52, 0.9, np.float32)
    seen[5] = np.nan
    told(hybrid, range(60), lambda _: 0.1, lambda _: seen)
    (last,) = told(hybrid, range(60, 61), lambda _: 0.1)
    assert last.weights[5] == pytest.approx(0.1)
    np.testing.assert_allclose(np.delete(last.weights, 5), 0.9, atol=1e-5)
    assert not hybrid.fresh(60 * TICK_NS)[5]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.integers(0, 9)), max_size=60))
def test_whatever_comes_faces_stay_within_bounds(events):
    hybrid = Hybrid()
    for tick, (sees, weight, late) in enumerate(events):
        if sees:
            hybrid.see((tick - late) * TICK_NS, np.full(52, weight, np.float32))
        weights = hybrid.fuse(frame(tick, weight)).weights
        assert np.isfinite(weights).all()
        assert (weights >= 0).all()
        assert (weights <= 1).all()


def test_offline_a_gap_is_filled_from_both_edges():
    time_s = np.arange(0, 4, 1 / 60)
    truth = np.repeat((0.4 + 0.3 * np.sin(4 * time_s))[:, None], 52, axis=1)
    felt = np.clip(truth - np.linspace(0.05, 0.1, len(time_s))[:, None], 0, 1).astype(np.float32)
    seen = truth.astype(np.float32)
    seen[60:150] = np.nan
    found, tracked = repaired(time_s, felt, time_s, seen)
    np.testing.assert_allclose(found, truth, atol=1e-5)
    assert 80 < (~tracked).sum() <= 92
    np.testing.assert_array_equal(found[tracked], truth[tracked].astype(np.float32))


def test_offline_a_camera_that_saw_nothing_changes_nothing():
    felt = np.full((10, 52), 0.2, np.float32)
    found, tracked = repaired(np.arange(10) / 60, felt, np.arange(5) / 60, np.full((5, 52), np.nan))
    np.testing.assert_array_equal(found, felt)
    assert not tracked.any()


def test_offline_rows_before_and_after_the_camera_are_shifted_as_at_its_edges():
    time_s = np.arange(0, 3, 1 / 60)
    felt = np.full((len(time_s), 52), 0.2, np.float32)
    seen_s = time_s[60:120]
    found, tracked = repaired(time_s, felt, seen_s, np.full((60, 52), 0.5, np.float32))
    np.testing.assert_allclose(found, 0.5, atol=1e-6)
    assert tracked[60:120].all()
    assert not tracked[:50].any()
    assert not tracked[130:].any()
