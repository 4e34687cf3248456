"""`imusic record`: both sources at once into a take, everything from the first byte on.

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
from capture.phone_apps import APPS, decoder
from capture.phone_faces import PhoneFace
from capture.phone_source import PhoneSource
from capture.recorder import Recorder, State
from capture.take import Segment, Take, new_take
from capture.take_writer import TakeWriter, new_take_folder
from firmware_host.clock import NS_PER_S, RunningClock
from firmware_host.device import HubDevice
from firmware_host.errors import ConfigError, ImusicError, TransportError
from firmware_host.layout import SensorLayout, select
from firmware_host.rig import Rig, rig_to_dict
from firmware_host.samples import Gap, HubEnd, HubEvent, HubInfo, ImuBlock
from firmware_host.stream import events
from firmware_host.transports.base import Transport, open_transport

HUB, PHONE = "hub", "phone"
TICK_S = 0.02
STATUS_EVERY_S = 0.5
# The hub starts when it is greeted: a wait for the phone this short is not worth moving the rest.
PROMPT_S = 0.5

BY_OPERATOR, BY_CALLER = "stopped by the operator", "stopped by the program that recorded it"

Listener = Callable[[HubEvent], None]


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """How the recording is doing.

    age_s: since the hub last gave samples. late_s: how long after the fastest message of late the
    newest block came. waiting: writes that the disk has not taken yet.
    """

    state: State
    missing: tuple[str, ...]
    elapsed_s: float
    samples: int
    lost: int
    faces: int
    rate_hz: float
    age_s: float
    late_s: float
    bytes_on_disk: int
    waiting: int


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
    take_facts: dict[str, Any] | None = None,
) -> RecordResult | None:
    """Record every source of `rig` into the next take under `out`.

    Ends when the hub says END, after `duration_s`, at `stop_event`, at Ctrl-C, or when a source is
    lost; in every case the take is complete up to there. None where it was stopped before any
    required source was heard.

    Args:
        rig: what to record.
        out: folder of takes.
        duration_s: how long, None without limit.
        listeners: called with every event of the hub, in the event loop.
        stop_event: set it to end the take.
        allow_missing: `hub`, `phone` or names of slots that may be missing; written in the take.
        start_timeout_s: how long to wait for the required sources; what is heard meanwhile is kept
            in memory and belongs to the take.
        on_status: called twice a second.
        on_take: called once, when recording begins, with the take and so with its segments.
        take_facts: further fields of `take.toml`, such as `simulated` or `origin`.

    Raises:
        TransportError: a required source cannot be opened or was not heard in time.
        ConfigError: the hub and the rig disagree on the slots.
        Overrun, ImusicError: the disk is too slow, or refused.
    """
    session = _Session(rig, out, duration_s, listeners, allow_missing, start_timeout_s, on_status)
    session.take_facts = take_facts or {}
    session.on_take = on_take
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
        self._optional = {HUB} & set(allow_missing) if rig.hub.required else {HUB}
        sources = {HUB}
        if rig.phone is not None:
            sources.add(PHONE)
            if not rig.phone.required or PHONE in allow_missing:
                self._optional.add(PHONE)
        self._recorder = Recorder(
            sources - self._optional,
            time.monotonic_ns(),
            None if duration_s is None else round(duration_s * NS_PER_S),
            round(start_timeout_s * NS_PER_S),
        )
        self._device = HubDevice()
        self._disk: DiskThread | None = None
        self._pending: list[Call] = []
        self._info: HubInfo | None = None
        self._first_block_ns: int | None = None
        self._meter = _Meter()
        self._told_to_stop = False
        self.take_facts: dict[str, Any] = {}
        self.on_take: Callable[[Take], None] | None = None

    async def run(self, stops: dict[str, asyncio.Event]) -> RecordResult | None:
        """Open, wait, record, end; one of `stops`, by reason, ends it early."""
        tasks: dict[str, asyncio.Task[None]] = {}
        async with contextlib.AsyncExitStack() as stack:
            if self._rig.phone is not None:
                source = PhoneSource(self._rig.phone)
                await stack.enter_async_context(source)
                tasks[PHONE] = asyncio.create_task(self._listen_to_phone(source))
                stack.push_async_callback(_cancelled, tasks[PHONE])
            transport = await self._open_hub(stack)
            if transport is not None:
                tasks[HUB] = asyncio.create_task(self._listen_to_hub(transport))
                stack.push_async_callback(_cancelled, tasks[HUB])
            try:
                await self._watch(tasks, stops)
            except BaseException:  # whatever it was: the file is closed as it is, for recovery
                self._abandon()
                raise
        return await self._finish()

    async def _open_hub(self, stack: contextlib.AsyncExitStack) -> Transport | None:
        transport = open_transport(self._rig.hub.url, self._rig.hub.baud)
        try:
            await transport.open()
        except TransportError:
            if HUB in self._optional:
                return None
            raise
        stack.push_async_callback(transport.close)
        return transport

    async def _listen_to_hub(self, transport: Transport) -> None:
        def tap(data: bytes, arrival_ns: int) -> None:
            self._keep("hub_bytes", data, arrival_ns)

        async for event in events(transport, self._device, tap=tap):
            now_ns = time.monotonic_ns()
            if isinstance(event, HubInfo) and not self._same_hub(event, now_ns):
                return
            self._keep("hub_event", event, now_ns)
            self._meter.take(event)
            if isinstance(event, ImuBlock):
                self._first_block_ns = self._first_block_ns or event.arrival_ns
                self._recorder.heard(HUB, event.arrival_ns)
            for listener in self._listeners:
                listener(event)
            if isinstance(event, HubEnd):
                self._recorder.end("the hub said that it ends", now_ns)

    def _same_hub(self, info: HubInfo, now_ns: int) -> bool:
        """Whether this is the hub that the take is about; a restarted one is."""
        if self._info is not None and info.slots != self._info.slots:
            self._recorder.end("another hub came on the line", now_ns, lost=HUB)
            return False
        self._info = info
        return True

    async def _listen_to_phone(self, source: PhoneSource) -> None:
        faces = decoder(source.config)
        async for data, arrival_ns in source:
            self._keep("phone_bytes", data, arrival_ns)
            for found in faces.receive(data, arrival_ns):
                self._keep("phone_face", found, arrival_ns)
                if isinstance(found, PhoneFace):
                    self._meter.faces += 1
                    self._recorder.heard(PHONE, arrival_ns)

    def _keep(self, method: str, *args: Any, **kwargs: Any) -> None:
        if self._disk is None:
            self._pending.append((method, args, kwargs))
        else:
            self._disk.put(method, *args, **kwargs)

    async def _watch(
        self, tasks: dict[str, asyncio.Task[None]], stops: dict[str, asyncio.Event]
    ) -> None:
        """Run until COMPLETE. Raises what ended the recording before or against its will."""
        recorder = self._recorder
        status_ns = 0
        while True:
            now_ns = time.monotonic_ns()
            for source, task in tasks.items():
                self._check_task(source, task, now_ns)
            for reason, stop in stops.items():
                if stop.is_set():
                    recorder.end(reason, now_ns)
            state = recorder.tick(now_ns)
            if state is State.READY:
                self._start_take(now_ns)
            if state is State.DRAINING and not self._told_to_stop:
                self._told_to_stop = True
                self._device.stop()
            if self._disk is not None and self._disk.failed:
                raise disk_error(self._disk)
            if self._on_status is not None and now_ns - status_ns >= STATUS_EVERY_S * NS_PER_S:
                status_ns = now_ns
                self._on_status(self._status(now_ns))
            if state is State.COMPLETE:
                self._check_complete()
                return
            await asyncio.sleep(TICK_S)

    def _check_task(self, source: str, task: asyncio.Task[None], now_ns: int) -> None:
        """A listener that is over ends the take; before the take began its error is everybody's."""
        if not task.done():
            return
        error = task.exception()
        if error is not None and (isinstance(error, Overrun) or not isinstance(error, ImusicError)):
            raise error
        if self._recorder.state is State.RECORDING:
            closed = f"the {source}'s link was closed"
            self._recorder.end(str(error or closed), now_ns, lost=source if error else None)
        elif self._recorder.state is State.IDLE and error and source not in self._optional:
            raise error

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
        layout = self._layout()
        folder = new_take_folder(self._out)
        take = new_take(
            folder.name,
            layout,
            **{
                "origin": {
                    "kind": "record",
                    "allow_missing": list(self._allowed),
                    **self._rig.session.origin,
                },
                "simulated": self._rig.session.simulated,
                "segments": self._segments(now_ns),
                "subject": self._rig.session.subject,
                "rig": rig_to_dict(self._rig),
                **self.take_facts,
            },
        )
        self._disk = DiskThread(TakeWriter(folder, take), backlog=self._pending)
        self._pending.clear()
        self._recorder.begin(now_ns)
        if self.on_take is not None:
            self.on_take(take)

    def _layout(self) -> SensorLayout:
        """The rig's slots in the hub's order. Raises ConfigError where they disagree."""
        layout = self._rig.sensor_layout
        if self._info is None:
            return layout
        absent = set(layout.names) - set(self._info.slots) - set(self._allowed)
        if absent:
            names = ", ".join(name for name in layout.names if name in absent)
            raise ConfigError(
                f"the hub {self._info.device_id!r} has no {names}, which the rig's layout "
                f"{layout.name!r} asks for",
                f"connect them, or pass --allow-missing {names.split(',')[0]}",
            )
        return select(layout, self._info.slots)

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
        began_ns = self._recorder.began_ns
        meter, disk = self._meter, self._disk
        return RecordStatus(
            state=self._recorder.state,
            missing=self._recorder.missing,
            elapsed_s=0.0 if began_ns is None else (now_ns - began_ns) / NS_PER_S,
            samples=meter.samples,
            lost=meter.lost,
            faces=meter.faces,
            rate_hz=meter.rate_hz(now_ns),
            age_s=(now_ns - meter.last_ns) / NS_PER_S if meter.last_ns else float("nan"),
            late_s=meter.late_s,
            bytes_on_disk=0 if disk is None else disk.writer.bytes_written,
            waiting=0 if disk is None else disk.waiting,
        )


class _Meter:
    """Counts what the status line shows."""

    def __init__(self) -> None:
        self.samples = self.lost = self.faces = 0
        self.last_ns = 0
        self.late_s = float("nan")
        self._clock = RunningClock()
        self._counted = (0, 0)  # (time, samples) at the last look

    def take(self, event: HubEvent) -> None:
        if isinstance(event, Gap):
            self.lost += event.count
        if not isinstance(event, ImuBlock):
            return
        self.samples += len(event)
        self.last_ns = event.arrival_ns
        device_ns = event.tick_us[-1:] * 1000
        self._clock.update(int(device_ns[0]), event.arrival_ns)
        self.late_s = (event.arrival_ns - int(self._clock.to_host(device_ns)[0])) / NS_PER_S

    def rate_hz(self, now_ns: int) -> float:
        """Samples per second since the last call."""
        (then_ns, then), self._counted = self._counted, (now_ns, self.samples)
        return 0.0 if not then_ns else (self.samples - then) * NS_PER_S / max(now_ns - then_ns, 1)


def _missing_hint(missing: Collection[str], rig: Rig) -> str:
    hints = []
    if HUB in missing:
        hints.append(f"check the hub at {rig.hub.url}")
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
