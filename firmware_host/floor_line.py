"""The floor under the delays of the last minutes, as a line. No I/O.

A crystal's rate wanders with its temperature, so one line fits minutes but not an hour. Readings
(device time, arrival) are kept second by second as the lower convex hull of each, which loses
nothing: the hull over a window of them is that of all its readings. The line is the hull's edge
under the middle of the window, where a curved floor errs least.

    | second | second | second | … 240 … |  ◄ a second closes: line anew, the oldest is forgotten
             lower hull of all: \\__ edge under the middle __/
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

NS_PER_S = 1_000_000_000
# Shorter, messages without delay are too rare on a bad link; longer, the floor bends too much: by
# 0.6 ms within ±120 s where a crystal warms up by 10 ppm in two minutes (benchmarks/clocks.py).
WINDOW_S = 240
OWN_RATE_S = 10.0  # ours: a line over less takes jitter for drift

Point = tuple[float, float]  # device time and lateness since the first reading, s


@dataclass(frozen=True, slots=True)
class Line:
    """host = host_ns + rate · (device − device_ns); fitted to device times around `middle_ns`."""

    device_ns: int
    host_ns: int
    rate: float
    middle_ns: int

    def at(self, device_ns: int) -> int:
        """The host time of one device time."""
        elapsed = device_ns - self.device_ns
        return self.host_ns + elapsed + round(elapsed * (self.rate - 1.0))


class FloorLine:
    """Takes the readings of a clock that runs on, and tells the line under the last WINDOW_S.

    lowest_ns: of arrival − device, of all readings.
    """

    def __init__(self) -> None:
        self.lowest_ns = 0
        self._line: Line | None = None
        self._is_stale = False
        self._origin: tuple[int, int] | None = None
        self._closed: deque[tuple[int, list[Point]]] = deque()  # (second, its lower hull)
        self._second, self._open = 0, list[Point]()

    @property
    def line(self) -> Line | None:
        """As of the last second that closed; None before there are OWN_RATE_S of them."""
        if self._is_stale:
            self._is_stale = False
            points = [point for _, hull in self._closed for point in hull]
            if points[-1][0] - points[0][0] >= OWN_RATE_S:
                self._line = self._fitted(points)
        return self._line

    def push(self, device_ns: int, arrival_ns: int) -> bool:
        """Take a reading; True where a second closed. What a newer one overtook says nothing."""
        if self._origin is None:
            self._origin, self.lowest_ns = (device_ns, arrival_ns), arrival_ns - device_ns
        self.lowest_ns = min(self.lowest_ns, arrival_ns - device_ns)
        elapsed = device_ns - self._origin[0]
        point = elapsed / NS_PER_S, (arrival_ns - self._origin[1] - elapsed) / NS_PER_S
        if self._open and point[0] < self._open[-1][0]:
            return False
        second = elapsed // NS_PER_S
        closes = second > self._second and bool(self._open)
        if closes:
            self.close()
        self._second = max(second, self._second)
        extend_hull(self._open, point)
        return closes

    def close(self) -> None:
        """The second under way is over, or the stream is."""
        if not self._open:
            return
        self._closed.append((self._second, self._open))
        self._open, self._is_stale = [], True
        while self._closed[0][0] <= self._second - WINDOW_S:
            self._closed.popleft()

    def _fitted(self, points: Sequence[Point]) -> Line:
        assert self._origin is not None
        hull: list[Point] = []
        for point in points:
            extend_hull(hull, point)
        (x, y), (next_x, next_y) = edge_under_middle(hull)
        device_ns = self._origin[0] + round(x * NS_PER_S)
        late_ns = self._origin[1] - self._origin[0] + round(y * NS_PER_S)
        middle_s = 0.5 * (points[0][0] + points[-1][0])
        return Line(
            device_ns,
            device_ns + late_ns,
            1.0 + (next_y - y) / (next_x - x),
            self._origin[0] + round(middle_s * NS_PER_S),
        )


def extend_hull(hull: list[Point], point: Point) -> None:
    """Add a point, not left of the last one, to a lower hull (Andrew's monotone chain)."""
    if hull and hull[-1][0] == point[0]:
        if hull[-1][1] <= point[1]:
            return
        hull.pop()
    while len(hull) >= 2 and _turn(hull[-2], hull[-1], point) <= 0:
        hull.pop()
    hull.append(point)


def edge_under_middle(hull: Sequence[Point]) -> tuple[Point, Point]:
    """The edge of a lower hull of two points or more that spans the middle of its extent."""
    middle = 0.5 * (hull[0][0] + hull[-1][0])
    for left, right in pairwise(hull):
        if right[0] >= middle:
            return left, right
    return hull[-2], hull[-1]


def _turn(a: Point, b: Point, c: Point) -> float:
    """Above zero where the way a, b, c turns to the left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
