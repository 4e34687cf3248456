"""Physics against closed forms, and against an integrator that knows nothing of the simulator."""

import numpy as np
import pytest

from capture import rotations
from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.calibration import GRAVITY_M_S2
from dataset_tools.chips import Chip
from dataset_tools.performance import Performance
from dataset_tools.virtual_imu import NECK_PIVOT_M, SiteModel, ideal_motion, put_on
from firmware_host.layout import FACE_12

SLOTS = len(FACE_12.slots)
PLACES = np.array([slot.position_m for slot in FACE_12.slots])
UP = np.array([0.0, GRAVITY_M_S2, 0.0])
JAW = INDEX["jawOpen"]
CHIN = 10


def performance(time_s, weights=None, vectors=None, neck=None) -> Performance:
    count = len(time_s)
    return Performance(
        time_s,
        np.zeros((count, len(ARKIT_NAMES))) if weights is None else weights,
        rotations.from_vector(np.zeros((count, 3)) if vectors is None else vectors),
        np.ones(count, bool),
        np.zeros((count, 3)) if neck is None else neck,
    )


def responses(seed=0):
    """Random site responses of the size of a face's."""
    rng = np.random.default_rng(seed)
    shape = (SLOTS, 3, len(ARKIT_NAMES))
    return SiteModel(rng.normal(0.0, 0.15, shape), rng.normal(0.0, 3e-3, shape), PLACES)


def still_skin():
    none = np.zeros((SLOTS, 3, len(ARKIT_NAMES)))
    return SiteModel(none, none, PLACES)


def worn(sites=None, mounting_rad=0.0, delay_s=0.0):
    chip = Chip(0.0, 0.0, 0.0, 0.0, delay_s=delay_s)
    sites = still_skin() if sites is None else sites
    return put_on(FACE_12, sites, np.random.default_rng(1), mounting_rad, chip)


@pytest.mark.parametrize("rate_hz", [60.0, 200.0, 1000.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_head_that_turns_at_a_constant_rate(rate_hz, axis):
    t, omega = np.arange(241) / 60, 2.5
    direction = np.eye(3)[axis]
    done = performance(t, vectors=(omega * t)[:, None] * direction)
    time_s, force, rate = ideal_motion(done, worn(), rate_hz)
    inside = (time_s > 0.3) & (time_s < 3.7)
    np.testing.assert_allclose(
        rate[inside], np.broadcast_to(omega * direction, rate[inside].shape), atol=1e-4
    )
    arm = PLACES - NECK_PIVOT_M
    centripetal = omega**2 * (np.outer(arm @ direction, direction) - arm)
    back = rotations.conjugate(rotations.from_vector((omega * time_s)[:, None] * direction))
    expected = centripetal + rotations.rotate(back, UP)[:, None]
    np.testing.assert_allclose(force[inside], expected[inside], atol=2e-3)


@pytest.mark.parametrize("rate_hz", [200.0, 1000.0])
def test_a_pendulum_feels_its_swing_and_its_weight(rate_hz):
    # A head that nods by a sin ωt about a fixed axis: every site is a pendulum bob.
    t = np.arange(601) / 60
    size, w = 0.3, 2 * np.pi * 0.5
    done = performance(t, vectors=np.stack((size * np.sin(w * t), 0 * t, 0 * t), axis=-1))
    time_s, force, rate = ideal_motion(done, worn(), rate_hz)
    inside = (time_s > 0.5) & (time_s < 9.5)
    kept = np.exp(-0.5 * (w * 0.012) ** 2)  # what skin smoothing leaves, about 0.9993
    angle = size * kept * np.sin(w * time_s)
    speed = size * kept * w * np.cos(w * time_s)
    change = -(w**2) * angle
    for site in range(SLOTS):
        np.testing.assert_allclose(rate[inside, site, 0], speed[inside], atol=1e-3)
    _, y, z = (PLACES - NECK_PIVOT_M).T
    along_y = -np.outer(change, z) - np.outer(speed**2, y)
    along_z = np.outer(change, y) - np.outer(speed**2, z)
    along_y += (GRAVITY_M_S2 * np.cos(angle))[:, None]
    along_z -= (GRAVITY_M_S2 * np.sin(angle))[:, None]
    np.testing.assert_allclose(force[inside][:, :, 1], along_y[inside], atol=5e-3)
    np.testing.assert_allclose(force[inside][:, :, 2], along_z[inside], atol=5e-3)


def test_a_jaw_that_opens_at_a_constant_rate():
    # The chin turns about the jaw joint: the patch follows the arc as far as B is linear.
    t, opening, arc = np.arange(121) / 60, 0.4, 0.35
    weights = np.zeros((121, len(ARKIT_NAMES)))
    weights[:, JAW] = opening * t / t[-1]
    turn, shift = (np.zeros((SLOTS, 3, len(ARKIT_NAMES))) for _ in range(2))
    turn[CHIN, 0, JAW] = arc
    shift[CHIN, 1, JAW] = -0.03
    done = performance(t, weights)
    time_s, force, rate = ideal_motion(done, worn(SiteModel(turn, shift, PLACES)), 1000.0)
    speed = opening / t[-1]
    np.testing.assert_allclose(rate[:, CHIN, 0], arc * speed, atol=1e-6)
    np.testing.assert_allclose(np.delete(rate, CHIN, axis=1), 0.0, atol=1e-9)
    angle = arc * speed * time_s  # a patch that moves evenly feels only how gravity tilts
    tilted = GRAVITY_M_S2 * np.stack((0 * angle, np.cos(angle), -np.sin(angle)), axis=-1)
    np.testing.assert_allclose(force[:, CHIN], tilted, atol=1e-5)


def test_a_lift_is_felt_as_weight_and_turns_nothing():
    t = np.arange(121) / 60
    neck = np.stack((0 * t, 0.5 * 3.0 * t**2, 0 * t), axis=-1)
    time_s, force, rate = ideal_motion(performance(t, neck=neck), worn(), 200.0)
    inside = (time_s > 0.3) & (time_s < 1.7)
    expected = np.broadcast_to(UP + np.array([0.0, 3.0, 0.0]), force[inside].shape)
    np.testing.assert_allclose(force[inside], expected, atol=0.01)
    np.testing.assert_allclose(rate, 0.0, atol=1e-9)


def test_a_patch_that_moves_on_a_turning_head_feels_coriolis():
    t, omega, speed = np.arange(181) / 60, 2.0, 0.02
    weights = np.zeros((181, len(ARKIT_NAMES)))
    weights[:, JAW] = t / t[-1]
    shift = np.zeros((SLOTS, 3, len(ARKIT_NAMES)))
    shift[CHIN, 2, JAW] = speed * t[-1]
    turning = np.stack((0 * t, omega * t, 0 * t), axis=-1)
    moving = ideal_motion(
        performance(t, weights, turning), worn(SiteModel(0 * shift, shift, PLACES)), 200.0
    )
    still = ideal_motion(performance(t, vectors=turning), worn(), 200.0)
    inside = (moving[0] > 0.3) & (moving[0] < 2.7)
    extra = (moving[1] - still[1])[inside, CHIN]
    np.testing.assert_allclose(extra[:, 0], 2 * omega * speed, atol=1e-4)
    centripetal = -(omega**2) * speed * moving[0][inside]
    np.testing.assert_allclose(extra[:, 2], centripetal, atol=1e-4)


def test_a_late_sensor_says_the_same_later():
    t = np.arange(241) / 60
    vectors = 0.3 * np.stack([np.sin(2 * np.pi * f * t) for f in (0.3, 0.5, 0.7)], -1)
    done = performance(t, vectors=vectors)
    prompt = ideal_motion(done, worn(), 200.0)
    late = ideal_motion(done, worn(delay_s=0.010), 200.0)
    np.testing.assert_allclose(late[2][2:], prompt[2][:-2], atol=1e-9)


def minute():
    """A minute of head, neck and face that rests at both ends and holds one pose half way."""
    t = np.arange(60 * 60 + 1) / 60
    rng = np.random.default_rng(3)
    busy = np.clip((t - 1.0) / 2, 0, 1) * np.clip((59.0 - t) / 2, 0, 1)
    busy = np.sin(0.5 * np.pi * busy * np.clip(np.abs(t - 30.0) - 0.5, 0, 1)) ** 2
    held = np.sin(0.5 * np.pi * np.clip((t - 20) / 8, 0, 1) * np.clip((40 - t) / 8, 0, 1)) ** 2

    def wander(columns, size, fastest_hz):
        waves = [
            np.sin(
                2 * np.pi * rng.uniform(0.1, fastest_hz) * t[:, None] + rng.uniform(0, 6, columns)
            )
            for _ in range(3)
        ]
        pose = rng.normal(0.0, size, columns)
        return busy[:, None] * size * sum(waves) / 2 + held[:, None] * pose

    weights = 0.3 * np.abs(wander(len(ARKIT_NAMES), 0.2, 0.8))
    return performance(t, weights, wander(3, 0.35, 0.7), wander(3, 0.3, 0.4))


def pose(done, wearer, row):
    """Closed form of orientation (S, 4) and position (S, 3) of the sensors where all is held."""
    head, weights = done.quat_world_from_head[row], done.weights[row]
    turn = rotations.from_vector(wearer.sites.rotation @ weights)
    quat = rotations.multiply(head, rotations.multiply(turn, wearer.quat_head_from_sensor))
    arm = PLACES + wearer.sites.translation @ weights - NECK_PIVOT_M
    return quat, done.head_position_m[row] + NECK_PIVOT_M + rotations.rotate(head, arm)


def running_product(q):
    """q₀, q₀ q₁, q₀ q₁ q₂, … along axis 0."""
    step = 1
    while step < len(q):
        q = np.concatenate((q[:step], rotations.multiply(q[:-step], q[step:])))
        step *= 2
    return rotations.normalise(q)


def running_integral(values, step_s):
    """Trapezoids with the end correction of Euler and Maclaurin, from zero."""
    slope = np.gradient(values, step_s, axis=0, edge_order=2)
    steps = 0.5 * step_s * (values[1:] + values[:-1]) - step_s**2 / 12 * np.diff(slope, axis=0)
    return np.concatenate((0 * values[:1], np.cumsum(steps, axis=0)))


def test_an_integrator_finds_orientation_and_position_again_after_a_minute():
    done, rate_hz = minute(), 500.0
    wearer = worn(responses(), mounting_rad=0.3)
    _, force, rate = ideal_motion(done, wearer, rate_hz)
    quat, place = pose(done, wearer, 0)
    h = 1 / rate_hz
    angle = np.diff(running_integral(rate, h), axis=0)
    # Magnus series to fourth order: what turns while it turns.
    angle = angle - h**2 / 12 * np.cross(rate[1:], rate[:-1])
    turned = running_product(np.concatenate((quat[None], rotations.from_vector(angle))))
    speed = running_integral(rotations.rotate(turned, force) - UP, h)
    found = place + running_integral(speed, h)
    for seconds in (30, 60):
        true_quat, true_place = pose(done, wearer, 60 * seconds)
        row = round(seconds * rate_hz)
        miss = rotations.multiply(rotations.conjugate(true_quat), turned[row])
        assert np.degrees(np.linalg.norm(rotations.to_vector(miss), axis=-1)).max() < 1e-5
        assert np.linalg.norm(found[row] - true_place, axis=-1).max() < 1e-4
