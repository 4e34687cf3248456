"""Device clocks mapped to the host's monotonic clock. No I/O.

Messages arrive late, never early, so the relation of two clocks is the *floor* under the arrival
times: the lower convex hull of (device time, arrival time). Least squares would follow the mean
delay instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firmware_host.samples import Ints, RoundTrip

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ClockPair:
    """The device said `device_ns` in what the host received at `host_ns`."""

    device_ns: int
    host_ns: int


@dataclass(frozen=True, slots=True)
class ClockMap:
    """host = host_origin + rate · (device − device_origin), valid on [start, end] of the device.

    residual_s is the median delay above the fitted floor: how late a typical message was.
    residual_p95_s is the 95th percentile of the same.
    """

    device_origin_ns: int
    host_origin_ns: int
    rate: float
    start_ns: int
    end_ns: int
    residual_s: float
    residual_p95_s: float

    @property
    def drift_ppm(self) -> float:
        """How much faster (+) or slower (−) the host counts than the device, in ppm."""
        return (self.rate - 1.0) * 1e6

    def to_host(self, device_ns: Ints) -> Ints:
        """Map (N,) device times to host monotonic times, both int64 ns."""
        elapsed = np.asarray(device_ns, np.int64) - self.device_origin_ns
        # rate − 1 is ~1e-5: keep the whole nanoseconds exact and round only the correction.
        correction = np.rint(elapsed * (self.rate - 1.0)).astype(np.int64)
        mapped: Ints = self.host_origin_ns + elapsed + correction
        return mapped


def fit_clock(device_ns: Ints, arrival_ns: Ints) -> ClockMap:
    """Fit the floor under one-sided delays.

    Args:
        device_ns: (N,) device clock, int64 ns, not decreasing.
        arrival_ns: (N,) host monotonic receive times, int64 ns.

    Raises:
        ValueError: fewer than two distinct readings, or device_ns decreases.
    """
    device = np.asarray(device_ns, np.int64)
    arrival = np.asarray(arrival_ns, np.int64)
    if len(device) < 2 or np.any(np.diff(device) < 0) or device[0] == device[-1]:
        raise ValueError(f"need at least 2 increasing clock readings, got {len(device)}")
    x = (device - device[0]) / NS_PER_S
    late = (arrival - arrival[0] - (device - device[0])) / NS_PER_S
    left, right = _hull_edge_under_middle(x, late)
    slope = (late[right] - late[left]) / (x[right] - x[left])
    return fit_floor(device, arrival, float(1.0 + slope))


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


def error_bounds_s(clock: ClockMap, trips: Sequence[RoundTrip]) -> tuple[float, float]:
    """(least, most) by which `clock` may map too late, by what round trips prove.

    Arrivals alone cannot tell how long the fastest message took, so a fitted map is late by that.
    The hub's clock read each tick between PING and PONG: each round trip bounds the error from both
    sides, and the bounds of all hold together. least > most: no constant error explains them, so
    the map has a wrong rate or is used beyond its range. (−inf, inf) without a round trip.
    """
    if not trips:
        return -float("inf"), float("inf")
    mapped = clock.to_host(np.array([1000 * trip.tick_us for trip in trips], np.int64))
    received = np.array([trip.received_ns for trip in trips], np.int64)
    sent = np.array([trip.sent_ns for trip in trips], np.int64)
    return float(np.max(mapped - received)) / NS_PER_S, float(np.min(mapped - sent)) / NS_PER_S


def _hull_edge_under_middle(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[int, int]:
    """Indices of the lower-hull edge that spans the middle of x (Andrew's monotone chain)."""
    hull: list[int] = []
    for i in range(len(x)):
        if hull and x[hull[-1]] == x[i]:
            if y[hull[-1]] <= y[i]:
                continue
            hull.pop()
        while len(hull) >= 2 and _turns_up(x, y, hull[-2], hull[-1], i) <= 0:
            hull.pop()
        hull.append(i)
    middle = 0.5 * (x[0] + x[-1])
    for left, right in pairwise(hull):
        if x[right] >= middle:
            return left, right
    return hull[-2], hull[-1]


def _turns_up(x: NDArray[np.float64], y: NDArray[np.float64], a: int, b: int, c: int) -> float:
    return float((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]))


class RunningClock:
    """A causal clock map for live use: the lowest delay seen lately, at rate one.

    Keeps the minimum of (arrival − device) over the last `window_s`, in buckets, so that drift of
    tens of ppm moves it by well under a millisecond and one late message never does.
    """

    def __init__(self, window_s: float = 20.0, buckets: int = 20) -> None:
        self._bucket_ns = int(window_s / buckets * NS_PER_S)
        self._buckets = buckets
        self._floors: list[tuple[int, int]] = []  # (bucket number, lowest offset in it)

    def update(self, device_ns: int, arrival_ns: int) -> None:
        """Take one pair; pairs come in order of arrival."""
        offset = arrival_ns - device_ns
        bucket = arrival_ns // self._bucket_ns
        if self._floors and self._floors[-1][0] == bucket:
            self._floors[-1] = (bucket, min(offset, self._floors[-1][1]))
            return
        self._floors.append((bucket, offset))
        del self._floors[: -self._buckets]

    def to_host(self, device_ns: Ints) -> Ints:
        """Map (N,) device times. Raises ValueError before the first `update`."""
        if not self._floors:
            raise ValueError("the clock has seen no reading yet")
        mapped: Ints = np.asarray(device_ns, np.int64) + min(low for _, low in self._floors)
        return mapped
