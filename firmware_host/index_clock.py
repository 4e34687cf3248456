"""Time for samples of a device that has no clock: their number is the clock. No I/O.

What arrives is late by as much as the link likes, and several samples come at once: a Bluetooth
link speaks every 7.5 to 50 ms, whatever the sensor's rate. But a sensor measures evenly. So sample
i is put at i · period + offset: the period is the slope of arrivals over the last RATE_S (least
squares: lateness that does not change in the mean does not bend it), the offset the least lateness
of the last FLOOR_S (messages come late, never early; a sample that was lost unseen makes all later
ones look later by a period, which is followed after FLOOR_S).

Causal: a recording and a live stream give the same times.
"""

from collections import deque

import numpy as np

from firmware_host.clock import NS_PER_S
from firmware_host.samples import Ints

RATE_S = 10.0
FLOOR_S = 2.0
GAP_S = 0.5  # without anything, or that much later than it should be: count anew
_LEAST_S, _LEAST_MESSAGES = 1.0, 10  # before that, samples lie where they arrived


class IndexClock:
    """Places the samples of one device, message by message. resets: how often it counted anew."""

    def __init__(self) -> None:
        self.resets = 0
        self._last_ns = -(1 << 62)  # of the last sample that was placed
        self._begin(0)

    def place(self, count: int, arrival_ns: int) -> Ints:
        """(count,) host times of the samples of one message, the newest last; never later than its
        arrival unless the one before was, and always increasing.
        """
        newest_s = (arrival_ns - self._origin_ns) / NS_PER_S
        if not self._readings or newest_s - self._readings[-1][1] > GAP_S:
            self._begin(arrival_ns)
            newest_s = 0.0
        self._number += count
        self._push(self._number, newest_s)
        numbers = np.arange(self._number - count + 1, self._number + 1)
        times_s = newest_s - 1e-6 * np.arange(count - 1, -1, -1)
        if (period_s := self._period_s()) > 0.0:
            late_s = min(
                at_s - number * period_s
                for number, at_s in self._readings
                if newest_s - at_s <= FLOOR_S
            )
            times_s = numbers * period_s + late_s
            if newest_s - times_s[-1] > GAP_S:  # it lost what nobody can count
                self._begin(arrival_ns)
                self._push(0, 0.0)
                times_s = -1e-6 * np.arange(count - 1, -1, -1)
        wanted = self._origin_ns + np.rint(times_s * NS_PER_S).astype(np.int64)
        steps = 1000 * np.arange(count, dtype=np.int64)  # a microsecond apart, as ticks are
        placed: Ints = np.maximum.accumulate(np.maximum(wanted, self._last_ns + 1000) - steps)
        placed = placed + steps
        self._last_ns = int(placed[-1])
        return placed

    def _begin(self, arrival_ns: int) -> None:
        self.resets += bool(arrival_ns and self._last_ns > 0)
        self._origin_ns, self._number = arrival_ns, 0
        self._readings: deque[tuple[int, float]] = deque()  # (number of the newest, s)
        self._sums = np.zeros(4)  # of number, s, number², number · s

    def _push(self, number: int, at_s: float) -> None:
        self._readings.append((number, at_s))
        self._sums += _moments(number, at_s)
        while at_s - self._readings[0][1] > RATE_S:
            self._sums -= _moments(*self._readings.popleft())

    def _period_s(self) -> float:
        """Between two samples; 0 while that cannot be known."""
        messages = len(self._readings)
        span_s = self._readings[-1][1] - self._readings[0][1]
        if messages < _LEAST_MESSAGES or span_s < _LEAST_S:
            return 0.0
        number, at_s, squares, products = (self._sums / messages).tolist()
        spread = squares - number * number
        return (products - number * at_s) / spread if spread > 0.0 else 0.0


def _moments(number: int, at_s: float) -> np.ndarray:
    return np.array((number, at_s, number * number, number * at_s), np.float64)
