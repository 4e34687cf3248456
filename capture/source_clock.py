"""One device's clock against the host's over a whole take, resets and all. Pure.

A device that restarts counts anew, so each stretch between two resets has a map of its own and the
host's time runs on through all of them. A reset moves the floor under the delays (arrival − device)
for good; messages that only waited, and then came all at once, leave it where it was.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from firmware_host.clock import (
    NS_PER_S,
    ClockMap,
    Knot,
    error_bounds_s,
    fit_curve,
    fit_floor,
    tick_ns,
)
from firmware_host.floor_line import OWN_RATE_S
from firmware_host.running_clock import FLOOR_S, RESET_S
from firmware_host.samples import Ints, RoundTrip


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """The map of one stretch between resets; see `firmware_host.clock.ClockMap`.

    first_arrival_ns: host time at which its first reading arrived.
    """

    first_arrival_ns: int
    device_origin_ns: int
    host_origin_ns: int
    rate: float
    start_ns: int
    end_ns: int
    residual_p50_s: float
    residual_p95_s: float
    knots: tuple[Knot, ...] = ()

    def clock_map(self) -> ClockMap:
        """The map that these numbers describe."""
        return _map_of(self)


class SourceClock(msgspec.Struct, frozen=True, kw_only=True):
    """One device's clock against the host's; see `firmware_host.clock.ClockMap`.

    resets: how often the device's clock jumped. The other numbers are those of the longest stretch
    without a jump; stretches: all of them in order of arrival, empty where there was no jump.
    offset_s: of the host's clock over the device's when the stretch begins. drift_range_ppm: least
    and most of the drift, which wanders with temperature. round_trips: how often the device
    answered a PING; late_s: by how much its map is late, at least and at most, by what these prove.
    """

    device_origin_ns: int
    host_origin_ns: int
    rate: float
    start_ns: int
    end_ns: int
    drift_ppm: float
    residual_p50_s: float
    residual_p95_s: float
    readings: int
    resets: int
    offset_s: float = 0.0
    drift_range_ppm: tuple[float, float] = (0.0, 0.0)
    knots: tuple[Knot, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    round_trips: int = 0
    late_s: tuple[float, float] | None = None

    def clock_map(self) -> ClockMap:
        """The map of the longest stretch."""
        return _map_of(self)

    def to_host(self, device_ns: Ints, arrival_ns: Ints) -> Ints:
        """Host times (N,) of N readings, each by the map of the stretch in which it arrived."""
        if not self.stretches:
            return self.clock_map().to_host(device_ns)
        first_ns = np.array([stretch.first_arrival_ns for stretch in self.stretches])
        start_ns = np.array([stretch.device_origin_ns for stretch in self.stretches])
        of = np.maximum(np.searchsorted(first_ns, arrival_ns, "right") - 1, 0)
        # What one read gave arrives at once: the last of the old count may come with the new.
        old = (arrival_ns == first_ns[of]) & (np.abs(device_ns - start_ns[of]) > _ns(RESET_S))
        of = np.maximum(of - old, 0)
        host_ns = np.empty(len(device_ns), np.int64)
        for number, stretch in enumerate(self.stretches):
            host_ns[of == number] = stretch.clock_map().to_host(device_ns[of == number])
        return host_ns


def _map_of(numbers: Stretch | SourceClock) -> ClockMap:
    return ClockMap(
        numbers.device_origin_ns,
        numbers.host_origin_ns,
        numbers.rate,
        numbers.start_ns,
        numbers.end_ns,
        numbers.residual_p50_s,
        numbers.residual_p95_s,
        numbers.knots,
    )


def fit_source(device_ns: Ints, arrival_ns: Ints) -> SourceClock | None:
    """Map a clock by (N,) readings in order of arrival; None where they are too few for a rate."""
    bounds = [0, *resets(device_ns, arrival_ns), len(device_ns)]
    parts = [_ahead(device_ns[a:b], arrival_ns[a:b]) for a, b in pairwise(bounds)]
    longest = int(np.argmax(np.diff(bounds)))
    try:
        clock = fit_curve(*parts[longest])
    except ValueError:
        return None
    several = len(parts) > 1
    return SourceClock(
        device_origin_ns=clock.device_origin_ns,
        host_origin_ns=clock.host_origin_ns,
        rate=clock.rate,
        start_ns=clock.start_ns,
        end_ns=clock.end_ns,
        drift_ppm=round(clock.drift_ppm, 3),
        residual_p50_s=round(clock.residual_s, 9),
        residual_p95_s=round(clock.residual_p95_s, 9),
        readings=len(parts[longest][0]),
        resets=len(parts) - 1,
        offset_s=round((clock.host_origin_ns - clock.device_origin_ns) / NS_PER_S, 9),
        drift_range_ppm=_rounded(clock.drift_range_ppm),
        knots=clock.knots,
        stretches=tuple(_stretch(*part, clock.rate) for part in parts) if several else (),
    )


def proven_by(clock: SourceClock, trips: Sequence[RoundTrip]) -> SourceClock:
    """The clock with what round trips prove of it."""
    if not trips:
        return clock
    received_ns = np.array([trip.received_ns for trip in trips], np.int64)
    least, most = error_bounds_s(clock.to_host(tick_ns(trips), received_ns), trips)
    bounds = round(least, 9), round(most, 9)
    return msgspec.structs.replace(clock, round_trips=len(trips), late_s=bounds)


def resets(device_ns: Ints, arrival_ns: Ints) -> list[int]:
    """Where a new count begins: indices of the first readings after each reset.

    Args:
        device_ns: (N,) the device's clock.
        arrival_ns: (N,) when that was received, not decreasing.
    """
    suspects = np.flatnonzero(np.abs(np.diff(arrival_ns - device_ns)) > _ns(RESET_S)) + 1
    set_back = np.flatnonzero(np.diff(device_ns) < -_ns(FLOOR_S)) + 1
    found = set(set_back.tolist())
    for at in suspects.tolist():
        first = set_back[set_back < at].max(initial=0)
        end = set_back[set_back > at].min(initial=len(device_ns))
        if _floor_moves(at - first, device_ns[first:end], arrival_ns[first:end]):
            found.add(at)
    return sorted(found)


def _floor_moves(at: int, device_ns: Ints, arrival_ns: Ints) -> bool:
    """Whether the delay, which jumps at index `at`, came to stay."""
    late_ns = arrival_ns - device_ns
    rise_ns = late_ns[at] - late_ns[at - 1]
    if device_ns[at] >= device_ns[at - 1] and device_ns[-1] - device_ns[at] < rise_ns:
        return False  # a stall that the take ended in: what waited had no time to catch up
    first = np.searchsorted(arrival_ns, arrival_ns[at - 1] - _ns(FLOOR_S), "left")
    end = np.searchsorted(arrival_ns, arrival_ns[at] + _ns(FLOOR_S), "right")
    moved_ns = late_ns[at:end].min() - late_ns[first:at].min()
    return bool(moved_ns * np.sign(rise_ns) > _ns(RESET_S))


def _ahead(device_ns: Ints, arrival_ns: Ints) -> tuple[Ints, Ints]:
    """The readings that nothing newer overtook."""
    ahead = device_ns >= np.maximum.accumulate(device_ns)
    return device_ns[ahead], arrival_ns[ahead]


def _stretch(device_ns: Ints, arrival_ns: Ints, rate: float) -> Stretch:
    own = device_ns[-1] - device_ns[0] >= _ns(OWN_RATE_S)
    clock = fit_curve(device_ns, arrival_ns) if own else fit_floor(device_ns, arrival_ns, rate)
    return Stretch(
        first_arrival_ns=int(arrival_ns[0]),
        device_origin_ns=clock.device_origin_ns,
        host_origin_ns=clock.host_origin_ns,
        rate=clock.rate,
        start_ns=clock.start_ns,
        end_ns=clock.end_ns,
        residual_p50_s=round(clock.residual_s, 9),
        residual_p95_s=round(clock.residual_p95_s, 9),
        knots=clock.knots,
    )


def _rounded(ppm: tuple[float, float]) -> tuple[float, float]:
    return round(ppm[0], 3), round(ppm[1], 3)


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
