"""Gyroscope bias is followed while a sensor is still, and never while it moves."""

import numpy as np
import pytest

from capture.rest_bias import MOST_RAD_S, BiasFollower


def rows(seconds, bias, moving=0.0, seed=0):
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(60 * seconds)) / 60
    out = rng.normal(0.0, 0.002, (len(time_s), 2, 6))
    out[..., 1] += 9.81
    out[..., 3:] += bias
    out[:, 0, 3] += moving * np.sin(2 * np.pi * 0.7 * time_s)
    return out


def followed(follower, given):
    for row in given:
        follower.step(row)
    return follower.bias_rad_s


def test_a_chip_that_warms_up_is_followed_at_rest():
    found = followed(BiasFollower(np.zeros((2, 3))), rows(30.0, 0.01))
    np.testing.assert_allclose(found, 0.01, atol=0.001)


def test_a_slot_that_moves_keeps_its_bias_and_the_other_does_not():
    found = followed(BiasFollower(np.zeros((2, 3))), rows(30.0, 0.01, moving=0.1))
    np.testing.assert_array_equal(found[0], 0.0)
    np.testing.assert_allclose(found[1], 0.01, atol=0.001)


def test_a_steady_turn_is_no_drift():
    found = followed(BiasFollower(np.zeros((2, 3))), rows(30.0, 0.05))
    np.testing.assert_array_equal(found, 0.0)


def test_missing_rows_are_waited_out():
    given = rows(30.0, 0.01)
    given[::20, 0] = np.nan
    found = followed(BiasFollower(np.zeros((2, 3))), given)
    np.testing.assert_array_equal(found[0], 0.0)
    np.testing.assert_allclose(found[1], 0.01, atol=0.001)


def test_it_goes_no_further_than_chips_do():
    follower = BiasFollower(np.zeros((2, 3)))
    for step in range(60):
        followed(follower, rows(8.0, 0.01 * step, seed=step))
    assert np.abs(follower.bias_rad_s).max() == pytest.approx(MOST_RAD_S, abs=0.02)
