"""`imusic record`: all sources at once into a take, everything from the first byte on.

The event loop stamps and hands on; one thread owns the disk, behind a bounded queue that ends the
take loudly if it ever fills. What decides is `capture.recorder`.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec

from capture.awake import SleepWatch
from capture.channels import CONSENT, CORRECTIONS
from capture.consent import UNTOLD
from capture.disk import DiskThread, Overrun, disk_error
from capture.disk_guard import DiskGuard
from capture.meters import DeviceMeter
from capture.operating import Command, Marks, Verb
from capture.phone_faces import PhoneFace
from capture.phone_session import PHONE, PhoneSession
from capture.preflight import DISK, Problem
from capture.preroll import PreRoll, first_block_ns
from capture.readiness import Readiness, free_bytes
from capture.record_options import Control, RecordOptions, set_slate
from capture.record_status import Notice, RecordResult, RecordStatus
from capture.recorder import Recorder, State
from capture.recover import recover
from capture.signals import signals_set
from capture.take import Segment, Take, new_take, opening
from capture.take_opening import consent_of, layout_of, origin_of
from capture.take_sounds import TakeSounds
from capture.take_writer import TakeWriter, new_take_folder
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ImusicError, TransportError
from firmware_host.layout import SensorLayout
from firmware_host.link_events import RigEvent
from firmware_host.rig import Rig, rig_to_dict
from firmware_host.rig_profiles import read_profiles
from firmware_host.samples import HubEnd, HubInfo, ImuBlock
from firmware_host.sensor_profile import Correction
from firmware_host.supervisor import DeviceLink, RigLinks

TICK_S, CHECK_EVERY_S, STATUS_EVERY_S, DISK_EVERY_S = 0.02, 0.1, 0.5, 1.0
# The hub starts when it is greeted: a wait for the phone this short is not worth moving the rest.
PROMPT_S = 0.5
# How long sources are looked at before a take; well below that.
SETTLE_S = 0.3
# More than any INFO is long: what came before it in the same read or the one before.
INFO_BYTES = 1024

BY_OPERATOR, BY_CALLER = "stopped by the operator", "stopped by the program that recorded it"

Listener = Callable[[RigEvent], None]


async def record(
    rig: Rig,
    out: Path,
    duration_s: float | None = None,
    listeners: Iterable[Listener] = (),
    stop_event: asyncio.Event | None = None,
    *,
    allow_missing: Collection[str] = (),
    start_timeout_s: float = 10.0,
    on_status: Callable[[RecordStatus], None] | None = None,
    on_take: Callable[[Take], None] | None = None,
    on_notice: Callable[[Notice], None] | None = None,
    on_face: Callable[[PhoneFace], None] | None = None,
    take_facts: dict[str, Any] | None = None,
    options: RecordOptions | None = None,
    control: Control | None = None,
) -> RecordResult | None:
    """Record every source of `rig` into the next take under `out`.

    Begins when every required source is there and nothing stands against it (`capture.preflight`).
    Ends when a hub says END, after `duration_s`, at `stop_event`, at Ctrl-C, or when a required
    source was silent for `lost_after_s` of the rig; in every case the take is complete up to there.
    A device that is lost is looked for until then. None where it was stopped before any required
    source was heard.

    Args:
        rig: what to record.
        out: folder of takes.
        duration_s: how long, None without limit.
        listeners: called with every event of every device, in the event loop.
        stop_event: set it to end the take.
        allow_missing: names of devices (`hub`), `phone`, or slots of a hub that may be missing;
            written in the take.
        start_timeout_s: how long to wait for the required sources; what is heard meanwhile is kept
            in memory and belongs to the take.
        on_status: called twice a second.
        on_notice: called when something happens to a device: lost, refused, back.
        on_face: called with every face of the phone, in the event loop.
        on_take: called once, when recording begins, with the take and so with its segments.
        take_facts: further fields of `take.toml`, such as `simulated` or `origin`.
        options: slate, pre-roll, and whether to wait for the operator.
        control: where the operator's commands come from.

    Raises:
        TransportError: a required source cannot be opened or was not heard in time, or something
            else stood against beginning.
        ConfigError: a device and the rig disagree on the slots, or it has none; or the subject did
            not agree to be recorded.
        Overrun, ImusicError: the disk is too slow, or refused.
    """
    rig.check_assigned()
    session = _Session(
        rig, out, duration_s, listeners, allow_missing, start_timeout_s, on_status, options
    )
    session.control, session.take_facts = control or Control(), take_facts or {}
    session.on_take, session.on_notice, session.on_face = on_take, on_notice, on_face
    interrupted = asyncio.Event()
    stops = {BY_OPERATOR: interrupted, BY_CALLER: stop_event or asyncio.Event()}
    with signals_set(interrupted):
        return await session.run(stops)


class _Session:
    """One call of `record`."""

    on_face: Callable[[PhoneFace], None] | None = None
    on_take: Callable[[Take], None] | None = None
    on_notice: Callable[[Notice], None] | None = None

    def __init__(
        self,
        rig: Rig,
        out: Path,
        duration_s: float | None,
        listeners: Iterable[Listener],
        allow_missing: Collection[str],
        start_timeout_s: float,
        on_status: Callable[[RecordStatus], None] | None,
        options: RecordOptions | None,
    ) -> None:
        self._rig, self._out = rig, out
        self._options = options or RecordOptions()
        self._listeners = tuple(listeners)
        self._allowed = tuple(sorted(allow_missing))
        self._on_status = on_status
        self._profiles = read_profiles(rig)
        self._consent = consent_of(rig, dt.date.today())
        self._links = RigLinks(self._profiles.sources, self._take_event, self._take_bytes)
        sources = {device.name for device in rig.sources}
        self._optional = {d.name for d in rig.sources if not d.required} | (
            sources & set(allow_missing)
        )
        if rig.phone is not None:
            sources.add(PHONE)
            if not rig.phone.required or PHONE in allow_missing:
                self._optional.add(PHONE)
        self._recorder = Recorder(
            sources - self._optional,
            time.monotonic_ns(),
            None if duration_s is None else round(duration_s * NS_PER_S),
            round(start_timeout_s * NS_PER_S),
            round(rig.session.lost_after_s * NS_PER_S),
            settle_ns=round(SETTLE_S * NS_PER_S),
            armed=self._options.armed,
        )
        self._phone = (
            None if rig.phone is None else PhoneSession(rig.phone, self._keep, self._take_face)
        )
        slots, may_miss = rig.sensor_layout.names, (self._optional, self._allowed)
        self._readiness = Readiness(
            self._links.links, self._phone, *may_miss, slots, out, duration_s
        )
        self._problems: list[Problem] = []
        self._guard, self._sleep = DiskGuard(), SleepWatch()
        self._marks = Marks()
        self._sounds = TakeSounds(rig, self._keep)
        self._warned: set[str] = set()
        self._checked_ns = self._looked_ns = 0
        self.control = Control()
        self._disk: DiskThread | None = None
        self._preroll = PreRoll(self._options.keep_s)
        self._first_block_ns: int | None = None
        self._meters = [DeviceMeter() for _ in rig.sources]
        self._faces = 0
        self._told_to_stop = False
        self.take_facts: dict[str, Any] = {}

    async def run(self, stops: dict[str, asyncio.Event]) -> RecordResult | None:
        """Open, wait, record, end; one of `stops`, by reason, ends it early."""
        self.control.interrupted = False
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self._sounds)
            if self._phone is not None:
                await stack.enter_async_context(self._phone)
            await stack.enter_async_context(self._links)
            try:
                await self._watch(stops)
                told = await self._end_phone()
            except ImusicError as error:
                self._abandon()
                raise self._rescued(error) from error.__cause__
            except BaseException:  # whatever it was: the file is closed as it is, for recovery
                self._abandon()
                raise
        return await self._finish(told)

    async def _end_phone(self) -> dict[str, Any]:
        """Facts for `origin` of what the phone recorded itself."""
        if self._phone is None or self._disk is None:
            return {}
        return await self._phone.stop(self._disk.writer.folder)

    def _take_bytes(self, link: DeviceLink, data: bytes, arrival_ns: int) -> None:
        self._keep("hub_bytes", data, arrival_ns, link.index)

    def _take_event(self, link: DeviceLink, event: RigEvent, now_ns: int) -> None:
        self._keep("hub_event", event, now_ns, link.index)
        self._meters[link.index].take(event)
        if isinstance(event, ImuBlock):
            self._recorder.heard(link.name, event.arrival_ns)
            self._readiness.take_block(link, event)
        elif isinstance(event, HubInfo):  # without which nothing later can be read
            self._preroll.pin_newest("hub_bytes", link.index, INFO_BYTES)
            self._preroll.pin_newest("hub_event", link.index)
        elif self.on_notice is not None and (line := link.notice(event)) is not None:
            self.on_notice(Notice(link.name, *line))
        for listener in self._listeners:
            listener(event)
        if isinstance(event, HubEnd) and link.name not in self._optional:
            self._recorder.end(f"the {link.name} said that it ends", now_ns)

    def _take_face(self, face: PhoneFace) -> None:
        self._faces += 1
        self._sounds.take_face(face)
        self._recorder.heard(PHONE, face.arrival_ns)
        if self.on_face is not None:
            self.on_face(face)

    def _keep(self, method: str, *args: Any, **kwargs: Any) -> None:
        if self._disk is None:
            self._preroll.keep((method, args, kwargs), time.monotonic_ns())
        else:
            self._disk.put(method, *args, **kwargs)

    async def _watch(self, stops: dict[str, asyncio.Event]) -> None:
        """Run until COMPLETE. Raises what ended the recording before or against its will."""
        recorder = self._recorder
        status_ns = 0
        while True:
            now_ns = time.monotonic_ns()
            self._check_phone(now_ns)
            self._check_links(now_ns)
            self._check_readiness(now_ns)
            self._look_at_disk(now_ns)
            for reason, stop in stops.items():
                if stop.is_set():
                    recorder.end(reason, now_ns)
                    self.control.interrupted |= reason == BY_OPERATOR
            self._obey(now_ns)
            state = recorder.tick(now_ns)
            if recorder.may_begin:
                self._start_take(now_ns)
            if state is State.DRAINING and not self._told_to_stop:
                self._tell_to_stop()
            if self._disk is not None and self._disk.failed:
                raise disk_error(self._disk)
            if self._on_status is not None and now_ns - status_ns >= STATUS_EVERY_S * NS_PER_S:
                status_ns = now_ns
                self._on_status(self._status(now_ns))
            if state is State.COMPLETE:
                self._check_complete()
                return
            await asyncio.sleep(TICK_S)

    def _tell_to_stop(self) -> None:
        self._told_to_stop = True
        self._links.stop()
        if self._phone is not None:
            self._phone.ask_to_stop()

    def _obey(self, now_ns: int) -> None:
        """Do what the operator said since the last look, and keep what others noted."""
        for note in self.control.take_notes():
            self._keep("health", note.kind, note.time_ns, **note.facts)
        for command in self.control.take():
            why = self._do(command, now_ns)
            if why:
                self._notify(Notice("recorder", why, ""))
            if command.answer is not None:
                command.answer(why)

    def _do(self, command: Command, now_ns: int) -> str:
        """Why it cannot be done; "" where it was."""
        begun = self._recorder.began_ns is not None
        if command.verb is Verb.MARK:
            self._mark(command, now_ns)
        elif command.verb is Verb.STOP:
            self._recorder.end(BY_OPERATOR, now_ns)
        elif command.verb is Verb.SLATE:
            if begun:
                return "the take has its name already: give the slate before it begins"
            return set_slate(self.control, self._options, command.label)
        elif command.verb is Verb.START and not begun and not self._recorder.start():
            why = "; ".join(self._recorder.problems or self._recorder.missing)
            return f"not ready: {why or 'wait a moment'}"
        elif command.verb in (Verb.AGAIN, Verb.SKIP):
            return "only a guided session has steps"
        return ""

    def _mark(self, command: Command, now_ns: int) -> None:
        label = self._marks.label(command)
        self._keep("marker", label, command.time_ns or now_ns)
        self._notify(Notice("marker", label, ""))

    def _notify(self, notice: Notice) -> None:
        if self.on_notice is not None:
            self.on_notice(notice)

    def _check_readiness(self, now_ns: int) -> None:
        """Tell the recorder what stands against beginning, as long as it has not begun."""
        if self._recorder.state not in (State.IDLE, State.READY):
            return
        if now_ns - self._checked_ns >= CHECK_EVERY_S * NS_PER_S:
            self._checked_ns = now_ns
            self._problems = self._readiness.problems(now_ns) + self._sounds.problems(now_ns)
            self._recorder.check([problem.line for problem in self._problems])

    def _look_at_disk(self, now_ns: int) -> None:
        """End the take while there is room to end it."""
        if self._disk is None or now_ns - self._looked_ns < DISK_EVERY_S * NS_PER_S:
            return
        self._looked_ns = now_ns
        if slept_s := self._sleep.look():
            self._keep("health", "slept", now_ns, seconds=slept_s)
            hint = "switch its sleep off"
            self._notify(Notice("computer", f"it slept for {slept_s:.1f} s", hint))
        self._guard.look(now_ns, free_bytes(self._disk.writer.folder))
        if self._guard.is_full:
            self._recorder.end("the disk is nearly full", now_ns, lost=DISK)
        for warning in set(self._warnings(now_ns)) - self._warned:
            self._warned.add(warning)
            self._keep("health", "warning", now_ns, text=warning)

    def _warnings(self, now_ns: int) -> tuple[str, ...]:
        phone = () if self._phone is None else self._phone.warnings(now_ns)
        disk = (self._guard.warning,) if self._guard.warning else ()
        return (*phone, *self._sounds.warnings(now_ns), *disk)

    def _check_phone(self, now_ns: int) -> None:
        """A phone's port that fails ends the take; before the take began, its error is told."""
        error = None if self._phone is None else self._phone.error
        if error is None:
            return
        if isinstance(error, Overrun) or not isinstance(error, ImusicError):
            raise error
        if self._recorder.state is State.RECORDING:
            self._recorder.end(str(error), now_ns, lost=PHONE)
        elif self._recorder.state is State.IDLE and PHONE not in self._optional:
            raise error

    def _check_links(self, now_ns: int) -> None:
        """Before the take began, why a required device is not there is everybody's business."""
        self._links.check()
        if self._recorder.state is State.IDLE and not self._options.armed:
            for link in self._links.links:
                if link.error is not None and not link.was_up and link.name not in self._optional:
                    raise link.error
        if self._links.is_over and self._recorder.state is State.RECORDING:
            self._recorder.end("every device said that it ends", now_ns)

    def _check_complete(self) -> None:
        if self._disk is not None or self._stopped():
            return
        missing = self._recorder.missing
        if missing or not self._problems:
            # Where nothing is required, anything would have done.
            missing = missing or tuple(device.name for device in self._rig.sources)
            raise TransportError(
                f"nothing was heard from: {', '.join(missing)}", self._missing_hint(missing)
            )
        texts, hints = zip(*((p.text, p.hint) for p in self._problems), strict=True)
        raise TransportError(f"the take cannot begin: {'; '.join(texts)}", "; ".join(hints))

    def _missing_hint(self, missing: Collection[str]) -> str:
        hints = [f"check the {d.name} at {d.url}" for d in self._rig.sources if d.name in missing]
        if PHONE in missing and self._phone is not None:
            hints.append(self._phone.setup)
        return "; ".join(hints) + f"; or pass --allow-missing {sorted(missing)[0]}"

    def _stopped(self) -> bool:
        return self._recorder.reason in (BY_OPERATOR, BY_CALLER)

    def _start_take(self, now_ns: int) -> None:
        """Make the folder and hand over everything heard so far."""
        layout, devices = layout_of(self._rig, self._links.links, self._allowed)
        folder = new_take_folder(self._out, self._slate)
        number = int(folder.name.rpartition("-")[2])
        calls = self._preroll.hand_over()
        self._first_block_ns = first_block_ns(calls)
        take = new_take(
            folder.name,
            layout,
            **{
                "origin": origin_of(self._rig, self._allowed, self._slate, number),
                "simulated": self._rig.is_simulated,
                "segments": self._segments(now_ns),
                "subject": self._rig.session.subject,
                "consent": self._consent,
                "rig": rig_to_dict(self._rig),
                "devices": devices,
                "corrections": self._corrections(layout),
                **self.take_facts,
            },
        )
        self._disk = DiskThread(TakeWriter(folder, take), backlog=calls)
        if take.corrections:  # once more, for a take.toml may be lost
            by_slot = msgspec.to_builtins(take.corrections)
            self._disk.put("health", CORRECTIONS, now_ns, by_slot=by_slot)
        if take.consent != UNTOLD:
            told = msgspec.to_builtins(take.consent)
            self._disk.put("health", CONSENT, now_ns, subject=take.subject, told=told)
        self._recorder.begin(now_ns)
        if self._phone is not None:
            self._phone.start(self._slate, number)
        if self.on_take is not None:
            self.on_take(take)

    @property
    def _slate(self) -> str:
        return self.control.slate or self._options.slate

    def _corrections(self, layout: SensorLayout) -> dict[str, Correction]:
        """Those of the slots of the take, kept in it; what is recorded stays as it comes."""
        known = self._profiles.corrections
        return {slot: known[slot] for slot in layout.names if slot in known}

    def _segments(self, now_ns: int) -> tuple[Segment, ...]:
        if self._first_block_ns is None:
            return ()
        waited_s = (now_ns - self._first_block_ns) / NS_PER_S
        session = self._rig.session
        start_s = round(waited_s, 3) if waited_s > PROMPT_S else 0.0
        return opening(start_s, session.rest_s, session.routine_s)

    async def _finish(self, told: dict[str, Any]) -> RecordResult | None:
        disk, recorder = self._disk, self._recorder
        if disk is None:
            return None
        facts = {"reason": recorder.reason, "source": recorder.lost or ""}
        disk.put("health", "lost" if recorder.lost else "stopped", time.monotonic_ns(), **facts)
        await asyncio.to_thread(disk.finish)
        if disk.error is not None:
            self._abandon()
            raise self._rescued(disk_error(disk))
        try:
            changes = {"origin": disk.writer.take.origin | told} if told else {}
            changes |= self._sounds.facts(self._first_block_ns or recorder.began_ns)
            take = disk.writer.close(**changes, **self._options.closing(self._first_block_ns))
        except OSError as error:
            disk.error = error
            raise self._rescued(disk_error(disk)) from error
        return RecordResult(disk.writer.folder, take, recorder.reason, recorder.lost)

    def _abandon(self) -> None:
        """Save what can be saved after an error that was not the data's."""
        if self._disk is None:
            return
        self._disk.finish()
        self._disk.writer.abandon()

    def _rescued(self, error: ImusicError) -> ImusicError:
        """The error, with what became of the take: what was written of it is made readable."""
        if self._disk is None:
            return error
        try:
            report = recover(self._disk.writer.folder)
        except (ImusicError, OSError):  # no room even for that: the hint says what to do later
            return error
        self._recorder.recover(str(error))
        return ImusicError(f"{error}; rescued: {report.message}", error.hint)

    def _status(self, now_ns: int) -> RecordStatus:
        began_ns, disk = self._recorder.began_ns, self._disk
        return RecordStatus(
            state=self._recorder.state,
            missing=self._recorder.missing,
            elapsed_s=0.0 if began_ns is None else (now_ns - began_ns) / NS_PER_S,
            faces=self._faces,
            bytes_on_disk=0 if disk is None else disk.writer.bytes_written,
            waiting=0 if disk is None else disk.waiting,
            devices=tuple(
                meter.status(link.name, link.state.value, link.silent, now_ns)
                for link, meter in zip(self._links.links, self._meters, strict=True)
            ),
            problems=self._recorder.problems if began_ns is None else (),
            warnings=self._warnings(now_ns),
            left_s=self._guard.left_s,
            marks=self._marks.count,
        )
