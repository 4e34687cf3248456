"""Orientation by VQF: on a grid, over holes, against an optical truth."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture import rotations
from capture.orientation import (
    MAX_GAP_S,
    estimate_orientation,
    gyro_bias_at_rest,
    on_grid_within,
    orientation_error,
)
from firmware_host.errors import EnvironmentMissing

pytest.importorskip("vqf", reason="needs the extra [orientation]")

G = 9.80665
RATE_HZ = 200.0
BIAS = np.array([0.01, -0.02, 0.015])
# What this repository measured (benchmarks/orientation.py), plus a twentieth: total, inclination.
BROAD = {
    "01_undisturbed_slow_rotation_A": (2.09, 0.63),
    "09_undisturbed_fast_rotation_with_breaks_B": (1.57, 0.92),
    "11_undisturbed_slow_translation_B": (0.95, 0.45),
    "24_disturbed_tapping_A": (1.63, 0.64),
    "28_disturbed_stationary_magnet_A": (4.25, 1.27),
    "34_disturbed_attached_magnet_3cm": (3.52, 0.68),
}


def nodding(seconds: float = 20.0, rest_s: float = 5.0):
    """(time_s, accel, gyro, truth) of a sensor that rests, then nods and turns, with a bias."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    moving = np.clip(time_s - rest_s, 0.0, 1.0)
    angles = moving[:, None] * np.stack(
        [0.4 * np.sin(2 * time_s), 0.5 * np.sin(1.1 * time_s), 0.0 * time_s], axis=1
    )
    truth = rotations.from_vector(angles)
    turns = rotations.multiply(rotations.conjugate(truth[:-1]), truth[1:])
    gyro = np.zeros((len(time_s), 3))
    gyro[1:] = rotations.to_vector(turns) * RATE_HZ  # VQF turns by a reading up to its own time
    accel = rotations.rotate(rotations.conjugate(truth), np.array([0.0, 0.0, G]))
    random = np.random.default_rng(3)
    gyro += BIAS + 0.002 * random.standard_normal(gyro.shape)
    return time_s, accel + 0.02 * random.standard_normal(accel.shape), gyro, truth


def lean_deg(quat, truth, judged=None):
    judged = np.ones(len(truth), bool) if judged is None else judged
    return orientation_error(quat, truth, judged).inclination_deg


def test_without_holes_the_grid_is_the_readings_and_the_vertical_is_found():
    time_s, accel, gyro, truth = nodding()
    found = estimate_orientation(time_s, accel, gyro)
    np.testing.assert_allclose(found.time_s, time_s, atol=1e-9)
    assert found.missing == 0.0
    assert lean_deg(found.quat_world_from_sensor, truth) < 0.5


def test_rest_is_told_and_gives_the_bias():
    time_s, accel, gyro, _ = nodding()
    found = estimate_orientation(time_s, accel, gyro)
    assert found.at_rest[(time_s > 2.0) & (time_s < 4.9)].all()
    assert not found.at_rest[time_s > 7.0].any()
    np.testing.assert_allclose(gyro_bias_at_rest(found, time_s, gyro), BIAS, atol=3e-4)
    np.testing.assert_allclose(found.gyro_bias_rad_s[900], BIAS, atol=2e-3)


def test_without_rest_there_is_no_bias_at_rest():
    time_s, accel, gyro, _ = nodding(6.0, rest_s=-1.0)
    found = estimate_orientation(time_s, accel, gyro)
    assert np.isnan(gyro_bias_at_rest(found, time_s, gyro)).all()


def test_a_short_hole_is_bridged_and_a_long_one_is_nothing_but_nan():
    time_s, accel, gyro, truth = nodding()
    hole = (time_s > 8.0) & (time_s < 8.08)
    gap = (time_s > 12.0) & (time_s < 13.0)
    kept = ~(hole | gap)
    found = estimate_orientation(time_s[kept], accel[kept], gyro[kept], rate_hz=RATE_HZ)
    known = np.isfinite(found.quat_world_from_sensor).all(axis=1)
    np.testing.assert_array_equal(~known, gap)
    np.testing.assert_array_equal(found.run, np.where(gap, -1, np.where(time_s > 12.5, 1, 0)))
    assert found.missing == pytest.approx(gap.mean())
    assert lean_deg(found.quat_world_from_sensor, truth) < 1.0
    assert np.isnan(found.gyro_bias_rad_s[gap]).all()


def test_behind_a_gap_the_bias_is_still_known():
    time_s, accel, gyro, _ = nodding()
    gap = (time_s > 5.0) & (time_s < 6.0)
    found = estimate_orientation(time_s[~gap], accel[~gap], gyro[~gap], rate_hz=RATE_HZ)
    first = int(np.flatnonzero(found.run == 1)[0])
    np.testing.assert_allclose(found.gyro_bias_rad_s[first], BIAS, atol=2e-3)


def test_a_scrap_between_two_gaps_is_left_out():
    time_s, accel, gyro, _ = nodding()
    scrap = (time_s > 10.5) & (time_s < 10.8)
    kept = scrap | (time_s < 10.0) | (time_s > 11.5)
    found = estimate_orientation(time_s[kept], accel[kept], gyro[kept], rate_hz=RATE_HZ)
    assert (found.run[scrap] == -1).all()
    assert found.run.max() == 1


def test_lost_readings_are_holes_whether_they_are_nan_or_absent():
    time_s, accel, gyro, _ = nodding(8.0)
    lost = np.random.default_rng(1).random(len(time_s)) < 0.3
    lost[[0, -1]] = False
    absent = estimate_orientation(time_s[~lost], accel[~lost], gyro[~lost], rate_hz=RATE_HZ)
    gyro[lost, 1] = np.nan
    masked = estimate_orientation(time_s, accel, gyro, rate_hz=RATE_HZ)
    np.testing.assert_array_equal(absent.quat_world_from_sensor, masked.quat_world_from_sensor)


def test_nothing_looks_ahead():
    time_s, accel, gyro, _ = nodding(10.0)
    whole = estimate_orientation(time_s, accel, gyro)
    part = estimate_orientation(time_s[:1200], accel[:1200], gyro[:1200])
    np.testing.assert_array_equal(part.quat_world_from_sensor, whole.quat_world_from_sensor[:1200])


@settings(max_examples=40)
@given(
    st.lists(st.floats(0.001, 0.4), min_size=2, max_size=60), st.floats(5, 400), st.floats(0, 0.3)
)
def test_a_row_is_known_exactly_where_readings_are_near(steps, rate_hz, max_gap_s):
    times = np.cumsum(steps)
    grid_s = times[0] + np.arange(int((times[-1] - times[0]) * rate_hz) + 1) / rate_hz
    known = on_grid_within(grid_s, times, max_gap_s)
    half_s = 0.5 * (grid_s[1] - grid_s[0]) if len(grid_s) > 1 else 0.0
    for at, told in zip(grid_s, known, strict=True):
        before, after = times[times < at], times[times >= at]
        if len(before) and len(after):
            bridged = after[0] - before[-1] <= max_gap_s
            assert told == (bridged or np.abs(times - at).min() <= half_s)


def test_time_that_goes_back_and_too_few_readings_are_refused():
    time_s, accel, gyro, _ = nodding(1.0)
    with pytest.raises(ValueError, match="do not decrease"):
        estimate_orientation(time_s[::-1], accel, gyro)
    with pytest.raises(ValueError, match="at least 2 whole readings"):
        estimate_orientation(time_s, accel, np.full_like(gyro, np.nan))


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vqf", None)
    with pytest.raises(EnvironmentMissing) as caught:
        estimate_orientation(*nodding(2.0)[:3])
    assert "imusic[orientation]" in caught.value.hint


def test_errors_about_the_vertical_are_heading_and_the_rest_is_inclination():
    truth = rotations.from_vector(np.random.default_rng(0).normal(0, 1, (50, 3)))
    judged = np.ones(50, bool)
    turned = rotations.multiply(rotations.from_vector(np.array([0, 0, np.radians(7)])), truth)
    error = orientation_error(-turned, truth, judged)
    assert error.total_deg == pytest.approx(7.0)
    assert error.heading_deg == pytest.approx(7.0)
    assert error.inclination_deg == pytest.approx(0.0, abs=1e-5)
    leaning = rotations.multiply(rotations.from_vector(np.array([np.radians(3), 0, 0])), truth)
    error = orientation_error(leaning, truth, judged)
    assert error.inclination_deg == pytest.approx(3.0)
    assert error.heading_deg == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("trial", BROAD)
def test_on_broad_it_is_as_close_to_the_optical_truth_as_it_was_measured(data, trial):
    from scipy.io import loadmat

    path = data / f"imu/broad/{trial}.mat"
    if not path.is_file():
        pytest.skip(f"no {path}")
    log = loadmat(path)
    time_s = np.arange(len(log["imu_gyr"])) / log["sampling_rate"][0, 0]
    found = estimate_orientation(time_s, log["imu_acc"], log["imu_gyr"], log["imu_mag"])
    moving = log["movement"][:, 0].astype(bool)
    error = orientation_error(found.quat_world_from_sensor, log["opt_quat"], moving)
    total, inclination = BROAD[trial]
    assert error.total_deg < total
    assert error.inclination_deg < inclination


def test_over_the_dropouts_of_a_real_log_the_vertical_stays_gravity(data):
    path = data / "imu/xio_fusion/sensor_data.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    rows = np.genfromtxt(path, delimiter=",", skip_header=1)
    time_s, accel = rows[:, 0], G * rows[:, 4:7]
    assert np.sum(np.diff(time_s) > 0.015) == 10
    found = estimate_orientation(time_s, accel, np.radians(rows[:, 1:4]))
    assert found.missing == 0.0
    assert np.diff(time_s).max() < MAX_GAP_S
    up = rotations.rotate(found.quat_world_from_sensor[-1], accel[-100:].mean(axis=0))
    assert np.degrees(np.arccos(up[2] / np.linalg.norm(up))) < 0.2
    strict = estimate_orientation(time_s, accel, np.radians(rows[:, 1:4]), max_gap_s=0.015)
    assert 0 < strict.missing < 0.005
