"""How far apart two devices are on the host's clock, in simulation. JSON lines.

    python benchmarks/clocks.py                    # half a minute
    python benchmarks/clocks.py --devices 12 --seconds 1800

Simulated devices (`firmware_host.simulated_clock`): any epoch, ±100 ppm drift, 10 ppm of warming up
and 5 to 10 ppm of wander with the room, messages that take 1 to 41 ms and keep their order, 5 % of
them lost, one restart. One line per kind of link and rate; errors are in ms, of a moment that two
devices report: each pair of neighbours, once a second while both are on.

between_p95: batch maps of a whole recording. one_line_p95: the same with a single line per stretch,
as a map was before it had knots. live_p95: the running clock, without the first half minute behind
a (re)start. late: median of how late a batch map is, which no arrival can tell (the fastest message
took 1 ms). bounded: share of devices whose round trips agree with their map to 1 ms.
Then devices without a clock, whose samples are placed by their count (`firmware_host.index_clock`),
beside the same samples where they arrived: percentiles of how far from the truth, less the median,
which no arrival can tell. lost: share of samples that nobody saw missing.

`radio` speaks every 15 ms: at a rate that divides it, how long the newest sample waits creeps from
0 to 5 ms and back over minutes, and no look at arrivals tells that from drift.
"""

import argparse
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from capture.source_clock import fit_source, resets
from firmware_host.clock import error_bounds_s, fit_clock, tick_ns
from firmware_host.index_clock import IndexClock
from firmware_host.running_clock import RunningClock
from firmware_host.simulated_clock import DELAYS, ClockOptions, HeardClock, hear_clock

Array = NDArray[np.float64]
NS = 1_000_000_000
WARM_S = 30.0


def main() -> None:
    """Print a line per link and rate, and one device in full."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--devices", type=int, default=4)
    options.add_argument("--seconds", type=float, default=600.0)
    asked = options.parse_args()
    for link in DELAYS:
        for rate_hz in (60.0, 200.0):
            print(json.dumps(measured(link, rate_hz, asked.devices, asked.seconds)), flush=True)
    print(json.dumps(one_device(asked.seconds)))
    for rate_hz, interval_s, lost in (
        (100, 0.015, 0),
        (100, 0.03, 0),
        (200, 0.05, 0),
        (100, 0.03, 1e-3),
    ):
        print(json.dumps(without_clock(rate_hz, interval_s, lost, asked.seconds)))


def measured(link: str, rate_hz: float, devices: int, seconds: float) -> dict[str, object]:
    """Errors between neighbours among `devices` on such links."""
    random = np.random.default_rng(17)
    common = ClockOptions(link=link, rate_hz=rate_hz, seconds=seconds)
    heard = [
        hear_clock(replace(common, drift_ppm=random.uniform(-100, 100)), seed)
        for seed in range(devices)
    ]
    batch = [on_grid(h, batch_errors_s(h), seconds) for h in heard]
    line = [on_grid(h, line_errors_s(h), seconds) for h in heard]
    live = [on_grid(h, live_errors_s(h), seconds) for h in heard]
    return {
        "link": link,
        "rate_hz": rate_hz,
        "devices": devices,
        "seconds": seconds,
        "between_p50": between_ms(batch, 50),
        "between_p95": between_ms(batch, 95),
        "one_line_p95": between_ms(line, 95),
        "live_p95": between_ms(live, 95),
        "late": round(1000 * float(np.nanmedian(np.concatenate(batch))), 3),
        "bounded": float(np.mean([is_bounded(h) for h in heard])),
    }


def without_clock(
    rate_hz: float, interval_s: float, lost: float, seconds: float
) -> dict[str, object]:
    """Samples of a radio that speaks every `interval_s`, up to 5 ms late besides."""
    random = np.random.default_rng(3)
    true_s = 50.0 + np.arange(round(rate_hz * seconds)) / (rate_hz * 1.00004)
    true_s = true_s[random.random(len(true_s)) >= lost]
    spoken = np.ceil(true_s / interval_s).astype(int)
    slots, counts = np.unique(spoken, return_counts=True)
    arrival_s = np.maximum.accumulate(slots * interval_s + random.uniform(0.002, 0.007, len(slots)))
    clock, placed = IndexClock(), []
    for count, at_s in zip(counts.tolist(), arrival_s.tolist(), strict=True):
        placed.append(clock.place(count, round(at_s * NS)))
    warm = true_s > true_s[0] + WARM_S
    errors = {
        "by_count": np.concatenate(placed) / NS - true_s,
        "by_arrival": np.repeat(arrival_s, counts) - true_s,
    }
    told: dict[str, object] = {
        "without_clock": f"{rate_hz:g} Hz, a radio of {1000 * interval_s:g} ms", "lost": lost
    }  # fmt: skip
    for name, error_s in errors.items():
        off_ms = 1000 * np.abs(error_s[warm] - np.median(error_s[warm]))
        told |= {f"{name}_p{p}_ms": round(float(np.percentile(off_ms, p)), 2) for p in (50, 95)}
    return told


def batch_errors_s(heard: HeardClock) -> Array:
    """(N,) how late the map of the whole recording puts each message."""
    clock = fit_source(heard.device_ns, heard.arrival_ns)
    assert clock is not None
    return (clock.to_host(heard.device_ns, heard.arrival_ns) - heard.true_ns) / NS


def line_errors_s(heard: HeardClock) -> Array:
    """(N,) the same with one line from restart to restart."""
    bounds = [0, *resets(heard.device_ns, heard.arrival_ns), len(heard.device_ns)]
    errors = []
    for start, end in pairwise(bounds):
        device_ns, arrival_ns = heard.device_ns[start:end], heard.arrival_ns[start:end]
        mapped_ns = fit_clock(device_ns, arrival_ns).to_host(device_ns)
        errors.append((mapped_ns - heard.true_ns[start:end]) / NS)
    return np.concatenate(errors)


def live_errors_s(heard: HeardClock) -> Array:
    """(N,) how late the running clock put each message when it came; NaN while it is cold."""
    clock, errors = RunningClock(), np.full(len(heard.device_ns), np.nan)
    restarts, since_ns = 0, int(heard.arrival_ns[0])
    for k, reading in enumerate(
        zip(heard.device_ns.tolist(), heard.arrival_ns.tolist(), strict=True)
    ):
        clock.update(*reading)
        if clock.resets > restarts:
            restarts, since_ns = clock.resets, reading[1]
        if reading[1] - since_ns > WARM_S * NS:
            mapped_ns = clock.to_host(heard.device_ns[k : k + 1])
            errors[k] = (int(mapped_ns[0]) - int(heard.true_ns[k])) / NS
    return errors


def on_grid(heard: HeardClock, errors_s: Array, seconds: float) -> Array:
    """The error at every whole second; NaN while the device was off."""
    at_s = (heard.true_ns - heard.true_ns[0]) / NS
    grid_s = np.arange(1.0, seconds - 1.0)
    after = np.clip(np.searchsorted(at_s, grid_s), 1, len(at_s) - 1)
    off = at_s[after] - at_s[after - 1] > 1.0
    return np.where(off, np.nan, np.interp(grid_s, at_s, errors_s))


def between_ms(errors: list[Array], percent: float) -> float:
    """Percentile of the difference of neighbours' errors."""
    apart = np.concatenate([np.abs(a - b) for a, b in pairwise(errors)])
    return round(1000 * float(np.nanpercentile(apart, percent)), 3)


def bounds_s(heard: HeardClock) -> tuple[float, float]:
    """By how much the batch map is late, by what round trips prove."""
    clock = fit_source(heard.device_ns, heard.arrival_ns)
    assert clock is not None
    received_ns = np.array([trip.received_ns for trip in heard.trips])
    return error_bounds_s(clock.to_host(tick_ns(heard.trips), received_ns), heard.trips)


def is_bounded(heard: HeardClock) -> bool:
    """Whether a constant explains the round trips, to a millisecond."""
    least, most = bounds_s(heard)
    return least - most <= 0.001


def one_device(seconds: float) -> dict[str, object]:
    """All that is reported of one device, as `imusic align` does."""
    options = ClockOptions(seconds=seconds, drift_ppm=60.0)
    heard = hear_clock(options, 5)
    clock = fit_source(heard.device_ns, heard.arrival_ns)
    assert clock is not None
    return {
        "device": "60 ppm too fast, uniform, 200 Hz",
        "offset_s": clock.offset_s,
        "skew_ppm": clock.drift_ppm,
        "skew_range_ppm": clock.drift_range_ppm,
        "residual_p50_ms": round(1000 * clock.residual_p50_s, 3),
        "residual_p95_ms": round(1000 * clock.residual_p95_s, 3),
        "resets": clock.resets,
        "late_by_round_trips_ms": [round(1000 * bound, 3) for bound in bounds_s(heard)],
    }


if __name__ == "__main__":
    main()
