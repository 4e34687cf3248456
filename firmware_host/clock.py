"""Device clocks mapped to the host's monotonic clock. No I/O.

Messages arrive late, never early, so the relation of two clocks is the *floor* under the arrival
times: the lower convex hull of (device time, arrival time). Least squares would follow the mean
delay instead. Over a few minutes the floor is a line; over more it bends with the temperature
of the crystals, and a map has knots (`firmware_host.floor_line`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from firmware_host.floor_line import NS_PER_S as NS_PER_S  # most of us know it from here
from firmware_host.floor_line import (
    WINDOW_S,
    FloorLine,
    Line,
    Point,
    edge_under_middle,
    extend_hull,
)
from firmware_host.samples import Ints, RoundTrip

Knot = tuple[int, int]  # device time, host time

KNOT_S = 30.0  # ours: what a rate changes by within it moves a map by a hundredth of a ms


@dataclass(frozen=True, slots=True)
class ClockMap:
    """host = host_origin + rate · (device − device_origin), valid on [start, end] of the device.

    residual_s is the median delay above the fitted floor: how late a typical message was.
    residual_p95_s is the 95th percentile of the same. knots: where there are any, straight lines
    between them are the map, and `rate` is the mean of theirs.
    """

    device_origin_ns: int
    host_origin_ns: int
    rate: float
    start_ns: int
    end_ns: int
    residual_s: float
    residual_p95_s: float
    knots: tuple[Knot, ...] = ()

    @property
    def drift_ppm(self) -> float:
        """How much faster (+) or slower (−) the host counts than the device, in ppm."""
        return (self.rate - 1.0) * 1e6

    @property
    def drift_range_ppm(self) -> tuple[float, float]:
        """(least, most) of the drift over the time of the map."""
        rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(self.knots)] or [self.rate]
        return (min(rates) - 1.0) * 1e6, (max(rates) - 1.0) * 1e6

    def to_host(self, device_ns: Ints) -> Ints:
        """Map (N,) device times to host monotonic times, both int64 ns."""
        device = np.asarray(device_ns, np.int64)
        if not self.knots:
            origins = np.array([[self.device_origin_ns, self.host_origin_ns]], np.int64)
            slopes, of = np.array([self.rate - 1.0]), np.zeros(device.shape, np.int64)
        else:
            origins = np.array(self.knots, np.int64)
            steps = np.diff(origins, axis=0)
            slopes = (steps[:, 1] - steps[:, 0]) / steps[:, 0]
            of = np.clip(np.searchsorted(origins[:, 0], device) - 1, 0, len(slopes) - 1)
        elapsed = device - origins[of, 0]
        # rate − 1 is ~1e-5: keep the whole nanoseconds exact and round only the correction.
        mapped: Ints = origins[of, 1] + elapsed + np.rint(elapsed * slopes[of]).astype(np.int64)
        return mapped


def fit_clock(device_ns: Ints, arrival_ns: Ints) -> ClockMap:
    """Fit one line to the floor under one-sided delays.

    Args:
        device_ns: (N,) device clock, int64 ns, not decreasing.
        arrival_ns: (N,) host monotonic receive times, int64 ns.

    Raises:
        ValueError: fewer than two distinct readings, or device_ns decreases.
    """
    device, arrival = _checked(device_ns, arrival_ns)
    x = (device - device[0]) / NS_PER_S
    late = (arrival - arrival[0] - (device - device[0])) / NS_PER_S
    hull: list[Point] = []
    for point in zip(x.tolist(), late.tolist(), strict=True):
        extend_hull(hull, point)
    left, right = edge_under_middle(hull)
    return fit_floor(device, arrival, 1.0 + (right[1] - left[1]) / (right[0] - left[0]))


def fit_curve(device_ns: Ints, arrival_ns: Ints) -> ClockMap:
    """As `fit_clock`, bending with the floor where the readings last for longer than WINDOW_S.

    Every knot is the middle of a window's line. The first and the last line go on to the ends: the
    last one is what a `RunningClock` believes when it has seen all this.
    """
    device, arrival = _checked(device_ns, arrival_ns)
    if device[-1] - device[0] < WINDOW_S * NS_PER_S:
        return fit_clock(device, arrival)
    knots = _knots(_lines(device, arrival), int(device[0]), int(device[-1]))
    if len(knots) < 2:
        return fit_clock(device, arrival)
    (first, first_host), (last, last_host) = knots[0], knots[-1]
    rate = 1.0 + ((last_host - first_host) - (last - first)) / (last - first)
    curve = ClockMap(first, first_host, rate, int(device[0]), int(device[-1]), 0.0, 0.0, knots)
    late = (arrival - curve.to_host(device)) / NS_PER_S
    return replace(
        curve,
        residual_s=float(np.median(late)),
        residual_p95_s=float(np.percentile(late, 95)),
    )


def _checked(device_ns: Ints, arrival_ns: Ints) -> tuple[Ints, Ints]:
    device = np.asarray(device_ns, np.int64)
    arrival = np.asarray(arrival_ns, np.int64)
    if len(device) < 2 or np.any(np.diff(device) < 0) or device[0] == device[-1]:
        raise ValueError(f"need at least 2 increasing clock readings, got {len(device)}")
    return device, arrival


def _lines(device: Ints, arrival: Ints) -> list[Line]:
    """The line of a window that moves on by KNOT_S, in order; shorter ones at the beginning."""
    floor, lines, told_ns = FloorLine(), list[Line | None](), int(device[0])
    for reading in zip(device.tolist(), arrival.tolist(), strict=True):
        if floor.push(*reading) and reading[0] - told_ns >= KNOT_S * NS_PER_S:
            told_ns = reading[0]
            lines.append(floor.line)
    floor.close()
    return [line for line in (*lines, floor.line) if line is not None]


def _knots(lines: Sequence[Line], start_ns: int, end_ns: int) -> tuple[Knot, ...]:
    whole = [line for line in lines if line.middle_ns - start_ns >= 0.5 * (WINDOW_S - 1) * NS_PER_S]
    if not whole:
        return ()
    last = whole.pop()
    knots = [(start_ns, (whole or [last])[0].at(start_ns))]
    for line in whole:
        if knots[-1][0] < line.middle_ns < last.middle_ns:
            knots.append((line.middle_ns, line.at(line.middle_ns)))
    return (*knots, (last.middle_ns, last.at(last.middle_ns)), (end_ns, last.at(end_ns)))


def fit_floor(device_ns: Ints, arrival_ns: Ints, rate: float) -> ClockMap:
    """As `fit_clock` where the rate is known; one reading is enough."""
    device = np.asarray(device_ns, np.int64)
    arrival = np.asarray(arrival_ns, np.int64)
    elapsed = device - device[0]
    late = (arrival - arrival[0] - elapsed) / NS_PER_S - (rate - 1.0) * elapsed / NS_PER_S
    above = late - late.min()
    return ClockMap(
        device_origin_ns=int(device[0]),
        host_origin_ns=int(arrival[0]) + round(float(late.min()) * NS_PER_S),
        rate=rate,
        start_ns=int(device[0]),
        end_ns=int(device[-1]),
        residual_s=float(np.median(above)),
        residual_p95_s=float(np.percentile(above, 95)),
    )


def error_bounds_s(mapped_ns: Ints, trips: Sequence[RoundTrip]) -> tuple[float, float]:
    """(least, most) by which a map may be too late, by what round trips prove.

    Arrivals alone cannot tell how long the fastest message took, so a fitted map is late by that.
    The hub's clock read each tick between PING and PONG: each round trip bounds the error from both
    sides, and the bounds of all hold together. least > most: no constant error explains them, so
    the map has a wrong rate or is used beyond its range. (−inf, inf) without a round trip.

    mapped_ns: (T,) where the map puts the tick of each round trip.
    """
    if not trips:
        return -float("inf"), float("inf")
    received = np.array([trip.received_ns for trip in trips], np.int64)
    sent = np.array([trip.sent_ns for trip in trips], np.int64)
    return (
        float(np.max(mapped_ns - received)) / NS_PER_S,
        float(np.min(mapped_ns - sent)) / NS_PER_S,
    )


def tick_ns(trips: Sequence[RoundTrip]) -> Ints:
    """(T,) what the device's clock showed in each round trip, ns."""
    return np.array([1000 * trip.tick_us for trip in trips], np.int64)
