"""What a viewer shows, as values."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.scene import STRAIGHT
from viz.state import (
    HELP,
    KEYS,
    MAX_PITCH_RAD,
    MAX_ZOOM,
    MIN_ZOOM,
    SPEEDS,
    Command,
    Pace,
    ViewState,
    advance,
    command_of_key,
    obey,
    turned,
    zoomed,
)

FILE = ViewState(begin_s=2.0, end_s=12.0, position_s=2.0)
LIVE = ViewState(is_live=True, begin_s=0.0, end_s=60.0, position_s=60.0)


def after(state, *commands):
    for command in commands:
        state = obey(state, command)
    return state


def later(state, seconds, steps=10):
    """A second of real time at a time, live timelines grow."""
    for _ in range(steps):
        grown = seconds / steps if state.is_live else 0.0
        state = advance(state, seconds / steps, state.begin_s, state.end_s + grown)
    return state


def test_a_file_plays_at_its_speed_and_starts_over():
    assert later(FILE, 3.0).position_s == pytest.approx(5.0)
    assert later(replace(FILE, speed=0.5), 3.0).position_s == pytest.approx(3.5)
    assert later(replace(FILE, position_s=11.0), 2.0).position_s == pytest.approx(3.0)


def test_a_pause_stands_still_and_the_next_goes_on():
    paused = after(FILE, Command.PAUSE)
    assert later(paused, 3.0).position_s == FILE.position_s
    assert later(after(paused, Command.PAUSE), 3.0).position_s == pytest.approx(5.0)


def test_jumps_stay_within_the_timeline():
    assert after(FILE, Command.BACK).position_s == 2.0
    assert after(FILE, *[Command.FORWARD] * 20).position_s == 12.0
    assert after(FILE, Command.END).position_s == 12.0
    assert after(FILE, Command.END, Command.START).position_s == 2.0


def test_a_step_of_one_frame_pauses():
    stepped = after(FILE, Command.STEP_FORWARD)
    assert stepped.is_paused
    assert stepped.position_s == pytest.approx(2.0 + 1 / 60)
    assert not after(FILE, Command.FORWARD).is_paused


def test_what_is_live_follows_the_newest():
    assert later(LIVE, 5.0).behind_s == 0.0


def test_what_is_live_runs_behind_after_a_jump_back_and_catches_up():
    behind = later(after(LIVE, Command.BACK, Command.BACK), 5.0)
    assert behind.behind_s == pytest.approx(2.0)
    assert later(after(behind, Command.END), 1.0).behind_s == 0.0
    assert later(after(behind, Command.FORWARD, Command.FORWARD), 1.0).behind_s == 0.0


def test_a_paused_live_face_stands_and_then_goes_on_behind():
    paused = later(after(LIVE, Command.PAUSE), 3.0)
    assert paused.position_s == 60.0
    assert later(after(paused, Command.PAUSE), 2.0).behind_s == pytest.approx(3.0)


def test_a_moment_that_is_forgotten_gives_way_to_the_oldest():
    paused = after(LIVE, Command.PAUSE)
    assert advance(paused, 0.1, 70.0, 100.0).position_s == 70.0


def test_fast_live_cannot_overtake_the_present():
    fast = after(later(after(LIVE, Command.BACK), 1.0), Command.FASTER)
    assert later(fast, 0.5).behind_s == pytest.approx(0.5)
    assert later(fast, 5.0).behind_s == 0.0


def test_speeds_go_through_all_steps_and_stop_at_the_ends():
    slow = after(FILE, *[Command.SLOWER] * 10)
    assert slow.speed == SPEEDS[0]
    seen = [after(slow, *[Command.FASTER] * n).speed for n in range(8)]
    assert tuple(dict.fromkeys(seen)) == SPEEDS


def test_the_view_turns_comes_closer_and_back():
    turned_away = after(FILE, Command.RIGHT, Command.UP, Command.CLOSER)
    assert turned_away.view.yaw_rad > 0 > turned_away.view.pitch_rad
    assert turned_away.view.zoom > 1
    assert after(turned_away, Command.STRAIGHT).view == STRAIGHT


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9)), max_size=20))
def test_the_view_never_leaves_its_bounds(moves):
    state = FILE
    for yaw, pitch, steps in moves:
        state = zoomed(turned(state, yaw, pitch), steps)
    assert -np.pi <= state.view.yaw_rad <= np.pi
    assert abs(state.view.pitch_rad) <= MAX_PITCH_RAD
    assert MIN_ZOOM <= state.view.zoom <= MAX_ZOOM


commands = st.lists(st.tuples(st.sampled_from(Command), st.floats(0, 2)), max_size=40)


@given(st.sampled_from([FILE, LIVE]), commands)
def test_the_moment_shown_is_always_one_there_is(state, steps):
    for command, seconds in steps:
        state = later(obey(state, command), seconds, steps=2)
        assert state.begin_s <= state.position_s <= state.end_s
        assert state.tint in state.tints
        assert state.line() == state.line().strip(" ·")


def test_tints_take_turns():
    state = replace(LIVE, tints=("none", "confidence"))
    seen = [after(state, *[Command.TINT] * n).tint for n in range(4)]
    assert seen == ["none", "confidence", "none", "confidence"]
    assert after(FILE, Command.TINT).tint == "none"


def test_every_command_has_one_key_and_stands_in_the_list_on_screen():
    assert {key.command for key in KEYS} == set(Command)
    assert len({key.name for key in KEYS}) == len(KEYS)
    listed = " ".join(keys for keys, _ in HELP).split()
    assert sorted(listed) == sorted(key.name for key in KEYS)
    assert command_of_key("q") is Command.QUIT
    assert command_of_key("?") is None


def test_the_line_tells_what_is_not_as_usual():
    assert FILE.line() == "0.00 / 10.00 s"
    assert LIVE.line() == ""
    told = replace(LIVE, position_s=57.5, is_paused=True, speed=0.5, recording=True).line()
    assert told == "paused · 2.5 s behind · 0.5 x · REC"


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=50))
def test_a_video_has_as_many_frames_as_its_time(gaps):
    pace, now_s, written = Pace(30.0, 0.0), 0.0, 0
    for gap in gaps:
        now_s += gap
        pace, count = pace.due(now_s)
        written += count
    assert abs(written - (now_s * 30 + 1)) <= 1
