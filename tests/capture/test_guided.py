"""Scripts of guided exercises and what a take keeps of them."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.blendshapes import ARKIT_NAMES, INDEX, OBSERVABLE
from capture.guided import (
    AGAIN,
    BEGINS,
    ENDS,
    Script,
    Step,
    mark,
    performed,
    read_script,
    script_from_dict,
    script_to_dict,
    segments_of,
    shipped_scripts,
    shown_turns,
    shown_weights,
)
from firmware_host.errors import ConfigError

SMILE = Step(label="smile", prompt="Smile.", poses=({"mouthSmile": 0.8},))
NODS = Step(label="routine", prompt="Nod.", turns=("nod", "tilt"))


def test_the_enrolment_takes_less_than_three_minutes_and_moves_everything_that_is_felt():
    script = read_script("enrol")
    assert script.length_s < 180
    shown = np.max([m.weights for step in script.steps for m in step.movements], axis=0)
    assert [n for n in ARKIT_NAMES if OBSERVABLE[INDEX[n]] and shown[INDEX[n]] < 0.3] == []
    assert [step.label for step in script.steps[:2]] == ["rest", "routine"]


def test_every_pose_of_the_enrolment_is_shown_twice_so_that_one_time_can_judge():
    for step in read_script("enrol").steps:
        assert {m.pose for m in step.movements} == {m.pose for m in step.movements if m.again == 1}


@pytest.mark.parametrize("name", shipped_scripts())
def test_a_shipped_script_survives_its_way_through_a_take(name):
    script = read_script(name)
    assert script_from_dict(msgspec.json.decode(msgspec.json.encode(script_to_dict(script)))) == (
        script
    )


@pytest.mark.parametrize("name", shipped_scripts())
def test_a_shown_face_is_a_face_that_begins_and_ends_at_rest(name):
    for step in read_script(name).steps:
        at = np.arange(0.0, step.length_s + 0.01, 1 / 240)
        weights = step.weights(at)
        assert weights.min() >= 0
        assert weights.max() <= 1
        assert np.abs(weights[[0, -1]]).max() == 0
        assert np.abs(step.turn_vectors(at)[[0, -1]]).max() == pytest.approx(0, abs=1e-6)
        assert np.abs(np.diff(weights, axis=0)).max() < 0.05  # nothing jumps


def test_a_name_without_a_side_means_both():
    level = SMILE.weights(np.array([SMILE.movements[0].start_s + SMILE.rise_s + 0.1]))[0]
    assert level[INDEX["mouthSmileLeft"]] == level[INDEX["mouthSmileRight"]] == 0.8
    assert np.count_nonzero(level) == 2


def test_poses_that_melt_never_return_to_rest_between():
    step = Step(
        label="a", prompt="", poses=({"jawOpen": 0.5}, {"mouthPucker": 0.5}), gap_s=-0.4, times=1
    )
    first, second = step.movements
    at = np.linspace(first.start_s + first.rise_s, second.end_s - second.fall_s, 50)
    assert step.weights(at).sum(axis=1).min() > 0.3
    assert step.melts
    assert not SMILE.melts


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"poses": ({"mouthSmirk": 0.5},)}, "mouthSmirk"),
        ({"poses": ({"jawOpen": 1.5},)}, "0 to 1"),
        ({"turns": ("spin",)}, "spin"),
        ({"seconds": 3.0, "turns": ("nod",)}, "either"),
        ({}, "either"),
        ({"label": "Smile!", "seconds": 1.0}, "label"),
        ({"turns": ("nod",), "turn_s": 0.0}, "at least"),
        ({"poses": ({"jawOpen": 0.5},), "gap_s": -2.0}, "gap_s"),
        ({"seconds": float("inf")}, "longer than"),
    ],
)
def test_a_step_that_cannot_be_shown_is_refused_by_what_is_wrong(fields, said):
    with pytest.raises(ValueError, match=said):
        Step(**{"label": "x", "prompt": "", **fields})


def test_labels_are_unique():
    with pytest.raises(ValueError, match="'smile'"):
        Script(name="s", steps=(SMILE, SMILE))


def test_a_script_that_is_none_says_what_there_is(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        read_script("enroll")
    assert "enrol" in caught.value.hint
    (tmp_path / "mine.toml").write_text('name = "m"\n[[steps]]\nlabel = "a"\nprompt = "b"\nx = 1\n')
    with pytest.raises(ConfigError, match="x"):
        read_script(tmp_path / "mine.toml")


def test_a_take_tells_what_was_shown_to_its_end_and_not_taken_back():
    script = Script(name="s", steps=(NODS, SMILE))
    second = 1_000_000_000
    markers = [
        (5 * second, mark("routine", BEGINS)),
        (10 * second, mark("routine", ENDS)),
        (11 * second, mark("smile", BEGINS)),
        (16 * second, mark("smile", ENDS)),
        (17 * second, mark("smile", AGAIN)),
        (18 * second, "mark 1"),
        (20 * second, mark("smile", BEGINS)),
        (25 * second, mark("smile", ENDS)),
        (26 * second, mark("smile", BEGINS)),  # cut off
        (27 * second, mark("unknown", BEGINS)),
    ]
    found = performed(script, reversed(markers), 3 * second)
    assert [(one.step.label, one.start_s) for one in found] == [("routine", 2.0), ("smile", 17.0)]
    assert [(s.label, s.start_s) for s in segments_of(found)] == [("routine", 2.0), ("smile", 17.0)]


def test_a_step_begun_again_before_its_end_counts_once():
    script = Script(name="s", steps=(SMILE,))
    markers = [
        (0, mark("smile", BEGINS)),
        (1, mark("smile", AGAIN)),
        (2_000_000_000, mark("smile", BEGINS)),
        (7_000_000_000, mark("smile", ENDS)),
    ]
    assert [one.start_s for one in performed(script, markers, 0)] == [2.0]


def test_steps_are_shown_where_they_were_performed():
    script = Script(name="s", steps=(NODS, SMILE))
    steps = script.in_sequence()
    at = np.arange(0.0, script.length_s, 1 / 60)
    weights, turns = shown_weights(steps, at), shown_turns(steps, at)
    inside = at < NODS.length_s
    assert weights[inside].max() == 0
    assert weights[~inside].max() == pytest.approx(0.8)
    assert np.abs(turns[inside]).max() > 0.2
    assert np.abs(turns[~inside]).max() == 0


SAID = st.sampled_from([mark("smile", what) for what in (BEGINS, ENDS, AGAIN)])


@given(st.lists(st.tuples(st.integers(0, 10**12), SAID | st.text(max_size=30)), max_size=20))
def test_whatever_markers_a_take_has_only_what_ended_counts(markers):
    found = performed(Script(name="s", steps=(SMILE,)), markers, 0)
    ended = sum(text == mark("smile", ENDS) for _, text in markers)
    assert len(found) <= ended
    assert all(one.step is SMILE for one in found)
    begun = {time_ns / 1e9 for time_ns, text in markers if text == mark("smile", BEGINS)}
    assert {one.start_s for one in found} <= begun
