"""The live clock: causal, the same as a whole recording's at its end, and awake to resets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.source_clock import resets
from firmware_host.clock import fit_curve
from firmware_host.floor_line import WINDOW_S
from firmware_host.running_clock import FLOOR_S, RunningClock
from firmware_host.simulated_clock import DELAYS, ClockOptions, hear_clock

NS = 1_000_000_000
links = st.sampled_from(sorted(DELAYS))


def fed(device_ns: np.ndarray, arrival_ns: np.ndarray) -> RunningClock:
    clock = RunningClock()
    for reading in zip(device_ns.tolist(), arrival_ns.tolist(), strict=True):
        clock.update(*reading)
    return clock


def test_it_asks_for_a_reading_first():
    with pytest.raises(ValueError, match="has seen no reading yet"):
        RunningClock().to_host(np.array([1]))


@given(st.lists(st.floats(0, 0.05), min_size=1, max_size=300), st.integers(0, 10**15))
def test_in_its_first_seconds_it_takes_the_lowest_delay(late, epoch):
    device_ns = epoch + np.arange(len(late)) * (NS // 100)
    delays = np.rint(np.array(late) * NS).astype(np.int64)
    clock = fed(device_ns, device_ns + 12_345 + delays)
    assert clock.to_host(np.array([epoch]))[0] == epoch + 12_345 + delays.min()


@given(st.floats(-3000, 3000))
def test_without_jitter_it_follows_drift_exactly(ppm):
    device_ns = np.arange(2000) * (NS // 50)
    host_ns = device_ns + np.rint(device_ns * ppm * 1e-6).astype(np.int64) + 86_400 * NS
    clock = fed(device_ns, host_ns)
    assert abs(int(clock.to_host(device_ns[-1:])[0] - host_ns[-1])) <= 20


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(-100, 100), st.integers(12, WINDOW_S + 60), links)
def test_streaming_and_batch_agree_whenever_the_stream_ends(seed, ppm, seconds, link):
    """At the end of any second the live map of the newest reading is that of a whole recording."""
    options = ClockOptions(seconds=300, rate_hz=20, drift_ppm=ppm, link=link, resets=0)
    heard = hear_clock(options, seed)
    whole = heard.device_ns - heard.device_ns[0] < seconds * NS
    end = int(whole.sum())
    clock = fed(heard.device_ns[: end + 1], heard.arrival_ns[: end + 1])  # the next second began
    batch = fit_curve(heard.device_ns[:end], heard.arrival_ns[:end])
    newest = heard.device_ns[end - 20 : end]
    difference_ns = np.abs(clock.to_host(newest) - batch.to_host(newest))
    # A recording of the length of one window is still fitted whole, a second more than the window.
    assert difference_ns.max() <= (5 if seconds != WINDOW_S else 0.001 * NS)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.floats(-100, 100), st.sampled_from(("uniform", "exponential")))
def test_after_half_a_minute_it_is_within_two_milliseconds_of_the_whole_recording(seed, ppm, link):
    options = ClockOptions(seconds=240, rate_hz=60, drift_ppm=ppm, link=link, resets=0)
    heard = hear_clock(options, seed)
    batch_ns = fit_curve(heard.device_ns, heard.arrival_ns).to_host(heard.device_ns)
    clock, errors_s = RunningClock(), []
    for k, reading in enumerate(zip(heard.device_ns, heard.arrival_ns, strict=True)):
        clock.update(*map(int, reading))
        if k > 30 * 60 and k % 60 == 0:
            errors_s.append(int(clock.to_host(heard.device_ns[k : k + 1])[0] - batch_ns[k]) / NS)
    assert np.percentile(np.abs(errors_s), 95) <= 0.002


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(0, 3), links)
def test_streaming_and_batch_see_the_same_restarts_of_a_hub(seed, count, link):
    options = ClockOptions(seconds=120, rate_hz=30, link=link, resets=count)
    heard = hear_clock(options, seed)
    clock = fed(heard.device_ns, heard.arrival_ns)
    assert clock.resets == len(resets(heard.device_ns, heard.arrival_ns))
    assert clock.resets == count or count > 1  # two may come before a message between them does


@pytest.mark.parametrize("back_s", [2.0, 4.0, 40.0])
def test_a_clock_that_is_set_back_is_believed_when_it_stays(back_s):
    device_ns = np.arange(3000) * (NS // 50)
    arrival_ns = device_ns + 7 * NS
    device_ns[1500:] -= round(back_s * NS)
    assert fed(device_ns, arrival_ns).resets == 1
    assert len(resets(device_ns, arrival_ns)) == 1
    clock = fed(device_ns, arrival_ns)
    np.testing.assert_array_equal(clock.to_host(device_ns[-5:]), arrival_ns[-5:])


@pytest.mark.parametrize("stall_s", [1.5, 4.0, 20.0])
def test_what_waited_and_came_all_at_once_is_no_reset(stall_s):
    device_ns = np.arange(3000) * (NS // 50)
    arrival_ns = device_ns + 7 * NS
    held = (device_ns > 20 * NS) & (device_ns <= (20 + stall_s) * NS)
    arrival_ns[held] = arrival_ns[held][-1]
    clock = fed(device_ns, arrival_ns)
    assert clock.resets == len(resets(device_ns, arrival_ns)) == 0
    np.testing.assert_array_equal(clock.to_host(device_ns[-5:]), arrival_ns[-5:])


def test_until_it_is_settled_the_old_map_stands():
    device_ns = np.arange(2000) * (NS // 50)
    arrival_ns = device_ns + 7 * NS
    device_ns[1000:] -= 3 * NS
    doubtful = 1000 + round((FLOOR_S - 1) * 50)
    clock = fed(device_ns[:doubtful], arrival_ns[:doubtful])
    assert clock.resets == 0
    assert clock.to_host(device_ns[:1])[0] == arrival_ns[0]
