"""The line to Live Link Face's remote control: sends what `PhoneRemote` wants, fetches files."""

import asyncio
import contextlib
import hashlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from capture import osc
from capture.phone_faces import Malformed
from capture.phone_remote import (
    Condition,
    Lost,
    PhoneRemote,
    Reached,
    RemoteEvent,
    Started,
    Stopped,
    transport_request,
)
from capture.udp import Address, address_of, open_udp
from firmware_host.errors import TransportError
from firmware_host.transports.network import explain_reach_error

TICK_S = 0.05
MAX_FILE_BYTES = 1 << 30
FETCH_TIMEOUT_S = 60.0

EventListener = Callable[[RemoteEvent, int], None]


def facts_of(event: RemoteEvent) -> dict[str, Any]:
    """An event as facts for `health` of a take; what was not said is left out."""
    match event:
        case Reached():
            return {"state": "reached"}
        case Lost(reason):
            return {"state": "lost", "reason": reason}
        case Started(slate, take, timecode):
            return {"state": "recording", "slate": slate, "take": take, "timecode": timecode}
        case Stopped(slate, take, timecode, csv, movie):
            files = {"csv": csv, "movie": movie}
            return {"state": "recorded", "slate": slate, "take": take, "timecode": timecode} | files
        case Condition(battery, thermal):
            said = {"battery": battery, "thermal": thermal}
            return {key: value for key, value in said.items() if value is not None}


class PhoneRemoteLink:
    """Talks OSC with the app at `phone`; events go to `on_event` with the host's time in ns.

    Args:
        phone: where the app listens.
        stream_port: where faces are to be sent to on this host; None leaves the app's targets.
        on_event: called in the event loop.
    """

    def __init__(
        self, phone: Address, stream_port: int | None = None, on_event: EventListener | None = None
    ) -> None:
        self.phone, self._stream_port = phone, stream_port
        self._on_event = on_event
        self._udp: asyncio.DatagramTransport | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.stopped: Stopped | None = None
        self.remote: PhoneRemote

    async def open(self) -> None:
        """Begin to call the phone. Raises TransportError where there is no way to it."""
        loop = asyncio.get_running_loop()
        host, port = self.phone
        try:
            found = await loop.getaddrinfo(host, port, family=socket.AF_INET)
            self.phone = (str(found[0][4][0]), port)
            self._host = _our_address(self.phone)
            self._udp = await open_udp(("0.0.0.0", 0), self._receive)
        except OSError as error:
            raise explain_reach_error(f"phone.address {host}", error) from error
        reply_port = address_of(self._udp)[1]
        stream = None if self._stream_port is None else (self._host, self._stream_port)
        self.remote = PhoneRemote((self._host, reply_port), stream)
        self._ticking = asyncio.create_task(self._tick())

    def start(self, slate: str, take: int) -> None:
        """Let the phone record under this slate and number."""
        self.stopped = None
        self.remote.start(slate, take)

    async def stop(self, timeout_s: float) -> Stopped | None:
        """Let the phone stop; what it recorded, or None where it did not say so in time."""
        self.remote.stop()
        deadline = time.monotonic() + timeout_s
        while self.stopped is None and (left_s := deadline - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left_s)
        return self.stopped

    async def fetch(self, path: str, to: Path, timeout_s: float = FETCH_TIMEOUT_S) -> str:
        """Have the phone send one of its files; it appears as `to` when it is whole.

        Returns its SHA-256.

        Raises:
            TransportError: the phone did not send it, or not all of it, in time.
        """
        arrived: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if writer.get_extra_info("peername")[0] == self.phone[0] and not arrived.done():
                    arrived.set_result(await _read_file(reader, to))
            except (OSError, EOFError, TransportError) as error:
                if not arrived.done():
                    arrived.set_exception(error)
            finally:
                writer.close()

        server = await asyncio.start_server(take, self._host, 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            self._send(transport_request(self._host, port, path))
            try:
                return await asyncio.wait_for(arrived, timeout_s)
            except (TimeoutError, OSError, EOFError) as error:
                raise TransportError(
                    f"the phone did not send {path!r}: {str(error) or 'it took too long'}",
                    "share the take from the app (AirDrop or Files), then `imusic import livelink`",
                    self.phone[0],
                ) from error

    async def _tick(self) -> None:
        while True:
            now_ns = time.monotonic_ns()
            self._tell(self.remote.tick(now_ns), now_ns)
            for message in self.remote.due(now_ns):
                self._send(message)
            await asyncio.sleep(TICK_S)

    def _send(self, message: osc.Message) -> None:
        if self._udp is not None:
            self._udp.sendto(osc.encode(message), self.phone)

    def _receive(self, data: bytes, sender: Address) -> None:
        messages = osc.decode(data)
        if isinstance(messages, Malformed) or sender[0] != self.phone[0]:
            return
        now_ns = time.monotonic_ns()
        for message in messages:
            self._tell(self.remote.receive(message, now_ns), now_ns)

    def _tell(self, events: list[RemoteEvent], now_ns: int) -> None:
        for event in events:
            if isinstance(event, Stopped):
                self.stopped = event
                self._changed.set()
            if self._on_event is not None:
                self._on_event(event, now_ns)

    async def close(self) -> None:
        """Stop calling; safe to call twice."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
            self._ticking = None
        if self._udp is not None:
            self._udp.close()
            self._udp = None

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


def _our_address(phone: Address) -> str:
    """Under which address the phone reaches this host: that from which packets to it leave."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(phone)
        return str(probe.getsockname()[0])


async def _read_file(reader: asyncio.StreamReader, to: Path) -> str:
    """Keep int32 size and as many bytes as a file; the digest of it."""
    size = int.from_bytes(await reader.readexactly(4), "big", signed=True)
    if not 0 <= size <= MAX_FILE_BYTES:
        raise TransportError(f"a file of {size} bytes", f"at most {MAX_FILE_BYTES} are taken")
    part, digest = to.with_name(to.name + ".part"), hashlib.sha256()
    try:
        with part.open("wb") as file:
            while size > 0:
                data = await reader.read(min(size, 1 << 16))
                if not data:
                    raise EOFError(f"{size} bytes are missing")
                digest.update(data)
                file.write(data)
                size -= len(data)
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)
    return digest.hexdigest()
