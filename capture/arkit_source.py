"""The phone as a UDP source: a receiver that stamps datagrams, and a sender that plays a phone."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from capture.livelink import LiveLinkPacket, encode
from firmware_host.errors import TransportError

# At 60 datagrams of 320 bytes a second this holds minutes: the kernel never drops while we breathe.
_RECEIVE_BUFFER_BYTES = 1 << 20


class ArkitSource:
    """Receives datagrams of a phone on `bind`:`port`; port 0 takes a free one.

    `async with ArkitSource("127.0.0.1", 11111) as source: async for data, arrival_ns in source:`
    """

    def __init__(self, bind: str, port: int) -> None:
        self.bind, self.port = bind, port
        self._queue: asyncio.Queue[tuple[bytes, int] | None] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Bind the port. Raises TransportError where it is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Receiver(self._queue), local_addr=(self.bind, self.port)
            )
        except OSError as error:
            raise TransportError(
                f"cannot listen for the phone on UDP {self.bind}:{self.port}: {error.strerror}",
                "is another recorder, Unreal or VSeeFace listening there? close it, or choose "
                "another phone.port in the rig and in the app",
                f"udp:{self.bind}:{self.port}",
            ) from error
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self.port = sock.getsockname()[1]

    async def __aiter__(self) -> AsyncIterator[tuple[bytes, int]]:
        """Yield (datagram, arrival_ns on the host's monotonic clock) until `close`."""
        while (received := await self._queue.get()) is not None:
            yield received

    async def close(self) -> None:
        """Stop listening; safe to call twice."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
            self._queue.put_nowait(None)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class _Receiver(asyncio.DatagramProtocol):
    """Stamps each datagram the moment the loop hands it over."""

    def __init__(self, queue: asyncio.Queue[tuple[bytes, int] | None]) -> None:
        self._queue = queue

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        self._queue.put_nowait((data, time.monotonic_ns()))


class LiveLinkSender:
    """Sends packets to `host`:`port` as the app does; whoever is not there misses them."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, packet: LiveLinkPacket) -> None:
        """Send one frame. Raises TransportError where there is no way to the host."""
        try:
            self._socket.sendto(encode(packet), self._address)
        except ConnectionError:  # Windows reports here that the last one found nobody
            return
        except OSError as error:
            host, port = self._address
            raise TransportError(
                f"cannot send to UDP {host}:{port}: {error.strerror or error}",
                "check the host's name and the network",
                f"udp:{host}:{port}",
            ) from error

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
