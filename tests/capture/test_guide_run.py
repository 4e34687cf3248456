"""Which step of a guided exercise is shown, and what a take is told of it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.guide_lines import guide_lines
from capture.guide_run import GuideRun, Stage
from capture.guided import AGAIN, BEGINS, ENDS, Script, Step, mark, performed

S = 1_000_000_000
SCRIPT = Script(
    name="short",
    steps=(
        Step(label="rest", prompt="Rest.", seconds=2.0),
        Step(label="smile", prompt="Smile.", poses=({"mouthSmile": 0.8},), lead_s=1.0),
        Step(label="read", prompt="Read aloud.", text="Good morning.", seconds=3.0),
    ),
)
SMILE_NS = round(SCRIPT.steps[1].length_s * S)


def begun(at_ns: int = 10 * S) -> GuideRun:
    guide = GuideRun(SCRIPT)
    guide.begin(at_ns)
    return guide


def test_steps_follow_each_other_without_a_gap_and_are_told_at_their_own_times():
    guide = begun()
    marks = [m for now in range(10 * S, 30 * S, S // 7) for m in guide.tick(now)]
    ends = [12 * S, 12 * S + SMILE_NS, 15 * S + SMILE_NS]
    assert marks == [
        (10 * S, mark("rest", BEGINS)), (ends[0], mark("rest", ENDS)),
        (ends[0], mark("smile", BEGINS)), (ends[1], mark("smile", ENDS)),
        (ends[1], mark("read", BEGINS)), (ends[2], mark("read", ENDS)),
    ]  # fmt: skip
    assert guide.stage is Stage.OVER
    assert guide.tick(99 * S) == []


def test_nothing_is_told_before_it_begins():
    guide = GuideRun(SCRIPT)
    assert guide.tick(99 * S) == []
    guide.begin(100 * S)
    assert guide.tick(100 * S - 1) == []
    assert guide.view(98 * S).since_s == pytest.approx(-2.0)
    assert guide.view(98 * S).stage is Stage.READY


def test_again_makes_void_what_is_under_way_and_shows_it_anew():
    guide = begun()
    marks = guide.tick(14 * S)  # two seconds into the smile
    marks += guide.again(14 * S)
    marks += guide.tick(14 * S) + guide.tick(14 * S + SMILE_NS)
    found = performed(SCRIPT, marks, 10 * S)
    assert [(one.step.label, one.start_s) for one in found] == [("rest", 0.0), ("smile", 4.0)]
    assert guide.view(14 * S + SMILE_NS).number == 3


def test_again_before_a_step_moves_means_the_one_before():
    guide = begun()
    marks = guide.tick(12 * S + S // 2)  # the smile has begun, but nothing has moved
    marks += guide.again(12 * S + S // 2)
    assert guide.view(12 * S + S // 2).step.label == "rest"
    marks += guide.tick(40 * S)
    found = performed(SCRIPT, marks, 10 * S)
    assert [(one.step.label, one.start_s) for one in found][:2] == [
        ("rest", 2.5),
        ("smile", 4.5),
    ]


def test_a_hold_waits_for_the_end_of_the_step_and_goes_on_when_told():
    guide = begun()
    guide.tick(11 * S)
    guide.hold(11 * S)
    assert guide.view(11 * S).waits
    marks = guide.tick(30 * S)
    assert guide.stage is Stage.HELD
    assert marks == [(12 * S, mark("rest", ENDS))]
    guide.hold(50 * S)
    assert guide.tick(50 * S) == [(50 * S, mark("smile", BEGINS))]


def test_what_was_held_can_be_done_again():
    guide = begun()
    guide.hold(11 * S)  # not yet showing: nothing to hold
    guide.tick(11 * S)
    guide.hold(11 * S)
    guide.tick(13 * S)
    assert guide.again(14 * S) == [(14 * S, mark("rest", AGAIN))]
    assert guide.tick(14 * S) == [(14 * S, mark("rest", BEGINS))]


def test_a_skipped_step_counts_for_nothing():
    guide = begun()
    marks = guide.tick(13 * S) + guide.skip(13 * S) + guide.tick(20 * S)
    found = performed(SCRIPT, marks, 10 * S)
    assert [one.step.label for one in found] == ["rest", "read"]
    assert guide.stage is Stage.OVER
    assert guide.skip(21 * S) == guide.again(21 * S) == []


actions = st.lists(
    st.tuples(st.sampled_from(["tick", "again", "skip", "hold"]), st.integers(0, 3 * S)),
    max_size=40,
)


@given(actions)
def test_whatever_the_operator_does_steps_never_overlap(done):
    guide, now, marks = begun(0), 0, []
    for what, wait_ns in done:
        now += wait_ns
        marks += guide.tick(now)
        if what in ("again", "skip"):
            marks += getattr(guide, what)(now)
        elif what == "hold":
            guide.hold(now)
        guide_lines(guide.view(now))
    found = performed(SCRIPT, marks, 0)
    assert all(b.start_s >= a.end_s - 1e-6 for a, b in itertools.pairwise(found))
    labels = [one.step.label for one in found]
    assert len(labels) == len(set(labels))
    assert [t for t, _ in marks] == sorted(t for t, _ in marks)


def test_lines_tell_what_to_do_and_how_far():
    guide = begun()
    assert "Get ready" in guide_lines(guide.view(9 * S))
    guide.tick(12 * S)
    top = 12 * S + round(1.6 * S)
    assert "mouthSmile" in guide_lines(guide.view(top))
    assert "Left" not in guide_lines(guide.view(top))
    assert guide_lines(guide.view(top)).count("█") > 25
    assert guide_lines(guide.view(12 * S)).count("█") == 0
    guide.tick(13 * S + SMILE_NS)
    assert "« Good morning. »" in guide_lines(guide.view(13 * S + SMILE_NS))
