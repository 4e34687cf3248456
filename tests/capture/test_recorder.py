"""The recorder as a machine: whatever happens in whatever order, it goes only where it may."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from capture.recorder import Recorder, State

S = 1_000_000_000
SOURCES = ("hub", "phone", "cheek")
STEPS = {
    State.IDLE: {State.IDLE, State.READY, State.COMPLETE},
    State.READY: {State.READY, State.IDLE, State.RECORDING, State.COMPLETE},
    State.RECORDING: {State.RECORDING, State.DRAINING, State.RECOVERED},
    State.DRAINING: {State.DRAINING, State.COMPLETE, State.RECOVERED},
    State.COMPLETE: {State.COMPLETE},
    State.RECOVERED: {State.RECOVERED},
}


class Machine(RuleBasedStateMachine):
    @initialize(
        required=st.sets(st.sampled_from(SOURCES)),
        duration=st.none() | st.integers(1, 30),
        armed=st.booleans(),
        settle=st.integers(0, 3),
    )
    def open(self, required, duration, armed, settle):
        self.now_ns = 5 * S
        self.required, self.duration, self.armed = required, duration, armed
        self.settle_ns = settle * S
        self.recorder = Recorder(
            required,
            self.now_ns,
            None if duration is None else duration * S,
            start_timeout_ns=10 * S,
            silence_ns=4 * S,
            drain_ns=S // 2,
            settle_ns=self.settle_ns,
            armed=armed,
        )
        self.before = State.IDLE
        self.heard: dict[str, int] = {}
        self.all_heard_ns: int | None = None
        self.started = False
        self.first_end: str | None = None

    @rule(source=st.sampled_from(SOURCES))
    def a_source_is_heard(self, source):
        self.recorder.heard(source, self.now_ns)
        self.heard[source] = self.now_ns

    @rule(problems=st.lists(st.sampled_from(["slot", "disk"]), max_size=2))
    def checks_find(self, problems):
        self.recorder.check(problems)

    @rule(ms=st.integers(0, 12_000))
    def time_passes(self, ms):
        self.now_ns += ms * 1_000_000
        before = self.recorder.state
        after = self.recorder.tick(self.now_ns)
        assert after in STEPS[before]
        if before is State.DRAINING and ms >= 500:
            assert after is State.COMPLETE
        if before is State.RECORDING and after is State.DRAINING:
            self.first_end = self.recorder.reason

    @rule()
    def the_operator_starts(self):
        ready = self.recorder.state is State.READY
        assert self.recorder.start() == ready
        self.started = self.started or ready

    @rule(reason=st.sampled_from(["operator", "program"]))
    def somebody_ends(self, reason):
        was = self.recorder.state
        self.recorder.end(reason, self.now_ns)
        if was in (State.IDLE, State.READY, State.RECORDING):
            self.first_end = reason

    @precondition(lambda self: self.recorder.may_begin)
    @rule()
    def the_take_opens(self):
        self.recorder.begin(self.now_ns)

    @precondition(lambda self: self.recorder.state in (State.RECORDING, State.DRAINING))
    @rule()
    def the_disk_fails_and_the_take_is_rescued(self):
        self.recorder.recover("the disk refused")
        self.first_end = "the disk refused"

    @invariant()
    def it_goes_only_where_it_may(self):
        state = self.recorder.state
        assert state in STEPS[self.before]
        self.before = state

    @invariant()
    def nothing_is_recorded_without_what_is_required(self):
        if self.recorder.state in (State.READY, State.RECORDING, State.DRAINING):
            assert self.heard.keys() >= self.required
            assert self.heard
        if self.recorder.began_ns is not None:
            assert not self.armed or self.started

    @invariant()
    def the_first_reason_stands(self):
        if self.recorder.state in (State.DRAINING, State.COMPLETE, State.RECOVERED):
            assert self.recorder.reason
            if self.first_end is not None:
                assert self.recorder.reason == self.first_end

    @invariant()
    def a_lost_source_is_one_that_was_required_and_heard(self):
        lost = self.recorder.lost
        assert lost in (None, "disk", *(self.required or self.heard))


Machine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
test_whatever_happens = Machine.TestCase


def ready(**options) -> Recorder:
    recorder = Recorder({"hub"}, 0, **options)
    recorder.heard("hub", 0)
    recorder.tick(0)
    return recorder


def test_checks_count_only_when_the_sources_were_looked_at_for_a_while():
    recorder = ready(settle_ns=S)
    assert recorder.state is State.IDLE
    recorder.check(["slot mentalis gives nothing"])
    assert recorder.tick(2 * S) is State.IDLE
    recorder.check([])
    assert recorder.tick(2 * S) is State.READY
    assert recorder.may_begin


def test_what_the_checks_find_to_the_last_ends_the_wait():
    recorder = ready()
    recorder = Recorder({"hub"}, 0)
    recorder.heard("hub", 0)
    recorder.check(["slot mentalis gives nothing"])
    assert recorder.tick(9 * S) is State.IDLE
    assert recorder.tick(10 * S) is State.COMPLETE
    assert recorder.reason == "the checks found something"
    assert recorder.problems == ("slot mentalis gives nothing",)


def test_an_armed_recorder_waits_for_its_operator_and_falls_back_when_something_breaks():
    recorder = ready(armed=True)
    assert recorder.state is State.READY
    assert not recorder.may_begin
    assert recorder.tick(3600 * S) is State.READY
    recorder.check(["the phone went away"])
    assert recorder.tick(3600 * S) is State.IDLE
    assert not recorder.start()
    recorder.check([])
    recorder.tick(3600 * S)
    assert recorder.start()
    assert recorder.may_begin
    recorder.begin(3600 * S)
    assert recorder.state is State.RECORDING


def test_a_rescued_take_is_recovered_and_stays_so():
    recorder = ready()
    recorder.begin(0)
    recorder.recover("no space left")
    recorder.end("operator", S)
    assert recorder.tick(100 * S) is State.RECOVERED
    assert (recorder.reason, recorder.lost) == ("no space left", "disk")
