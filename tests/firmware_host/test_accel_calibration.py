"""Six positions: what is found of a sensor that is off, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_host.accel_calibration import GRAVITY_M_S2, fit_accel

FACES = np.concatenate((np.eye(3), -np.eye(3)))
EDGES = np.array([[1, 1, 0], [1, -1, 0], [0, 1, 1], [0, -1, 1], [1, 0, 1], [-1, 0, 1]])
offsets = st.lists(st.floats(-0.6, 0.6), min_size=3, max_size=3).map(np.array)
scales = st.lists(st.floats(0.95, 1.05), min_size=3, max_size=3).map(np.array)
shears = st.lists(st.floats(-0.03, 0.03), min_size=3, max_size=3).map(np.array)


def tilted(directions: np.ndarray, seed: int, degrees: float = 8.0) -> np.ndarray:
    """Gravity as a true sensor feels it, laid down by hand."""
    rng = np.random.default_rng(seed)
    up = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    up = up + np.radians(degrees) * rng.uniform(-1, 1, up.shape)
    return GRAVITY_M_S2 * up / np.linalg.norm(up, axis=1, keepdims=True)


@given(offsets, scales, st.integers(0, 1000))
def test_six_faces_laid_down_by_hand_give_offset_and_scale_exactly(offset, scale, seed):
    true = tilted(FACES, seed)
    fit = fit_accel(true / scale + offset)
    np.testing.assert_allclose(fit.offset_m_s2, offset, atol=1e-6)
    np.testing.assert_allclose(fit.matrix, np.diag(scale), atol=1e-7)
    assert np.isnan(fit.residual_m_s2)
    assert fit.objection == ""


@given(offsets, scales, shears, st.integers(0, 1000))
def test_twelve_positions_also_give_the_misalignment(offset, scale, shear, seed):
    matrix = np.diag(scale)
    matrix[[0, 0, 1], [1, 2, 2]] = shear
    true = tilted(np.concatenate((FACES, EDGES)), seed)
    readings = true @ np.linalg.inv(matrix).T + offset
    fit = fit_accel(readings, with_misalignment=True)
    np.testing.assert_allclose(fit.offset_m_s2, offset, atol=1e-5)
    np.testing.assert_allclose(fit.matrix, matrix, atol=1e-5)
    np.testing.assert_allclose((readings - fit.offset_m_s2) @ fit.matrix.T, true, atol=1e-4)
    assert fit.residual_m_s2 < 1e-6


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_noise_of_a_rest_of_two_seconds_leaves_a_few_milligravities(seed):
    rng = np.random.default_rng(seed)
    offset, scale = rng.uniform(-0.4, 0.4, 3), rng.uniform(0.97, 1.03, 3)
    mean_noise = 0.03 / np.sqrt(400)
    readings = tilted(FACES, seed) / scale + offset + rng.normal(0, mean_noise, (6, 3))
    fit = fit_accel(readings)
    assert np.abs(fit.offset_m_s2 - offset).max() < 0.006
    assert np.abs(np.diag(fit.matrix) - scale).max() < 0.0006


def test_what_is_left_over_tells_of_a_rest_that_was_none():
    true = tilted(np.concatenate((FACES, EDGES)), 3)
    clean = fit_accel(true, with_misalignment=True)
    true[4] *= 1.05
    moved = fit_accel(true, with_misalignment=True)
    assert clean.residual_m_s2 < 1e-9
    assert moved.residual_m_s2 > 0.1


def test_too_few_rests_or_rests_that_are_alike_are_refused():
    with pytest.raises(ValueError, match="expected at least 6 rests, got 5"):
        fit_accel(tilted(FACES[:5], 0))
    with pytest.raises(ValueError, match="never up or never down"):
        fit_accel(tilted(np.repeat(FACES[:2], 3, axis=0), 0))
    with pytest.raises(ValueError, match="expected at least 12 rests"):
        fit_accel(tilted(FACES, 0), with_misalignment=True)
    with pytest.raises(ValueError, match="too much alike"):
        fit_accel(np.tile(GRAVITY_M_S2 * FACES, (2, 1)), with_misalignment=True)


@pytest.mark.parametrize(
    ("readings", "objection"),
    [
        (1.25 * GRAVITY_M_S2 * FACES, "a scale of 0.80"),
        (GRAVITY_M_S2 * FACES + np.array([0, 0, -2.5]), "an offset of -2.5 m/s²"),
    ],
)
def test_a_sensor_that_no_maker_would_sell_is_objected_to(readings, objection):
    assert fit_accel(readings).objection == objection
