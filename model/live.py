"""`imusic live`: transport → predictor → ZeroMQ and sinks, one face per tick, no look-ahead.

The event loop takes bytes, stamps them and, when a tick is due, predicts and publishes. A replayed
take is driven by its recorded arrival times instead of the host's clock, so that its faces are
those of `imusic predict`.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from capture.broadcast import Broadcast
from capture.daemon import record
from capture.operating import Verb
from capture.phone_apps import Decoder, decoder
from capture.phone_faces import PhoneFace
from capture.phone_source import PhoneSource
from capture.record_options import Control, Note
from capture.record_status import Notice, RecordResult
from capture.sinks.config import SinkConfig
from capture.take import Take
from capture.wire_status import SinkStatus
from firmware_host.errors import ConfigError
from firmware_host.link_events import RigEvent
from firmware_host.rig import Rig
from firmware_host.rig_profiles import read_profiles
from firmware_host.supervisor import DeviceLink, RigLinks
from model.checkpoint import Checkpoint
from model.hybrid import PHONE_LATENCY_S
from model.live_face import LIVE_VERBS, NS_PER_S, LiveCounts, LiveFace
from model.live_replay import replay
from model.live_screen import LiveStatus
from model.wearer import Wearer

Result = TypeVar("Result")

# How long ticks go on after the last sample, before the stream counts as over.
_IDLE_SLEEP_S = 0.005


@dataclass(frozen=True, slots=True)
class LiveResult:
    """How it ended. take is None where nothing was recorded."""

    counts: LiveCounts
    take: RecordResult | None
    sinks: tuple[SinkStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAsked:
    """What there is beside the face.

    on_status: called twice a second, for a screen. said: what the operator says meanwhile: re-zero,
    undo, wearer, stop, and of a recording all that the recorder knows. find_wearer: gives the
    profile of a name that the operator says. phone_latency_s: how long ago a face was that arrives.
    """

    on_status: Callable[[LiveStatus], None] | None = None
    said: Control | None = None
    find_wearer: Callable[[str], Wearer] | None = None
    phone_latency_s: float = PHONE_LATENCY_S


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
    asked: LiveAsked | None = None,
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
        asked: screen, operator and the like; nobody by default.

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
        raise _again(url)
    _check_phone(rig, replayed, sinks, hybrid)
    with Broadcast(rig.name, rig.publish, sinks) as out:
        control = None if record_to is None else Control()
        desk = _seated(rig, checkpoint, out, control, wearer, hybrid, asked or LiveAsked())
        desk.on_counts, face = on_counts, desk.face
        out.event("started")

        def notice(told: Notice) -> None:
            out.event("device", name=told.device, text=told.text)
            if on_notice is not None:
                on_notice(told)

        take = None
        if replayed:
            await replay(rig, face, duration_s)
        elif record_to is None:
            listening = _listen_and_look(rig, face, notice, hybrid or _wants_other(sinks))
            await _beside_ticks(desk, listening, duration_s)
        else:
            take = await _beside_recording(rig, out, record_to, duration_s, desk, notice)
        out.event("stopped", faces=face.counts.published)
    # Only now have sinks served what was left for them.
    return LiveResult(face.counts, take, out.sinks())


def _seated(
    rig: Rig,
    checkpoint: Checkpoint,
    out: Broadcast,
    recorder: Control | None,
    wearer: Wearer | None,
    hybrid: bool,
    asked: LiveAsked,
) -> "_Desk":
    def note(kind: str, time_ns: int, facts: dict[str, Any]) -> None:
        assert recorder is not None
        recorder.note(Note(kind, time_ns, facts))

    noted = None if recorder is None else note
    who = (asked.find_wearer, asked.phone_latency_s)
    face = LiveFace(rig, checkpoint, out, noted, wearer, hybrid, *who)
    return _Desk(face, None, asked, recorder)


async def _beside_recording(
    rig: Rig,
    out: Broadcast,
    record_to: Path,
    duration_s: float | None,
    desk: "_Desk",
    notice: Callable[[Notice], None],
) -> RecordResult | None:
    def began(take: Take) -> None:
        desk.face.take_began(take)
        out.event("take", subject=take.subject)

    stop = asyncio.Event()
    recording = record(
        rig,
        record_to,
        duration_s,
        (desk.face.listen,),
        stop,
        on_take=began,
        on_notice=notice,
        on_face=desk.face.see,
        control=desk.recorder,
    )
    return await _beside_ticks(desk, recording, stop=stop)


def _again(url: str) -> ConfigError:
    return ConfigError(
        f"{url}: a replay is not recorded again", "leave out --record: the take exists"
    )


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
    desk: "_Desk",
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
    ticking = asyncio.create_task(desk.tick())
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


@dataclass(slots=True)
class _Desk:
    """Publishes what is due, tells how it goes, and hears what the operator says."""

    face: LiveFace
    on_counts: Callable[[LiveCounts], None] | None
    asked: LiveAsked
    recorder: Control | None

    async def tick(self) -> None:
        """Until the operator stops what is not recorded."""
        told, face = time.monotonic(), self.face
        while not self._is_stopped():
            due_ns = face.next_tick_ns
            wait_s = _IDLE_SLEEP_S
            if due_ns is not None:
                wait_s = max(0.0, (due_ns - time.monotonic_ns()) / NS_PER_S)
            await asyncio.sleep(wait_s)
            face.publish_until(time.monotonic_ns())
            face.tell()
            if time.monotonic() - told > 0.5:
                told = time.monotonic()
                if self.on_counts is not None:
                    self.on_counts(face.counts)
                if self.asked.on_status is not None:
                    self.asked.on_status(face.status())

    def _is_stopped(self) -> bool:
        said = self.asked.said
        for command in said.take() if said is not None else ():
            if command.verb in LIVE_VERBS:
                self.face.obey(command)
            elif self.recorder is not None:
                self.recorder.say(command)
            else:
                stops = command.verb is Verb.STOP
                if command.answer is not None:
                    command.answer("" if stops else "nothing is recorded")
                if stops:
                    return True
        return False
