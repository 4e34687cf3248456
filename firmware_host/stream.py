"""The thin shell between a transport and a device: moves bytes, keeps the time, decides nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from firmware_host.device import HubDevice
from firmware_host.errors import DeviceNotFound
from firmware_host.messages import check_version
from firmware_host.samples import HubEnd, HubEvent, HubInfo
from firmware_host.transports.base import Transport

HELLO_EVERY_S = 0.5
PING_EVERY_S = 1.0


async def events(
    transport: Transport,
    device: HubDevice,
    clock_ns: Callable[[], int] = time.monotonic_ns,
    tap: Callable[[bytes, int], None] | None = None,
    timeout_s: float = 3.0,
) -> AsyncIterator[HubEvent]:
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
    greeter = _Greeter(device, transport.address, timeout_s)
    chunks = transport.chunks()
    upcoming = asyncio.ensure_future(_next(chunks))
    try:
        while True:
            if greeter.ping_is_due():
                device.ping(clock_ns())
            for command in device.outgoing():
                await transport.send(command)
            await asyncio.wait({upcoming}, timeout=greeter.wait_s())
            if upcoming.done():
                data, arrival_ns = upcoming.result(), clock_ns()
                if data is None:
                    return
                upcoming = asyncio.ensure_future(_next(chunks))
                if tap:
                    tap(data, arrival_ns)
                for event in device.receive(data, arrival_ns):
                    if isinstance(event, HubInfo):
                        check_version(event, transport.address)
                    yield event
                    if isinstance(event, HubEnd):
                        return
                greeter.heard(len(data))
            greeter.greet()
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


class _Greeter:
    """Decides when HELLO and PING are due, and when no hub is there."""

    def __init__(self, device: HubDevice, address: str, timeout_s: float) -> None:
        self._device = device
        self._address = address
        self._timeout_s = timeout_s
        self._now = asyncio.get_running_loop().time
        self._deadline = self._now() + timeout_s
        self._hello_at = self._now() + HELLO_EVERY_S
        self._ping_at = self._now()
        self._bytes = 0

    def ping_is_due(self) -> bool:
        """Whether to ask for the hub's clock now; True once per interval after INFO."""
        if self._device.info is None or self._now() < self._ping_at:
            return False
        self._ping_at = self._now() + PING_EVERY_S
        return True

    def wait_s(self) -> float:
        """How long to wait for bytes before `greet` has something to do."""
        until = self._hello_at
        if self._device.info is None:
            until = min(until, self._deadline)
        return max(0.0, until - self._now())

    def heard(self, count: int) -> None:
        """Take note of `count` bytes; noise before INFO does not count as an answer."""
        self._bytes += count
        if self._device.info is not None:
            self._hello_at = self._now() + HELLO_EVERY_S

    def greet(self) -> None:
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
