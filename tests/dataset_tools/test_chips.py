from dataclasses import fields

import numpy as np
import pytest

from capture.allan import allan_deviation, expected_deviation
from dataset_tools.chips import CHIPS, DPS, MILLI_G, Chip, Imperfections, draw_parts
from dataset_tools.disturbances import Disturbances, Warming
from dataset_tools.performance import Performance
from dataset_tools.virtual_imu import SiteModel, feel, put_on
from firmware_host.layout import FACE_12

SLOTS = len(FACE_12.slots)
EVERY_CHIP = pytest.mark.parametrize("chip", CHIPS.values(), ids=list(CHIPS))


def resting(seconds, omega=0.0):
    """A still face on a head that turns about the vertical at a constant rate."""
    t = np.arange(round(seconds * 60) + 1) / 60
    quat = np.stack((np.cos(omega * t / 2), 0 * t, np.sin(omega * t / 2), 0 * t), axis=-1)
    return Performance(t, np.zeros((len(t), 52)), quat, np.ones(len(t), bool))


def wearer(chip, seed=0, disturbances=None):
    none = np.zeros((SLOTS, 3, 52))
    sites = SiteModel(none, none, np.array([slot.position_m for slot in FACE_12.slots]))
    off = Disturbances() if disturbances is None else disturbances
    return put_on(FACE_12, sites, np.random.default_rng(seed), 0.0, chip, off)


@EVERY_CHIP
def test_every_figure_said_to_be_assumed_is_one_of_the_chip(chip):
    own = {f.name for f in fields(Chip)}
    per_sensor = {f"{s}.{f.name}" for s in ("accel", "gyro") for f in fields(Imperfections)}
    assert chip.assumed <= own | per_sensor
    assert chip.source != Chip().source


@EVERY_CHIP
def test_a_chip_at_rest_shows_the_allan_deviation_of_its_figures(chip):
    rate_hz = 50.0  # below it no low-pass bites, and the steps are finer than the noise
    felt = feel(resting(600.0), wearer(chip), rate_hz, np.random.default_rng(1))
    for values, n, kind, step in (
        (felt.gyro_rad_s, chip.gyro_noise_rad_s_rthz, chip.gyro, chip.gyro_range_rad_s / 2**15),
        (felt.accel_m_s2, chip.accel_noise_m_s2_rthz, chip.accel,
         chip.accel_range_m_s2 / 2 ** ((chip.accel_bits or chip.bits) - 1)),
    ):  # fmt: skip
        tau_s, deviation = allan_deviation(values.reshape(len(values), -1).astype(float), rate_hz)
        found = np.sqrt(np.mean(deviation**2, axis=1))
        rounding = step * np.sqrt(2 / 12 / rate_hz)  # as a density
        expected = expected_deviation(
            tau_s, np.hypot(n, rounding), kind.bias_instability, kind.random_walk
        )
        inside = tau_s < 40.0
        np.testing.assert_array_less(np.abs(found / expected - 1.0)[inside], 0.2)


def test_a_plain_chip_draws_no_parts():
    rng = np.random.default_rng(0)
    assert draw_parts(Chip(), SLOTS, rng) is None
    assert rng.random() == np.random.default_rng(0).random()


def test_parts_spread_as_their_chip_says():
    chip = Chip(
        accel=Imperfections(scale=0.03, cross_axis=0.01, offset_per_k=0.02),
        gyro=Imperfections(scale=0.01, cross_axis=0.02, scale_per_k=4e-4),
        gyro_per_accel=1e-4,
    )
    parts = draw_parts(chip, 4000, np.random.default_rng(0))
    diagonal = np.arange(3)
    assert parts.accel_matrix[:, diagonal, diagonal].std() == pytest.approx(0.03, rel=0.05)
    assert parts.accel_matrix[:, diagonal, diagonal].mean() == pytest.approx(1.0, abs=2e-3)
    assert parts.gyro_matrix[:, 0, 1].std() == pytest.approx(0.02, rel=0.05)
    assert parts.gyro_per_accel.std() == pytest.approx(1e-4, rel=0.05)
    assert parts.accel_per_k.std() == pytest.approx(0.02, rel=0.05)
    assert parts.gyro_scale_per_k.std() == pytest.approx(4e-4, rel=0.05)
    assert not parts.accel_scale_per_k.any()


def quiet(**changes):
    return Chip(0.0, 0.0, 0.0, 0.0, bits=24, **changes)


def test_gain_and_crosstalk_show_in_a_constant_turn():
    worn = wearer(quiet(gyro=Imperfections(scale=0.05, cross_axis=0.02)), seed=4)
    felt = feel(resting(4.0, omega=2.0), worn, 200.0, np.random.default_rng(0))
    middle = felt.gyro_rad_s[200:600].mean(axis=0)
    np.testing.assert_allclose(middle, 2.0 * worn.parts.gyro_matrix[:, :, 1], atol=1e-3)


def test_gravity_leaks_into_a_gyroscope_with_g_sensitivity():
    worn = wearer(quiet(gyro_per_accel=0.1 * DPS / 9.80665), seed=4)
    felt = feel(resting(1.0), worn, 200.0, np.random.default_rng(0))
    expected = 9.80665 * worn.parts.gyro_per_accel[:, :, 1]
    np.testing.assert_allclose(felt.gyro_rad_s[100], expected, atol=1e-5)


def test_offsets_drift_with_the_warmth_of_the_chip_and_not_without_it():
    chip = quiet(accel=Imperfections(offset_per_k=1 * MILLI_G))
    cold, warm = (
        wearer(chip, 5, Disturbances(warming=warming)) for warming in (None, Warming(8.0, 2.0))
    )
    a, b = (
        feel(resting(20.0), worn, 100.0, np.random.default_rng(0)).accel_m_s2
        for worn in (cold, warm)
    )
    np.testing.assert_allclose(a[0], b[0], atol=1e-5)
    np.testing.assert_allclose((b - a)[-1], 8.0 * warm.parts.accel_per_k, rtol=1e-2, atol=1e-4)


@EVERY_CHIP
def test_the_same_seed_gives_the_same_readings_of_every_chip(chip):
    one, two = (feel(resting(2.0), wearer(chip), 200.0, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(one.gyro_rad_s, two.gyro_rad_s)
    np.testing.assert_array_equal(one.accel_m_s2, two.accel_m_s2)
    assert np.abs(one.accel_m_s2).max() <= chip.accel_range_m_s2 * 1.00001
