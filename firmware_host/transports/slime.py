"""SlimeVR's UDP port: all trackers send to one, and each is told by the MAC of its handshake.

One socket for all trackers of a rig. Trackers that nobody in the rig waits for are reported once
each, as `Stranger`, and not answered.
"""

import asyncio
from collections.abc import AsyncIterator

from firmware_host.errors import TransportError
from firmware_host.transports.arrivals import Arrivals
from firmware_host.transports.datagram import Address, listen, parse_port
from firmware_host.vendors.events import Stranger
from firmware_host.vendors.slime_packets import HANDSHAKE, Handshake, decode_datagram

NOBODY = "00:00:00:00:00:00"  # waits for no tracker, and hears of strangers
_MAX_REMEMBERED = 256  # addresses and strangers: anybody may send datagrams


class SlimeServers:
    """The ports that the trackers of a rig send to, each opened once."""

    def __init__(self) -> None:
        self._ports: dict[Address, _Port] = {}

    def tracker(self, target: str, mac: str) -> "SlimeTransport":
        """The (not yet opened) way to one tracker. Raises ConfigError: `target` is malformed."""
        endpoint = parse_port(target)
        port = self._ports.setdefault(endpoint, _Port(endpoint, f"udp:{target}"))
        return SlimeTransport(port, mac.upper())


class _Port(asyncio.DatagramProtocol):
    """One socket, open as long as somebody waits for a tracker on it."""

    def __init__(self, endpoint: Address, address: str) -> None:
        self.address = address
        self._endpoint = endpoint
        self._socket: asyncio.DatagramTransport | None = None
        self._opening = asyncio.Lock()
        self._links: dict[str, SlimeTransport] = {}  # by MAC
        self._macs: dict[Address, str] = {}
        self._strangers: set[str] = set()

    async def join(self, link: "SlimeTransport") -> None:
        """Listen for a tracker. Raises TransportError where the port cannot be had."""
        async with self._opening:
            if self._socket is None:
                try:
                    self._socket = await listen(self._endpoint, self.address, self)
                except TransportError as error:
                    error.hint = f"is SlimeVR Server running? Close it; otherwise {error.hint}"
                    raise
        self._links[link.mac] = link

    def leave(self, link: "SlimeTransport") -> None:
        """Listen no more for that tracker."""
        if self._links.get(link.mac) is link:
            del self._links[link.mac]
        if not self._links and self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram."""
        if self._socket is not None and not self._socket.is_closing():
            self._socket.sendto(data, address)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Give a datagram to whom it concerns."""
        handshake = _handshake(data)
        if handshake is not None:
            self._remember(addr, (handshake.mac or addr[0]).upper())
        mac = self._macs.get(addr)
        link = self._links.get(mac) if mac else None
        if link is not None:
            link.received(data, addr)
        elif handshake is not None and mac is not None:
            self._report(Stranger(mac, handshake.firmware))

    def _remember(self, addr: Address, mac: str) -> None:
        if len(self._macs) >= _MAX_REMEMBERED and addr not in self._macs:
            del self._macs[next(iter(self._macs))]
        self._macs[addr] = mac

    def _report(self, stranger: Stranger) -> None:
        if stranger.mac in self._strangers or len(self._strangers) >= _MAX_REMEMBERED:
            return
        self._strangers.add(stranger.mac)
        for link in list(self._links.values())[:1]:
            link.strangers.append(stranger)


class SlimeTransport:
    """The datagrams of one tracker, one a chunk. `strangers`: who else asked to be heard."""

    def __init__(self, port: _Port, mac: str) -> None:
        self.mac = mac
        self.address = f"{port.address} ({mac})"
        self.strangers: list[Stranger] = []
        self._port = port
        self._arrivals = Arrivals(self.address)
        self._tracker: Address | None = None
        self._is_open = False

    async def open(self) -> None:
        """Listen for the tracker. Raises TransportError where the port cannot be had."""
        await self._port.join(self)
        self._is_open = True

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield datagrams until `close`. Raises TransportError where the host is too slow."""
        return self._arrivals.chunks()

    async def send(self, data: bytes) -> None:
        """Send `data` to the tracker, if it was heard. Raises TransportError once closed."""
        if not self._is_open:
            raise TransportError(f"{self.address} is not open", address=self.address)
        if self._tracker is not None:
            self._port.send(data, self._tracker)

    async def close(self) -> None:
        """Stop listening and end `chunks`; safe to call twice."""
        if self._is_open:
            self._is_open = False
            self._port.leave(self)
            self._arrivals.end()

    def received(self, data: bytes, address: Address) -> None:
        """Take one datagram of the tracker; it may have moved to another address."""
        self._tracker = address
        if (overrun := self._arrivals.put(data)) is not None:
            self._arrivals.fail(overrun)


def _handshake(data: bytes) -> Handshake | None:
    if data[:4] != HANDSHAKE.to_bytes(4, "big"):
        return None
    decoded = decode_datagram(data)
    packets = decoded[1] if decoded else []
    return next((packet for packet in packets if isinstance(packet, Handshake)), None)
