import numpy as np
import pytest

from capture import rotations
from capture.calibration import GRAVITY_M_S2, calibrate, nominal_calibration
from firmware_host.layout import FACE_12

SLOTS = len(FACE_12.slots)


def worn(seed: int, error_deg: float, rate: float = 1.0):
    """A donning: true mounting, rest and routine as its sensors would feel them."""
    rng = np.random.default_rng(seed)
    true = rotations.from_vector(rng.normal(0, np.radians(error_deg), (SLOTS, 3)))
    back = rotations.conjugate(true)
    t = np.arange(360) / 60
    head = rate * np.stack(
        (np.sin(4 * t) * (t < 2), np.sin(4 * t) * (t >= 4), np.sin(4 * t) * ((t >= 2) & (t < 4))),
        -1,
    )
    bias = rng.normal(0, 0.02, (SLOTS, 3))
    accel = rotations.rotate(back, np.array([0, GRAVITY_M_S2, 0]))
    rest_accel = np.tile(accel, (120, 1, 1)) + rng.normal(0, 0.02, (120, SLOTS, 3))
    rest_gyro = bias + rng.normal(0, 0.005, (120, SLOTS, 3))
    routine = rotations.rotate(back[None], head[:, None]) + bias
    return true, bias, rest_accel, rest_gyro, routine


def relative_error_deg(quats, true) -> np.ndarray:
    """How far each slot is off, seen from the reference: what the features feel."""
    off = rotations.multiply(quats, rotations.conjugate(true))
    against = rotations.multiply(rotations.conjugate(off[FACE_12.reference_index]), off)
    return np.degrees(np.linalg.norm(rotations.to_vector(against), axis=-1))


@pytest.mark.parametrize("seed", range(5))
def test_rest_and_routine_find_the_mounting(seed):
    true, bias, accel, gyro, routine = worn(seed, 8.0)
    found = calibrate(FACE_12, accel, gyro, routine)
    before = relative_error_deg(nominal_calibration(FACE_12).quat_head_from_sensor, true)
    after = relative_error_deg(found.quat_head_from_sensor, true)
    assert after.max() < 3.0
    assert after.mean() < 0.2 * before.mean()
    np.testing.assert_allclose(found.gyro_bias_rad_s, bias, atol=0.003)


def test_without_a_routine_gravity_gives_two_of_three_angles():
    true, _, accel, gyro, _ = worn(1, 8.0)
    found = calibrate(FACE_12, accel, gyro)
    seen = rotations.rotate(found.quat_head_from_sensor, accel.mean(axis=0))
    spread = np.degrees(
        np.linalg.norm(seen - seen[FACE_12.reference_index], axis=-1) / GRAVITY_M_S2
    )
    assert spread.mean() < 1.5  # shrunken: a strayed slot keeps part of its error
    assert relative_error_deg(found.quat_head_from_sensor, true).mean() > 2.0


def test_turning_about_gravity_says_nothing_so_nominal_is_kept():
    true, _, accel, gyro, routine = worn(2, 0.0)
    t = np.arange(360) / 60
    routine = np.zeros_like(routine)
    routine[..., 1] = np.sin(3 * t)[:, None]
    found = calibrate(FACE_12, accel, gyro, routine)
    assert relative_error_deg(found.quat_head_from_sensor, true).max() < 1.0


def test_a_head_that_hardly_moves_does_not_tear_the_mounting_away():
    true, _, accel, gyro, routine = worn(3, 4.0, rate=0.01)
    noise = np.random.default_rng(0).normal(0, 0.05, routine.shape)
    found = calibrate(FACE_12, accel, gyro, routine + noise)
    before = relative_error_deg(nominal_calibration(FACE_12).quat_head_from_sensor, true)
    assert relative_error_deg(found.quat_head_from_sensor, true).max() < before.max() + 2.0


def test_a_dead_slot_keeps_its_nominal_mounting():
    _, _, accel, gyro, routine = worn(4, 6.0)
    for values in (accel, gyro, routine):
        values[:, 3] = np.nan
    found = calibrate(FACE_12, accel, gyro, routine)
    nominal = nominal_calibration(FACE_12)
    np.testing.assert_allclose(found.quat_head_from_sensor[3], nominal.quat_head_from_sensor[3])
    assert np.isfinite(found.quat_head_from_sensor).all()
    assert (found.rest_force_m_s2[3] == 0).all()
