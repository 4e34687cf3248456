import numpy as np
import pytest

from dataset_tools.splines import fit

KNOT_HZ = 120.0


def wave(frequency_hz, seconds=4.0):
    t = np.arange(round(seconds * KNOT_HZ) + 1) / KNOT_HZ
    return np.sin(2 * np.pi * frequency_hz * t)[:, None]


@pytest.mark.parametrize("rate_hz", [200.0, 333.3, 1000.0])
def test_derivatives_of_a_tenth_of_the_knot_rate_are_true_to_a_thousandth(rate_hz):
    frequency = KNOT_HZ / 10
    w = 2 * np.pi * frequency
    at = np.arange(1.0, 3.0, 1 / rate_hz)
    value, speed, change = fit(wave(frequency), KNOT_HZ).at(at, 2)
    np.testing.assert_allclose(value[:, 0], np.sin(w * at), atol=1e-3)
    np.testing.assert_allclose(speed[:, 0], w * np.cos(w * at), atol=1e-3 * w)
    np.testing.assert_allclose(change[:, 0], -(w**2) * np.sin(w * at), atol=1e-3 * w**2)


def test_acceleration_has_no_corners():
    # Where a cubic's second derivative breaks, at the knots, slopes on both sides agree.
    values = np.random.default_rng(0).standard_normal((200, 1))
    path, knots, step = fit(values, KNOT_HZ, 0.012), np.arange(20, 180) / KNOT_HZ, 1e-6
    before, now, after = (path.at(knots + d, 2)[2][:, 0] for d in (-step, 0.0, step))
    left, right = (now - before) / step, (after - now) / step
    np.testing.assert_allclose(left, right, atol=1e-3 * np.abs(right).max())


def test_a_steady_motion_stays_steady_to_its_very_ends():
    values = np.linspace(0.0, 5.0, 61)[:, None]
    value, speed, change = fit(values, KNOT_HZ, 0.012).at(np.linspace(0.0, 0.5, 77), 2)
    np.testing.assert_allclose(value[:, 0], 10.0 * np.linspace(0.0, 0.5, 77), atol=1e-9)
    np.testing.assert_allclose(speed, 10.0, atol=1e-6)
    np.testing.assert_allclose(change, 0.0, atol=1e-3)


def test_two_values_are_enough_and_one_is_not():
    assert fit(np.array([[1.0], [1.0]]), KNOT_HZ, 0.012).at(np.array([0.0]))[0] == pytest.approx(
        1.0
    )
    with pytest.raises(ValueError, match="at least 2"):
        fit(np.array([[1.0]]), KNOT_HZ)
