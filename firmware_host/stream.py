"""The thin shell between a transport and a device: moves bytes, keeps the time, decides nothing."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Protocol, TypeVar

from firmware_host.device import HubDevice
from firmware_host.errors import DeviceNotFound
from firmware_host.messages import check_version
from firmware_host.samples import HubEnd, HubEvent, HubInfo
from firmware_host.transports.base import Transport
from firmware_host.vendors.events import VendorEvent

HELLO_EVERY_S = 0.5
PING_EVERY_S = 1.0
ATTEND_EVERY_S = 0.1

Event = TypeVar("Event", covariant=True)
Tap = Callable[[bytes, int], None]


class Talks(Protocol[Event]):
    """What bytes mean, and what is answered."""

    def receive(self, data: bytes, time_ns: int) -> Sequence[Event]:
        """Return what `data`, received at host time `time_ns`, completes. Never raises."""
        ...

    def outgoing(self) -> list[bytes]:
        """Return what is to be sent now, and forget it."""
        ...


class Speaker(Talks[VendorEvent], Protocol):
    """A device of another maker as a state machine, as they are in `firmware_host.vendors`."""

    info: HubInfo | None

    @property
    def stuck_ticks(self) -> int:
        """Samples whose time stood still, went back or leapt."""
        ...

    def keep_alive(self, time_ns: int) -> None:
        """Called a few times a second: what the device wants to hear now and then goes out."""
        ...

    def stop(self) -> None:
        """Ask the device to end the stream, where it can."""
        ...


async def events(
    transport: Transport,
    device: HubDevice,
    clock_ns: Callable[[], int] = time.monotonic_ns,
    tap: Tap | None = None,
    timeout_s: float = 3.0,
) -> AsyncGenerator[HubEvent, None]:
    """Yield what the hub says until it says END or the transport is closed.

    HELLO is repeated while no INFO came, and whenever the line was quiet for half a second: a START
    that was lost, or a hub that restarted, is found that way. A hub that can tell its clock is
    asked for it every PING_EVERY_S.

    Args:
        transport: open; closing it stays with the caller.
        device: the state of this hub.
        clock_ns: the host's monotonic clock.
        tap: gets every chunk and its arrival time before anything else happens to it.
        timeout_s: how long to wait for the first INFO.

    Raises:
        DeviceNotFound: no INFO within `timeout_s`.
        ProtocolError: the hub speaks another version of the protocol.
        TransportError: the link was lost.
    """
    greeter = _Greeter(device, transport.address, timeout_s, clock_ns)
    async with aclosing(_pump(transport, device, greeter, clock_ns, tap)) as said:
        async for event in said:
            if isinstance(event, HubInfo):
                check_version(event, transport.address)
            yield event
            if isinstance(event, HubEnd):
                return


async def vendor_events(
    transport: Transport,
    device: Speaker,
    what: str,
    timeout_s: float,
    clock_ns: Callable[[], int] = time.monotonic_ns,
    tap: Tap | None = None,
) -> AsyncGenerator[VendorEvent, None]:
    """Yield what another maker's device says until the transport is closed.

    Args:
        what: the device in a word, for errors. timeout_s: how long to wait for its first word.
        transport, device, clock_ns, tap: as in `events`.

    Raises:
        DeviceNotFound: nothing that such a device says within `timeout_s`.
        TransportError: the link was lost.
    """
    attendant = _Attendant(device, transport.address, timeout_s, what, clock_ns)
    async with aclosing(_pump(transport, device, attendant, clock_ns, tap)) as said:
        async for event in said:
            yield event


class _Keeper(Protocol):
    """Decides what is due while a stream runs."""

    def before(self) -> None:
        """Tell the device what it is to say now."""
        ...

    def wait_s(self) -> float:
        """How long to wait for bytes before there is something to do."""
        ...

    def heard(self, count: int) -> None:
        """Take note of `count` bytes."""
        ...

    def after(self) -> None:
        """Raise DeviceNotFound where it is time to."""
        ...


async def _pump(
    transport: Transport,
    device: Talks[Event],
    keeper: _Keeper,
    clock_ns: Callable[[], int],
    tap: Tap | None,
) -> AsyncGenerator[Event, None]:
    chunks = transport.chunks()
    upcoming = asyncio.ensure_future(_next(chunks))
    try:
        while True:
            keeper.before()
            for command in device.outgoing():
                await transport.send(command)
            await asyncio.wait({upcoming}, timeout=keeper.wait_s())
            if upcoming.done():
                data, arrival_ns = upcoming.result(), clock_ns()
                if data is None:
                    return
                upcoming = asyncio.ensure_future(_next(chunks))
                if tap:
                    tap(data, arrival_ns)
                for event in device.receive(data, arrival_ns):
                    yield event
                keeper.heard(len(data))
            keeper.after()
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


class _Attendant:
    """Lets a device keep alive, and decides when none is there."""

    def __init__(
        self,
        device: Speaker,
        address: str,
        timeout_s: float,
        what: str,
        clock_ns: Callable[[], int],
    ) -> None:
        self._device, self._address = device, address
        self._timeout_s, self._what = timeout_s, what
        self._clock_ns = clock_ns
        self._now = asyncio.get_running_loop().time
        self._deadline = self._now() + timeout_s
        self._bytes = 0

    def before(self) -> None:
        self._device.keep_alive(self._clock_ns())

    def wait_s(self) -> float:
        return ATTEND_EVERY_S

    def heard(self, count: int) -> None:
        self._bytes += count

    def after(self) -> None:
        if self._device.info is not None or self._now() < self._deadline:
            return
        error = DeviceNotFound(self._address, self._timeout_s, self._what)
        if self._bytes:
            error.hint = (
                f"{self._bytes} bytes arrived, but nothing that a {self._what} says: wrong kind, "
                "port or baud?"
            )
        raise error


class _Greeter:
    """Decides when HELLO and PING are due, and when no hub is there."""

    def __init__(
        self,
        device: HubDevice,
        address: str,
        timeout_s: float,
        clock_ns: Callable[[], int],
    ) -> None:
        self._device = device
        self._address = address
        self._timeout_s, self._clock_ns = timeout_s, clock_ns
        self._now = asyncio.get_running_loop().time
        self._deadline = self._now() + timeout_s
        self._hello_at = self._now() + HELLO_EVERY_S
        self._ping_at = self._now()
        self._bytes = 0

    def before(self) -> None:
        """Ask for the hub's clock now, once per interval after INFO."""
        if self._device.info is None or self._now() < self._ping_at:
            return
        self._ping_at = self._now() + PING_EVERY_S
        self._device.ping(self._clock_ns())

    def wait_s(self) -> float:
        """How long to wait for bytes before `after` has something to do."""
        until = self._hello_at
        if self._device.info is None:
            until = min(until, self._deadline)
        return max(0.0, until - self._now())

    def heard(self, count: int) -> None:
        """Take note of `count` bytes; noise before INFO does not count as an answer."""
        self._bytes += count
        if self._device.info is not None:
            self._hello_at = self._now() + HELLO_EVERY_S

    def after(self) -> None:
        """Ask again if the line was quiet. Raises DeviceNotFound if no INFO came in time."""
        if self._device.info is None and self._now() >= self._deadline:
            error = DeviceNotFound(self._address, self._timeout_s)
            if self._bytes:
                error.hint = (
                    f"{self._bytes} bytes arrived, but no hub's INFO among them: "
                    "wrong port or baud?"
                )
            raise error
        if self._now() >= self._hello_at:
            self._device.hello()
            self._hello_at = self._now() + HELLO_EVERY_S
