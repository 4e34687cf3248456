"""A simulated hub behind real sockets, and relays that spoil what passes."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from firmware_host.announcements import Link
from firmware_host.device import HubDevice
from firmware_host.frames import Frame, FrameDecoder
from firmware_host.layout import FACE_12
from firmware_host.messages import Kind
from firmware_host.samples import (
    Gap,
    HubEvent,
    ImuBlock,
)
from firmware_host.simulated_links import Serving, serve_hub
from firmware_host.simulator import HubOptions, HubSummary, SimulatedHub
from firmware_host.stream import events
from firmware_host.transports.base import Transport
from firmware_host.transports.tcp import TcpTransport
from firmware_host.transports.udp import UdpTransport

ROOT = Path(__file__).parents[2]
RATE_HZ = 200.0
LINKS = (Link.UDP, Link.TCP)
PATIENCE_S = 60.0  # for a machine that does other things too


def hub_with(count: int = 400, **options: object) -> SimulatedHub:
    random_ = np.random.default_rng(9)
    accel, gyro = random_.normal(0, 9, (count, 12, 3)), random_.normal(0, 3, (count, 12, 3))
    return SimulatedHub(
        np.arange(count) / RATE_HZ, accel, gyro, FACE_12.names, HubOptions(**options)
    )


def run(coroutine: Awaitable[object]) -> object:
    async def patient() -> object:
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(patient())


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def served(
    hub: SimulatedHub, link: Link, **how: object
) -> AsyncIterator[tuple[int, asyncio.Task[HubSummary]]]:
    """A hub in the network: its port, and the task that gives its summary."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = Serving(link=link, on_ready=ready.set_result, **{"announce_port": None, **how})
    task = asyncio.create_task(serve_hub(hub, serving))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task  # says why
    try:
        yield ready.result(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def transport_to(link: Link, port: int, **options: object) -> Transport:
    kind = UdpTransport if link is Link.UDP else TcpTransport
    return kind(f"127.0.0.1:{port}", **options)


@asynccontextmanager
async def opened(transport: Transport) -> AsyncIterator[Transport]:
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


async def listen(
    transport: Transport,
    heard: list[HubEvent] | None = None,
    until: Callable[[list[HubEvent]], bool] = lambda heard: False,
    **options: object,
) -> list[HubEvent]:
    heard = [] if heard is None else heard
    async with opened(transport):
        async for event in events(transport, HubDevice(), **options):
            heard.append(event)
            if until(heard):
                break
    return heard


def samples(heard: list[HubEvent]) -> int:
    return sum(len(event) for event in heard if isinstance(event, ImuBlock))


def lost(heard: list[HubEvent]) -> int:
    return sum(event.count for event in heard if isinstance(event, Gap))


def sequences(heard: list[HubEvent]) -> np.ndarray:
    return np.concatenate([event.sequence for event in heard if isinstance(event, ImuBlock)])


def frames_in(datagram: bytes) -> list[Frame]:
    return [found for found in FrameDecoder().feed(datagram) if isinstance(found, Frame)]


def samples_in(datagram: bytes) -> int:
    return sum(frame.kind == Kind.SAMPLES for frame in frames_in(datagram))


class UdpRelay(asyncio.DatagramProtocol):
    """A bad network between one host and one hub: loses, repeats, swaps, corrupts, goes dark."""

    def __init__(self, hub_port: int, seed: int = 0, **odds: float) -> None:
        self.hub = ("127.0.0.1", hub_port)
        self.host: tuple[str, int] | None = None
        self.odds, self.dice = odds, random.Random(seed)
        self.dark = False
        self.dropped = self.repeated = self.swapped = 0
        self.samples_lost = 0  # what is overtaken is lost too
        self._held: bytes | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.dark:
            return
        if addr != self.hub:
            self.host = addr
            self.transport.sendto(data, self.hub)
        elif self.host is not None:
            for datagram in self._spoil(data):
                self.transport.sendto(datagram, self.host)

    def _spoil(self, data: bytes) -> list[bytes]:
        roll = self.dice.random
        if roll() < self.odds.get("loss", 0.0):
            self.dropped += 1
            self.samples_lost += samples_in(data)
            return []
        if self._held is None and roll() < self.odds.get("swap", 0.0):
            self._held, self.swapped = data, self.swapped + 1
            self.samples_lost += samples_in(data)
            return []
        out = [data] if self._held is None else [data, self._held]
        self._held = None
        if roll() < self.odds.get("repeat", 0.0):
            self.repeated += 1
            out.append(data)
        return out

    def shout(self, data: bytes) -> None:
        """Send to the host as if it came from the hub."""
        assert self.host is not None
        self.transport.sendto(data, self.host)


@asynccontextmanager
async def relayed(hub_port: int, **odds: float) -> AsyncIterator[tuple[int, UdpRelay]]:
    loop = asyncio.get_running_loop()
    transport, relay = await loop.create_datagram_endpoint(
        lambda: UdpRelay(hub_port, **odds), local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("socket").getsockname()[1], relay
    finally:
        transport.close()


class TcpRelay:
    """Between host and hub: can cut the link, or keep it open and let nothing pass."""

    def __init__(self, hub_port: int) -> None:
        self.hub_port = hub_port
        self.mute = False
        self.links = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.links += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.hub_port)
        except OSError:
            writer.close()
            return
        self._writers = [writer, far_writer]
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self.mute:
                    writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def tcp_relayed(hub_port: int) -> AsyncIterator[tuple[int, TcpRelay]]:
    relay = TcpRelay(hub_port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], relay
    finally:
        server.close()
        relay.cut()
