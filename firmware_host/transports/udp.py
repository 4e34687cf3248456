"""A hub behind a UDP port: `udp:192.168.1.40:19711`, or by the name it announces, `udp:hub-7`.

The first HELLO tells the hub where its host is; it answers there. Whole frames come in numbered
datagrams, see `firmware_host.datagrams`. `udp:*` means the only hub that announces itself.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

from firmware_host.announcements import ANNOUNCE_PORT, Link
from firmware_host.datagrams import DatagramCounts, DatagramReader
from firmware_host.discovery import HeardHub, find_hub
from firmware_host.errors import TransportError
from firmware_host.transports.arrivals import Arrivals
from firmware_host.transports.network import explain_reach_error, parse_endpoint

KEEP_ALIVE = b"\0"  # a delimiter: nothing between two frames
KEEP_ALIVE_S = 1.0
FIND_S = 3.0  # three announcements
ANY_HUB = "*"
# At 300 datagrams of 200 bytes a second this holds ten seconds while the host is busy.
_RECEIVE_BUFFER_BYTES = 1 << 20
_QUIET_TICKS = 5  # of KEEP_ALIVE_S without a word: the hub is gone
_REFUSED_TICKS = 2  # as many where its computer says that nobody listens


class UdpTransport:
    """Frames of one hub in the order they were sent; only it is listened to.

    `counts` says what happened to the datagrams.

    Args:
        target: HOST:PORT, the device id of a hub that announces itself, or `*` for the only one.
        keep_alive_s: how often the hub hears that its host is there.
        announce_port: where hubs announce themselves.
        find_s: how long to listen for announcements.

    Raises:
        ConfigError: the port is out of range.
    """

    def __init__(
        self,
        target: str,
        *,
        keep_alive_s: float = KEEP_ALIVE_S,
        announce_port: int = ANNOUNCE_PORT,
        find_s: float = FIND_S,
    ) -> None:
        self.address = f"udp:{target}"
        self._target = target
        self._endpoint = parse_endpoint("udp", target) if re.search(r":\d+$", target) else None
        self._keep_alive_s = keep_alive_s
        self._announce_port, self._find_s = announce_port, find_s
        self._reader = DatagramReader()
        self._transport: asyncio.DatagramTransport | None = None
        self._watch: asyncio.Task[None] | None = None
        self._arrivals = Arrivals(self.address)
        self._quiet_ticks = 0
        self._trouble: OSError | None = None  # what the system said since the hub was last heard

    @property
    def counts(self) -> DatagramCounts:
        """What happened to the datagrams so far."""
        return self._reader.counts

    async def open(self) -> None:
        """Find the hub, if it was named, and begin to listen to it.

        Raises:
            TransportError: no such hub, several, a busy one, an unknown host or no way to it.
        """
        host, port = self._endpoint or await self._find()
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Receiver(self), remote_addr=(host, port)
            )
        except OSError as error:
            raise explain_reach_error(self.address, error) from error
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._watch = asyncio.create_task(self._keep_alive())

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the frames of one datagram after the other until `close`.

        Raises:
            TransportError: the hub is silent, though it was greeted; or the host is too slow.
        """
        return self._arrivals.chunks()

    async def send(self, data: bytes) -> None:
        """Send `data` as one datagram; it may get lost. Raises TransportError once closed."""
        if self._transport is None:
            raise TransportError(f"{self.address} is not open", address=self.address)
        if not self._transport.is_closing():  # otherwise `chunks` is about to say why
            self._transport.sendto(data)

    async def close(self) -> None:
        """Stop listening and end `chunks`; safe to call twice."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        transport.close()
        self._arrivals.end()

    def received(self, datagram: bytes) -> None:
        """Take one datagram of the hub."""
        self._quiet_ticks, self._trouble = 0, None
        stream = self._reader.read(datagram)
        if stream and (overrun := self._arrivals.put(stream)) is not None:
            self._fail(overrun)

    def troubled(self, error: OSError) -> None:
        """Take note of what the system says about the way to the hub; it may be over soon."""
        self._trouble = error

    async def _keep_alive(self) -> None:
        """Tell the hub that its host is there, and notice when the hub is not.

        Ticks are counted, not seconds: a host too busy to listen must not blame the hub.
        """
        while True:
            await asyncio.sleep(self._keep_alive_s)
            await self.send(KEEP_ALIVE)
            self._quiet_ticks += 1
            refused = isinstance(self._trouble, ConnectionError)
            if self._quiet_ticks > (_REFUSED_TICKS if refused else _QUIET_TICKS):
                self._give_up()
                return

    def _give_up(self) -> None:
        silent_s = self._quiet_ticks * self._keep_alive_s
        reason = f"silent for {silent_s:g} s"
        hint = "check the power of the hub and the network"
        if self._trouble is not None:
            explained = explain_reach_error(self.address, self._trouble)
            reason, hint = f"{reason}; {explained}", explained.hint
        self._fail(TransportError(f"lost {self.address}: {reason}", hint, self.address))

    def _fail(self, error: TransportError) -> None:
        """End `chunks` with an error, and listen no more."""
        if self._transport is not None:
            self._transport.abort()
        self._arrivals.fail(error)

    async def _find(self) -> tuple[str, int]:
        """(host, port) of the hub that was named. Raises TransportError where that is not one."""
        name, found = self._target, None
        if name == ANY_HUB:  # listen to the end: there may be a second one
            _, heard = await find_hub(lambda _: False, self._find_s, self._announce_port)
            heard = [hub for hub in heard if _serves_udp(hub)]
            if len(heard) == 1:
                found = heard[0]
        else:
            found, heard = await find_hub(
                lambda hub: _serves_udp(hub) and hub.announcement.device_id == name,
                self._find_s,
                self._announce_port,
            )
        if found is None:
            raise self._not_found(heard)
        if found.announcement.is_streaming:
            raise TransportError(
                f"{self.address} ({found.url}) is busy: it streams to another host",
                "close the other program; a hub forgets a host that is silent for a few seconds",
                self.address,
            )
        return found.host, found.announcement.port

    def _not_found(self, heard: list[HeardHub]) -> TransportError:
        names = ", ".join(sorted(f"{hub.announcement.device_id} ({hub.url})" for hub in heard))
        if self._target == ANY_HUB and heard:
            message = f"{self.address}: several hubs announce themselves: {names}"
            return TransportError(message, "name one of them", self.address)
        return TransportError(
            f"no hub announced itself as {self._target!r} within {self._find_s:g} s"
            f" (heard: {names or 'none'})",
            "is it on, and in the same network? A network may hold announcements back: then give "
            "udp:HOST:PORT",
            self.address,
        )


class _Receiver(asyncio.DatagramProtocol):
    """Hands on what the event loop calls back."""

    def __init__(self, owner: UdpTransport) -> None:
        self._owner = owner

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        self._owner.received(data)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self._owner.troubled(exc)


def _serves_udp(hub: HeardHub) -> bool:
    return hub.announcement.link is Link.UDP
