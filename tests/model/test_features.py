import numpy as np
import pytest

from capture import rotations
from capture.calibration import GRAVITY_M_S2, Calibration, nominal_calibration
from capture.resample import TICK_HZ
from firmware_host.layout import FACE_12
from model.features import PER_SLOT, RunningFeatures, feature_count, features

FACE, REF = list(FACE_12.face_indices), FACE_12.reference_index


def rigid_head(seconds: float, seed: int = 0) -> np.ndarray:
    """Rows of a stiff face on a head that nods about its origin: nothing but head motion."""
    t = np.arange(-1, round(seconds * TICK_HZ) + 1) / TICK_HZ
    angle = 0.3 * np.sin(2 * np.pi * 0.6 * t)
    quat = rotations.from_vector(np.stack((angle, 0.2 * angle, 0 * t), axis=-1))
    place = np.array([s.position_m for s in FACE_12.slots])
    world = rotations.rotate(quat[:, None], place)
    accel = (world[2:] - 2 * world[1:-1] + world[:-2]) * TICK_HZ**2
    accel = accel + np.array([0.0, GRAVITY_M_S2, 0.0])
    force = rotations.rotate(rotations.conjugate(quat[1:-1])[:, None], accel)
    turn = rotations.multiply(rotations.conjugate(quat[:-2]), quat[2:])
    rate = rotations.to_vector(turn) * TICK_HZ / 2
    rate = np.repeat(rate[:, None], len(place), axis=1)
    return np.concatenate((force, rate), axis=-1)


def moving_skin(seconds: float) -> np.ndarray:
    """Rows in which every sensor feels something of its own."""
    rows = rigid_head(seconds)
    return rows + np.random.default_rng(3).normal(0.0, 0.3, rows.shape)


def test_head_motion_alone_leaves_no_trace_in_the_face_slots():
    rows = rigid_head(3.0)
    seen = features(rows, FACE_12, nominal_calibration(FACE_12))
    per_slot = seen[5:, : len(FACE) * PER_SLOT].reshape(-1, len(FACE), PER_SLOT)
    moved = rows[:, FACE, :3] - rows[:, [REF], :3]
    assert np.abs(per_slot[..., :3]).max() < 1e-5  # relative rate
    assert np.abs(per_slot[..., 6:]).max() < 1e-5  # leaky rotation
    # The lever arm is removed but for the half-row delay of a causal derivative.
    assert np.abs(per_slot[..., 3:6]).max() < 0.25 * np.abs(moved).max()


def test_a_held_tilt_of_one_patch_is_felt_in_its_slot_only():
    rows = np.zeros((60, len(FACE_12.slots), 6))
    rows[..., 1] = GRAVITY_M_S2
    tilt = rotations.from_vector(np.array([0.2, 0.0, 0.0]))
    rows[:, FACE[3], :3] = rotations.rotate(rotations.conjugate(tilt), rows[:, FACE[3], :3])
    seen = features(rows, FACE_12, nominal_calibration(FACE_12))
    force = seen[-1, : len(FACE) * PER_SLOT].reshape(len(FACE), PER_SLOT)[:, 3:6]
    assert np.abs(np.delete(force, 3, axis=0)).max() < 1e-6
    assert np.linalg.norm(force[3]) == pytest.approx(2 * np.sin(0.1) * GRAVITY_M_S2, rel=1e-4)


def test_mounting_errors_that_calibration_knows_do_not_change_the_features():
    rng = np.random.default_rng(1)
    rows = rigid_head(2.0) + 0.3 * rng.normal(size=(120, len(FACE_12.slots), 6))
    turned = rotations.from_vector(rng.normal(0, 0.2, (len(FACE_12.slots), 3)))
    zero = np.zeros((len(FACE_12.slots), 3))
    worn = np.concatenate(
        [rotations.rotate(rotations.conjugate(turned), rows[..., i : i + 3]) for i in (0, 3)],
        axis=-1,
    )
    np.testing.assert_allclose(
        features(worn, FACE_12, Calibration(turned, zero, zero)),
        features(rows, FACE_12, nominal_calibration(FACE_12)),
        atol=1e-4,
    )


def test_a_dead_slot_is_flagged_and_zero_and_changes_nobody_else():
    rows = rigid_head(1.0)
    dead = rows.copy()
    dead[:, FACE[2]] = np.nan
    whole = features(rows, FACE_12, nominal_calibration(FACE_12))
    seen = features(dead, FACE_12, nominal_calibration(FACE_12))
    own = slice(2 * PER_SLOT, 3 * PER_SLOT)
    flag = len(FACE) * PER_SLOT + 2
    assert (seen[:, own] == 0).all()
    assert (seen[:, flag] == 0).all()
    others = np.ones(whole.shape[1], bool)
    others[own] = False
    others[flag] = False
    np.testing.assert_array_equal(seen[:, others], whole[:, others])


def test_features_never_look_ahead():
    rows = rigid_head(2.0)
    whole = features(rows, FACE_12, nominal_calibration(FACE_12))
    for cut in (1, 17, 60, 119):
        np.testing.assert_array_equal(
            features(rows[:cut], FACE_12, nominal_calibration(FACE_12)), whole[:cut]
        )


@pytest.mark.parametrize("pace", [1, 3])
def test_running_features_are_those_of_the_whole_track(pace):
    rows, calibration = moving_skin(3.0), nominal_calibration(FACE_12)
    rows[40:43] = np.nan  # everything is silent, then one slot for long
    rows[60:100, 3] = np.nan
    whole = features(rows, FACE_12, calibration)
    running = RunningFeatures(FACE_12, calibration, window=16, late_rows=6)
    for end in range(30, len(rows), pace):
        wanted = min(running.rows_wanted(1000 + end), end)
        said = running.advance(1000 + end, rows[end - wanted : end])
        np.testing.assert_allclose(said, whole[end - 16 : end], atol=1e-6)


def test_a_row_that_fills_up_late_counts_as_if_it_had_been_full_at_once():
    rows, calibration = moving_skin(1.0), nominal_calibration(FACE_12)
    running = RunningFeatures(FACE_12, calibration, window=8, late_rows=6)
    for end in range(20, len(rows)):
        seen = rows.copy()
        seen[end - 4 : end] = np.nan
        wanted = min(running.rows_wanted(end), end)
        running.advance(end, seen[end - wanted : end])
    wanted = running.rows_wanted(len(rows))
    said = running.advance(len(rows), rows[len(rows) - wanted :])
    np.testing.assert_allclose(said, features(rows, FACE_12, calibration)[-8:], atol=1e-6)


def test_after_a_long_pause_running_features_begin_anew():
    rows, calibration = moving_skin(8.0), nominal_calibration(FACE_12)
    running = RunningFeatures(FACE_12, calibration, window=8, late_rows=6)
    running.advance(30, rows[:30])
    wanted = running.rows_wanted(len(rows))
    assert wanted < len(rows) - 30
    said = running.advance(len(rows), rows[-wanted:])
    expected = features(rows[-wanted:], FACE_12, calibration)
    np.testing.assert_allclose(said, expected[-8:], atol=1e-6)


def test_the_width_is_what_feature_count_says():
    rows = rigid_head(0.2)
    seen = features(rows, FACE_12, nominal_calibration(FACE_12))
    assert seen.shape == (12, feature_count(FACE_12))
    assert seen.dtype == np.float32
