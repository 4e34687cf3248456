from dataclasses import replace

import numpy as np
import pytest

from capture import rotations
from dataset_tools.disturbances import (
    CALM,
    FAST_HZ,
    Bites,
    Disturbances,
    Push,
    Slips,
    Taps,
    Tugs,
    bites,
    closings,
    disturb,
    draw_disturbances,
    pushed,
    slips,
    taps,
    tugs,
)
from dataset_tools.performance import generate_performance
from dataset_tools.tissue import Skin, draw_skin, ring
from dataset_tools.virtual_imu import SiteModel, _finely, feel, ideal_motion, put_on
from firmware_host.layout import FACE_12

SLOTS = len(FACE_12.slots)
PLACES = np.array([slot.position_m for slot in FACE_12.slots])
G = 9.80665


def at_rest(seconds=4.0, rate_hz=1000.0, slots=SLOTS):
    t = np.arange(round(seconds * rate_hz) + 1) / rate_hz
    force = np.zeros((len(t), slots, 3))
    force[..., 1] = G
    return t, force, np.zeros_like(force)


def skin(resonance_hz, damping, rocking_hz=60.0, slots=1):
    return Skin(np.full(slots, resonance_hz), np.full(slots, rocking_hz), np.full(slots, damping))


@pytest.mark.parametrize("frequency_hz", [5.0, 30.0, 45.0, 120.0])
def test_skin_passes_a_tone_as_a_mass_on_a_damped_spring_does(frequency_hz):
    t, force, rate = at_rest(slots=1)
    force[:, 0, 0] = np.sin(2 * np.pi * frequency_hz * t)
    felt, _ = ring(force, rate, skin(45.0, 0.2), 1000.0)
    r = frequency_hz / 45.0
    gain = np.sqrt((1 + (0.4 * r) ** 2) / ((1 - r**2) ** 2 + (0.4 * r) ** 2))
    assert felt[t > 2, 0, 0].std() == pytest.approx(gain / np.sqrt(2), rel=0.08)


def test_a_knock_rings_at_the_resonance_and_dies_at_its_damping():
    t, force, rate = at_rest(slots=1)
    force[1000, 0, 2] = 100.0
    felt, _ = ring(force, rate, skin(40.0, 0.1), 1000.0)
    after = felt[1002:, 0, 2]
    crossings = t[np.flatnonzero(np.diff(np.signbit(after)))[:9]]
    assert 1 / (2 * np.diff(crossings).mean()) == pytest.approx(40.0 * np.sqrt(0.99), rel=0.02)
    cycle = round(1000 / 40)
    decrement = np.log(np.abs(after[:cycle]).max() / np.abs(after[cycle : 2 * cycle]).max())
    assert decrement == pytest.approx(2 * np.pi * 0.1, rel=0.15)


def test_gravity_and_what_is_too_stiff_to_show_pass_unchanged():
    _, force, rate = at_rest(slots=1)
    felt, turned = ring(force, rate, skin(45.0, 0.2), 1000.0)
    np.testing.assert_allclose(felt, force)
    np.testing.assert_array_equal(turned, rate)
    moving = np.random.default_rng(0).standard_normal(force.shape)
    same, _ = ring(moving, rate, skin(95.0, 0.2), 200.0)
    np.testing.assert_array_equal(same, moving)


def test_skin_over_bone_is_stiffer_than_a_face():
    drawn = [draw_skin(SLOTS, 3, np.random.default_rng(seed)) for seed in range(200)]
    hz = np.array([one.resonance_hz for one in drawn])
    assert np.median(hz[:, 3]) > 2 * np.median(np.delete(hz, 3, axis=1))
    assert (hz > 15).all()


@pytest.mark.parametrize("stays", [False, True])
def test_gyroscope_and_accelerometer_tell_of_the_same_push(stays):
    t, force, rate = at_rest(slots=2)
    tilt, shift = np.array([0.1, -0.05, 0.2]), np.array([1e-3, 2e-3, -1e-3])
    felt, turned = pushed(t, force, rate, [Push(1, 1.0, 0.3, tilt, shift, stays)])
    np.testing.assert_array_equal(felt[:, 0], force[:, 0])  # the other site
    angle = turned[:, 1].sum(axis=0) / 1000.0
    np.testing.assert_allclose(angle, stays * tilt, atol=1e-5)
    # Gravity, turned back by the tilt that the gyroscope shows, is upright again; what is left is
    # the shift's acceleration, which integrates to the shift.
    angles = np.cumsum(turned[:, 1], axis=0) / 1000.0
    left = felt[:, 1] - rotations.rotate(
        rotations.conjugate(rotations.from_vector(angles - 0.5 * turned[:, 1] / 1000.0)),
        force[:, 1],
    )
    along = rotations.rotate(rotations.from_vector(angles), left)
    moved = np.cumsum(np.cumsum(along, axis=0), axis=0)[-1] / 1e6
    np.testing.assert_allclose(moved, stays * shift, atol=1e-4)


def test_a_sensor_that_slipped_reads_gravity_from_its_new_pose():
    t, force, rate = at_rest(slots=1)
    tilt = np.array([0.2, 0.0, 0.0])
    felt, _ = pushed(t, force, rate, [Push(0, 2.0, 0.1, tilt, np.zeros(3), True)])
    np.testing.assert_array_equal(felt[: 2000 - 1], force[: 2000 - 1])
    np.testing.assert_allclose(felt[-1, 0], [0, G * np.cos(0.2), -G * np.sin(0.2)], atol=1e-9)


def test_events_come_as_often_as_asked_for():
    rng = np.random.default_rng(0)
    assert len(tugs(Tugs(per_minute=3.0), 6000.0, SLOTS, rng)) == pytest.approx(300, abs=60)
    assert len(slips(Slips(chance=0.25), 60.0, 4000, rng)) == pytest.approx(1000, abs=100)
    assert all(p.stays for p in slips(Slips(chance=1.0), 60.0, SLOTS, rng))
    hits = taps(Taps(per_minute=30.0), 60.0, PLACES, rng)
    sizes = {p.start_s: [] for p in hits}
    for p in hits:
        sizes[p.start_s].append(float(np.linalg.norm(p.shift_m)))
    assert 10 < len(sizes) < 60
    assert all(max(group) > 0 for group in sizes.values())
    assert any(len(group) > 1 for group in sizes.values())  # neighbours feel it too


def test_a_jaw_bites_when_it_comes_shut():
    t = np.arange(600) / 60
    jaw = 0.02 + 0.3 * np.clip(np.sin(2 * np.pi * 1.0 * t), 0, 1)
    shut = closings(t, jaw)
    assert len(shut) == 10
    np.testing.assert_allclose(shut % 1.0, 0.5, atol=0.04)
    assert len(closings(t, 0.05 * jaw)) == 0
    jolts = bites(Bites(share=1.0), shut, SLOTS, np.random.default_rng(0))
    assert len(jolts) == 10 * SLOTS
    assert {p.site for p in jolts} == set(range(SLOTS))


def wearer(disturbances):
    rng = np.random.default_rng(1)
    sites = SiteModel(
        rng.normal(0, 0.1, (SLOTS, 3, 52)), rng.normal(0, 2e-3, (SLOTS, 3, 52)), PLACES
    )
    return put_on(FACE_12, sites, rng, disturbances=disturbances)


def test_a_wearer_is_calm_unless_told_otherwise():
    done = generate_performance(2, 5.0)
    plain = feel(done, wearer(CALM), 200.0, np.random.default_rng(3))
    empty = feel(done, wearer(Disturbances()), 200.0, np.random.default_rng(3))
    np.testing.assert_array_equal(plain.accel_m_s2, empty.accel_m_s2)
    np.testing.assert_array_equal(plain.gyro_rad_s, empty.gyro_rad_s)


def test_the_same_seed_gives_the_same_disturbed_samples_and_another_does_not():
    drawn = draw_disturbances(SLOTS, FACE_12.reference_index, np.random.default_rng(0))
    worn = wearer(replace(drawn, taps=Taps(per_minute=60.0)))
    done = generate_performance(2, 8.0)
    a, b, c = (feel(done, worn, 200.0, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(a.accel_m_s2, b.accel_m_s2)
    assert len(a.time_s) == len(feel(done, wearer(CALM), 200.0, np.random.default_rng(5)).time_s)
    assert np.abs(a.accel_m_s2 - c.accel_m_s2).max() > 1.0  # other taps at other times


def test_disturbed_samples_are_those_of_a_finer_simulation():
    # Taps last a hundredth of a second; at 200 Hz they must not depend on where samples fall.
    t, force, rate = at_rest(seconds=10.0, rate_hz=FAST_HZ)
    busy = Disturbances(taps=Taps(per_minute=60.0), skin=skin(60.0, 0.2, slots=SLOTS))
    felt, _ = disturb(t, force, rate, busy, PLACES, np.zeros(0), np.random.default_rng(0))
    fine_t, fine_force, fine_rate = at_rest(seconds=10.0, rate_hz=4 * FAST_HZ)
    fine, _ = disturb(
        fine_t, fine_force, fine_rate, busy, PLACES, np.zeros(0), np.random.default_rng(0)
    )
    largest = np.abs(fine - fine_force).max()
    assert largest > 5.0
    off, true = felt - fine[::4], fine[::4] - force
    assert np.abs(off).max() < 0.04 * largest
    assert off.std() < 0.04 * true.std()


def test_a_still_face_on_a_still_head_needs_no_finer_grid():
    assert CALM.needs_hz == 0.0
    assert Disturbances(slips=Slips(), tugs=Tugs()).needs_hz == 0.0
    assert Disturbances(taps=Taps()).needs_hz >= 600.0


def test_motion_is_worked_out_coarsely_only_where_a_spline_finds_it_again():
    done = generate_performance(3, 6.0)
    worn = wearer(Disturbances(taps=Taps(per_minute=0.0)))  # asks for fine steps, does nothing
    for rate_hz in (60.0, 120.0, 200.0, 1000.0):
        felt = feel(done, worn, rate_hz, np.random.default_rng(4))
        plain = feel(done, wearer(CALM), rate_hz, np.random.default_rng(4))
        np.testing.assert_array_equal(felt.time_s, plain.time_s)
        time_s, force, rate, steps = _finely(done, worn, rate_hz)
        fine = 1.0 / (time_s[1] - time_s[0])
        assert fine == pytest.approx(rate_hz * steps)
        assert fine >= min(FAST_HZ, 1000.0)
        _, true_force, true_rate = ideal_motion(done, worn, fine)
        assert np.abs(force - true_force[: len(force)]).max() < 0.03  # two steps of a chip's noise
        assert np.abs(rate - true_rate[: len(rate)]).max() < 0.002
