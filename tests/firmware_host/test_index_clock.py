"""Time for samples without one: even, causal, close to the truth, and anew after a gap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.index_clock import IndexClock

S = 1_000_000_000


def delivered(rate_hz, seconds, interval_s=0.03, jitter_s=0.0, lost=(), seed=0):
    """(messages of (count, arrival_ns), true times in s of what arrived): a radio that speaks every
    `interval_s`, with something in the way besides.
    """
    random = np.random.default_rng(seed)
    true_s = 50.0 + np.arange(round(rate_hz * seconds)) / rate_hz
    true_s = np.delete(true_s, lost)
    spoken = np.ceil(true_s / interval_s).astype(int)
    messages = []
    last_ns = 0
    for slot in np.unique(spoken):
        late_s = slot * interval_s + random.uniform(0, jitter_s) + 0.002
        last_ns = max(last_ns, round(late_s * S))
        messages.append((int(np.sum(spoken == slot)), last_ns))
    return messages, true_s


def placed(messages):
    clock = IndexClock()
    return np.concatenate([clock.place(*message) for message in messages]), clock


@pytest.mark.parametrize("rate_hz", [60.0, 97.0, 100.0, 200.0])
@pytest.mark.parametrize("jitter_s", [0.0, 0.02])
def test_samples_of_a_radio_are_spread_as_they_were_measured(rate_hz, jitter_s):
    messages, true_s = delivered(rate_hz, 30.0, jitter_s=jitter_s)
    times_ns, clock = placed(messages)
    arrival_s = np.repeat([at for _, at in messages], [count for count, _ in messages]) / S
    warm = true_s > true_s[0] + 5.0
    late_s = times_ns[warm] / S - true_s[warm]
    late_s -= np.median(late_s)  # how late the link is at best, nobody can tell
    by_arrival_s = arrival_s[warm] - true_s[warm]
    by_arrival_s -= np.median(by_arrival_s)
    assert np.percentile(np.abs(late_s), 95) < 0.004
    assert np.percentile(np.abs(late_s), 95) < 0.4 * np.percentile(np.abs(by_arrival_s), 95)
    assert (times_ns / S <= arrival_s + 1e-6).all()  # nothing comes before it was measured
    assert clock.resets == 0


def test_in_its_first_second_samples_lie_where_they_arrived():
    messages, _ = delivered(100.0, 0.9)
    times_ns, _ = placed(messages)
    assert times_ns[messages[0][0] - 1] == messages[0][1]
    assert (np.diff(times_ns) > 0).all()


def test_samples_that_were_lost_unseen_are_followed():
    messages, true_s = delivered(100.0, 40.0, lost=np.arange(2000, 2007))
    times_ns, clock = placed(messages)
    late_s = times_ns / S - true_s
    before = np.median(late_s[(true_s > 60) & (true_s < 69)])
    after = np.median(late_s[true_s > 85])
    assert after == pytest.approx(before, abs=0.004)  # and not early by seven samples
    assert clock.resets == 0


def test_after_a_gap_it_counts_anew():
    first, _ = delivered(100.0, 10.0)
    second = [(count, at + 25 * S) for count, at in first]
    times_ns, clock = placed(first + second)
    assert clock.resets == 1
    half = len(times_ns) // 2
    np.testing.assert_array_equal(times_ns[half:], times_ns[:half] + 25 * S)


messages = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2 * S)), min_size=1, max_size=60)


@given(messages)
def test_times_increase_whatever_comes(steps):
    clock, at, got = IndexClock(), 5 * S, []
    for count, step in steps:
        at += step
        got.append(clock.place(count, at))
        assert len(got[-1]) == count
    assert (np.diff(np.concatenate(got)) > 0).all()
