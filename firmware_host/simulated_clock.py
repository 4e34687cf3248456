"""A seeded device clock behind a bad link: what a host hears of it, and what is true. No I/O.

The crystal is off by a constant, warms up and then wanders with the room; messages take as long as
the link likes, in order; some are lost; once the device restarts and counts anew.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_host.samples import Ints, RoundTrip

Times = NDArray[np.float64]

NS_PER_S = 1_000_000_000
_STEP_S = 0.05  # of the integral of the rate
_BACK_S = 2.0  # how long a restart takes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOptions:
    """How the device behaves.

    drift_ppm: what the device counts too fast. warm_up_ppm: what of it the first minutes add.
    wander_ppm: amplitude of two slow waves beside it. fastest_s: what every message takes at least.
    jitter_s: what it may take beyond that. link: how that is distributed, see DELAYS.
    """

    seconds: float = 600.0
    rate_hz: float = 200.0
    drift_ppm: float = 0.0
    warm_up_ppm: float = 10.0
    wander_ppm: float = 5.0
    fastest_s: float = 0.001
    jitter_s: float = 0.040
    loss: float = 0.05
    resets: int = 1
    link: str = "uniform"


@dataclass(frozen=True, slots=True, eq=False)
class HeardClock:
    """(N,) messages in order of arrival, all int64 ns.

    device_ns: what the device said. arrival_ns: when the host heard it. true_ns: when, on the
    host's clock, the device said it. trips: one round trip a second.
    """

    device_ns: Ints
    arrival_ns: Ints
    true_ns: Ints
    trips: tuple[RoundTrip, ...]


def hear_clock(options: ClockOptions, seed: int) -> HeardClock:
    """Simulate a device. The same options and seed give the same messages."""
    random = np.random.default_rng(seed)
    device_s = np.arange(round(options.seconds * options.rate_hz)) / options.rate_hz
    true_s = device_s - 1e-6 * _gained(options, random)(device_s)  # it samples by its own clock
    starts = np.sort(random.uniform(0.2, 0.8, options.resets)) * options.seconds
    on = np.all([(true_s < s) | (true_s >= s + _BACK_S) for s in starts], axis=0)
    if options.resets:
        true_s, device_s = true_s[on], device_s[on]
    # As of a hub: its count goes on above every number used before (`firmware_host.device`).
    device_s = device_s + 1.0 + np.searchsorted(starts, true_s) * (2**32 * 1e-6)
    delay_s = options.fastest_s + DELAYS[options.link](true_s, options.jitter_s, random)
    kept = random.random(len(true_s)) >= options.loss
    epoch_ns = int(random.integers(86_400)) * NS_PER_S
    arrival_s = np.maximum.accumulate((true_s + delay_s)[kept])
    return HeardClock(
        device_ns=_ns(device_s[kept]),
        arrival_ns=epoch_ns + _ns(arrival_s),
        true_ns=epoch_ns + _ns(true_s[kept]),
        trips=_trips(options, true_s, device_s, epoch_ns, random),
    )


def _gained(options: ClockOptions, random: np.random.Generator) -> Callable[[Times], Times]:
    """How much the device has counted too much when it has counted so far, in µs."""
    grid_s = np.arange(0.0, options.seconds + 2 * _STEP_S, _STEP_S)
    ppm = options.drift_ppm - options.warm_up_ppm * np.exp(-grid_s / 120.0)
    for _ in range(2):
        period_s, phase = random.uniform(240.0, 900.0), random.uniform(0, 2 * np.pi)
        ppm += options.wander_ppm * np.sin(2 * np.pi * grid_s / period_s + phase)
    gained = np.concatenate(([0.0], np.cumsum(ppm[:-1] * _STEP_S)))
    return lambda device_s: np.interp(device_s, grid_s, gained)


def _uniform(true_s: Times, jitter_s: float, random: np.random.Generator) -> Times:
    return random.uniform(0.0, jitter_s, len(true_s))


def _exponential(true_s: Times, jitter_s: float, random: np.random.Generator) -> Times:
    """Mostly quick, never more than the jitter."""
    return np.minimum(random.exponential(jitter_s / 4, len(true_s)), jitter_s)


def _radio(true_s: Times, jitter_s: float, random: np.random.Generator) -> Times:
    """A link that speaks every 15 ms (Bluetooth LE), and again where it was not understood."""
    interval_s = 0.015 * (1 + 20e-6)
    waits_s = -(true_s + random.uniform(0, interval_s)) % interval_s
    again = random.geometric(0.8, len(true_s)) - 1
    return np.minimum(waits_s + again * interval_s, jitter_s)


def _bursts(true_s: Times, jitter_s: float, random: np.random.Generator) -> Times:
    """Now and then nothing comes for a moment, and then all of it (Wi-Fi)."""
    begin = np.cumsum(random.exponential(0.3, int(true_s[-1] / 0.3 * 2) + 10))
    end = begin + random.uniform(0, jitter_s, len(begin))
    last = np.maximum(np.searchsorted(begin, true_s) - 1, 0)
    held_s = np.where(true_s >= begin[last], np.maximum(end[last] - true_s, 0.0), 0.0)
    return np.minimum(held_s + random.exponential(0.002, len(true_s)), jitter_s)


DELAYS: dict[str, Callable[[Times, float, np.random.Generator], Times]] = {
    "uniform": _uniform,
    "exponential": _exponential,
    "radio": _radio,
    "bursts": _bursts,
}


def _trips(
    options: ClockOptions,
    true_s: Times,
    device_s: Times,
    epoch_ns: int,
    random: np.random.Generator,
) -> tuple[RoundTrip, ...]:
    """What PING and PONG a second tell; both ways are as slow as the messages."""
    at = np.arange(0, len(true_s), max(1, round(options.rate_hz)))
    there, back = (
        options.fastest_s + DELAYS[options.link](true_s[at], options.jitter_s, random)
        for _ in range(2)
    )
    sent, received = epoch_ns + _ns(true_s[at] - there), epoch_ns + _ns(true_s[at] + back)
    ticks = _ns(device_s[at]) // 1000
    rows = zip(ticks.tolist(), sent.tolist(), received.tolist(), strict=True)
    return tuple(RoundTrip(*row) for row in rows)


def _ns(seconds: Times) -> Ints:
    return np.rint(seconds * NS_PER_S).astype(np.int64)
