"""Millimetres on the skin, on heads simple enough to know the answer."""

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX, OBSERVABLE, REGIONS
from capture.head import standard_head
from model.surface import Face, face_of, standard_face, upper_face_deviation_mm, vertex_errors_mm

BROW, JAW = INDEX["browInnerUp"], INDEX["jawOpen"]


@pytest.fixture
def two_points():
    """A brow vertex that browInnerUp lifts by 5 mm, and a lip that jawOpen lowers by 20 mm."""
    deltas = np.zeros((len(ARKIT_NAMES), 2, 3), np.float32)
    deltas[BROW, 0] = [0.0, 0.003, 0.004]
    deltas[JAW, 1] = [0.0, -0.020, 0.0]
    return Face(
        1e3 * deltas[OBSERVABLE].transpose(2, 0, 1),
        np.array([False, True]),
        np.array([True, False]),
    )


def test_an_error_is_the_mean_distance_over_the_vertices(two_points):
    truth = np.zeros((700, 52))
    prediction = truth.copy()
    prediction[:, BROW], prediction[:, JAW] = 0.4, 0.1
    everywhere, lips = vertex_errors_mm(prediction, truth, two_points)
    np.testing.assert_allclose(everywhere, (2.0 + 2.0) / 2, rtol=1e-5)
    np.testing.assert_allclose(lips, 2.0, rtol=1e-5)
    assert everywhere.shape == lips.shape == (700,)


def test_errors_at_a_tick_are_those_of_that_tick(two_points):
    prediction = np.zeros((700, 52))
    prediction[650, JAW] = 1.0
    _, lips = vertex_errors_mm(prediction, np.zeros((700, 52)), two_points)
    assert np.flatnonzero(lips).tolist() == [650]


def test_half_the_motion_of_the_brow_deviates_by_half_its_deviation(two_points):
    truth = np.zeros((1000, 52))
    truth[::2, BROW] = 1.0  # 5 mm up and down: its standard deviation is 2.5 mm
    assert upper_face_deviation_mm(0.5 * truth, truth, two_points) == pytest.approx(1.25, rel=1e-5)
    assert upper_face_deviation_mm(2.0 * truth, truth, two_points) == pytest.approx(-2.5, rel=1e-5)


def test_neither_an_offset_nor_the_mouth_are_dynamics_of_the_upper_face(two_points):
    truth = np.full((100, 52), 0.3)
    truth[::2, JAW] = 1.0
    still = np.full((100, 52), 0.1)
    assert upper_face_deviation_mm(still, truth, two_points) == pytest.approx(0.0, abs=1e-6)


def test_the_standard_face_is_judged_where_a_face_moves():
    head, face = standard_head(), standard_face()
    assert face.shapes.shape == (3, int(OBSERVABLE.sum()), len(face.lips))
    assert 2000 < len(face.lips) < len(head.vertices)
    assert not (face.lips & face.upper).any()
    moved = np.linalg.norm(face.shapes, axis=0)
    at = {shape: i for i, shape in enumerate(np.flatnonzero(OBSERVABLE))}
    assert moved[at[INDEX["mouthPucker"]], face.lips].min() > 1.0
    for shape in (*REGIONS["brows"], *REGIONS["eyes"]):
        assert moved[at[shape], face.upper].max() == pytest.approx(moved[at[shape]].max())


def test_an_error_on_the_standard_face_is_that_of_its_deformed_vertices():
    head, face = standard_head(), face_of(standard_head())
    weights = np.zeros((2, 52))
    weights[1, JAW] = 0.5
    apart = np.linalg.norm(np.diff(head.deform(weights), axis=0)[0], axis=1)
    _, lips = vertex_errors_mm(weights[1:], weights[:1], face)
    red = np.isclose(head.colours, [0.70, 0.44, 0.41], atol=1e-3).all(axis=1)
    assert lips[0] == pytest.approx(1e3 * apart[red].mean(), rel=1e-3)
