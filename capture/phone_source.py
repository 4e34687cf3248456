"""The phone as a source: a socket that stamps what arrives, and asks the phone where it must be."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from types import TracebackType
from typing import Self, TypeVar, cast

from msgspec.structs import replace

from capture.phone_apps import APPS, PhoneApp
from capture.udp import Address, address_of, open_udp
from firmware_host.clock import NS_PER_S
from firmware_host.errors import TransportError
from firmware_host.phone_rig import PhoneConfig
from firmware_host.transports.network import explain_bind_error, explain_reach_error

# At 60 datagrams of 320 bytes a second this holds minutes: the kernel never drops while we breathe.
_RECEIVE_BUFFER_BYTES = 1 << 20
_READ_BYTES = 64 * 1024
ASK_EVERY_S = 1.0
_BUSY = (
    "is another recorder, Unreal or VSeeFace listening there? close it, or choose another "
    "phone.port in the rig and in the app"
)

Received = tuple[bytes, int]
_T = TypeVar("_T")


class PhoneSource:
    """Receives the bytes of one phone.

    Asks the phone while the app wants to be asked. Once `address` is known, other senders are not
    listened to, only counted in `strangers`.

    `async with PhoneSource(config) as source: async for data, arrival_ns in source: …`
    """

    def __init__(self, config: PhoneConfig) -> None:
        self.config = config
        self.port = config.listen_port
        self.strangers: dict[str, int] = {}
        self._app: PhoneApp = APPS[config.app]
        self._phone: Address | None = None
        self._queue: asyncio.Queue[Received | None] = asyncio.Queue()
        self._udp: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._line: asyncio.StreamWriter | None = None
        self._asking: asyncio.Task[None] | None = None
        self._heard_ns = 0

    async def open(self) -> None:
        """Listen, and begin to ask. Raises TransportError where the port or the phone is not there.

        A phone that merely does not answer is no error: it may wake up yet.
        """
        await self._resolve()
        tcp = self.config.transport == "tcp"
        await self._listen_udp(0 if tcp else self.port)
        try:
            if tcp:
                await self._listen_tcp()
        except TransportError:
            await self.close()
            raise
        if self._phone is not None and self._app.request is not None:
            self._asking = asyncio.create_task(self._ask())

    async def _resolve(self) -> None:
        if not self.config.address:
            return
        host, port = self.config.endpoint(self._app.phone_port or 0)
        look_up = asyncio.get_running_loop().getaddrinfo
        try:
            found = await look_up(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise explain_reach_error(f"phone.address {host}", error) from error
        self._phone = cast("Address", found[0][4])

    async def _listen_udp(self, port: int) -> None:
        self._udp = await self._bound(open_udp((self.config.bind, port), self._take))
        sock = self._udp.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self.port = address_of(self._udp)[1]

    async def _listen_tcp(self) -> None:
        self._server = await self._bound(
            asyncio.start_server(self._serve, self.config.bind, self.config.listen_port)
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _bound(self, opening: Awaitable[_T]) -> _T:
        try:
            return await opening
        except OSError as error:
            address = f"{self.config.transport}:{self.config.bind}:{self.config.listen_port}"
            explained = explain_bind_error(address, error)
            raise TransportError(
                f"cannot listen for the phone: {explained}", _BUSY, address
            ) from error

    def _take(self, data: bytes, sender: Address) -> None:
        now_ns = time.monotonic_ns()
        if self.config.transport == "tcp" or not self._is_phone(sender):
            return
        self._heard_ns = now_ns
        self._queue.put_nowait((data, now_ns))

    def _is_phone(self, sender: Address) -> bool:
        if self._phone is None or sender[0] == self._phone[0]:
            return True
        self.strangers[sender[0]] = self.strangers.get(sender[0], 0) + 1
        return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the phone; a newer one takes its place."""
        if not self._is_phone(writer.get_extra_info("peername")):
            writer.close()
            return
        if self._line is not None:
            self._line.close()
        self._line = writer
        with contextlib.suppress(ConnectionError):  # the phone went away: it is asked again
            while data := await reader.read(_READ_BYTES):
                self._heard_ns = time.monotonic_ns()
                self._queue.put_nowait((data, self._heard_ns))
        if self._line is writer:
            self._line = None
        writer.close()

    async def _ask(self) -> None:
        """Send the request every ASK_EVERY_S, unless the phone is sending and needs none."""
        assert self._app.request is not None
        request = self._app.request(replace(self.config, port=self.port))
        while True:
            silent_ns = time.monotonic_ns() - self._heard_ns
            quiet = self._line is None and silent_ns >= ASK_EVERY_S * NS_PER_S
            if self._app.asks_on or quiet:
                self._send(request)
            await asyncio.sleep(ASK_EVERY_S)

    def _send(self, data: bytes) -> None:
        if self._udp is not None and self._phone is not None:
            self._udp.sendto(data, self._phone)

    async def __aiter__(self) -> AsyncIterator[Received]:
        """Yield (data, arrival_ns on the host's monotonic clock) until `close`."""
        while (received := await self._queue.get()) is not None:
            yield received

    async def close(self) -> None:
        """Stop asking and listening; safe to call twice."""
        if self._udp is None:
            return
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        for word in self._app.farewell:
            self._send(word)
        self._udp.close()
        self._udp = None
        if self._line is not None:
            self._line.close()
        if self._server is not None:
            self._server.close()
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
