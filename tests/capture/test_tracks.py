"""Reading faces over time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.rotations import from_vector, multiply
from capture.tracks import facing_camera, make_track, most_expressive_s, read_track, resample
from firmware_host.errors import DataError

TIMES = np.arange(5) / 10


def rising() -> np.ndarray:
    """(5, 52): jawOpen climbs from 0 to 0.8."""
    weights = np.zeros((5, 52), np.float32)
    weights[:, INDEX["jawOpen"]] = np.arange(5) / 5
    return weights


def save(path, **changes):
    arrays = {"names": np.array(ARKIT_NAMES), "time_s": TIMES, "weights": rising(), **changes}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_a_prediction_is_read_by_name_whatever_its_order(tmp_path):
    path = save(tmp_path / "face.npz", names=np.array(ARKIT_NAMES[::-1]), weights=rising()[:, ::-1])
    track = read_track(path)
    assert track.name == "face"
    assert np.array_equal(track.weights, rising())
    assert track.quats is None
    assert track.tracked is None


def test_head_rotation_and_tracking_come_along(tmp_path):
    quats = np.tile([1.0, 0, 0, 0], (5, 1))
    tracked = np.array([True, True, False, True, True])
    track = read_track(save(tmp_path / "face.npz", quat_world_from_head=quats, tracked=tracked))
    assert np.array_equal(track.quats, quats)
    assert np.array_equal(track.tracked, tracked)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"weights": None}, "key 'weights' is missing"),
        ({"weights": rising()[:4]}, r"weights: expected \(5, 52\)"),
        ({"names": np.array(["jawOpen"] * 52)}, "'jawOpen' is given twice"),
        ({"names": np.array(["jaw"] * 52)}, "'jaw' is not one of the 52"),
        ({"time_s": TIMES[::-1]}, "expected increasing seconds"),
        ({"time_s": TIMES * np.nan}, "a time is not finite"),
        ({"time_s": TIMES.astype(str)}, "time_s: expected numbers"),
        ({"weights": rising() * np.nan}, "none of its 5 rows has a face"),
        ({"weights": rising().astype(object)}, r"not a readable NPZ"),
        ({"quat_world_from_head": np.ones((5, 3))}, r"shape \(5, 4\)"),
    ],
)
def test_an_npz_that_is_no_prediction_is_refused_with_the_reason(tmp_path, changes, complaint):
    path = save(tmp_path / "face.npz", **changes)
    with pytest.raises(DataError, match=complaint) as caught:
        read_track(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("size", [0, 10, 300])
def test_a_cut_npz_is_refused(tmp_path, size):
    path = save(tmp_path / "face.npz")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"not a readable NPZ"):
        read_track(path)


def test_what_is_no_track_at_all_is_refused_with_what_would_be(tmp_path):
    with pytest.raises(DataError, match="no such file") as caught:
        read_track(tmp_path / "face.npz")
    assert "imusic predict" in caught.value.hint
    with pytest.raises(DataError, match="not a take"):
        read_track(tmp_path)
    (tmp_path / "face.txt").write_text("face")
    with pytest.raises(DataError, match=r"got '\.txt'"):
        read_track(tmp_path / "face.txt")


def test_rows_without_a_face_hold_the_one_before():
    weights = rising()
    weights[[0, 2]] = np.nan
    track = make_track("t", TIMES, weights)
    assert track.tracked.tolist() == [False, True, False, True, True]
    assert track.weights[:, INDEX["jawOpen"]] == pytest.approx([0.2, 0.2, 0.2, 0.6, 0.8])


def test_resampling_is_linear_and_holds_at_the_ends():
    track = resample(make_track("t", TIMES, rising()), np.array([-1.0, 0.05, 0.1, 9.0]))
    assert track.weights[:, INDEX["jawOpen"]] == pytest.approx([0, 0.1, 0.2, 0.8])


def test_resampling_tells_when_the_face_was_lost():
    tracked = np.array([True, False, True, True, True])
    track = make_track("t", TIMES, rising(), None, tracked)
    sampled = resample(track, np.array([0.05, 0.15, 0.25]))
    assert sampled.tracked.tolist() == [True, False, True]


def test_resampled_rotations_are_rotations_whatever_their_signs():
    quats = from_vector(np.linspace(0, 1, 5)[:, None] * [0, 1.0, 0])
    flipped = quats * np.array([1, -1, 1, -1, 1])[:, None]
    middle = np.array([0.05, 0.15, 0.25, 0.35])
    sampled = resample(make_track("t", TIMES, rising(), flipped.astype(np.float32)), middle)
    assert np.linalg.norm(sampled.quats, axis=1) == pytest.approx(1)
    wanted = from_vector(middle[:, None] / 0.4 * [0, 1.0, 0])
    assert np.abs(np.sum(sampled.quats * wanted, axis=1)) == pytest.approx(1, abs=1e-5)


@given(st.floats(-3, 3), st.floats(-0.4, 0.4))
def test_a_head_faces_the_camera_whatever_its_heading(heading, nod):
    nods = from_vector(np.linspace(-1, 1, 7)[:, None] * [nod, 0, 0])
    turned = multiply(from_vector(np.array([0, heading, 0])), nods)
    back = facing_camera(turned.astype(np.float32))
    assert np.abs(np.sum(back * nods, axis=1)) == pytest.approx(1, abs=1e-4)


def test_the_most_expressive_moment_is_where_the_face_rises_most_above_its_median():
    weights = np.full((5, 52), 0.2, np.float32)
    weights[3, INDEX["mouthSmileLeft"]] = 0.7
    weights[1, INDEX["eyeLookUpLeft"]] = 0.9  # gaze is no expression
    weights[0] = 0.0  # nor is a face at rest amid talk
    track = make_track("t", TIMES, weights)
    assert most_expressive_s(track, 0, 1) == pytest.approx(0.3)
    assert most_expressive_s(track, 0.35, 0.36) == 0.35


def test_a_live_link_recording_is_a_track(data):
    track = read_track(data / "arkit" / "alexdjulin" / "S07-001.csv")
    assert len(track) > 100
    assert np.isfinite(track.weights).all()
    assert track.weights.min() >= 0
    assert track.weights.max() <= 1
