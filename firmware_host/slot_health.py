"""How a stream is doing, slot by slot: rate, loss, age, clipping, stuck sensors. No I/O, no clock.

A sensor that works is never still: the noise of a real accelerometer moves its lowest bits at every
reading. Readings that repeat exactly mean a sensor that hangs, or a bus that repeats itself.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_host.clock import NS_PER_S
from firmware_host.link_events import RigEvent
from firmware_host.messages import AXES, FULL_SCALE
from firmware_host.samples import (
    Duplicate,
    Gap,
    Garbage,
    HubInfo,
    HubStatus,
    ImuBlock,
)
from firmware_host.vendors.events import Health

WINDOW_S = 2.0  # what rates are counted over
STUCK_S = 0.25  # of exactly the same readings
_MIN_STUCK_READINGS = 10  # where the rate is low
_CLIPPED = (FULL_SCALE - 1.5) / FULL_SCALE  # between the last count of a range and the one before


@dataclass(frozen=True, slots=True)
class SlotState:
    """One slot. rate_hz: readings per second. missing: share of the ticks that came without it.

    age_s: since its last reading came, NaN before the first. clipped: readings at the end of a
    range so far. is_stuck: it repeats itself exactly.
    """

    name: str
    rate_hz: float
    missing: float
    age_s: float
    clipped: int
    is_stuck: bool

    @property
    def verdict(self) -> str:
        """What is wrong, in a word."""
        if not self.rate_hz:
            return "silent"
        return "stuck" if self.is_stuck else "ok"


@dataclass(slots=True)
class StreamCounts:
    """The account of a stream so far. battery: charge in [0, 1]; rssi_dbm: of its radio, as it told
    last; NaN where unknown.
    """

    samples: int = 0
    lost: int = 0
    duplicates: int = 0
    garbage_bytes: int = 0
    battery: float = math.nan
    rssi_dbm: float = math.nan


class StreamWatch:
    """Takes the events of one hub, and tells how it is doing."""

    def __init__(self) -> None:
        self.info: HubInfo | None = None
        self.counts = StreamCounts()
        self._recent: deque[tuple[int, int, NDArray[np.int64]]] = deque()  # ns, ticks, (S,) present
        self._forget_slots(0)

    def take(self, event: RigEvent) -> None:
        """Take note of one event."""
        counts = self.counts
        if isinstance(event, ImuBlock):
            self._take_block(event)
        elif isinstance(event, HubInfo):
            if self.info is None or self.info.slots != event.slots:
                self._forget_slots(len(event.slots))
            self.info = event
        elif isinstance(event, Gap):
            counts.lost += event.count
        elif isinstance(event, Garbage):
            counts.garbage_bytes += event.count
        elif isinstance(event, Duplicate):
            counts.duplicates += 1
        elif isinstance(event, HubStatus | Health):
            self._take_health(event)

    def _take_health(self, told: HubStatus | Health) -> None:
        if not math.isnan(told.battery):
            self.counts.battery = told.battery
        if isinstance(told, Health) and not math.isnan(told.rssi_dbm):
            self.counts.rssi_dbm = told.rssi_dbm

    def rate_hz(self, now_ns: int) -> float:
        """Ticks per second that arrived lately."""
        self._forget(now_ns)
        return sum(ticks for _, ticks, _ in self._recent) / self._window_s(now_ns)

    def slots(self, now_ns: int) -> tuple[SlotState, ...]:
        """Every slot of the hub, in its order; none before the first INFO."""
        if self.info is None:
            return ()
        self._forget(now_ns)
        ticks = sum(ticks for _, ticks, _ in self._recent)
        present = sum((here for _, _, here in self._recent), np.zeros(len(self.info.slots), int))
        known_hz = 0.0 if math.isnan(self.info.rate_hz) else self.info.rate_hz
        enough = max(_MIN_STUCK_READINGS, round(STUCK_S * known_hz))
        return tuple(
            SlotState(
                name=name,
                rate_hz=float(present[slot]) / self._window_s(now_ns),
                missing=1.0 - float(present[slot]) / ticks if ticks else math.nan,
                age_s=self._age_s(slot, now_ns),
                clipped=int(self._clipped[slot]),
                is_stuck=bool(self._repeats[slot] >= enough),
            )
            for slot, name in enumerate(self.info.slots)
        )

    def _forget_slots(self, slots: int) -> None:
        self._recent.clear()
        self._began_ns: int | None = None
        self._last_ns = np.zeros(slots, np.int64)
        self._clipped = np.zeros(slots, np.int64)
        self._repeats = np.zeros(slots, np.int64)  # how often in a row the last reading came again
        self._last = np.full((slots, AXES), np.nan, np.float32)

    def _take_block(self, block: ImuBlock) -> None:
        readings = np.concatenate((block.accel_m_s2, block.gyro_rad_s), axis=-1)  # (N, S, 6)
        present = np.logical_not(np.isnan(readings).all(axis=-1))  # (N, S); some give no rates
        self.counts.samples += len(block)
        if self._began_ns is None:
            self._began_ns = block.arrival_ns
        self._recent.append((block.arrival_ns, len(block), present.sum(axis=0)))
        self._last_ns[present.any(axis=0)] = block.arrival_ns
        self._clipped += self._at_the_end(readings).sum(axis=0)
        before = np.concatenate((self._last[None], readings[:-1]))
        alike = (readings == before) | (np.isnan(readings) & np.isnan(before))
        same = alike.all(axis=-1) & present  # (N, S); a missing reading is like no other
        trailing = np.where(same.all(axis=0), len(block), np.argmin(same[::-1], axis=0))
        self._repeats = np.where(same.all(axis=0), self._repeats + trailing, trailing)
        self._last = readings[-1]

    def _at_the_end(self, readings: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(N, S): whether any axis of a reading is at the end of its range."""
        assert self.info is not None  # a block is made with the ranges of INFO
        limits = np.repeat((self.info.accel_range_m_s2, self.info.gyro_range_rad_s), 3) * _CLIPPED
        return np.asarray(np.any(np.abs(readings) >= limits, axis=-1))

    def _forget(self, now_ns: int) -> None:
        while self._recent and now_ns - self._recent[0][0] > WINDOW_S * NS_PER_S:
            self._recent.popleft()

    def _window_s(self, now_ns: int) -> float:
        """How much of the window has passed since the first sample."""
        began_ns = now_ns if self._began_ns is None else self._began_ns
        return min(WINDOW_S, max((now_ns - began_ns) / NS_PER_S, 0.1))

    def _age_s(self, slot: int, now_ns: int) -> float:
        last_ns = int(self._last_ns[slot])
        return (now_ns - last_ns) / NS_PER_S if last_ns else math.nan
