"""`imusic record`: all sources at once into a take, everything from the first byte on.

The event loop stamps and hands on; one thread owns the disk, behind a bounded queue that ends the
take loudly if it ever fills. What decides is `capture.recorder`.
"""

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.disk import Call, DiskThread, Overrun, disk_error
from capture.meters import DeviceMeter, DeviceStatus
from capture.phone_apps import APPS, decoder
from capture.phone_faces import PhoneFace
from capture.phone_source import PhoneSource
from capture.recorder import Recorder, State
from capture.take import Segment, Take, TakeDevice, new_take
from capture.take_writer import TakeWriter, new_take_folder
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError, ImusicError, TransportError
from firmware_host.layout import SensorLayout, select
from firmware_host.link_events import RigEvent, told
from firmware_host.rig import Rig, rig_to_dict
from firmware_host.samples import HubEnd, ImuBlock
from firmware_host.supervisor import DeviceLink, RigLinks

PHONE = "phone"
TICK_S = 0.02
STATUS_EVERY_S = 0.5
# The hub starts when it is greeted: a wait for the phone this short is not worth moving the rest.
PROMPT_S = 0.5

BY_OPERATOR, BY_CALLER = "stopped by the operator", "stopped by the program that recorded it"

Listener = Callable[[RigEvent], None]


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """How the recording is doing.

    waiting: writes that the disk has not taken yet. devices: those of the rig, in its order.
    """

    state: State
    missing: tuple[str, ...]
    elapsed_s: float
    faces: int
    bytes_on_disk: int
    waiting: int
    devices: tuple[DeviceStatus, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the operator should know now. hint: what can be done; may be empty."""

    device: str
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class RecordResult:
    """A finished take. `lost` names the source whose loss ended it, if one did."""

    folder: Path
    take: Take
    reason: str
    lost: str | None


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
    take_facts: dict[str, Any] | None = None,
) -> RecordResult | None:
    """Record every source of `rig` into the next take under `out`.

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
        on_take: called once, when recording begins, with the take and so with its segments.
        take_facts: further fields of `take.toml`, such as `simulated` or `origin`.

    Raises:
        TransportError: a required source cannot be opened or was not heard in time.
        ConfigError: a device and the rig disagree on the slots, or it has none.
        Overrun, ImusicError: the disk is too slow, or refused.
    """
    rig.check_assigned()
    session = _Session(rig, out, duration_s, listeners, allow_missing, start_timeout_s, on_status)
    session.take_facts = take_facts or {}
    session.on_take, session.on_notice = on_take, on_notice
    interrupted = asyncio.Event()
    stops = {BY_OPERATOR: interrupted, BY_CALLER: stop_event or asyncio.Event()}
    with _signals_set(interrupted):
        return await session.run(stops)


class _Session:
    """One call of `record`."""

    def __init__(
        self,
        rig: Rig,
        out: Path,
        duration_s: float | None,
        listeners: Iterable[Listener],
        allow_missing: Collection[str],
        start_timeout_s: float,
        on_status: Callable[[RecordStatus], None] | None,
    ) -> None:
        self._rig, self._out = rig, out
        self._listeners = tuple(listeners)
        self._allowed = tuple(sorted(allow_missing))
        self._on_status = on_status
        self._links = RigLinks(rig.sources, self._take_event, self._take_bytes)
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
        )
        self._disk: DiskThread | None = None
        self._pending: list[Call] = []
        self._first_block_ns: int | None = None
        self._meters = [DeviceMeter() for _ in rig.sources]
        self._faces = 0
        self._told_to_stop = False
        self.take_facts: dict[str, Any] = {}
        self.on_take: Callable[[Take], None] | None = None
        self.on_notice: Callable[[Notice], None] | None = None

    async def run(self, stops: dict[str, asyncio.Event]) -> RecordResult | None:
        """Open, wait, record, end; one of `stops`, by reason, ends it early."""
        listener: asyncio.Task[None] | None = None
        async with contextlib.AsyncExitStack() as stack:
            if self._rig.phone is not None:
                source = PhoneSource(self._rig.phone)
                await stack.enter_async_context(source)
                listener = asyncio.create_task(self._listen_to_phone(source))
                stack.push_async_callback(_cancelled, listener)
            await stack.enter_async_context(self._links)
            try:
                await self._watch(listener, stops)
            except BaseException:  # whatever it was: the file is closed as it is, for recovery
                self._abandon()
                raise
        return await self._finish()

    def _take_bytes(self, link: DeviceLink, data: bytes, arrival_ns: int) -> None:
        self._keep("hub_bytes", data, arrival_ns, link.index)

    def _take_event(self, link: DeviceLink, event: RigEvent, now_ns: int) -> None:
        self._keep("hub_event", event, now_ns, link.index)
        self._meters[link.index].take(event)
        if isinstance(event, ImuBlock):
            self._first_block_ns = self._first_block_ns or event.arrival_ns
            self._recorder.heard(link.name, event.arrival_ns)
        elif (line := told(event)) is not None and self.on_notice is not None:
            self.on_notice(Notice(link.name, *line))
        for listener in self._listeners:
            listener(event)
        if isinstance(event, HubEnd) and link.name not in self._optional:
            self._recorder.end(f"the {link.name} said that it ends", now_ns)

    async def _listen_to_phone(self, source: PhoneSource) -> None:
        faces = decoder(source.config)
        async for data, arrival_ns in source:
            self._keep("phone_bytes", data, arrival_ns)
            for found in faces.receive(data, arrival_ns):
                self._keep("phone_face", found, arrival_ns)
                if isinstance(found, PhoneFace):
                    self._faces += 1
                    self._recorder.heard(PHONE, arrival_ns)

    def _keep(self, method: str, *args: Any, **kwargs: Any) -> None:
        if self._disk is None:
            self._pending.append((method, args, kwargs))
        else:
            self._disk.put(method, *args, **kwargs)

    async def _watch(
        self, listener: asyncio.Task[None] | None, stops: dict[str, asyncio.Event]
    ) -> None:
        """Run until COMPLETE. Raises what ended the recording before or against its will."""
        recorder = self._recorder
        status_ns = 0
        while True:
            now_ns = time.monotonic_ns()
            self._check_phone(listener, now_ns)
            self._check_links(now_ns)
            for reason, stop in stops.items():
                if stop.is_set():
                    recorder.end(reason, now_ns)
            state = recorder.tick(now_ns)
            if state is State.READY:
                self._start_take(now_ns)
            if state is State.DRAINING and not self._told_to_stop:
                self._told_to_stop = True
                self._links.stop()
            if self._disk is not None and self._disk.failed:
                raise disk_error(self._disk)
            if self._on_status is not None and now_ns - status_ns >= STATUS_EVERY_S * NS_PER_S:
                status_ns = now_ns
                self._on_status(self._status(now_ns))
            if state is State.COMPLETE:
                self._check_complete()
                return
            await asyncio.sleep(TICK_S)

    def _check_phone(self, listener: asyncio.Task[None] | None, now_ns: int) -> None:
        """A phone's port that fails ends the take; before the take began, its error is told."""
        if listener is None or not listener.done():
            return
        error = listener.exception()
        if error is not None and (isinstance(error, Overrun) or not isinstance(error, ImusicError)):
            raise error
        if self._recorder.state is State.RECORDING:
            closed = "the phone's link was closed"
            self._recorder.end(str(error or closed), now_ns, lost=PHONE if error else None)
        elif self._recorder.state is State.IDLE and error and PHONE not in self._optional:
            raise error

    def _check_links(self, now_ns: int) -> None:
        """Before the take began, why a required device is not there is everybody's business."""
        self._links.check()
        if self._recorder.state is State.IDLE:
            for link in self._links.links:
                if link.error is not None and not link.was_up and link.name not in self._optional:
                    raise link.error
        if self._links.is_over and self._recorder.state is State.RECORDING:
            self._recorder.end("every device said that it ends", now_ns)

    def _check_complete(self) -> None:
        if self._disk is None and (missing := self._recorder.missing) and not self._stopped():
            raise TransportError(
                f"nothing was heard from: {', '.join(missing)}",
                _missing_hint(missing, self._rig),
            )

    def _stopped(self) -> bool:
        return self._recorder.reason in (BY_OPERATOR, BY_CALLER)

    def _start_take(self, now_ns: int) -> None:
        """Make the folder and hand over everything heard so far."""
        layout, devices = self._layout()
        folder = new_take_folder(self._out)
        origin: dict[str, Any] = {"kind": "record", "allow_missing": list(self._allowed)}
        if self._rig.unserved:
            origin["unserved"] = list(self._rig.unserved)
        take = new_take(
            folder.name,
            layout,
            **{
                "origin": origin | self._rig.session.origin,
                "simulated": self._rig.session.simulated,
                "segments": self._segments(now_ns),
                "subject": self._rig.session.subject,
                "rig": rig_to_dict(self._rig),
                "devices": devices,
                **self.take_facts,
            },
        )
        self._disk = DiskThread(TakeWriter(folder, take), backlog=self._pending)
        self._pending.clear()
        self._recorder.begin(now_ns)
        if self.on_take is not None:
            self.on_take(take)

    def _layout(self) -> tuple[SensorLayout, tuple[TakeDevice, ...]]:
        """The slots of the take, and who gives them; nobody, where it is one hub.

        A hub that has yet to come must have these slots.

        Raises:
            ConfigError: a hub and the rig disagree.
        """
        if self._rig.hub is not None:
            layout = self._layout_of_hub(self._links.links[0])
            self._links.links[0].expect(layout.names)
            return layout, ()
        devices = tuple(
            TakeDevice(link.name, tuple(slot for _, slot in link.config.assigned), link.config.kind)
            for link in self._links.links
        )
        return self._rig.sensor_layout, devices

    def _layout_of_hub(self, link: DeviceLink) -> SensorLayout:
        """The rig's slots in the hub's order. Raises ConfigError where they disagree."""
        layout, info = self._rig.sensor_layout, link.info
        if info is None:
            return layout
        absent = set(layout.names) - set(info.slots) - set(self._allowed)
        if absent:
            names = ", ".join(name for name in layout.names if name in absent)
            raise ConfigError(
                f"the hub {info.device_id!r} has no {names}, which the rig's layout "
                f"{layout.name!r} asks for",
                f"connect them, or pass --allow-missing {names.split(',')[0]}",
            )
        return select(layout, info.slots)

    def _segments(self, now_ns: int) -> tuple[Segment, ...]:
        """Rest and routine, in seconds after the first sample."""
        if self._first_block_ns is None:
            return ()
        waited_s = (now_ns - self._first_block_ns) / NS_PER_S
        start_s = round(waited_s, 3) if waited_s > PROMPT_S else 0.0
        rest_s = start_s + self._rig.session.rest_s
        routine_s = rest_s + self._rig.session.routine_s
        rest = Segment("rest", start_s, rest_s)
        if routine_s == rest_s:
            return (rest,)
        return (rest, Segment("routine", rest_s, routine_s))

    async def _finish(self) -> RecordResult | None:
        disk, recorder = self._disk, self._recorder
        if disk is None:
            return None
        facts = {"reason": recorder.reason, "source": recorder.lost or ""}
        disk.put("health", "lost" if recorder.lost else "stopped", time.monotonic_ns(), **facts)
        await asyncio.to_thread(disk.finish)
        if disk.error is not None:
            self._abandon()
            raise disk_error(disk)
        try:
            take = disk.writer.close()
        except OSError as error:
            disk.error = error
            raise disk_error(disk) from error
        return RecordResult(disk.writer.folder, take, recorder.reason, recorder.lost)

    def _abandon(self) -> None:
        """Save what can be saved after an error that was not the data's."""
        if self._disk is None:
            return
        self._disk.finish()
        self._disk.writer.abandon()

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
        )


def _missing_hint(missing: Collection[str], rig: Rig) -> str:
    hints = []
    for device in rig.sources:
        if device.name in missing:
            hints.append(f"check the {device.name} at {device.url}")
    if PHONE in missing and rig.phone is not None:
        setup = APPS[rig.phone.app].setup
        hints.append(f"{setup}, port {rig.phone.listen_port}, and check the firewall")
    return "; ".join(hints) + f"; or pass --allow-missing {sorted(missing)[0]}"


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a listener and wait until it is gone; its error, if any, was looked at before."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.contextmanager
def _signals_set(stop: asyncio.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set `stop` once; a second Ctrl-C interrupts as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {
        number: signal.getsignal(number) or signal.SIG_DFL
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def stop_once(number: int, _: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        loop.call_soon_threadsafe(stop.set)

    for number in before:
        signal.signal(number, stop_once)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
