"""When to try again, who may come back, what is wrong: decisions without a device."""

import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.clock import NS_PER_S, RunningClock
from firmware_host.link_events import SlotsBack, SlotsSilent
from firmware_host.samples import Gap, Garbage, HubInfo, HubStatus, ImuBlock
from firmware_host.supervision import (
    LONGEST_RETRY_S,
    Backoff,
    LineWatch,
    Numbering,
    SlotWatch,
    assigned,
    refusal,
    settings_changed,
)

S = NS_PER_S
HUB = HubInfo("hub-7", "fw", 1, 200.0, 80.0, 17.0, ("brow", "jaw"))


def block(tick_us=(0,), sequence=None, slots=2, arrival_ns=0, silent=(), **more):
    count = len(tick_us)
    accel = np.ones((count, slots, 3), np.float32)
    accel[:, list(silent)] = np.nan
    numbers = np.arange(count) if sequence is None else np.array(sequence)
    ticks = np.array(tick_us, np.int64)
    return ImuBlock(ticks, numbers.astype(np.int64), accel, accel.copy(), arrival_ns, **more)


def test_waits_grow_to_a_limit_and_are_never_the_same_for_two_devices():
    backoffs = [Backoff(Random(seed)) for seed in range(2)]
    waits = [[backoff.next_s() for _ in range(12)] for backoff in backoffs]
    for these in waits:
        due = [min(LONGEST_RETRY_S, 0.25 * 2**k) for k in range(12)]
        assert all(0.5 * most <= wait <= most for wait, most in zip(these, due, strict=True))
    assert all(a != b for a, b in zip(*waits, strict=True))
    backoffs[0].reset()
    assert backoffs[0].next_s() <= 0.25


def test_a_slot_that_gives_nothing_is_told_once_and_once_more_when_it_is_back():
    watch = SlotWatch(("brow", "jaw"), 200.0, 0)
    for tick in range(30):
        watch.take(block(arrival_ns=tick * S // 10, silent=[1]))
        found = watch.tick(tick * S // 10)
        assert len(found) == (tick == 11), (tick, found)
        if found:
            assert found == [SlotsSilent(("jaw",), pytest.approx(1.1))]
    assert watch.silent == ("jaw",)
    watch.take(block(arrival_ns=3 * S))
    assert watch.tick(3 * S) == [SlotsBack(("jaw",))]
    assert watch.silent == ()


def test_a_slow_sensor_is_not_silent_between_two_readings():
    watch = SlotWatch(("brow", "jaw"), 2.0, 0)
    assert watch.tick(2 * S) == []
    assert watch.tick(3 * S) == [SlotsSilent(("brow", "jaw"), 3.0)]


def test_orientation_alone_is_a_reading():
    watch = SlotWatch(("a",), math.nan, 0)
    nothing = np.full((1, 1, 3), np.nan, np.float32)
    quat = np.ones((1, 1, 4), np.float32)
    one = np.zeros(1, np.int64)
    watch.take(ImuBlock(one, one, nothing, nothing, 2 * S, quat))
    assert watch.tick(2 * S) == []


def judged(*windows, stuck=(), advice="do this"):
    """What a line is told to be, window by window: (bytes, garbage, samples) each."""
    line, found, total = LineWatch(0, advice, 4_000_000), [], 0
    for number, (count, garbage, samples) in enumerate(windows, 1):
        line.take_bytes(count, 0)
        line.take(Garbage(garbage))
        if samples:
            line.take(block(tick_us=range(samples)))
        total += stuck[number - 1] if stuck else 0
        found.append(line.tick(2 * S * number, total))
    return [None if trouble is None else trouble.what for trouble in found]


def test_bytes_without_samples_are_noise_and_said_once_until_it_is_over():
    bad, good = (4000, 4000, 0), (4000, 0, 200)
    assert judged(bad, bad, good, bad) == ["noise", None, None, "noise"]


def test_a_line_that_is_mostly_garbage_is_noise_though_samples_come_through():
    assert judged((4000, 2500, 40), (4000, 1500, 60)) == ["noise", None]


def test_silence_and_a_few_bytes_are_no_noise():
    assert judged((0, 0, 0), (100, 100, 0)) == [None, None]


def test_samples_without_a_time_of_their_own_are_a_trouble_of_the_clock():
    assert judged((4000, 0, 200), stuck=[150]) == ["clock"]
    assert judged((4000, 4000, 0), stuck=[200]) == ["clock"]  # a hub's are dropped as garbage
    assert judged((4000, 0, 200), stuck=[3]) == [None]


def test_a_flood_is_seen_within_a_second_and_a_fast_hub_is_none():
    line = LineWatch(0, "", 4_000_000)

    def hangs_up(count, at):
        line.take(block())
        return line.take_bytes(count, at * S // 1000)

    assert not any(hangs_up(2200, at) for at in range(3000))  # 2.2 MB/s
    times = [at for at in range(3000, 4000) if hangs_up(16_000, at)]
    assert 3000 < times[0] < 3000 + 1000


def test_a_megabyte_without_a_sample_is_enough_however_slowly_it_comes():
    line = LineWatch(0, "", 4_000_000)
    heard = [line.take_bytes(10_000, at * S) for at in range(101)]
    assert heard.index(True) == 100
    line.take(block())
    assert not line.take_bytes(10_000, 101 * S)


def test_who_says_another_id_is_refused_with_the_way_out():
    refused = refusal(replace(HUB, device_id="hub-8"), HUB, "", {})
    assert refused is not None
    assert "'hub-8', and it was 'hub-7'" in refused.reason
    assert "id = 'hub-8'" in refused.hint
    refused = refusal(HUB, None, "hub-9", {})
    assert refused is not None
    assert "rig.toml asks for 'hub-9'" in refused.reason


def test_an_id_that_another_device_has_is_refused_by_the_name_of_that():
    refused = refusal(HUB, None, "", {"hub-7": "left"})
    assert refused is not None
    assert "which 'left' says too" in refused.reason


def test_other_sensors_are_refused_and_other_rates_are_not():
    refused = refusal(replace(HUB, slots=("brow",)), HUB, "", {})
    assert refused is not None
    assert "it had brow, jaw" in refused.reason
    slower = replace(HUB, rate_hz=100.0, firmware="fw 2")
    assert refusal(slower, HUB, "hub-7", {"hub-8": "right"}) is None
    assert settings_changed(HUB, slower) == (
        "Hz: 200 before, 100 now",
        "firmware: fw before, fw 2 now",
    )


def test_who_does_not_say_who_it_is_cannot_be_refused_for_it():
    nameless = replace(HUB, device_id="", rate_hz=math.nan)
    assert refusal(nameless, nameless, "", {"hub-7": "left"}) is None
    assert settings_changed(nameless, nameless) == ()


def test_a_mac_may_be_written_in_small_letters():
    assert refusal(replace(HUB, device_id="AA:BB"), None, "aa:bb", {}) is None


counts = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@given(st.lists(st.tuples(st.integers(0, 2**53), counts), min_size=1, max_size=5))
def test_ticks_and_numbers_increase_over_every_new_count(lives):
    numbering, last_tick, last_sequence = Numbering(), -1, -1
    for epoch, steps in lives:
        numbering.begin_anew()
        ticks = epoch + np.cumsum(steps)
        for at in range(len(ticks)):
            told = numbering.take_block(block(ticks[at : at + 1], [at]))
            assert told.tick_us[0] > last_tick
            assert told.sequence[0] > last_sequence
            last_tick, last_sequence = int(told.tick_us[0]), int(told.sequence[0])


def test_a_new_count_is_seen_as_one_by_the_clock_that_runs_along():
    """However little time passed between: what comes after it is not mapped by what was before."""
    numbering, clock = Numbering(), RunningClock()
    for second in range(5):
        told = numbering.take_block(block([second * 10**6], arrival_ns=second * S))
        clock.update(int(told.tick_us[0]) * 1000, told.arrival_ns)
    numbering.begin_anew()
    again = numbering.take_block(block([17], arrival_ns=5 * S + S // 2))
    clock.update(int(again.tick_us[0]) * 1000, again.arrival_ns)
    assert int(clock.to_host(again.tick_us * 1000)[0]) == again.arrival_ns


def test_the_clock_of_the_host_has_no_new_count():
    numbering = Numbering()
    numbering.take_block(block([1000], tick_is_arrival=True))
    numbering.begin_anew()
    told = numbering.take_block(block([2000], [0], tick_is_arrival=True))
    assert told.tick_us.tolist() == [2000]


def test_events_that_tell_a_time_or_a_number_follow_the_samples():
    numbering = Numbering()
    numbering.take_block(block([5000], [9]))
    numbering.begin_anew()
    told = numbering.take_block(block([7, 8], [0, 1]))
    status = numbering.take(HubStatus(9, 2, 0.5))
    assert isinstance(status, HubStatus)
    assert status.tick_us == told.tick_us[1] + 1
    gap = numbering.take(Gap(2, 3))
    assert isinstance(gap, Gap)
    assert gap.sequence == told.sequence[1] + 1
    assert numbering.take(Garbage(3)) == Garbage(3)


def test_a_clock_that_failed_is_replaced_by_the_arrival_and_stays_increasing():
    numbering, last = Numbering(), -1
    numbering.take_block(block([10**15]))
    numbering.begin_anew()
    for arrival_us in (500, 501, 501, 502):
        stuck = block([10**15 + 1, 10**15 + 2, 10**15 + 3], arrival_ns=arrival_us * 1000)
        told = numbering.take_block(numbering.arrived(stuck))
        assert told.tick_is_arrival
        assert told.tick_us[0] > last
        assert (np.diff(told.tick_us) > 0).all()
        last = int(told.tick_us[-1])


def test_only_assigned_sensors_are_used_and_unknown_ones_are_missing():
    given_ = block([0, 1], slots=3)
    given_.accel_m_s2[:] = np.arange(3)[None, :, None]
    told = assigned(given_, (2, 0, 7), device=4)
    np.testing.assert_array_equal(told.accel_m_s2[:, :, 0], [[2, 0, np.nan]] * 2)
    assert told.device == 4
    assert assigned(given_, (0, 1, 2), 0).accel_m_s2 is given_.accel_m_s2
