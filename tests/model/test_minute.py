"""Movements too small for a camera: found, not made up, and marked where all of a face moved."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.head import standard_head
from capture.resample import TICK_HZ, tick_time_ns
from dataset_tools.disturbances import Disturbances, Tremor
from dataset_tools.motion import head_motion
from dataset_tools.performance import from_weights, generate_performance, with_routine
from dataset_tools.virtual_imu import feel
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from model.data import OPENING_ROWS, noticed
from model.driving import drive
from model.features import PER_SLOT, feature_count
from model.minute import BANDS_HZ, MinuteDetector, floor_of
from model.predictor import Opening, Predictor
from model.watch import FaceWatch

SITES = len(FACE_12.face_indices)
REST_ROWS = 2 * TICK_HZ


def quiet_rows(count, seed=0):
    """Feature rows of a still head whose sensors only hiss."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((count, feature_count(FACE_12)), np.float32)
    per_slot = rows[:, : SITES * PER_SLOT].reshape(count, SITES, PER_SLOT)
    per_slot[..., :6] = rng.normal(0.0, 0.002, (count, SITES, 6))
    rows[:, : SITES * PER_SLOT] = per_slot.reshape(count, -1)
    rows[:, SITES * PER_SLOT : SITES * (PER_SLOT + 1)] = 1.0
    return rows


def trembling(rows, slot, hz, start, length, level):
    """The same with a sine of rate in one slot."""
    out = rows.copy()
    since = np.arange(length) / TICK_HZ
    column = FACE_12.face_indices.index(FACE_12.names.index(slot)) * PER_SLOT
    out[start : start + length, column] += level * np.sin(2 * np.pi * hz * since)
    return out


def detector(rest=None):
    floor = floor_of(quiet_rows(REST_ROWS, 9) if rest is None else rest, None, SITES)
    return MinuteDetector(FACE_12, floor)


@pytest.mark.parametrize(("band", "hz"), [(0, 2.0), (1, 5.0), (2, 12.0)])
def test_a_tremor_is_told_with_its_slot_band_time_and_strength(band, hz):
    rows = trembling(quiet_rows(600), "mentalis", hz, 300, 60, 0.03)
    (event,) = detector().advance(599, rows)
    assert (event.slot, event.low_hz, event.high_hz) == ("mentalis", *BANDS_HZ[band])
    assert event.time_ns == pytest.approx(tick_time_ns(300), abs=3e8)
    assert event.duration_s == pytest.approx(1.4, abs=0.6)
    assert event.strength > 2.5
    assert not event.visible
    stronger = trembling(quiet_rows(600), "mentalis", hz, 300, 60, 0.06)
    assert detector().advance(599, stronger)[0].strength > 1.5 * event.strength


def test_what_only_hisses_is_no_movement():
    assert detector().advance(3599, quiet_rows(3600, 3)) == []


def test_a_tremor_that_goes_on_is_told_in_pieces():
    rows = trembling(quiet_rows(900), "mentalis", 5.0, 200, 500, 0.03)
    events = detector().advance(899, rows)
    assert len(events) >= 4
    assert {event.slot for event in events} == {"mentalis"}


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=8))
def test_rows_that_come_one_by_one_or_many_at_once_tell_the_same(sizes):
    rows = trembling(quiet_rows(500), "frontalis_left", 5.0, 200, 60, 0.03)
    whole = detector().advance(499, rows)
    pieces, one, at = [], detector(), 0
    while at < len(rows):
        size = sizes[at % len(sizes)]
        part = rows[at : at + size]
        at += len(part)
        pieces += one.advance(at - 1, part)
    assert whole
    assert pieces == whole


def test_a_slot_that_was_silent_is_heard_again_without_an_alarm():
    rows = quiet_rows(900)
    per_slot = rows[:, : SITES * PER_SLOT].reshape(len(rows), SITES, PER_SLOT)
    per_slot[500:, 3, 3:6] += 0.5  # it was pressed on again, a little askew
    rows[:, : SITES * PER_SLOT] = per_slot.reshape(len(rows), -1)
    rows[400:500, SITES * PER_SLOT + 3] = 0.0
    assert detector().advance(899, rows) == []


def test_missing_rows_end_what_went_on_and_begin_anew():
    rows = trembling(quiet_rows(400), "mentalis", 5.0, 300, 100, 0.03)
    one = detector()
    assert one.advance(399, rows) == []
    (event,) = one.advance(1400, quiet_rows(200, 4))
    assert event.slot == "mentalis"
    assert one.advance(1600, quiet_rows(200, 5)) == []


def sitting(seconds, moving):
    time_s = np.arange(round(60 * seconds)) / 60
    weights = np.full((len(time_s), 52), 0.05)
    quats = head_motion(time_s, np.random.default_rng(4), weights)
    still = np.tile([1.0, 0, 0, 0], (len(time_s), 1))
    return with_routine(from_weights(time_s, weights, None, quats if moving else still), 4)


@pytest.fixture(scope="module")
def wearer():
    return draw_wearer(standard_head(), FACE_12, np.random.default_rng(11))


def found(performance, wearer):
    rows = noticed(feel(performance, wearer, 200.0, np.random.default_rng(2)), FACE_12)
    floor = floor_of(rows[:REST_ROWS], rows[REST_ROWS:OPENING_ROWS], SITES)
    return MinuteDetector(FACE_12, floor, OPENING_ROWS).advance(len(rows) - 1, rows)


@pytest.mark.parametrize("moving", [False, True])
def test_a_head_that_moves_is_no_movement_of_the_skin(wearer, moving):
    assert [e for e in found(sitting(30.0, moving), wearer) if not e.visible] == []


def test_half_a_millimetre_on_a_moving_head_is_found(wearer):
    slot = FACE_12.names.index("zygomaticus_left")
    tremor = Tremor(slot, 20.0, 1.0, 5.0, np.array([5e-4, 0, 0]), np.array([0, 0.012, 0]))
    shaken = replace(wearer, disturbances=Disturbances(tremors=(tremor,)))
    events = [e for e in found(sitting(25.0, moving=True), shaken) if not e.visible]
    assert {event.slot for event in events} == {"zygomaticus_left"}


def test_a_talking_face_is_marked_as_visible(wearer):
    events = found(with_routine(generate_performance(3, 15.0), 3), wearer)
    marked = [event.visible for event in events]
    assert len(marked) > 20
    assert np.mean(marked) > 0.9


def test_the_watch_beside_a_predictor_waits_for_rest_and_tells_as_the_rows_do(checkpoint, blocks):
    still = lambda xt, t, seen: 0.0 * xt  # noqa: E731
    predictor = Predictor(checkpoint, FACE_12, still, Opening(0.0, 1.0, 1.0, 2.0))
    watch = FaceWatch(predictor)
    sent = blocks(6.0)
    for k, block in enumerate(sent):
        if 4.0 <= block.sequence[0] / 200 < 5.0:
            gyro = block.gyro_rad_s.copy()
            gyro[:, 4, 0] += np.sin(2 * np.pi * 5.0 * block.sequence / 200)
            sent[k] = replace(block, gyro_rad_s=gyro)
    told = []
    for frame in drive(predictor, sent):
        events = watch.look()
        assert not events or frame.confidence > 0
        told += events
    assert {event.slot for event in told} == {FACE_12.names[4]}
