"""Which sensor was tapped: the one with the sharpest change of acceleration. No I/O, no clock.

A tap is over in milliseconds. The tissue around carries some of it to the next sensors, and the
head all of it to everything, but much weaker; turning the head changes acceleration by gravity's
direction, but slowly. So what counts is the change within SHARP_US, and that it is far more than
anybody else's. Levels are ours, from virtual taps: on skin nobody has measured them yet.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from firmware_host.clock import NS_PER_S
from firmware_host.samples import Floats, ImuBlock, Ints

SHARP_US = 30_000
LEAST_M_S2 = 4.0  # a change that could be a tap
MARGIN = 2.0  # times the change of the next best
SETTLE_S = 0.4  # after the first sign of a tap: slower links have told by then
KEPT_S, NEWEST_S = 1.5, 0.25  # of each sensor; and of that, where the sign of a tap is looked for

Sensor = tuple[int, int]  # device of the rig, sensor of that device


@dataclass(frozen=True, slots=True)
class Tap:
    """One sensor felt it. change_m_s2: how much; margin: times the next best, inf where alone."""

    sensor: Sensor
    change_m_s2: float
    margin: float


@dataclass(frozen=True, slots=True)
class Unclear:
    """Several felt it too much alike."""

    sensors: tuple[Sensor, Sensor]
    margin: float


def sharpest(tick_us: Ints, accel_m_s2: Floats) -> float:
    """The largest change of (N, 3) acceleration between readings at most SHARP_US apart, m/s².

    Where a sensor is slower than that, from one reading to the next. Zero where it said nothing.
    """
    known = np.isfinite(accel_m_s2).all(axis=1)
    ticks, accel = tick_us[known], np.asarray(accel_m_s2[known], np.float64)
    best, lag = 0.0, 1
    while lag < len(ticks):
        near = ticks[lag:] - ticks[:-lag] <= SHARP_US
        if lag > 1 and not near.any():
            break
        change = np.linalg.norm(accel[lag:] - accel[:-lag], axis=1)
        best = max(best, float(change.max() if lag == 1 else change[near].max()))
        lag += 1
    return best


def judge(changes: Mapping[Sensor, float]) -> Tap | Unclear | None:
    """Who was tapped, by the sharpest change of each sensor; None where nobody was."""
    ranked = sorted(changes.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] < LEAST_M_S2:
        return None
    (sensor, most), *others = ranked
    if not others or not others[0][1]:
        return Tap(sensor, most, float("inf"))
    margin = most / others[0][1]
    if margin < MARGIN:
        return Unclear((sensor, others[0][0]), margin)
    return Tap(sensor, most, margin)


class TapListener:
    """Takes the blocks of all devices, and says who was tapped once that is clear."""

    def __init__(self) -> None:
        self._recent: dict[int, deque[ImuBlock]] = {}
        self._from_ns: int | None = None  # the first sign of a tap

    @property
    def has_felt(self) -> bool:
        """Whether there is a sign of a tap, about which nothing is clear yet."""
        return self._from_ns is not None

    def take(self, block: ImuBlock) -> None:
        """Take a block; blocks come in order of arrival."""
        recent = self._recent.setdefault(block.device, deque())
        recent.append(block)
        while block.arrival_ns - recent[0].arrival_ns > KEPT_S * NS_PER_S:
            recent.popleft()
        if self._from_ns is None and self._newest_change(block.device) >= LEAST_M_S2:
            self._from_ns = block.arrival_ns

    def verdict(self, now_ns: int) -> Tap | Unclear | None:
        """Who was tapped; asked often, and None until it is over. Then listen anew."""
        if self._from_ns is None or now_ns - self._from_ns < SETTLE_S * NS_PER_S:
            return None
        changes: dict[Sensor, float] = {}
        for device in self._recent:
            changes |= self._changes(device, KEPT_S)
        self.forget()
        return judge(changes)

    def forget(self) -> None:
        """Begin anew, with nothing heard."""
        self._recent, self._from_ns = {}, None

    def _newest_change(self, device: int) -> float:
        return max(self._changes(device, NEWEST_S).values(), default=0.0)

    def _changes(self, device: int, seconds: float) -> dict[Sensor, float]:
        """The sharpest change of each sensor of a device in its last `seconds`."""
        newest = self._recent[device][-1]
        since_ns, width = newest.arrival_ns - seconds * NS_PER_S, newest.accel_m_s2.shape[1]
        recent = [
            block
            for block in self._recent[device]
            if block.arrival_ns >= since_ns and block.accel_m_s2.shape[1] == width
        ]
        ticks = np.concatenate([block.tick_us for block in recent])
        accel = np.concatenate([block.accel_m_s2 for block in recent])
        return {(device, sensor): sharpest(ticks, accel[:, sensor]) for sensor in range(width)}
