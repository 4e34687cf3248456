"""The simulated hub in a network: behind a TCP port, or over UDP with announcements.

Shells around `SimulatedHub`, for any system that has sockets. A hub in the network goes on counting
when its host is away: what becomes due then is lost, and the host can tell how much it was.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

from firmware_host import messages
from firmware_host.announcements import (
    ANNOUNCE_EVERY_S,
    ANNOUNCE_PORT,
    Announcement,
    Link,
    encode_announcement,
)
from firmware_host.datagrams import DatagramWriter
from firmware_host.errors import ConfigError
from firmware_host.frames import Frame, FrameDecoder
from firmware_host.messages import PROTOCOL_VERSION, Kind
from firmware_host.samples import HubEnd
from firmware_host.simulator import HubSummary, SimulatedHub
from firmware_host.transports.network import MAX_PORT, explain_bind_error

HOST_SILENCE_S = 5.0  # a hub over UDP forgets a host that said nothing for so long
FAREWELL_S = 3.0  # how long END is repeated: a host that did not hear it asks every half second
LOOPBACK = "127.0.0.1"
# Broadcast: every program on this computer, or in this network, hears it.
_HERE, _EVERYWHERE = "127.255.255.255", "255.255.255.255"
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a hub is served. Port 0 takes a free one.

    announce_port: where announcements go; None says nothing. boot: tells a hub that restarted from
    itself before. clock_ns, speed, on_start: as in `firmware_host.simulator.run_hub`. on_ready gets
    the port once it is open.
    """

    link: Link
    bind: str = LOOPBACK
    port: int = 0
    announce_port: int | None = ANNOUNCE_PORT
    device_id: str = "simulated-hub"
    firmware: str = "imusic-simulator"
    boot: int = 0
    clock_ns: Callable[[], int] = time.monotonic_ns
    speed: float = 1.0
    on_start: Callable[[int], None] | None = None
    on_ready: Callable[[int], None] | None = None

    @property
    def address(self) -> str:
        """What errors call it."""
        return f"{self.link.name.lower()}:{self.bind}:{self.port}"


def parse_serving(text: str) -> Serving:
    """`udp:PORT`, `udp:ADDRESS:PORT`, `tcp:PORT` or `tcp:ADDRESS:PORT`.

    Raises:
        ConfigError: none of these, or the port is not in [0, 65535].
    """
    scheme, _, rest = text.partition(":")
    bind, _, port = rest.rpartition(":")
    links = {link.name.lower(): link for link in Link}
    if scheme not in links or not port.isascii() or not port.isdecimal() or int(port) > MAX_PORT:
        raise ConfigError(
            f"--hub: expected pty, udp:PORT, udp:ADDRESS:PORT, tcp:PORT or tcp:ADDRESS:PORT, "
            f"got {text!r}",
            "for example --hub udp:19711, or --hub udp:0.0.0.0:19711 for the whole network",
        )
    return Serving(link=links[scheme], bind=bind.strip("[]") or LOOPBACK, port=int(port))


async def serve_hub(hub: SimulatedHub, serving: Serving) -> HubSummary:
    """Let `hub` live in the network until it has said END; `dropped` counts what nobody was sent.

    Raises:
        TransportError: the port is busy, not permitted, or the address is not of this computer.
    """
    life = HubLife(hub, serving)
    served = _serve_udp if serving.link is Link.UDP else _serve_tcp
    await served(life, serving)
    return life.summary()


class HubLife:
    """A hub, and the time it lives in."""

    def __init__(self, hub: SimulatedHub, serving: Serving) -> None:
        self.hub = hub
        self._serving = serving
        self._start_ns: int | None = None
        self._missed = 0
        self.changed = asyncio.Event()  # something was received: `wait` is over

    def receive(self, data: bytes) -> bytes:
        """Obey the host; return the answer."""
        answer = self.hub.receive(data, self._elapsed_s())
        if self._start_ns is None and self.hub.running:
            self._start_ns = self._serving.clock_ns()
            if self._serving.on_start:
                self._serving.on_start(self._start_ns)
        self.changed.set()
        return answer

    def due(self, is_heard: bool) -> bytes:
        """What leaves now; nothing, though counted, where no host is there to hear it."""
        if self._start_ns is None:
            return b""
        before = self.hub.summary(None)
        data = self.hub.due(self._elapsed_s())
        if is_heard:
            return data
        after = self.hub.summary(None)
        self._missed += after.samples_sent - before.samples_sent - (after.dropped - before.dropped)
        return b""

    async def wait(self) -> None:
        """Wait for the next sample, or for the host."""
        due_s = self.hub.next_due_s()
        left_s = None if due_s is None else (due_s - self._elapsed_s()) / self._serving.speed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if left_s is None else max(0.0, left_s)):
                await self.changed.wait()
        self.changed.clear()

    def farewell(self) -> bytes:
        """END, once more."""
        return messages.encode_end(HubEnd(self.hub.summary(None).samples_sent & 0xFFFF_FFFF))

    def summary(self) -> HubSummary:
        """The truth so far."""
        told = self.hub.summary(self._start_ns)
        return replace(told, dropped=told.dropped + self._missed)

    def _elapsed_s(self) -> float:
        if self._start_ns is None:
            return 0.0
        return self._serving.speed * (self._serving.clock_ns() - self._start_ns) * 1e-9


async def _serve_tcp(life: HubLife, serving: Serving) -> None:
    host = _TcpHost(life)
    try:
        server = await asyncio.start_server(host.serve, serving.bind, serving.port)
    except OSError as error:
        raise explain_bind_error(serving.address, error) from error
    async with server:
        port = server.sockets[0].getsockname()[1]
        try:
            async with _announcing(serving, port, lambda: host.is_there):
                while not life.hub.finished:
                    await life.wait()
                    await host.write(life.due(host.is_there))
        finally:
            await host.close()


class _TcpHost:
    """The one host that a hub over TCP serves; a second one is hung up on."""

    def __init__(self, life: HubLife) -> None:
        self._life = life
        self._writer: asyncio.StreamWriter | None = None

    @property
    def is_there(self) -> bool:
        """Whether a host is connected."""
        return self._writer is not None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet a host and obey it until it goes away."""
        if self._writer is not None:
            writer.close()
            return
        self._writer = writer
        try:
            writer.write(self._life.hub.boot())
            while data := await reader.read(_READ_BYTES):
                writer.write(self._life.receive(data))
        except OSError:  # the host is gone, which is all that matters
            pass
        finally:
            self._writer = None
            writer.close()

    async def write(self, data: bytes) -> None:
        """Send `data`, and wait while the host is slow, like a sender with flow control."""
        if self._writer is not None and data:
            self._writer.write(data)
            with contextlib.suppress(OSError):
                await self._writer.drain()

    async def close(self) -> None:
        """Hang up, after everything written has left."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.close()
                await writer.wait_closed()


async def _serve_udp(life: HubLife, serving: Serving) -> None:
    loop = asyncio.get_running_loop()
    try:
        transport, host = await loop.create_datagram_endpoint(
            lambda: _UdpHost(life, serving.boot), local_addr=(serving.bind, serving.port)
        )
    except OSError as error:
        raise explain_bind_error(serving.address, error) from error
    port = transport.get_extra_info("socket").getsockname()[1]
    try:
        async with _announcing(serving, port, lambda: host.is_there):
            while not life.hub.finished:
                await life.wait()
                host.write(life.due(host.is_there))
            await asyncio.sleep(FAREWELL_S)
    finally:
        transport.close()


class _UdpHost(asyncio.DatagramProtocol):
    """The one host that a hub over UDP streams to: whoever sent START, until it is silent."""

    def __init__(self, life: HubLife, boot: int) -> None:
        self._life = life
        self._writer = DatagramWriter(boot)
        self._address: tuple[str, int] | None = None
        self._heard_s = 0.0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    @property
    def is_there(self) -> bool:
        """Whether the host was heard lately."""
        silent_s = asyncio.get_running_loop().time() - self._heard_s
        return self._address is not None and silent_s < HOST_SILENCE_S

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Obey the host. A stranger hears who the hub is; the first to say START is the host."""
        if self.is_there and addr != self._address:
            if Kind.HELLO in _kinds(data):
                self._send(self._life.hub.boot(), addr)
            return
        kinds = _kinds(data)
        if self._life.hub.finished:
            self._send(self._life.farewell() if kinds else b"", addr)
            return
        if Kind.START in kinds:
            self._address = addr
        if addr == self._address:
            self._heard_s = asyncio.get_running_loop().time()
        answer = self._life.receive(data)
        if addr == self._address:
            self.write(answer)
        else:
            self._send(answer, addr)

    def write(self, stream: bytes) -> None:
        """Send frames to the host, in numbered datagrams."""
        if self._address is not None:
            for datagram in self._writer.write(stream):
                self._send(datagram, self._address)

    def _send(self, datagram: bytes, address: tuple[str, int]) -> None:
        if self._transport is not None and datagram:
            self._transport.sendto(datagram, address)


def _kinds(data: bytes) -> set[int]:
    return {frame.kind for frame in FrameDecoder().feed(data) if isinstance(frame, Frame)}


@asynccontextmanager
async def _announcing(
    serving: Serving, port: int, is_streaming: Callable[[], bool]
) -> AsyncIterator[None]:
    """Tell the network once a second while the block runs."""
    if serving.on_ready:
        serving.on_ready(port)
    if serving.announce_port is None or ":" in serving.bind:  # IPv6 has no broadcast
        yield
        return
    told = Announcement(
        serving.device_id,
        serving.firmware,
        serving.link,
        port,
        PROTOCOL_VERSION,
        False,
        float("nan"),
    )
    loop = asyncio.get_running_loop()
    transport, crier = await loop.create_datagram_endpoint(
        lambda: _Crier(_HERE if serving.bind == LOOPBACK else _EVERYWHERE),
        local_addr=(serving.bind, 0),
        allow_broadcast=True,
    )

    async def announce() -> None:
        while True:
            now = replace(told, is_streaming=is_streaming())
            transport.sendto(encode_announcement(now), (crier.target, serving.announce_port))
            await asyncio.sleep(ANNOUNCE_EVERY_S)

    announcer = asyncio.create_task(announce())
    try:
        yield
    finally:
        announcer.cancel()
        await asyncio.gather(announcer, return_exceptions=True)
        transport.close()


class _Crier(asyncio.DatagramProtocol):
    """Knows whom announcements reach: one listener only where a system knows no local broadcast."""

    def __init__(self, target: str) -> None:
        self.target = target

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002
        if self.target == _HERE:
            self.target = LOOPBACK
