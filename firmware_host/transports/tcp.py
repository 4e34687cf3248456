"""A hub behind a TCP port: `tcp:192.168.1.40:19711`. The same byte stream as on a serial line.

              open()                  cut, or silent for stale_s
closed ─────────────────► linked ◄───────────────────────────────► waiting ──► TransportError
                            │          connected again (backoff)            after give_up_s
                            └ close() ► closed

A hub that lost power does not say goodbye: such a link stays open for minutes unless its silence is
noticed. A live hub is never silent for long, since it is greeted whenever it is quiet.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from firmware_host.errors import TransportError
from firmware_host.transports.network import explain_reach_error, parse_endpoint

_READ_BYTES = 65_536
_QUIET_READS = 3  # in a row make a stale link; several, so that a busy host is not taken for one
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 2.0
_DELIMITER = b"\0"


class TcpTransport:
    """Bytes to and from one hub, connected again when the link is cut.

    After a cut a delimiter is put in, so that half a frame does not spoil the first of the new
    link; what was lost between shows as a gap in the hub's sequence numbers. `reconnects` counts
    new links, `unsent` the commands that found none (the host repeats what matters).

    Args:
        target: HOST:PORT.
        stale_s: how long a link may be silent.
        give_up_s: how long to try for a new link; zero leaves that to the caller.
        connect_timeout_s: how long one try may take.

    Raises:
        ConfigError: `target` is malformed.
    """

    def __init__(
        self,
        target: str,
        *,
        stale_s: float = 3.0,
        give_up_s: float = 30.0,
        connect_timeout_s: float = 3.0,
    ) -> None:
        self.host, self.port = parse_endpoint("tcp", target)
        self.address = f"tcp:{target}"
        self.reconnects = self.unsent = 0
        self._stale_s, self._give_up_s = stale_s, give_up_s
        self._connect_timeout_s = connect_timeout_s
        self._link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._closing = asyncio.Event()
        self._is_open = False
        self._heard = False  # anything, ever
        self._in_frame = False  # the last byte heard was no delimiter
        self._cut_s: float | None = None  # loop time since which nothing was heard on a new link
        self._delay_s = _FIRST_DELAY_S

    async def open(self) -> None:
        """Connect. Raises TransportError where there is no way, or nobody listens."""
        self._link = await self._connect()
        self._is_open = True

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives until `close`, over as many links as it takes.

        Raises:
            TransportError: no new link within `give_up_s`, or a first one that ended unused.
        """
        while self._is_open:
            data = await self._read()
            if data:
                self._heard, self._cut_s, self._delay_s = True, None, _FIRST_DELAY_S
                self._in_frame = not data.endswith(_DELIMITER)
                yield data
            elif self._is_open:
                await self._reconnect()
                if self._in_frame:
                    self._in_frame = False
                    yield _DELIMITER

    async def send(self, data: bytes) -> None:
        """Send `data`, or count it where the link is cut. Raises TransportError once closed."""
        if not self._is_open:
            raise TransportError(f"{self.address} is not open", address=self.address)
        if self._link is None or self._link[1].is_closing():
            self.unsent += 1
            return
        self._link[1].write(data)  # a few bytes: nothing to drain

    async def close(self) -> None:
        """Close the link and end `chunks`; safe to call twice."""
        self._is_open = False
        self._closing.set()
        link, self._link = self._link, None
        if link is not None:
            link[1].close()
            with contextlib.suppress(OSError):  # it was lost already
                await link[1].wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError as error:  # TimeoutError and socket.gaierror are
            raise explain_reach_error(self.address, error) from error
        # A command of five bytes must not wait for more.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return reader, writer

    async def _read(self) -> bytes:
        """What arrives next; nothing where the link was cut, went stale or was closed."""
        if self._link is None:
            return b""
        for _ in range(_QUIET_READS):
            try:
                async with asyncio.timeout(self._stale_s / _QUIET_READS):
                    return await self._link[0].read(_READ_BYTES)
            except TimeoutError:
                continue
            except OSError:
                return b""
        return b""

    async def _reconnect(self) -> None:
        """Wait and try until there is a link. Raises TransportError after `give_up_s`."""
        self._drop()
        now = asyncio.get_running_loop().time
        self._cut_s = now() if self._cut_s is None else self._cut_s
        reason = "the hub closed it"
        if not self._heard:
            raise TransportError(
                f"{self.address}: the link was closed or silent before the hub said anything",
                "a hub serves one host at a time: does another program have it?",
                self.address,
            )
        while self._is_open:
            if now() - self._cut_s >= self._give_up_s:
                tried = f"no link for {self._give_up_s:g} s ({reason})"
                raise TransportError(
                    f"lost {self.address}: {tried if self._give_up_s else 'it was cut, or silent'}",
                    "check the power of the hub and the network",
                    self.address,
                )
            await self._pause()
            try:
                link = await self._connect()
            except TransportError as error:
                reason = str(error)
                continue
            if self._is_open:
                self._link = link
                self.reconnects += 1
            else:
                link[1].close()
            return

    async def _pause(self) -> None:
        """Wait a little longer than last time, or until `close`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._delay_s):
                await self._closing.wait()
        self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link[1].transport.abort()
