"""The devices of a rig, each on a link that is opened, watched and opened again. The shell.

                 open, first word          lost, silent for DEAD_S, or a flood
   trying ─────────────────────────► up ─────────────────────────────────────► down
     ▲  │ not who it should be       │ END, or `stop`                           │
     │  └──────────► refused ──┐     └────────► ended                           │
     └──────── backoff ────────┴────────────────────────────────────────────────┘

Every device has a task of its own, and whatever happens to it is a value in its stream. What
decides is `firmware_host.supervision`.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from random import Random
from types import TracebackType
from typing import Self

import msgspec

from firmware_host.clock import NS_PER_S
from firmware_host.device import HubDevice
from firmware_host.errors import ConfigError, ImusicError, ProtocolError, TransportError
from firmware_host.link_events import LinkDown, LinkUp, Refused, RigEvent, SettingsChanged, told
from firmware_host.makers import maker_of, sensors_of, transport_to
from firmware_host.rig import HUB, DeviceConfig
from firmware_host.samples import Gap, Garbage, HubEnd, HubInfo, ImuBlock
from firmware_host.stream import Speaker, events, vendor_events
from firmware_host.supervision import (
    Backoff,
    LineWatch,
    Numbering,
    SlotWatch,
    assigned,
    refusal,
    settings_changed,
)
from firmware_host.transports.base import Transport
from firmware_host.transports.slime import SlimeServers, SlimeTransport
from firmware_host.vendors.ximu3 import UNNAMED

DEAD_S = 3.0  # a link without a byte for so long is none, whatever the system says
NAMELESS_S = 3.0  # how long one that must have an id may take to tell it
TICK_S = 0.1

OnEvent = Callable[["DeviceLink", RigEvent, int], None]
OnBytes = Callable[["DeviceLink", bytes, int], None]
Reach = Callable[[DeviceConfig, SlimeServers], Transport]


class LinkState(Enum):
    """Where a link stands."""

    TRYING = "trying"
    UP = "up"
    DOWN = "down"
    REFUSED = "refused"
    ENDED = "ended"


class WrongDevice(TransportError):
    """Who answered is not who should be there."""


class DeviceLink:
    """One device of a rig.

    index: its place there. info: what it last said, with the slots it serves. error: why the link
    is not up; None while it is. was_up: it has spoken at least once. last_ns: since when it has
    given no samples; None before it was up. silent: slots that give nothing.
    """

    def __init__(
        self,
        config: DeviceConfig,
        index: int,
        ids: dict[str, str],
        slime: SlimeServers,
        on_event: OnEvent,
        on_bytes: OnBytes | None,
        random: Random,
        reach: Reach,
    ) -> None:
        self.config, self.index = config, index
        self._reach = reach
        self.state = LinkState.TRYING
        self.info: HubInfo | None = None
        self.error: ImusicError | None = None
        self.was_up = False
        self.last_ns: int | None = None
        self._maker = maker_of(config)
        self._slime, self._ids = slime, ids
        reach(config, slime)  # refuse a malformed url now
        self._on_event, self._on_bytes = on_event, on_bytes
        self._backoff = Backoff(random)
        self._numbering = Numbering()
        self._device: HubDevice | Speaker | None = None
        self._known: HubInfo | None = None  # what it says of itself, by its own words
        self._sensors: tuple[int, ...] = ()
        self._transport: Transport | None = None
        self._line: LineWatch | None = None
        self._slots: SlotWatch | None = None
        self._cut: TransportError | None = None
        self._admitted = self._clock_failed = False
        self._nameless_ns: int | None = None  # since when it speaks without saying who it is
        self._garbage = 0
        self._lost_ns: int | None = None
        self._stop = asyncio.Event()
        self._tries = 0  # links since it was last up
        self._retry_s = 0.0
        self._closer: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """What the rig calls it."""
        return self.config.name

    @property
    def sensors(self) -> tuple[int, ...]:
        """Which of its sensors serve the slots of `info`, by their numbers."""
        return self._sensors

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """The same by its own names for them; by their numbers where it has none."""
        own = self._known.slots if self._known else ()
        return tuple(own[i] if i < len(own) else str(i) for i in self._sensors)

    @property
    def silent(self) -> tuple[str, ...]:
        """Slots that give nothing, of a device that is there."""
        return self._slots.silent if self._slots else ()

    def notice(self, event: RigEvent) -> tuple[str, str] | None:
        """What the operator should know now; that a required device is not there is an error."""
        is_told_as_error = self.error is not None and self.config.required and not self.was_up
        return None if is_told_as_error else told(event)

    def expect(self, slots: tuple[str, ...]) -> None:
        """From now on the device must serve exactly these slots, whatever it names itself."""
        if not self.config.slots:
            self.config = msgspec.structs.replace(self.config, slots={slot: slot for slot in slots})

    def stop(self) -> None:
        """Ask the device to end its stream, and try no more once the link is gone."""
        self._stop.set()
        if self._device is not None:
            self._device.stop()

    async def run(self) -> None:
        """Keep the link until the device says END or `stop` was called.

        Raises:
            EnvironmentMissing, and whatever the receivers of events raise.
        """
        while self.state is not LinkState.ENDED:
            try:
                await self._run_once()
            except (TransportError, ProtocolError, ConfigError) as error:
                self._lost(error)
            if self._stop.is_set():
                self.state = LinkState.ENDED
            if self.state is not LinkState.ENDED:
                await self._pause()

    def tick(self, now_ns: int) -> None:
        """Look whether all is well; called every TICK_S."""
        self._flush_garbage(now_ns)
        line, transport = self._line, self._transport
        if line is None or transport is None:
            return
        if isinstance(transport, SlimeTransport):
            while transport.strangers:
                self._emit(transport.strangers.pop(0), now_ns)
        if self._slots is not None:
            for change in self._slots.tick(now_ns):
                self._emit(change, now_ns)
        trouble = line.tick(now_ns, self._device.stuck_ticks if self._device else 0)
        if trouble is not None:
            self._emit(trouble, now_ns)
            if trouble.what == "clock" and not self._clock_failed:
                self._clock_failed = True
                self._numbering.begin_anew()
        self._cut = self._cut or self._reason_to_cut(line, transport, now_ns)
        if self._cut is not None and self._closer is None:
            self._closer = asyncio.create_task(transport.close())

    def _reason_to_cut(
        self, line: LineWatch, transport: Transport, now_ns: int
    ) -> TransportError | None:
        if self._admitted and now_ns - line.heard_ns > DEAD_S * NS_PER_S:
            return TransportError(
                f"nothing came from {transport.address} for {DEAD_S:g} s",
                "check the cable or the radio, and the power of the device",
                transport.address,
            )
        if self._nameless_ns is not None and now_ns - self._nameless_ns > NAMELESS_S * NS_PER_S:
            return WrongDevice(
                f"{self.name} at {self.config.url}: it does not say who it is, and it should be "
                f"{self._wanted_id()!r}",
                "switch it off and on; if it never says so, take the id out of rig.toml",
                self.config.url,
            )
        return None

    async def _run_once(self) -> None:
        transport = self._reach(self.config, self._slime)
        self._begin_link()
        try:
            await transport.open()
            self._transport = transport
            async with contextlib.aclosing(self._said(transport)) as said:
                async for event in said:
                    self._take(event, time.monotonic_ns())
                    if self.state is LinkState.ENDED:
                        return
        finally:
            self._flush_garbage(time.monotonic_ns())
            self._transport = self._line = self._slots = None
            with contextlib.suppress(TransportError):
                await transport.close()
            if self._closer is not None:
                await asyncio.gather(self._closer, return_exceptions=True)
                self._closer = None
        if self.config.url.startswith(("replay:", "sim:")):
            self.state = LinkState.ENDED
            return
        raise self._cut or TransportError(
            f"lost {transport.address}: the link was closed", address=transport.address
        )

    def _begin_link(self) -> None:
        self._tries += 1
        now_ns = time.monotonic_ns()
        advice = self._maker.noise.format(baud=self.config.line_baud)
        self._line = LineWatch(now_ns, advice, self._maker.most_bytes_per_s)
        self._slots, self._cut = None, None
        self._admitted = self._clock_failed = False
        self._nameless_ns = None
        if isinstance(self._device, HubDevice) and self.state is not LinkState.REFUSED:
            for event in self._device.relink(now_ns):
                self._take(event, now_ns)
            return
        self._device = self._maker.make(self.config)
        self._numbering.begin_anew()
        if self._stop.is_set():
            self._device.stop()

    def _said(self, transport: Transport) -> AsyncGenerator[RigEvent, None]:
        device = self._device
        assert device is not None
        if isinstance(device, HubDevice):
            return events(transport, device, tap=self._tap, timeout_s=self._maker.wait_s)
        return vendor_events(transport, device, self._maker.what, self._maker.wait_s, tap=self._tap)

    def _tap(self, data: bytes, arrival_ns: int) -> None:
        if self._on_bytes is not None:
            self._on_bytes(self, data, arrival_ns)
        if self._line is not None and self._line.take_bytes(len(data), arrival_ns):
            raise TransportError(
                f"{self.config.url} floods this computer: more bytes than such a device can send, "
                "or next to none of them of use",
                self._maker.noise.format(baud=self.config.line_baud),
            )

    def _take(self, event: RigEvent, now_ns: int) -> None:
        if isinstance(event, Garbage):
            self._garbage += event.count
            if self._line is not None:
                self._line.take(event)
            return
        self._flush_garbage(now_ns)
        if isinstance(event, HubInfo):
            self._meet(event, now_ns)
            return
        if isinstance(event, ImuBlock):
            numbered = self._numbered(event)
            if not self._admitted:  # whose they are is not known: they count as lost
                self._emit(Gap(int(numbered.sequence[0]), len(numbered)), now_ns)
                return
            event = self._block(numbered)
        else:
            event = self._numbering.take(event)
        self._emit(event, now_ns)
        if isinstance(event, HubEnd):
            self.state = LinkState.ENDED

    def _numbered(self, block: ImuBlock) -> ImuBlock:
        if self._clock_failed:
            block = self._numbering.arrived(block)
        return self._numbering.take_block(block)

    def _block(self, block: ImuBlock) -> ImuBlock:
        block = assigned(block, self._sensors, self.index)
        self.last_ns = block.arrival_ns
        if self._line is not None:
            self._line.take(block)
        if self._slots is not None:
            self._slots.take(block)
        return block

    def _meet(self, info: HubInfo, now_ns: int) -> None:
        """The device says who it is. Raises WrongDevice or ConfigError where that is not it."""
        said = self._in_its_words(info)
        refused = refusal(said, self._known, self.config.id, self._ids_of_others())
        if refused is not None:
            raise WrongDevice(
                f"{self.name} at {self.config.url}: {refused.reason}",
                refused.hint,
                self.config.url,
            )
        self._sensors, slots = sensors_of(self.config, info)
        if self._wanted_id() and not said.device_id and not self._admitted:
            self._nameless_ns = self._nameless_ns or now_ns
            return
        self._nameless_ns = None
        changes = settings_changed(self._known, said) if self._known else ()
        if self._known and not said.device_id:
            said = replace(said, device_id=self._known.device_id)
        if said.device_id:
            self._ids[said.device_id] = self.name
        self._known = said
        self.info = replace(info, device_id=info.device_id or self.name, slots=slots)
        self._welcome(slots, info.rate_hz, now_ns)
        if changes:
            self._emit(SettingsChanged(changes), now_ns)
        self._emit(self.info, now_ns)

    def _in_its_words(self, info: HubInfo) -> HubInfo:
        """What it says of itself; nothing of what this host has made up for it."""
        tells = self._maker.says_who and info.device_id != UNNAMED
        slots = info.slots if self.config.kind == HUB else ()
        return replace(info, device_id=info.device_id if tells else "", slots=slots)

    def _wanted_id(self) -> str:
        """Which id it must tell before anything it gives is used; nothing where any will do."""
        if not self._maker.says_who:
            return ""
        return self.config.id or (self._known.device_id if self._known else "")

    def _ids_of_others(self) -> Mapping[str, str]:
        return {its_id: name for its_id, name in self._ids.items() if name != self.name}

    def _welcome(self, slots: Sequence[str], rate_hz: float, now_ns: int) -> None:
        if self._slots is None or self._slots.slots != tuple(slots):
            self._slots = SlotWatch(slots, rate_hz, now_ns)
        if self._admitted:
            return
        self._admitted = self.was_up = True
        self.state, self.error = LinkState.UP, None
        self.last_ns = self.last_ns or now_ns
        down_s = math.nan if self._lost_ns is None else (now_ns - self._lost_ns) / NS_PER_S
        self._emit(LinkUp(self._tries, down_s), now_ns)
        self._lost_ns, self._tries = None, 0

    def _lost(self, error: ImusicError) -> None:
        now_ns = time.monotonic_ns()
        if self._stop.is_set():
            self.state = LinkState.ENDED
            return
        self.error = error
        if self._admitted:
            self._backoff.reset()
        if self._lost_ns is None and self.was_up:
            self._lost_ns = now_ns
        before, self._admitted = self.state, False
        self._retry_s = self._backoff.next_s()
        if isinstance(error, WrongDevice | ConfigError | ProtocolError):
            self.state = LinkState.REFUSED
            if before is not LinkState.REFUSED:
                self._emit(Refused(str(error), error.hint), now_ns)
            return
        self.state = LinkState.DOWN
        self._emit(LinkDown(str(error), error.hint, self._retry_s, self._tries), now_ns)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._retry_s):
                await self._stop.wait()
        if self._stop.is_set():
            self.state = LinkState.ENDED

    def _flush_garbage(self, now_ns: int) -> None:
        """What comes in a row, or within a tick, is one value: noise must not cost per byte."""
        count, self._garbage = self._garbage, 0
        if count:
            self._emit(Garbage(count), now_ns)

    def _emit(self, event: RigEvent, now_ns: int) -> None:
        self._on_event(self, event, now_ns)


class RigLinks:
    """All devices of a rig, running while the block of `async with` does.

    Args:
        devices: what the rig says of them.
        on_event: called with every event of every device, in the event loop, and the host's time.
        on_bytes: called before, with every chunk of bytes and its arrival time.
        seed: of the waits between tries.
        reach: makes the way to a device; another than by its url, for a radio that is none.

    Raises:
        ConfigError: a url is malformed, or a device has fewer sensors than slots.
    """

    def __init__(
        self,
        devices: Sequence[DeviceConfig],
        on_event: OnEvent,
        on_bytes: OnBytes | None = None,
        seed: int | None = None,
        reach: Reach = transport_to,
    ) -> None:
        random, ids, slime = Random(seed), dict[str, str](), SlimeServers()
        self.links = tuple(
            DeviceLink(config, index, ids, slime, on_event, on_bytes, random, reach)
            for index, config in enumerate(devices)
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(link.run()) for link in self.links]
        self._tasks.append(asyncio.create_task(self._tick()))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        """Ask every device to end its stream."""
        for link in self.links:
            link.stop()

    @property
    def is_over(self) -> bool:
        """Whether no device has more to say."""
        return all(link.state is LinkState.ENDED for link in self.links)

    def check(self) -> None:
        """Raise what ended a task against its will: a missing library, a full disk, a bug."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def follow(self, lost_after_s: float) -> None:
        """Wait until a required device says END, or all have.

        Raises:
            ImusicError: a required device was never there, or silent for `lost_after_s`; why.
        """
        while not self.is_over:
            await asyncio.sleep(TICK_S)
            self.check()
            for link in self.links:
                if link.config.required and link.state is LinkState.ENDED:
                    return
                if link.config.required:
                    _check_there(link, time.monotonic_ns(), lost_after_s)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for link in self.links:
                link.tick(time.monotonic_ns())


def _check_there(link: DeviceLink, now_ns: int, lost_after_s: float) -> None:
    if link.last_ns is None:
        if link.error is not None and not link.was_up:
            raise link.error
        return
    if now_ns - link.last_ns < lost_after_s * NS_PER_S:
        return
    reason = "no samples" if link.error is None else str(link.error)
    raise TransportError(
        f"the {link.name} was lost {lost_after_s:g} s ago: {reason}",
        link.error.hint if link.error else "switch it off and on",
        link.config.url,
    )
