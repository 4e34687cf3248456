"""Rests are found, once each, whatever the blocks; slow turning and loose wires are none."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.rest import Rest, RestFinder

RATE_HZ = 100.0


def still(seconds: float, accel: tuple[float, ...] = (0.0, 0.0, 9.8), seed: int = 0) -> np.ndarray:
    """(N, 1, 6) of one sensor that lies there."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE_HZ)
    mean = np.array([*accel, 0.01, -0.02, 0.0])
    return (mean + rng.normal(0, [0.03] * 3 + [0.002] * 3, (count, 6)))[:, None]


def shaken(seconds: float) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 3, (round(seconds * RATE_HZ), 1, 6))


def found(readings: np.ndarray, sizes: list[int] | None = None) -> list[Rest]:
    finder, rests, at = RestFinder(readings.shape[1], RATE_HZ), [], 0
    for size in sizes or [7] * len(readings):
        part, at = readings[at : at + size], at + size
        rests += finder.push(part[..., :3], part[..., 3:])
    return rests


def test_every_rest_is_told_once_with_its_mean_and_its_noise():
    readings = np.concatenate(
        (still(4.0), shaken(1.0), still(3.0, (9.8, 0.0, 0.0), 1), shaken(0.5), still(1.0))
    )
    first, second = found(readings)
    np.testing.assert_allclose(first.accel_m_s2, [0, 0, 9.8], atol=0.01)
    np.testing.assert_allclose(second.accel_m_s2, [9.8, 0, 0], atol=0.01)
    np.testing.assert_allclose(first.gyro_rad_s, [0.01, -0.02, 0], atol=1e-3)
    assert abs(first.accel_noise_m_s2 - 0.03) < 0.004
    assert abs(first.gyro_noise_rad_s - 0.002) < 3e-4


@given(st.lists(st.integers(1, 90), min_size=1, max_size=80))
def test_how_readings_are_cut_into_blocks_changes_nothing(sizes):
    readings = np.concatenate((still(2.6), shaken(0.6), still(2.5)))
    whole, cut = found(readings, [len(readings)]), found(readings, [*sizes, len(readings)])
    assert [r.accel_m_s2.tolist() for r in cut] == [r.accel_m_s2.tolist() for r in whole]


def test_turned_slowly_by_hand_it_does_not_rest():
    angle = np.radians(10) * np.arange(600) / RATE_HZ  # ten degrees a second
    turning = still(6.0)
    turning[:, 0, :3] += 9.8 * np.stack((np.sin(angle), 0 * angle, np.cos(angle) - 1), axis=1)
    assert found(turning) == []


def test_a_turntable_that_hides_from_the_accelerometer_is_seen_by_its_rate():
    spun_up = still(6.0)
    spun_up[:, 0, 5] += 0.1 * np.arange(600) / 600
    assert len(found(spun_up)) <= 1


def test_readings_that_are_missing_for_a_piece_end_a_rest():
    readings = still(3.0)
    readings[150:185] = np.nan
    assert found(readings) == []
    readings = still(3.0)
    readings[::3] = np.nan
    assert len(found(readings)) == 1


def test_slots_rest_by_themselves():
    both = np.concatenate((still(2.2), shaken(2.2)), axis=1)
    (rest,) = found(both)
    assert rest.slot == 0
