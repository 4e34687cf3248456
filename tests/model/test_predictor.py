from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12, SensorLayout, Slot, select
from firmware_host.samples import ImuBlock
from firmware_host.sensor_profile import Correction
from model.driving import Driver, drive, due_between
from model.predictor import Opening, Predictor

OPENING = Opening(0.0, 0.5, 0.5, 1.0)


def listens(xt, t, seen):
    """A stand-in for the network that shows every feature row it was given."""
    return np.tanh(np.concatenate((seen, seen), axis=-1)[..., :52] + 0.1 * xt)


def predictor(checkpoint, worn=FACE_12, opening=OPENING):
    return Predictor(checkpoint, worn, listens, opening)


def weights(frames):
    return np.stack([frame.weights for frame in frames])


def heads(frames):
    return np.stack([frame.quat_world_from_head for frame in frames])


def test_frames_come_at_60_hz_and_rest_until_calibrated(checkpoint, blocks):
    frames = list(drive(predictor(checkpoint), blocks(3.0)))
    gaps = np.diff([frame.time_ns for frame in frames])
    assert set(gaps.tolist()) <= {16_666_666, 16_666_667}
    confident = np.array([frame.confidence for frame in frames]) > 0
    first = int(np.argmax(confident))
    assert 60 <= first <= 75
    assert confident[first:].all()
    np.testing.assert_array_equal(weights(frames)[:first], np.float32(0.05))
    assert weights(frames)[first:].std() > 0


def test_it_is_known_beforehand_when_frames_come(checkpoint, blocks):
    sent = blocks(2.0)
    times = [frame.time_ns for frame in drive(predictor(checkpoint), sent)]
    assert due_between(sent[0].arrival_ns, sent[-1].arrival_ns).tolist() == times
    assert len(due_between(1, 2)) == 0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 200), max_size=8))
def test_live_at_any_pace_equals_offline(checkpoint, blocks, pauses):
    """The shell may wake up whenever it likes: the faces are the same."""
    sent = blocks(2.0)
    offline = list(drive(predictor(checkpoint), sent))
    driver, live = Driver(predictor(checkpoint)), []
    pauses = [*pauses, 1]
    for number, block in enumerate(sent):
        driver.arrived(block)
        if number % pauses[number % len(pauses)] == 0:
            # Only ticks before the next arrival are certain to have all they will ever have.
            until = sent[number + 1].arrival_ns - 1 if number + 1 < len(sent) else block.arrival_ns
            live += driver.frames_until(until)
    live += driver.frames_until(sent[-1].arrival_ns)
    assert [f.time_ns for f in live] == [f.time_ns for f in offline]
    np.testing.assert_array_equal(weights(live), weights(offline))
    np.testing.assert_array_equal(heads(live), heads(offline))


@pytest.mark.parametrize("cut", [150, 301, 380])
def test_a_truncated_take_gives_the_same_faces_up_to_where_it_ends(checkpoint, blocks, cut):
    sent = blocks(6.0)
    whole = weights(drive(predictor(checkpoint), sent))
    part = weights(drive(predictor(checkpoint), sent[:cut]))
    assert len(part) < len(whole)
    np.testing.assert_array_equal(part, whole[: len(part)])


def test_a_postponed_opening_gives_the_faces_of_one_known_from_the_start(checkpoint, blocks):
    sent, opening = blocks(6.0), Opening(2.4, 2.9, 2.9, 3.4)
    offline = list(drive(predictor(checkpoint, opening=opening), sent))
    driver = Driver(Predictor(checkpoint, FACE_12, listens, OPENING, postponed=True))
    live = []
    for block in sent:
        live += driver.frames_until(block.arrival_ns - 1)
        driver.arrived(block)
        if block.sequence[0] == 480:
            assert not any(frame.confidence for frame in live)
            driver.predictor.begin(opening)
    live += driver.frames_until(sent[-1].arrival_ns)
    assert offline[-1].confidence == 1.0
    np.testing.assert_array_equal(weights(live), weights(offline))
    np.testing.assert_array_equal(heads(live), heads(offline))
    assert [f.confidence for f in live] == [f.confidence for f in offline]


def test_an_opening_longer_than_announced_is_refused(checkpoint):
    waiting = Predictor(checkpoint, FACE_12, listens, OPENING, postponed=True)
    with pytest.raises(ValueError, match="at most"):
        waiting.begin(Opening(0.0, 2.0, 2.0, 8.0))


def test_the_epoch_of_the_device_clock_does_not_matter(checkpoint, blocks):
    sent = blocks(2.0)
    moved = [replace(block, tick_us=block.tick_us + (1 << 33)) for block in sent]
    np.testing.assert_array_equal(
        weights(drive(predictor(checkpoint), moved)), weights(drive(predictor(checkpoint), sent))
    )


def test_while_samples_are_late_the_face_stays_where_it_is_and_then_is_as_if_they_had_not_been(
    checkpoint, blocks
):
    sent = blocks(3.0)
    on_time = list(drive(predictor(checkpoint), sent))
    stalls, ends = (on_time[k].time_ns for k in (120, 125))
    late = [replace(b, arrival_ns=ends) if stalls < b.arrival_ns <= ends else b for b in sent]
    assert sum(b.arrival_ns == ends for b in late) > 4
    frames = list(drive(predictor(checkpoint), late))
    assert [f.time_ns for f in frames] == [f.time_ns for f in on_time]
    assert np.abs(np.diff(weights(on_time)[118:128], axis=0)).max(axis=1).min() > 0
    np.testing.assert_array_equal(weights(frames)[121:125], weights(frames)[[120] * 4])
    assert {f.confidence for f in frames[121:125]} == {1.0}
    others = [*range(121), *range(125, len(frames))]
    np.testing.assert_allclose(weights(frames)[others], weights(on_time)[others], atol=1e-6)


def test_slots_may_be_worn_in_another_order(checkpoint, blocks):
    order = tuple(reversed(FACE_12.names))
    sent = blocks(2.0)
    turned = [
        replace(b, accel_m_s2=b.accel_m_s2[:, ::-1], gyro_rad_s=b.gyro_rad_s[:, ::-1]) for b in sent
    ]
    np.testing.assert_array_equal(
        weights(drive(predictor(checkpoint, select(FACE_12, order)), turned)),
        weights(drive(predictor(checkpoint), sent)),
    )


def test_a_missing_slot_lowers_the_confidence(checkpoint, blocks):
    worn = select(FACE_12, FACE_12.names[1:])
    sent = [
        replace(b, accel_m_s2=b.accel_m_s2[:, 1:], gyro_rad_s=b.gyro_rad_s[:, 1:])
        for b in blocks(2.0)
    ]
    frames = list(drive(predictor(checkpoint, worn), sent))
    assert frames[-1].confidence == pytest.approx(10 / 11)
    assert np.isfinite(weights(frames)).all()


def test_a_slot_the_checkpoint_does_not_know_is_refused_by_name(checkpoint, blocks):
    strange = SensorLayout("odd", (*FACE_12.slots, Slot("chin", (0, 0, 0))), FACE_12.reference)
    with pytest.raises(ConfigError, match="'chin'"):
        predictor(checkpoint, strange)


def test_silence_is_held_then_decays_to_rest_and_says_so(checkpoint, blocks):
    driver = Driver(predictor(checkpoint))
    sent = blocks(2.0)
    for block in sent:
        driver.arrived(block)
    frames = list(driver.frames_until(sent[-1].arrival_ns + 5_000_000_000))
    last_heard = max(i for i, f in enumerate(frames) if f.confidence > 0)
    held = frames[last_heard + 10]
    np.testing.assert_array_equal(held.weights, frames[last_heard + 1].weights)
    assert held.confidence == 0
    assert not held.tracked
    np.testing.assert_allclose(frames[-1].weights, 0.05, atol=1e-3)


def test_after_silence_the_face_comes_back(checkpoint, blocks):
    sent = blocks(6.0)
    pause = [b for b in sent if not 400 <= b.sequence[0] < 800]
    frames = list(drive(predictor(checkpoint), pause))
    confidence = np.array([f.confidence for f in frames])
    assert (confidence[140:230] == 0).any()
    assert confidence[-1] == 1.0


def test_an_empty_block_changes_nothing(checkpoint, blocks):
    empty = ImuBlock(
        np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 12, 3), np.float32),
        np.zeros((0, 12, 3), np.float32), 1,
    )  # fmt: skip
    assert list(drive(predictor(checkpoint), [empty])) == []


def test_noise_stays_with_its_tick_as_the_window_slides(make_checkpoint, blocks):
    checkpoint = make_checkpoint(noise_scale=1.0)
    seen = []

    def remembers(xt, t, features):
        seen.append(xt.copy())
        return xt

    one = Predictor(checkpoint, FACE_12, remembers, OPENING)
    list(drive(one, blocks(1.5)))
    steps = checkpoint.facts.diffusion.num_inference_steps
    firsts = seen[::steps]
    assert len(firsts) > 10
    for before, after in pairwise(firsts):
        np.testing.assert_array_equal(before[0, 1:], after[0, :-1])


def turning_left(blocks, rate_hz, late_s):
    """Blocks of one sample, still for 2 s, then turning by 1 rad in 2 s; late_s: (N,) of each."""
    sent = []
    for block, late in zip(blocks(4.0, rate_hz=rate_hz, size=1), late_s, strict=True):
        time_s = (block.tick_us - 7_000_000) * 1e-6
        gyro = np.zeros_like(block.gyro_rad_s)
        gyro[..., 1] = np.where(time_s > 2.0, 0.5, 0.0)[:, None]
        arrival_ns = round((100.0 + float(time_s[0]) + late) * 1e9)
        sent.append(replace(block, gyro_rad_s=gyro, arrival_ns=arrival_ns))
    return sorted(sent, key=lambda block: block.arrival_ns)


def heading(frame):
    quat = frame.quat_world_from_head
    return 2 * np.arctan2(quat[2], quat[0])


@pytest.mark.parametrize(
    ("rate_hz", "offset_s", "jitter_s"),
    [
        (200, 0, 0),
        (200, 0, 0.05),
        (60, 0, 0),
        (60, 0.001, 0),
        (60, 0.008, 0),
        (60, 0, 0.015),
        (30, 0, 0),
        (25, 0.003, 0.01),
    ],
)
def test_head_rotation_follows_the_reference_sensor(
    checkpoint, blocks, rate_hz, offset_s, jitter_s
):
    late_s = offset_s + jitter_s * np.random.default_rng(1).random(4 * rate_hz)
    turning = turning_left(blocks, rate_hz, late_s)
    frames = list(drive(predictor(checkpoint), turning))
    assert heading(frames[-1]) == pytest.approx(0.951, abs=0.04)  # 1 rad, less what leaks in 2 s
    assert max(heading(frame) for frame in frames[:110]) < 0.001


def test_a_head_that_turns_when_its_sensor_falls_silent_turns_on_for_a_moment_only(
    checkpoint, blocks
):
    sent = turning_left(blocks, 200, np.zeros(800))[:600]
    driver = Driver(predictor(checkpoint))
    for block in sent:
        driver.arrived(block)
    frames = list(driver.frames_until(sent[-1].arrival_ns + 3_000_000_000))
    assert 0.5 < max(heading(frame) for frame in frames) < 0.5 + 0.5 * 0.3
    np.testing.assert_array_equal(frames[-1].quat_world_from_head, frames[-60].quat_world_from_head)


def test_corrections_give_the_faces_of_sensors_that_read_right(checkpoint, blocks):
    """Offsets, scales and biases that a sensor profile knows leave no trace."""
    rng = np.random.default_rng(4)
    flaws = {
        slot: Correction(
            accel_offset_m_s2=tuple(rng.uniform(-0.5, 0.5, 3)),
            accel_matrix=tuple(map(tuple, np.diag(rng.uniform(0.97, 1.03, 3)).tolist())),
            gyro_bias_rad_s=tuple(rng.uniform(-0.03, 0.03, 3)),
        )
        for slot in FACE_12.names[::2]
    }
    right = blocks(3.0)
    wrong = [replace(block, **_misread(block, flaws)) for block in right]
    expected = weights(drive(predictor(checkpoint), right))
    corrected = Predictor(checkpoint, FACE_12, listens, OPENING, corrections=flaws)
    np.testing.assert_allclose(weights(drive(corrected, wrong)), expected, atol=2e-4)
    assert np.abs(weights(drive(predictor(checkpoint), wrong)) - expected).max() > 0.002


def _misread(block, flaws):
    accel, gyro = block.accel_m_s2.copy(), block.gyro_rad_s.copy()
    for slot, flaw in flaws.items():
        at = FACE_12.names.index(slot)
        scale = np.diag(np.array(flaw.accel_matrix))
        accel[:, at] = accel[:, at] / scale + flaw.accel_offset_m_s2
        gyro[:, at] += flaw.gyro_bias_rad_s
    return {"accel_m_s2": accel, "gyro_rad_s": gyro}
