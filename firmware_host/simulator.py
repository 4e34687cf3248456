"""A seeded sensor hub made of software: samples in, the bytes of a real hub out.

`SimulatedHub` is pure: it is told the time and the commands, and says what leaves. `run_hub` is the
shell that lets it live on a file descriptor (the master of a pty) in real time. It knows nothing of
faces; what is true of its clock leaves only in the summary.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from firmware_host import commands, messages
from firmware_host.commands import SetRange, SyncPulse
from firmware_host.errors import DataError
from firmware_host.frames import Frame, FrameDecoder
from firmware_host.messages import FULL_SCALE, MAX_SLOTS, PROTOCOL_VERSION, Info, Kind, Pong
from firmware_host.samples import (
    Answer,
    HubEnd,
    HubFeatures,
    HubInfo,
    HubStatus,
    Result,
    SyncEdge,
)

MAX_DRIFT_PPM = 50.0  # a cheap crystal over temperature
_MASK = 0xFFFF_FFFF
_READ_BYTES = 4096
_GRAVITY = 9.80665
# It plays given samples, so it has neither another rate nor orientations, and no lamp to blink.
_FEATURES = HubFeatures.PING | HubFeatures.SET_RANGE | HubFeatures.SYNC_PULSE


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """How the hub behaves. What is None is drawn from the seed.

    jitter_s: mean of the exponential delay of each sample; delays never reorder. loss: probability
    that a SAMPLES frame vanishes on the wire. damage: probability that one of its bits flips.
    INFO, STATUS and END always arrive whole.
    """

    seed: int = 0
    accel_range_m_s2: float = 8 * _GRAVITY
    gyro_range_rad_s: float = math.radians(1000)
    jitter_s: float = 0.001
    loss: float = 0.0
    damage: float = 0.0
    drift_ppm: float | None = None
    epoch_us: int | None = None
    device_id: str = "simulated-hub"
    firmware: str = "imusic-simulator"


@dataclass(frozen=True, slots=True)
class HubSummary:
    """What truly happened; nothing downstream of the wire may know it, except to check itself.

    samples_sent counts dropped ones too: they were lost on the wire. At host time `start_ns` the
    device's 32-bit tick was `start_tick_us`, and `rate` host seconds pass per device second.
    start_ns is None where nobody ever sent START.
    """

    samples_sent: int
    dropped: int
    damaged: int
    start_ns: int | None
    start_tick_us: int
    rate: float


class SimulatedHub:
    """Samples as the bytes a hub would send: waits for START, streams, ends with END.

    Args:
        time_s: (N,) increasing, N >= 2; zero is the moment of START.
        accel_m_s2, gyro_rad_s: (N, S, 3); a slot with a NaN is absent from that tick.
        slots: S names.

    Raises:
        DataError: the shapes do not agree, time does not increase, or S is not in [1, 16].
    """

    def __init__(
        self,
        time_s: NDArray[np.floating],
        accel_m_s2: NDArray[np.floating],
        gyro_rad_s: NDArray[np.floating],
        slots: Sequence[str],
        options: HubOptions | None = None,
    ) -> None:
        _check_samples(time_s, accel_m_s2, gyro_rad_s, slots)
        options = HubOptions() if options is None else options
        random = np.random.default_rng(options.seed)
        drift, epoch = random.uniform(-MAX_DRIFT_PPM, MAX_DRIFT_PPM), random.integers(_MASK)
        ppm = drift if options.drift_ppm is None else options.drift_ppm
        self._device_rate = 1.0 + ppm * 1e-6  # device seconds per host second
        self._epoch_us = int(epoch) if options.epoch_us is None else options.epoch_us
        self._time_s = np.asarray(time_s, np.float64)
        delay_s = random.exponential(options.jitter_s, len(time_s))
        self._leave_s = np.maximum.accumulate(self._time_s + delay_s)
        self._lost = random.random(len(time_s)) < options.loss
        self._flipped = random.random(len(time_s)) < options.damage
        self._random = random
        self._info = HubInfo(
            options.device_id,
            options.firmware,
            PROTOCOL_VERSION,
            float(1.0 / np.median(np.diff(self._time_s))),
            _as_float32(options.accel_range_m_s2),
            _as_float32(options.gyro_range_rad_s),
            tuple(slots),
            _FEATURES,
        )
        self._readings = accel_m_s2, gyro_rad_s
        self._counts, self._masks = _quantise(accel_m_s2, gyro_rad_s, self._info)
        self._decoder = FrameDecoder()
        self._sent = 0
        self._damaged = 0
        self.running = False
        self.finished = False

    def boot(self) -> bytes:
        """The INFO that a hub sends once, unasked, when it wakes up."""
        return messages.encode_info(Info(self._info, self._sent & _MASK))

    def receive(self, data: bytes, elapsed_s: float = 0.0) -> bytes:
        """Obey the host's commands in `data`; return the answer. All else is ignored.

        elapsed_s: now, in seconds after START; before START it says nothing, and PING goes
        unanswered because the clock of this hub begins there.
        """
        answer = b""
        for frame in self._decoder.feed(data):
            if isinstance(frame, Frame) and not self.finished:
                answer += self._obey(frame, elapsed_s)
        return answer

    def _obey(self, frame: Frame, elapsed_s: float) -> bytes:
        if frame.kind == Kind.HELLO:
            return self.boot()
        if frame.kind == Kind.START:
            self.running = True
            return b""
        if frame.kind == Kind.STOP:
            return self._end()
        if frame.kind == Kind.PING:
            token = commands.decode_ping(frame)
            if token is None or not self.running:
                return b""
            return messages.encode_pong(Pong(token, self._tick_us(elapsed_s)))
        return self._answer(frame, elapsed_s) if frame.kind < Kind.INFO else b""

    def _answer(self, frame: Frame, elapsed_s: float) -> bytes:
        number, request = commands.decode_request(frame)
        result, follows = Result.UNKNOWN_COMMAND, b""
        if isinstance(request, SyncPulse):
            edge = SyncEdge(number, self._tick_us(elapsed_s))
            result, follows = Result.DONE, messages.encode_sync(edge)
        elif isinstance(request, SetRange) and self.running:
            result = Result.BUSY_STREAMING
        elif isinstance(request, SetRange):
            self._set_range(request)
            result, follows = Result.DONE, self.boot()
        elif request is None and frame.kind in (Kind.SET_RANGE, Kind.SYNC_PULSE):
            result = Result.BAD_VALUE
        return messages.encode_answer(Answer(number, frame.kind, result)) + follows

    def _set_range(self, wanted: SetRange) -> None:
        self._info = replace(
            self._info,
            accel_range_m_s2=_as_float32(wanted.accel_m_s2),
            gyro_range_rad_s=_as_float32(wanted.gyro_rad_s),
        )
        self._counts, self._masks = _quantise(*self._readings, self._info)

    def next_due_s(self) -> float | None:
        """When the next sample leaves, in seconds after START; None before it and after the end."""
        return float(self._leave_s[self._sent]) if self.running else None

    def due(self, elapsed_s: float) -> bytes:
        """Everything that leaves up to `elapsed_s` after START and has not left yet."""
        leaving = []
        while self.running and self._leave_s[self._sent] <= elapsed_s:
            leaving.append(self._next_sample())
            if self._second_passed():
                leaving.append(messages.encode_status(self._status()))
            if self._sent == len(self._time_s):
                leaving.append(self._end())
        return b"".join(leaving)

    def summary(self, start_ns: int | None) -> HubSummary:
        """The truth so far; `start_ns` is the host time at which START took effect."""
        return HubSummary(
            samples_sent=self._sent,
            dropped=int(np.count_nonzero(self._lost[: self._sent])),
            damaged=self._damaged,
            start_ns=start_ns,
            start_tick_us=self._tick_us(0.0),
            rate=1.0 / self._device_rate,
        )

    def _next_sample(self) -> bytes:
        """The bytes of the next sample as they come out of the wire: maybe none, maybe damaged."""
        k = self._sent
        self._sent += 1
        if self._lost[k]:
            return b""
        mask = int(self._masks[k])
        present = [slot for slot in range(len(self._info.slots)) if mask >> slot & 1]
        tick_us = self._tick_us(self._time_s[k])
        data = messages.encode_sample(k & _MASK, tick_us, mask, self._counts[k, present])
        if not self._flipped[k]:
            return data
        self._damaged += 1
        return self._flip_one_bit(data)

    def _flip_one_bit(self, data: bytes) -> bytes:
        # The delimiter is spared: damage to it would also hit the frame behind this one.
        bit = int(self._random.integers(8 * (len(data) - 1)))
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)

    def _tick_us(self, time_s: float) -> int:
        return (self._epoch_us + round(time_s * self._device_rate * 1e6)) & _MASK

    def _second_passed(self) -> bool:
        latest, before = self._sent - 1, max(0, self._sent - 2)
        return int(self._time_s[latest]) > int(self._time_s[before])

    def _status(self) -> HubStatus:
        leave_s = float(self._leave_s[self._sent - 1])
        return HubStatus(self._tick_us(leave_s), self._sent & _MASK, battery=math.nan)

    def _end(self) -> bytes:
        self.running, self.finished = False, True
        return messages.encode_end(HubEnd(self._sent & _MASK))


def _check_samples(
    time_s: NDArray[np.floating],
    accel: NDArray[np.floating],
    gyro: NDArray[np.floating],
    slots: Sequence[str],
) -> None:
    expected = (len(time_s), len(slots), 3)
    for name, values in (("accel_m_s2", accel), ("gyro_rad_s", gyro)):
        if values.shape != expected:
            raise DataError(f"{name}: expected shape {expected}, got {values.shape}")
    if not 1 <= len(slots) <= MAX_SLOTS:
        raise DataError(f"a hub carries 1 to {MAX_SLOTS} slots, got {len(slots)}")
    if len(time_s) < 2 or not np.all(np.diff(time_s) >= 2e-6):  # two ticks of its clock; NaN too
        raise DataError("time_s: expected at least 2 readings, each 2 µs or more after the last")


def _as_float32(value: float) -> float:
    return float(np.float32(value))  # what the host will read, so both sides scale alike


def _quantise(
    accel: NDArray[np.floating], gyro: NDArray[np.floating], info: HubInfo
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """(N, S, 6) int16 counts, clipped at the ranges, and (N,) masks of the slots present."""
    scaled = np.concatenate(
        (
            accel * (FULL_SCALE / info.accel_range_m_s2),
            gyro * (FULL_SCALE / info.gyro_range_rad_s),
        ),
        axis=-1,
    )  # (N, S, 6)
    present = np.logical_not(np.any(np.isnan(scaled), axis=-1))  # (N, S)
    counts = np.rint(np.where(present[..., None], scaled, 0.0))
    masks = present @ (1 << np.arange(len(info.slots), dtype=np.int64))
    return np.clip(counts, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16), masks


async def run_hub(
    hub: SimulatedHub,
    descriptor: int,
    clock_ns: Callable[[], int] = time.monotonic_ns,
    speed: float = 1.0,
    on_start: Callable[[int], None] | None = None,
) -> HubSummary:
    """Let `hub` live on a descriptor until it has said END or the other end is gone.

    Nothing is lost to a full pty: the hub waits, like a sender with flow control. What it wrote
    last may still be unread when it returns: keep the pty open until the reader has seen END.
    POSIX only.

    Args:
        hub: what to run; one hub runs once.
        descriptor: open for reading and writing, such as the master of a pty; stays open.
        clock_ns: the host's monotonic clock.
        speed: hub seconds per host second; other than 1 makes its clock untrue, for tests only.
        on_start: called with the host time at which START arrived.
    """
    os.set_blocking(descriptor, False)
    line = Line(descriptor)
    start_ns: int | None = None
    elapsed_s = 0.0
    try:
        line.write(hub.boot())
        while True:
            data = line.read()
            if start_ns is not None:  # the time of the answer to a PING
                elapsed_s = speed * (clock_ns() - start_ns) * 1e-9
            line.write(hub.receive(data, elapsed_s))
            if start_ns is None and hub.running:
                start_ns = clock_ns()
                if on_start:
                    on_start(start_ns)
            if start_ns is not None:
                elapsed_s = speed * (clock_ns() - start_ns) * 1e-9
            if not line.unsent:
                line.write(hub.due(elapsed_s))
            if line.gone or (hub.finished and not line.unsent):
                return hub.summary(start_ns)
            due_s = None if line.unsent else hub.next_due_s()
            await line.ready(None if due_s is None else max(0.0, due_s - elapsed_s) / speed)
    finally:
        line.close()


class Line:
    """A non-blocking descriptor. `gone` once the other end was closed (EIO on a pty)."""

    def __init__(self, descriptor: int) -> None:
        self.unsent = b""
        self.gone = False
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._loop.add_reader(descriptor, self._wake.set)

    def read(self) -> bytes:
        """What has arrived, if anything."""
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            self.gone = True
            return b""
        self.gone = not data
        return data

    def write(self, data: bytes) -> None:
        """Send `data` after what is still unsent, as far as the line takes it now."""
        self.unsent += data
        try:
            while self.unsent and not self.gone:
                self.unsent = self.unsent[os.write(self._descriptor, self.unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self.gone = True

    async def ready(self, timeout_s: float | None) -> None:
        """Wait until there is something to read, room for what is unsent, or for the timeout."""
        self._wake.clear()
        if self.unsent:
            self._loop.add_writer(self._descriptor, self._wake.set)
        timer = None if timeout_s is None else self._loop.call_later(timeout_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer:
                timer.cancel()
            self._loop.remove_writer(self._descriptor)
        if self.unsent:
            self.write(b"")

    def close(self) -> None:
        """Stop watching the descriptor."""
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
