import numpy as np
import pytest

from capture import rotations
from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.calibration import GRAVITY_M_S2
from dataset_tools.performance import Performance
from dataset_tools.virtual_imu import (
    NECK_PIVOT_M,
    Chip,
    SiteModel,
    feel,
    ideal_motion,
    put_on,
)
from firmware_host.layout import FACE_12

SLOTS = len(FACE_12.slots)
PERFECT = Chip(0.0, 0.0, 0.0, 0.0)


def performance(time_s, weights=None, vectors=None) -> Performance:
    count = len(time_s)
    return Performance(
        time_s,
        np.zeros((count, len(ARKIT_NAMES))) if weights is None else weights,
        rotations.from_vector(np.zeros((count, 3)) if vectors is None else vectors),
        np.ones(count, bool),
    )


def wearer(rotation=None, translation=None, mounting_rad=0.0, chip=PERFECT, seed=0):
    none = np.zeros((SLOTS, 3, len(ARKIT_NAMES)))
    sites = SiteModel(
        none if rotation is None else rotation,
        none if translation is None else translation,
        np.array([slot.position_m for slot in FACE_12.slots]),
    )
    return put_on(FACE_12, sites, np.random.default_rng(seed), mounting_rad, chip)


def test_a_level_sensor_at_rest_reads_gravity_upwards_and_no_rate():
    time_s, force, rate = ideal_motion(performance(np.arange(60) / 60), wearer(), 200.0)
    np.testing.assert_allclose(force, np.broadcast_to([0, GRAVITY_M_S2, 0], force.shape), atol=1e-6)
    np.testing.assert_allclose(rate, 0.0, atol=1e-9)
    np.testing.assert_allclose(np.diff(time_s), 1 / 200)


def test_turning_at_a_constant_rate_gives_that_rate_and_the_centripetal_force():
    t = np.arange(240) / 60
    omega = 1.5
    vectors = np.stack((0 * t, omega * t, 0 * t), axis=-1)
    time_s, force, rate = ideal_motion(performance(t, vectors=vectors), wearer(), 200.0)
    inside = (time_s > 0.5) & (time_s < 3.5)
    np.testing.assert_allclose(rate[inside][..., 1], omega, rtol=2e-3)
    arm = np.array([slot.position_m for slot in FACE_12.slots]) - NECK_PIVOT_M
    centripetal = np.stack((-(omega**2) * arm[:, 0], 0 * arm[:, 0], -(omega**2) * arm[:, 2]), -1)
    expected = centripetal + np.array([0, GRAVITY_M_S2, 0])
    np.testing.assert_allclose(
        force[inside], np.broadcast_to(expected, force[inside].shape), atol=0.02
    )


def test_a_pendulum_nod_is_felt_as_its_own_derivatives():
    t = np.arange(300) / 60
    size, w = 0.2, 2 * np.pi * 0.8
    vectors = np.stack((size * np.sin(w * t), 0 * t, 0 * t), axis=-1)
    time_s, _, rate = ideal_motion(performance(t, vectors=vectors), wearer(), 200.0)
    inside = (time_s > 0.5) & (time_s < 4.4)
    # Skin smoothing (12 ms) takes half a percent off 0.8 Hz.
    expected = size * w * np.cos(w * time_s[inside])
    np.testing.assert_allclose(rate[inside][:, 0, 0], expected, atol=0.01 * size * w)


def test_a_jaw_that_opens_at_a_constant_rate_turns_its_patch_at_that_rate():
    t = np.arange(120) / 60
    weights = np.zeros((120, len(ARKIT_NAMES)))
    weights[:, INDEX["jawOpen"]] = np.clip((t - 0.5) / 1.0, 0, 1)
    turn = np.zeros((SLOTS, 3, len(ARKIT_NAMES)))
    turn[10, 0, INDEX["jawOpen"]] = 0.4
    time_s, force, rate = ideal_motion(performance(t, weights), wearer(rotation=turn), 200.0)
    moving = (time_s > 0.7) & (time_s < 1.3)
    np.testing.assert_allclose(rate[moving][:, 10, 0], 0.4, atol=2e-3)
    np.testing.assert_allclose(np.delete(rate, 10, axis=1), 0.0, atol=1e-9)
    # Held open, the tilt of the patch shows in where gravity points.
    expected = GRAVITY_M_S2 * np.array([0, np.cos(0.4), -np.sin(0.4)])
    np.testing.assert_allclose(force[-1, 10], expected, atol=0.01)


def test_noiseless_samples_integrate_back_to_the_orientation():
    t = np.arange(600) / 60
    vectors = 0.3 * np.stack([np.sin(2 * np.pi * f * t) for f in (0.3, 0.5, 0.7)], -1)
    worn = wearer(mounting_rad=0.2)
    _, _, rate = ideal_motion(performance(t, vectors=vectors), worn, 200.0)
    quat = rotations.multiply(rotations.from_vector(vectors[0]), worn.quat_head_from_sensor[4])
    for row in rate[:, 4]:
        quat = rotations.multiply(quat, rotations.from_vector(row / 200.0))
    at_end = rotations.from_vector(vectors[-1])
    expected = rotations.multiply(at_end, worn.quat_head_from_sensor[4])
    error = rotations.to_vector(rotations.multiply(rotations.conjugate(expected), quat))
    assert np.degrees(np.linalg.norm(error)) < 1.0


def test_faults_are_clipped_to_the_range_and_lie_on_the_chips_steps():
    t = np.arange(60) / 60
    chip = Chip(accel_range_m_s2=5.0, bits=8)
    felt = feel(performance(t), wearer(chip=chip), 200.0, np.random.default_rng(0))
    step = 5.0 / 128
    np.testing.assert_allclose(felt.accel_m_s2 / step, np.rint(felt.accel_m_s2 / step), atol=1e-3)
    assert felt.accel_m_s2.max() == pytest.approx(127 * step)  # gravity does not fit


def test_noise_has_the_density_asked_for():
    t = np.arange(60 * 20) / 60
    chip = Chip(accel_bias_m_s2=0.0, gyro_bias_rad_s=0.0, gyro_noise_rad_s_rthz=2e-3)
    felt = feel(performance(t), wearer(chip=chip), 200.0, np.random.default_rng(0))
    assert felt.gyro_rad_s.std() == pytest.approx(2e-3 * np.sqrt(100.0), rel=0.02)


def test_the_same_seed_gives_the_same_samples():
    t = np.arange(60) / 60
    worn = wearer(chip=Chip(), seed=5)
    one = [feel(performance(t), worn, 200.0, np.random.default_rng(7)) for _ in range(2)]
    np.testing.assert_array_equal(one[0].gyro_rad_s, one[1].gyro_rad_s)
    np.testing.assert_array_equal(one[0].accel_m_s2, one[1].accel_m_s2)
