import numpy as np
import pytest

from capture.blendshapes import INDEX
from capture.curves import RATE_HZ, ticks
from capture.gaze import (
    BLINKS_PER_MIN_REST,
    BLINKS_PER_MIN_TALKING,
    blink_times,
    gaze,
    lids,
    looking,
)


def rates(talking, people=120, minutes=2.0):
    there = np.full(round(minutes * 60 * RATE_HZ), talking)
    return np.array(
        [len(blink_times(there, np.random.default_rng(p))) / minutes for p in range(people)]
    )


def test_people_blink_as_often_as_people_do_and_more_when_they_talk():
    rest, talk = rates(0.0), rates(1.0)
    assert rest.mean() == pytest.approx(BLINKS_PER_MIN_REST, rel=0.12)
    assert talk.mean() == pytest.approx(BLINKS_PER_MIN_TALKING, rel=0.12)
    assert 0.2 < np.log(np.maximum(rest, 1)).std() < 0.6  # people differ


def test_blinks_keep_their_distance_and_come_in_order():
    times = blink_times(np.ones(20_000), np.random.default_rng(5))
    assert np.diff(times).min() >= 0.3
    assert times[0] >= 0
    assert times[-1] < 20_000 / RATE_HZ


def test_a_lid_falls_faster_than_it_rises_and_both_go_together():
    time_s = np.arange(0.0, 1.0, 1e-3)
    fallen = lids(time_s, np.array([0.2]), np.random.default_rng(0))
    speed = np.diff(fallen[:, 0])
    assert speed.max() > 1.4 * -speed.min()
    assert 0.6 < fallen.max() <= 1.0
    assert (fallen[time_s > 0.6] == 0).all()
    assert np.abs(fallen[:, 0] - fallen[:, 1]).max() < 0.15
    half_s = (fallen[:, 0] > 0.5 * fallen[:, 0].max()).sum() * 1e-3
    assert 0.08 < half_s < 0.20


def test_looking_left_turns_the_left_eye_out_and_the_right_eye_in():
    left = looking(np.array([0.5]), np.array([0.0]))[0]
    assert left[INDEX["eyeLookOutLeft"]] == left[INDEX["eyeLookInRight"]] == 0.5
    assert left.sum() == 1.0


def test_eyes_turn_back_against_the_head():
    time_s = ticks(4.0)
    turned = np.zeros((len(time_s), 3))
    turned[:, 1] = np.radians(20.0)  # to the wearer's left
    straight = gaze(time_s, np.zeros_like(turned), np.random.default_rng(1))
    held = gaze(time_s, turned, np.random.default_rng(1))
    right, left = INDEX["eyeLookInLeft"], INDEX["eyeLookOutLeft"]
    assert (held[:, right] - held[:, left] > straight[:, right] - straight[:, left]).all()


def test_eyes_rest_between_jumps():
    looked = gaze(ticks(60.0), np.zeros((3600, 3)), np.random.default_rng(2))
    assert looked.min() >= 0
    assert looked.max() <= 1
    moving = np.abs(np.diff(looked, axis=0)).max(axis=1) > 0.01
    assert 0.03 < moving.mean() < 0.35
