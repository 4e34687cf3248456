import numpy as np
import pytest

from capture.allan import FLOOR, allan_deviation, expected_deviation, noise_figures
from dataset_tools.noise import digitise, drift, flicker, low_pass, random_walk, white

RATE_HZ = 20.0
CHANNELS = 32
HOUR = int(3600 * RATE_HZ)


def mean_deviation(values, rate_hz=RATE_HZ):
    """Allan deviation of the mean variance over channels: what the process itself has."""
    tau_s, deviation = allan_deviation(values, rate_hz)
    return tau_s, np.sqrt(np.mean(deviation**2, axis=1))


def close(found, expected, share=0.2):
    np.testing.assert_array_less(np.abs(found / expected - 1.0), share)


def test_an_allan_deviation_by_hand():
    # Five pairs of neighbouring pairs in 0 1 0 1 4 1 0 3: means over two samples are taken at every
    # start (overlapping), differences two samples apart.
    values = np.array([0.0, 1, 0, 1, 4, 1, 0, 3])
    means = 0.5 * (values[1:] + values[:-1])
    by_hand = np.sqrt(0.5 * np.mean((means[2:] - means[:-2]) ** 2))
    tau_s, deviation = allan_deviation(values, 4.0)
    assert deviation[tau_s == 0.5] == pytest.approx(by_hand)
    assert deviation[tau_s == 0.25] == pytest.approx(np.sqrt(0.5 * np.mean(np.diff(values) ** 2)))


def test_an_allan_deviation_forgives_an_offset_and_sees_a_ramp():
    ramp = 3.0 + 0.01 * np.arange(4000) / 10.0
    tau_s, deviation = allan_deviation(ramp, 10.0)
    np.testing.assert_allclose(deviation, 0.01 * tau_s / np.sqrt(2), rtol=1e-6)
    with pytest.raises(ValueError, match="at least 8"):
        allan_deviation(ramp[:7], 10.0)


def test_white_noise_has_the_allan_deviation_of_its_density():
    noise = white(np.random.default_rng(0), (HOUR, CHANNELS), 1.6e-4, RATE_HZ)
    tau_s, deviation = mean_deviation(noise)
    close(deviation, expected_deviation(tau_s, 1.6e-4))
    assert noise_figures(tau_s, deviation).density == pytest.approx(1.6e-4, rel=0.05)


def test_flicker_has_a_flat_floor_of_the_bias_instability():
    noise = flicker(np.random.default_rng(1), (HOUR, CHANNELS), 5e-5, RATE_HZ)
    tau_s, deviation = mean_deviation(noise)
    inside = (tau_s > 1.0) & (tau_s < 600.0)
    close(deviation[inside], FLOOR * 5e-5)


def test_a_random_walk_ends_as_its_coefficient_says():
    walk = random_walk(np.random.default_rng(2), (HOUR, CHANNELS), 3e-6, RATE_HZ)
    tau_s, deviation = mean_deviation(walk)
    inside = tau_s > 1.0
    close(deviation[inside], 3e-6 * np.sqrt(tau_s[inside] / 3))


def test_all_three_together_match_their_sum_from_one_sample_to_a_quarter_of_an_hour():
    rng, n, b, k = np.random.default_rng(3), 2e-4, 1.2e-4, 8e-6
    shape = (HOUR, CHANNELS)
    readings = white(rng, shape, n, RATE_HZ) + drift(rng, shape, b, k, RATE_HZ)
    tau_s, deviation = mean_deviation(readings)
    close(deviation, expected_deviation(tau_s, n, b, k))
    assert tau_s[-1] == pytest.approx(900.0)


def test_no_drift_draws_nothing():
    rng = np.random.default_rng(0)
    assert drift(rng, (100, 3), 0.0, 0.0, 200.0) is None
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize("rate_hz", [200.0, 1000.0])
def test_a_low_pass_halves_power_at_its_bandwidth_and_delays_by_its_order(rate_hz):
    t = np.arange(0.0, 4.0, 1 / rate_hz)
    passed = low_pass(np.sin(2 * np.pi * 50.0 * t), 50.0, rate_hz)
    assert passed[t > 1].std() == pytest.approx(0.5, rel=0.02)  # 1/√2 of a sine's 1/√2
    slow = 2 * np.pi * 2.0
    delay_s = 1 / (np.sqrt(2) * rate_hz * np.tan(np.pi * 50.0 / rate_hz))
    assert delay_s == pytest.approx(0.225 / 50.0, rel=0.25)
    expected = np.sin(slow * (t - delay_s))[t > 1]
    np.testing.assert_allclose(
        low_pass(np.sin(slow * t), 50.0, rate_hz)[t > 1], expected, atol=5e-3
    )


def test_a_low_pass_starts_settled_and_leaves_alone_what_lies_above_nyquist():
    constant = np.full((50, 2, 3), 9.81)
    np.testing.assert_allclose(low_pass(constant, 40.0, 200.0), constant)
    assert low_pass(constant, 95.0, 200.0) is constant
    assert low_pass(constant, None, 200.0) is constant


def test_readings_lie_on_steps_within_the_range():
    values = np.linspace(-3.0, 3.0, 999, dtype=np.float32)
    out = digitise(values.copy(), 2.0, 8)
    np.testing.assert_allclose(out * 64, np.rint(out * 64), atol=1e-4)
    assert (out.min(), out.max()) == (-2.0, 2.0 - 1 / 64)
    inside = np.abs(values) < 1.9
    assert np.abs(out - values)[inside].max() <= 0.5 / 64 + 1e-6
