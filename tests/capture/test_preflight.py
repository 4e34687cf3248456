"""What stands against beginning a take, and for how long it lasts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.disk_guard import RESERVE_BYTES, DiskGuard, needed_bytes
from capture.preflight import FRESH_S, MAX_LATE_S, SourceWatch, disk_problem, standing
from firmware_host.samples import ImuBlock

S, MS = 1_000_000_000, 1_000_000
SLOTS = ("mentalis", "head_reference")


def block(tick_ms: int, arrival_ns: int, silent=(), **changes) -> ImuBlock:
    accel = np.zeros((1, 2, 3), np.float32)
    for slot in silent:
        accel[:, SLOTS.index(slot)] = np.nan
    ticks = np.array([tick_ms * 1000])
    return ImuBlock(ticks, np.array([tick_ms]), accel, accel.copy(), arrival_ns, **changes)


def watched(
    count: int = 200, delay_ns=lambda i: 2 * MS, silent=(), step_ms: int = 5
) -> SourceWatch:
    watch = SourceWatch("hub")
    for i in range(count):
        moment = i * step_ms
        watch.take_block(block(moment, moment * MS + delay_ns(i), silent), SLOTS)
    return watch


def texts(problems) -> list[str]:
    return [problem.text for problem in problems]


def test_a_source_that_gives_everything_stands_against_nothing():
    watch = watched()
    assert watch.problems(1000 * MS, SLOTS) == []


def test_a_source_that_was_never_heard_is_named_with_what_lets_it_pass():
    (problem,) = SourceWatch("phone").problems(S)
    assert problem.source == "phone"
    assert problem.text == "nothing was heard from the phone"
    assert problem.hint == "or pass --allow-missing phone"
    assert problem.line == "nothing was heard from the phone (or pass --allow-missing phone)"


def test_a_source_that_fell_silent_is_stale():
    watch = watched()
    last_ns = 995 * MS + 2 * MS
    assert watch.problems(last_ns + round(FRESH_S * S), SLOTS) == []
    (problem,) = watch.problems(last_ns + round(FRESH_S * S) + 300 * MS, SLOTS)
    assert problem.text == "the hub has been silent for 1.3 s"


def test_a_slot_that_gives_nothing_is_named_and_only_where_it_is_asked_for():
    watch = watched(silent=("mentalis",))
    (problem,) = watch.problems(1000 * MS, SLOTS)
    assert (problem.source, problem.text) == ("mentalis", "mentalis gives nothing")
    assert standing([problem], ["mentalis"]) == []
    assert standing([problem], ["phone"]) == [problem]
    assert watch.problems(1000 * MS, ("head_reference",)) == []


def test_a_slot_that_gave_something_once_and_then_nothing_is_silent():
    watch = watched(count=100)
    for i in range(100, 400):
        watch.take_block(block(i * 5, i * 5 * MS, ("mentalis",)), SLOTS)
    assert texts(watch.problems(2000 * MS, SLOTS)) == ["mentalis gives nothing"]


def test_a_clock_that_jumps_is_not_to_be_trusted():
    watch = SourceWatch("hub")
    for i in range(200):
        tick = i * 5 if i < 100 else i * 5 + 60_000
        watch.take_block(block(tick, i * 5 * MS), SLOTS)
    assert texts(watch.problems(1000 * MS, SLOTS)) == ["the hub's clock jumped 1 times just now"]


def test_a_clock_that_comes_in_bursts_is_not_to_be_read():
    late = round(2 * MAX_LATE_S * S)
    watch = watched(delay_ns=lambda i: late - (i % 100) * 5 * MS)
    (problem,) = watch.problems(1000 * MS + late, SLOTS)
    assert "comes up to 0.4" in problem.text


def test_jitter_of_wi_fi_is_no_problem():
    rng = np.random.default_rng(2)
    delays = (rng.exponential(0.04, 200) * S).astype(int)
    watch = watched(delay_ns=lambda i: int(delays[: i + 1].max() if i % 50 else delays[i]))
    assert watch.problems(1000 * MS + int(delays.max()), SLOTS) == []


def test_a_source_without_a_clock_is_judged_by_its_arrival_alone():
    watch = SourceWatch("phone")
    for i in range(100):
        watch.take_face(None, i * 16 * MS)
    assert watch.problems(100 * 16 * MS) == []
    arrivals = SourceWatch("hub")
    for i in range(100):
        arrivals.take_block(block((i * 977) % 5000, i * 5 * MS, tick_is_arrival=True), SLOTS)
    assert arrivals.problems(500 * MS, SLOTS) == []


def test_a_clock_that_is_given_up_is_not_held_against_its_source():
    watch = SourceWatch("hub")
    for i in range(100):
        watch.take_block(block(0, i * 5 * MS), SLOTS)  # it stands still
    assert len(watch.problems(500 * MS, SLOTS)) == 1
    watch.take_block(block(500, 500 * MS, tick_is_arrival=True), SLOTS)
    assert watch.problems(500 * MS, SLOTS) == []


@given(st.lists(st.tuples(st.integers(-(1 << 40), 1 << 40), st.integers(0, 10 * S)), max_size=50))
def test_whatever_a_phones_clock_says_is_judged(readings):
    watch, now_ns = SourceWatch("phone"), 0
    for device_ns, wait_ns in readings:
        now_ns += wait_ns
        watch.take_face(device_ns, now_ns)
        assert all(problem.line for problem in watch.problems(now_ns))


def test_a_disk_without_room_is_said_in_megabytes():
    assert disk_problem(1 << 40, needed_bytes(3600), "takes") is None
    problem = disk_problem(10_000_000, needed_bytes(None), "takes")
    assert problem.text == "takes has 10 MB free, 158 MB are needed"
    assert standing([problem], ["hub", "phone"]) == [problem]
    assert needed_bytes(3600) - needed_bytes(60) == pytest.approx(3540 * 400_000)


def test_a_disk_that_fills_is_told_in_minutes_and_ends_the_take_in_time():
    guard = DiskGuard()
    assert not guard.is_full
    assert guard.left_s == math.inf
    assert guard.warning == ""
    for second in range(120):
        guard.look(second * S, RESERVE_BYTES + 700_000_000 - second * 1_000_000)
    assert guard.left_s == pytest.approx(581, abs=1)
    assert guard.warning == "the disk lasts 10 minutes more"
    guard.look(121 * S, RESERVE_BYTES)
    assert guard.is_full
    assert guard.warning == "the disk is full"


def test_a_disk_that_nobody_fills_lasts():
    guard = DiskGuard()
    for second in range(100):
        guard.look(second * S, 10 * RESERVE_BYTES + second)
    assert guard.left_s == math.inf
    assert guard.warning == ""
