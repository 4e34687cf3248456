"""Which faces are whole enough to learn from."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capture.blendshapes import INDEX
from capture.face_holes import MAX_HOLE_S, never_sent, whole_faces

JAW, TONGUE = INDEX["jawOpen"], INDEX["tongueOut"]


def faces(count: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    time_s = np.arange(count) / 60
    weights = np.repeat(time_s[:, None], 52, axis=1).astype(np.float32)
    return time_s, weights, np.ones(count, np.bool_)


def test_whole_faces_stay_as_they_are():
    time_s, weights, tracked = faces()
    tracked[3:6] = False
    weights[3:6] = np.nan
    got, whole = whole_faces(time_s, weights, tracked)
    assert got is weights
    assert whole is tracked


def test_a_short_hole_of_a_shape_is_bridged_and_a_long_one_is_no_face():
    time_s, weights, tracked = faces()
    weights[10:12, JAW] = np.nan
    weights[30:40, JAW] = np.nan
    before = weights.copy()
    got, whole = whole_faces(time_s, weights, tracked)
    assert np.allclose(got[10:12, JAW], time_s[10:12])
    assert np.flatnonzero(~whole).tolist() == list(range(30, 40))
    assert np.isnan(got[30:40]).all()
    assert np.array_equal(weights, before, equal_nan=True)


def test_a_hole_at_either_end_has_nothing_to_be_bridged_from():
    time_s, weights, tracked = faces()
    weights[0, JAW] = weights[-1, JAW] = np.nan
    assert np.flatnonzero(~whole_faces(time_s, weights, tracked)[1]).tolist() == [0, 59]


def test_a_tongue_that_is_never_sent_spoils_no_face_and_a_jaw_all():
    time_s, weights, tracked = faces()
    weights[:, TONGUE] = np.nan
    assert never_sent(weights, tracked) == []
    got, whole = whole_faces(time_s, weights, tracked)
    assert whole.all()
    assert not got[:, TONGUE].any()

    weights[:, JAW] = np.nan
    assert never_sent(weights, tracked) == ["jawOpen"]
    assert not whole_faces(time_s, weights, tracked)[1].any()
    assert never_sent(weights, np.zeros(60, np.bool_)) == []


@given(hnp.arrays(np.bool_, (40, 52)), hnp.arrays(np.bool_, 40), st.floats(0.005, 0.2))
def test_what_is_called_whole_is_known_and_lies_between_what_was_sent(lost, tracked, step_s):
    time_s = np.arange(40) * step_s
    weights = np.random.default_rng(1).random((40, 52)).astype(np.float32)
    weights[lost | ~tracked[:, None]] = np.nan
    got, whole = whole_faces(time_s, weights, tracked)
    assert not (whole & ~tracked).any()
    assert np.isfinite(got[whole]).all()
    known = np.isfinite(weights) & whole[:, None]
    assert np.array_equal(got[known], weights[known])
    if 2 * step_s > MAX_HOLE_S:
        assert not (whole & lost[:, JAW]).any()
