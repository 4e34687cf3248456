"""Clocks: the floor under one-sided delays, exact over days."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_host.clock import ClockMap, error_bounds_s, fit_clock, fit_curve, tick_ns
from firmware_host.samples import RoundTrip
from firmware_host.simulated_clock import DELAYS, ClockOptions, hear_clock

NS = 1_000_000_000
DAY_NS = 86_400 * NS
drifts_ppm = st.floats(-100, 100)
epochs = st.integers(0, 10 * DAY_NS)


def line(device_ns, device_epoch, host_epoch, ppm):
    """True host times of device times, exact to a nanosecond."""
    elapsed = device_ns - device_epoch
    return host_epoch + elapsed + np.rint(elapsed * ppm * 1e-6).astype(np.int64)


@given(epochs, epochs, drifts_ppm, st.integers(2, 400), st.integers(1, 3600))
def test_without_jitter_the_line_is_found_to_the_nanosecond(device_epoch, host_epoch, ppm, n, span):
    device = device_epoch + np.arange(n) * (span * NS // n)
    host = line(device, device_epoch, host_epoch, ppm)
    fitted = fit_clock(device, host)
    assert np.max(np.abs(fitted.to_host(device) - host)) <= 2
    assert fitted.drift_ppm == pytest.approx(ppm, abs=1e-6 + 2e-3 * NS / (device[-1] - device[0]))
    assert fitted.residual_p95_s < 5e-9


@given(
    epochs,
    drifts_ppm,
    st.lists(st.floats(0, 0.5), min_size=2, max_size=200),
)
def test_whatever_the_delays_the_floor_is_under_every_arrival_and_over_the_truth(epoch, ppm, late):
    """The hull touches real arrivals, so around the middle it errs by no more than a delay."""
    device = epoch + np.arange(len(late)) * NS // 100
    truth = line(device, epoch, 5 * DAY_NS, ppm)
    delays = np.rint(np.array(late) * NS).astype(np.int64)
    fitted = fit_clock(device, truth + delays)
    mapped = fitted.to_host(device)
    assert np.all(mapped <= truth + delays + 3)
    middle = np.array([(device[0] + device[-1]) // 2])
    error = fitted.to_host(middle) - line(middle, epoch, 5 * DAY_NS, ppm)
    assert -3 <= error[0] <= delays.max() + 3
    assert -1e-9 <= fitted.residual_s <= fitted.residual_p95_s + 1e-9


@settings(max_examples=30)
@given(st.integers(0, 10**6), epochs, drifts_ppm, st.floats(0.0005, 0.005))
def test_a_minute_of_jitter_leaves_a_tenth_of_it_and_two_ppm_per_millisecond(
    seed, epoch, ppm, jitter_s
):
    random = np.random.default_rng(seed)
    device = epoch + np.arange(12_000) * (NS // 200)
    truth = line(device, epoch, 3 * DAY_NS, ppm)
    delays = np.rint(random.exponential(jitter_s, len(device)) * NS).astype(np.int64)
    fitted = fit_clock(device, truth + delays)
    error_s = (fitted.to_host(device) - truth) / NS
    assert np.max(np.abs(error_s)) < 0.1 * jitter_s
    assert fitted.drift_ppm == pytest.approx(ppm, abs=2 * jitter_s * 1000)
    assert fitted.residual_s == pytest.approx(jitter_s * np.log(2), rel=0.2)


def test_least_squares_would_have_been_off_by_the_mean_delay():
    random = np.random.default_rng(1)
    device = np.arange(12_000) * (NS // 200)
    arrival = device + np.rint(random.exponential(0.004, len(device)) * NS).astype(np.int64)
    fitted = fit_clock(device, arrival)
    squares = np.polynomial.Polynomial.fit(device / NS, arrival / NS, 1)
    assert abs(fitted.to_host(device[6000:6001])[0] - device[6000]) < 0.0004 * NS
    assert squares(30.0) - 30.0 > 0.003


def test_whole_nanoseconds_survive_an_epoch_of_ten_days():
    clock = ClockMap(10 * DAY_NS + 1, 7, 1.0, 0, 0, 0.0, 0.0)
    device = 10 * DAY_NS + 1 + np.array([0, 1, 2, 999_999_999_999])
    np.testing.assert_array_equal(clock.to_host(device), [7, 8, 9, 1_000_000_000_006])


def test_samples_that_share_a_tick_keep_the_earliest_arrival():
    device = np.array([0, 0, NS, NS, 2 * NS])
    arrival = np.array([50, 10, NS + 10, NS + 90, 2 * NS + 10])
    np.testing.assert_array_equal(fit_clock(device, arrival).to_host(np.array([NS])), [NS + 10])


@pytest.mark.parametrize("device", [[], [5], [5, 5, 5], [1, 3, 2]])
def test_readings_that_do_not_increase_are_refused(device):
    readings = np.array(device, np.int64)
    with pytest.raises(ValueError, match="increasing clock readings"):
        fit_clock(readings, readings)


def test_over_an_hour_the_map_bends_with_the_crystal_where_a_line_cannot():
    options = ClockOptions(
        seconds=3600, rate_hz=20, resets=0, drift_ppm=40.0, warm_up_ppm=30.0, wander_ppm=8.0
    )
    heard = hear_clock(options, 1)
    curve = fit_curve(heard.device_ns, heard.arrival_ns)
    line_ = fit_clock(heard.device_ns, heard.arrival_ns)
    bent, straight = (
        np.percentile(np.abs(c.to_host(heard.device_ns) - heard.true_ns - 0.001 * NS), 95) / NS
        for c in (curve, line_)
    )
    assert bent < 0.001 < 0.002 < straight
    least, most = curve.drift_range_ppm
    assert -75 < least < -40 < most < 0
    assert least < curve.drift_ppm < most
    assert curve.residual_s == pytest.approx(0.02, abs=0.005)


def test_between_and_beyond_its_knots_a_map_is_straight():
    clock = ClockMap(0, 5, 1.0, 0, 20 * NS, 0.0, 0.0, ((0, 5), (10 * NS, 10 * NS + 1005),
                                                       (20 * NS, 20 * NS + 5)))  # fmt: skip
    device = np.array([-NS, 0, 5 * NS, 10 * NS, 15 * NS, 20 * NS, 30 * NS])
    late = clock.to_host(device) - device
    assert late.tolist() == [-95, 5, 505, 1005, 505, 5, -995]
    assert clock.drift_range_ppm == pytest.approx((-0.1, 0.1))


@settings(max_examples=20)
@given(st.integers(0, 10**6), drifts_ppm, st.sampled_from(sorted(DELAYS)))
def test_two_devices_behind_bad_links_agree_to_two_milliseconds(seed, ppm, link):
    errors = []
    for device in (1, -1):
        options = ClockOptions(seconds=240, rate_hz=60, drift_ppm=device * ppm, link=link, resets=0)
        heard = hear_clock(options, 2 * seed + (device > 0))
        found = fit_curve(heard.device_ns, heard.arrival_ns).to_host(heard.device_ns)
        at_s = (heard.true_ns - heard.true_ns[0]) / NS
        errors.append(np.interp(np.arange(0, 239), at_s, (found - heard.true_ns) / NS))
    assert np.percentile(np.abs(errors[0] - errors[1]), 95) <= 0.002


@given(
    drifts_ppm,
    st.floats(0, 0.05),
    st.lists(st.tuples(st.floats(0, 0.02), st.floats(0, 0.02)), min_size=1, max_size=30),
)
def test_round_trips_bound_how_late_a_floor_is(ppm, fastest_s, delays):
    """No message takes less than `fastest_s`: the floor cannot know that, round trips bound it."""
    device = 1_000_000 * np.arange(len(delays) + 2) * 1000
    truth = line(device, 0, 7 * NS, ppm)
    fitted = fit_clock(device, truth + round(fastest_s * NS))
    trips = [
        RoundTrip(int(tick // 1000), int(host - there * NS), int(host + back * NS))
        for tick, host, (there, back) in zip(device, truth, delays, strict=False)
    ]
    least, most = error_bounds_s(fitted.to_host(tick_ns(trips)), trips)
    assert least - 1e-8 <= fastest_s <= most + 1e-8
    assert most - least <= min(there + back for there, back in delays) + 1e-8


def test_round_trips_that_no_shift_explains_contradict_the_map():
    wrong = ClockMap(0, 0, 1.001, 0, 10 * NS, 0.0, 0.0)
    trips = [RoundTrip(second * 1_000_000, second * NS, second * NS + 1000) for second in (0, 10)]
    least, most = error_bounds_s(wrong.to_host(tick_ns(trips)), trips)
    assert least > most
    assert error_bounds_s(np.zeros(0, np.int64), []) == (-np.inf, np.inf)
