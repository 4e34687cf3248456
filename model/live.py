"""`imusic live`: transport → predictor → ZeroMQ and sinks, one face per tick, no look-ahead.

The event loop takes bytes, stamps them and, when a tick is due, predicts and publishes. A replayed
take is driven by its recorded arrival times instead of the host's clock, so that its faces are
those of `imusic predict`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from capture.broadcast import Broadcast
from capture.daemon import record
from capture.observability import observability
from capture.phone_apps import Decoder, decoder
from capture.phone_faces import PhoneFace
from capture.phone_source import PhoneSource
from capture.record_status import Notice, RecordResult
from capture.recording import read_recording
from capture.sinks.config import SinkConfig
from capture.take import TAKE_FILE, Take, read_take
from capture.wire import to_bytes
from capture.wire_status import SinkStatus
from firmware_host.device import HubDevice
from firmware_host.errors import ConfigError
from firmware_host.layout import SensorLayout, select
from firmware_host.link_events import RigEvent
from firmware_host.rig import DeviceConfig, Rig
from firmware_host.rig_profiles import read_profiles
from firmware_host.samples import Gap, Garbage, HubInfo, ImuBlock
from firmware_host.stream import events
from firmware_host.supervisor import DeviceLink, RigLinks
from firmware_host.transports.replay import ReplayTransport
from model.checkpoint import Checkpoint, select_slots
from model.driving import Driver
from model.hybrid import PHONE_LATENCY_S, Hybrid
from model.network import open_network
from model.predict import opening_of
from model.predictor import Opening, Predictor
from model.wearer import Wearer

Result = TypeVar("Result")

NS_PER_S = 1_000_000_000
# How long ticks go on after the last sample, before the stream counts as over.
_IDLE_SLEEP_S = 0.005


@dataclass(slots=True)
class LiveCounts:
    """What happened so far. busy_s: time spent predicting and publishing."""

    samples: int = 0
    lost: int = 0
    garbage_bytes: int = 0
    published: int = 0
    late_ticks: int = 0
    busy_s: float = 0.0
    confidence: float = 0.0


class LiveFace:
    """Events of devices in, published messages out.

    Args:
        recorded: a take is recorded as well; the face rests until `take_began` says when it opens.
        wearer: the profile of who wears the sensors; None of a stranger.
        hybrid: what the phone sees comes first (`see`).
    """

    def __init__(
        self,
        rig: Rig,
        checkpoint: Checkpoint,
        out: Broadcast,
        recorded: bool = False,
        wearer: Wearer | None = None,
        hybrid: bool = False,
    ) -> None:
        select_slots(checkpoint.layout, rig.sensor_layout)  # refuse now, not in the first second
        rig.check_assigned()
        self._corrections = read_profiles(rig).corrections
        if rig.sensor_layout.reference in rig.unserved:
            raise ConfigError(
                f"no device of the rig serves {rig.sensor_layout.reference!r}",
                "give that slot to a sensor on the bone behind the ear: without it head motion "
                "cannot be removed, and the face would rest",
            )
        self._rig, self._checkpoint, self._out = rig, checkpoint, out
        self._denoise = open_network(checkpoint)
        session = rig.session
        self._opening = Opening(
            0.0, session.rest_s, session.rest_s, session.rest_s + session.routine_s
        )
        self._postponed, self._wearer = recorded, wearer
        self._driver: Driver | None = None
        self._worn: tuple[str, ...] = ()
        self._knowable = np.zeros(len(ARKIT_NAMES), np.float32)
        self._is_open = False
        self._hybrid = Hybrid() if hybrid else None
        self.counts = LiveCounts()
        if rig.devices:
            self._begin(rig.sensor_layout, [_slots(device) for device in rig.devices])

    @property
    def next_tick_ns(self) -> int | None:
        """When the next face is due; None before the first samples."""
        return self._driver.next_tick_ns if self._driver else None

    def listen(self, event: RigEvent) -> None:
        """Take one event of a device."""
        if isinstance(event, HubInfo) and self._driver is None:
            # Later it only introduces itself again: same slots, same face.
            self._begin(select(self._rig.sensor_layout, event.slots), [event.slots])
        elif isinstance(event, ImuBlock):
            self.counts.samples += len(event)
            if self._driver is not None:
                self._driver.arrived(event)
        elif isinstance(event, Gap):
            self.counts.lost += event.count
            self._out.event("gap", samples=event.count)
        elif isinstance(event, Garbage):
            self.counts.garbage_bytes += event.count

    def see(self, face: PhoneFace) -> None:
        """Take what the phone sees."""
        self._out.see(face)
        if self._hybrid is not None and face.weights is not None:
            latency_ns = round(PHONE_LATENCY_S * NS_PER_S)
            self._hybrid.see(face.arrival_ns - latency_ns, face.weights)

    def play(self, take: Take) -> None:
        """What comes is a take of several devices, and not what the rig says."""
        self._begin(take.sensor_layout, [device.slots for device in take.devices])

    def _begin(self, worn: SensorLayout, devices: Sequence[tuple[str, ...]]) -> None:
        predictor = Predictor(
            self._checkpoint,
            worn,
            self._denoise,
            self._opening,
            postponed=self._postponed,
            wearer=self._wearer,
            devices=devices,
            corrections=self._corrections,
        )
        self._driver = Driver(predictor)
        self._worn, self._knowable = worn.names, observability(worn)
        self._out.event("slots", worn=", ".join(worn.names))

    def take_began(self, take: Take) -> None:
        """Rest and routine are where the take's segments say, as `imusic predict` reads them.

        Of a replayed take, so are its corrections; of one that is recorded they are the rig's.
        """
        self._corrections = take.corrections
        self._opening, self._postponed = opening_of(take), False
        if self._driver is not None:
            self._driver.predictor.begin(self._opening)

    def publish_until(self, now_ns: int) -> None:
        """Predict and publish all ticks due by `now_ns`."""
        if self._driver is None:
            return
        started = time.perf_counter()
        frames = list(self._driver.frames_until(now_ns))
        for frame in frames:
            self._send(frame, self._driver.predictor.newest_arrival_ns)
        self.counts.late_ticks += max(0, len(frames) - 1)
        self.counts.busy_s += time.perf_counter() - started

    def _send(self, frame: BlendshapeFrame, newest_ns: int) -> None:
        trusted = self._knowable * np.float32(frame.confidence)
        if self._hybrid is not None:
            frame = self._hybrid.fuse(frame)
            trusted = np.where(self._hybrid.fresh(frame.time_ns), np.float32(1.0), trusted)
        self._out.face(replace(frame, shape_confidence=trusted), newest_ns)
        self.counts.published += 1
        self.counts.confidence = frame.confidence
        self._is_open = self._is_open or frame.confidence > 0.0

    def tell(self) -> None:
        """Publish how it goes."""
        counts = self.counts
        self._out.status(
            state=("live" if self._is_open else "opening") if counts.published else "waiting",
            faces=counts.published,
            samples=counts.samples,
            lost=counts.lost,
            confidence=counts.confidence,
            slots=self._worn,
            shape_confidence=to_bytes(self._knowable),
        )


def _slots(device: DeviceConfig) -> tuple[str, ...]:
    return tuple(slot for _, slot in device.assigned)


@dataclass(frozen=True, slots=True)
class LiveResult:
    """How it ended. take is None where nothing was recorded."""

    counts: LiveCounts
    take: RecordResult | None
    sinks: tuple[SinkStatus, ...] = ()


async def live(
    rig: Rig,
    checkpoint: Checkpoint,
    record_to: Path | None = None,
    duration_s: float | None = None,
    on_counts: Callable[[LiveCounts], None] | None = None,
    wearer: Wearer | None = None,
    on_notice: Callable[[Notice], None] | None = None,
    sinks: Sequence[SinkConfig] = (),
    hybrid: bool = False,
) -> LiveResult:
    """Drive a face until a device says that it ends, `duration_s` is over, or Ctrl-C.

    A device that is lost is looked for; meanwhile its slots are missing.

    Args:
        duration_s: on the host's clock, or on that of the recording where a take is replayed.
        record_to: folder of takes to record into at the same time, with the rig's phone.
        on_counts: called twice a second.
        wearer: the profile of who wears the sensors; None of a stranger.
        on_notice: called when something happens to a device: lost, refused, back.
        sinks: programs and files to serve besides publishing (`capture.sinks.config.sinks_from`).
        hybrid: publish what the phone sees while it sees a face, and what is felt in its gaps.

    Raises:
        ImusicError: a sink's file could not be written.
        TransportError: device, phone port or publishing address cannot be opened, or a required
            device is lost for good.
        ConfigError: the rig has a slot that the checkpoint does not know, lacks the reference, or a
            replay was to be recorded.
    """
    url = rig.sources[0].url
    replayed = url.startswith("replay:")
    if replayed and record_to is not None:
        raise ConfigError(
            f"{url}: a replay is not recorded again", "leave out --record: the take exists"
        )
    _check_phone(rig, replayed, sinks, hybrid)
    with Broadcast(rig.name, rig.publish, sinks) as out:
        face = LiveFace(rig, checkpoint, out, record_to is not None, wearer, hybrid)
        out.event("started")

        def notice(told: Notice) -> None:
            out.event("device", name=told.device, text=told.text)
            if on_notice is not None:
                on_notice(told)

        take = None
        if replayed:
            await _replay(rig, face, duration_s)
        elif record_to is None:
            listening = _listen_and_look(rig, face, notice, hybrid or _wants_other(sinks))
            await _beside_ticks(face, on_counts, listening, duration_s)
        else:
            take = await _beside_recording(rig, face, out, record_to, duration_s, on_counts, notice)
        out.event("stopped", faces=face.counts.published)
    # Only now have sinks served what was left for them.
    return LiveResult(face.counts, take, out.sinks())


async def _beside_recording(
    rig: Rig,
    face: LiveFace,
    out: Broadcast,
    record_to: Path,
    duration_s: float | None,
    on_counts: Callable[[LiveCounts], None] | None,
    notice: Callable[[Notice], None],
) -> RecordResult | None:
    def began(take: Take) -> None:
        face.take_began(take)
        out.event("take", subject=take.subject)

    stop = asyncio.Event()
    recording = record(
        rig,
        record_to,
        duration_s,
        (face.listen,),
        stop,
        on_take=began,
        on_notice=notice,
        on_face=face.see,
    )
    return await _beside_ticks(face, on_counts, recording, stop=stop)


def _wants_other(sinks: Sequence[SinkConfig]) -> bool:
    """Whether a sink shows what a phone sees."""
    return any(sink.shaping.unfelt == "other" for sink in sinks)


def _check_phone(rig: Rig, replayed: bool, sinks: Sequence[SinkConfig], hybrid: bool) -> None:
    if rig.phone is not None and not replayed:
        return
    why = "a replay has no phone" if replayed else "the rig has no [phone]"
    if hybrid:
        raise ConfigError(f"--hybrid wants a phone, and {why}", "leave it out, or add a phone")
    if _wants_other(sinks):
        raise ConfigError(
            f'a sink wants unfelt = "other", and {why}', 'use unfelt = "idle", or add a phone'
        )


async def _listen_and_look(
    rig: Rig, face: LiveFace, notice: Callable[[Notice], None], looks: bool
) -> None:
    """Listen to devices and, where asked, to the phone; the phone may come and go."""
    if not looks or rig.phone is None:
        await _listen(rig, face, notice)
        return
    read = decoder(rig.phone)
    async with PhoneSource(rig.phone) as source:
        looking = asyncio.create_task(_look(source, read, face))
        try:
            await _listen(rig, face, notice)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def _look(source: PhoneSource, read: Decoder, face: LiveFace) -> None:
    async for data, arrival_ns in source:
        for found in read.receive(data, arrival_ns):
            if isinstance(found, PhoneFace):
                face.see(found)


async def _beside_ticks(
    face: LiveFace,
    on_counts: Callable[[LiveCounts], None] | None,
    work: Coroutine[Any, Any, Result],
    timeout_s: float | None = None,
    stop: asyncio.Event | None = None,
) -> Result | None:
    """Do `work` and publish meanwhile, until one of them is over; their errors are ours.

    Args:
        timeout_s: leave `work` after so long; then the result is None.
        stop: how to end `work` in good order where publishing fails; without it, it is left.
    """
    working = asyncio.ensure_future(work)
    ticking = asyncio.create_task(_tick(face, on_counts))
    try:
        await asyncio.wait(
            {working, ticking}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        if stop is not None and ticking.done():
            stop.set()
            await asyncio.wait({working})
    finally:
        for task in (working, ticking):
            task.cancel()
        await asyncio.gather(working, ticking, return_exceptions=True)
    for task in (ticking, working):
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    return None if working.cancelled() else working.result()


async def _listen(rig: Rig, face: LiveFace, notice: Callable[[Notice], None]) -> None:
    def take(link: DeviceLink, event: RigEvent, _: int) -> None:
        face.listen(event)
        if (line := link.notice(event)) is not None:
            notice(Notice(link.name, *line))

    async with RigLinks(read_profiles(rig).sources, take) as links:
        await links.follow(rig.session.lost_after_s)


async def _tick(face: LiveFace, on_counts: Callable[[LiveCounts], None] | None) -> None:
    told = time.monotonic()
    while True:
        due_ns = face.next_tick_ns
        wait_s = _IDLE_SLEEP_S
        if due_ns is not None:
            wait_s = max(0.0, (due_ns - time.monotonic_ns()) / NS_PER_S)
        await asyncio.sleep(wait_s)
        face.publish_until(time.monotonic_ns())
        face.tell()
        if on_counts is not None and time.monotonic() - told > 0.5:
            told = time.monotonic()
            on_counts(face.counts)


async def _replay(rig: Rig, face: LiveFace, duration_s: float | None) -> None:
    """Replay with recorded arrival times: the recorded clock decides what each tick knows.

    Rest and routine are the take's, not those of the rig that plays it.
    """
    transport = ReplayTransport(rig.sources[0].url.removeprefix("replay:"))
    await transport.open()
    try:
        take = None
        if (transport.folder / TAKE_FILE).is_file():
            take = read_take(transport.folder)
            face.take_began(take)
        last_ns, end_ns = 0, None
        async for event in _replayed(transport, take, face):
            if isinstance(event, ImuBlock):
                if end_ns is None and duration_s is not None:
                    end_ns = event.arrival_ns + round(duration_s * NS_PER_S)
                if end_ns is not None and event.arrival_ns > end_ns:
                    last_ns = end_ns
                    break
                face.publish_until(event.arrival_ns - 1)
                last_ns = event.arrival_ns
            face.listen(event)
        face.publish_until(last_ns)
    finally:
        await transport.close()


def _replayed(
    transport: ReplayTransport, take: Take | None, face: LiveFace
) -> AsyncIterator[RigEvent]:
    """What the take's device said; of several devices the samples, as they were decoded then."""
    if take is None or not take.devices:
        return events(transport, HubDevice(), clock_ns=transport.recorded_ns)
    face.play(take)
    return _blocks(transport)


async def _blocks(transport: ReplayTransport) -> AsyncIterator[ImuBlock]:
    first_ns = None
    for block in read_recording(transport.folder).blocks():
        first_ns = block.arrival_ns if first_ns is None else first_ns
        await transport.keep_pace(block.arrival_ns - first_ns)
        yield block
