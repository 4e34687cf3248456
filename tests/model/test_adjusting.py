"""Re-zero, undo and another wearer: what they do, when they refuse, and the same offline."""

from dataclasses import replace

import numpy as np
import pytest

from capture import rotations
from capture.calibration import nominal_calibration, rezeroed
from firmware_host.layout import FACE_12
from model.adjusting import adjustments
from model.driving import Driver, drive
from model.predictor import Opening, Predictor
from tests.model.test_predictor import listens, weights

OPENING = Opening(0.0, 0.5, 0.0, 0.0)
SLIPPED = FACE_12.names.index("zygomaticus_left")


def calm(sent, slips_at=None, jolts_at=None):
    """The same blocks of somebody who sits still; one sensor is turned at some sample."""
    turn = rotations.from_vector(np.array([0.0, 0.0, 0.2]))
    out = []
    for block in sent:
        gyro = 0.02 * block.gyro_rad_s
        accel = (block.accel_m_s2 - [0, 9.80665, 0]) * 0.1 + [0, 9.80665, 0]
        if slips_at is not None and block.sequence[0] >= slips_at:
            accel[:, SLIPPED] = rotations.rotate(turn, accel[:, SLIPPED])
        if jolts_at is not None and jolts_at <= block.sequence[0] < jolts_at + 40:
            gyro[:, SLIPPED] += 1.0 * np.sin(0.4 * block.sequence)[:, None]
        out.append(
            replace(
                block,
                gyro_rad_s=gyro.astype(np.float32),
                accel_m_s2=accel.astype(np.float32),
            )
        )
    return out


def predictor(checkpoint):
    return Predictor(checkpoint, FACE_12, listens, OPENING)


def test_a_sensor_that_slipped_is_felt_as_before_after_a_rezero(checkpoint, blocks):
    sent = calm(blocks(9.0), slips_at=700)
    told = []
    frames = list(drive(predictor(checkpoint), sent, [(sent[1100 // 3].arrival_ns, told_by(told))]))
    moved = np.abs(weights(frames) - weights(frames)[120]).max(axis=1)
    assert told == [""]
    assert moved[100:200].max() < 0.06
    assert moved[260:310].min() > 3 * moved[100:200].max()  # slipped
    assert moved[400:].max() < 0.06


def told_by(told):
    return lambda one: told.append(one.rezero())


def test_undo_takes_back_the_last_one_only(checkpoint, blocks):
    sent = calm(blocks(9.0), slips_at=700)
    one = predictor(checkpoint)
    driver, told = Driver(one), []
    before = []
    driver.plan(sent[300].arrival_ns, lambda p: before.append(p.calibration))
    driver.plan(sent[366].arrival_ns, told_by(told))
    driver.plan(sent[500].arrival_ns, lambda p: told.append(p.undo()))
    driver.plan(sent[501].arrival_ns, lambda p: told.append(p.undo()))
    for block in sent:
        list(driver.frames_until(block.arrival_ns - 1))
        driver.arrived(block)
    assert told == ["", "", "there is nothing to undo"]
    np.testing.assert_array_equal(
        one.calibration.quat_head_from_sensor, before[0].quat_head_from_sensor
    )


def test_a_face_that_moves_is_not_taken_for_one_at_rest(checkpoint, blocks):
    sent = calm(blocks(6.0), jolts_at=900)
    told = []
    plans = [(sent[k].arrival_ns, told_by(told)) for k in (20, 320)]
    list(drive(predictor(checkpoint), sent, plans))
    assert told[0] == "rest and routine are not over yet"
    assert told[1].startswith("zygomaticus_left moved: hold head and face still")


def test_a_reference_that_is_silent_lets_nothing_be_rezeroed(checkpoint, blocks):
    sent = calm(blocks(6.0))
    deaf = FACE_12.reference_index
    for k in range(250, len(sent)):
        gyro = sent[k].gyro_rad_s.copy()
        gyro[:, deaf] = np.nan
        sent[k] = replace(sent[k], gyro_rad_s=gyro)
    told = []
    list(drive(predictor(checkpoint), sent, [(sent[380].arrival_ns, told_by(told))]))
    assert told == ["the head reference 'head_reference' is not heard"]


def test_what_a_take_says_was_done_live_is_done_offline(checkpoint, blocks):
    sent = calm(blocks(9.0), slips_at=700)
    driver, live, health = Driver(predictor(checkpoint)), [], []
    for number, block in enumerate(sent):
        live += driver.frames_until(block.arrival_ns - 1)
        driver.arrived(block)
        for at, what in ((366, "rezero"), (450, "wearer"), (500, "undo")):
            if number == at:  # as `model.live_face` does
                health.append({"kind": "adjust", "what": what, "time_ns": driver.next_tick_ns})
                ((due_ns, action),) = adjustments(health[-1:])
                driver.plan(due_ns, action)
    live += driver.frames_until(sent[-1].arrival_ns)
    offline = list(drive(predictor(checkpoint), sent, adjustments(health)))
    np.testing.assert_array_equal(weights(live), weights(offline))
    plain = list(drive(predictor(checkpoint), sent))
    assert np.abs(weights(plain) - weights(offline)).max() > 0.01


def test_health_of_other_kinds_is_no_adjustment():
    assert adjustments([{"kind": "gap", "time_ns": 1}, {"kind": "adjust", "time_ns": 2}]) == []


def test_a_rezero_leaves_slots_alone_that_it_did_not_hear():
    known = nominal_calibration(FACE_12)
    rng = np.random.default_rng(1)
    accel = rng.normal([0, 9.81, 0], 0.01, (60, 12, 3))
    gyro = rng.normal(0.01, 0.001, (60, 12, 3))
    accel[:, 3] = np.nan
    found = rezeroed(FACE_12, known, accel, gyro)
    np.testing.assert_array_equal(found.gyro_bias_rad_s[3], known.gyro_bias_rad_s[3])
    assert found.gyro_bias_rad_s[4] == pytest.approx([0.01] * 3, abs=0.001)
    np.testing.assert_array_equal(found.quat_head_from_sensor[3], known.quat_head_from_sensor[3])
