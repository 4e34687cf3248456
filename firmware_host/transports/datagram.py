"""A device that sends plain datagrams to a port of this computer: `udp:9000`, `udp:ADDRESS:9000`.

Whoever sends first is the device, until the port is opened anew; others are counted and ignored.
"""

import asyncio
import socket
from collections.abc import AsyncIterator

from firmware_host.errors import ConfigError, TransportError
from firmware_host.transports.arrivals import Arrivals
from firmware_host.transports.network import MAX_PORT, explain_bind_error

RECEIVE_BUFFER_BYTES = 1 << 20  # ten seconds of a lively device while the host is busy
Address = tuple[str, int]


def parse_port(target: str) -> Address:
    """(address of this computer, port) of `PORT` or `ADDRESS:PORT`.

    Raises:
        ConfigError: not of that form, or a port out of range.
    """
    bind, _, port = target.rpartition(":")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= MAX_PORT):
        raise ConfigError(
            f"udp:{target}: expected udp:PORT with a port of this computer from 1 to {MAX_PORT}",
            "for example udp:6969, or udp:192.168.1.5:6969 to listen in one network only",
        )
    return bind.strip("[]") or "0.0.0.0", int(port)


async def listen(
    endpoint: Address, address: str, protocol: asyncio.DatagramProtocol
) -> asyncio.DatagramTransport:
    """Let `protocol` have what comes to `endpoint`, which errors call `address`.

    Raises:
        TransportError: another program has the port, or it is not of this computer.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=endpoint)
    except OSError as error:
        raise explain_bind_error(address, error) from error
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return transport


class DatagramTransport(asyncio.DatagramProtocol):
    """One datagram is one chunk. `ignored` counts those of others.

    Raises:
        ConfigError: `target` is malformed.
    """

    def __init__(self, target: str) -> None:
        self.address = f"udp:{target}"
        self.ignored = 0
        self._endpoint = parse_port(target)
        self._arrivals = Arrivals(self.address)
        self._socket: asyncio.DatagramTransport | None = None
        self._peer: Address | None = None

    async def open(self) -> None:
        """Begin to listen. Raises TransportError where the port cannot be had."""
        self._socket = await listen(self._endpoint, self.address, self)

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield datagrams until `close`. Raises TransportError where the host is too slow."""
        return self._arrivals.chunks()

    async def send(self, data: bytes) -> None:
        """Send `data` to the device, if it is known yet. Raises TransportError once closed."""
        if self._socket is None:
            raise TransportError(f"{self.address} is not open", address=self.address)
        if self._peer is not None:
            self._socket.sendto(data, self._peer)

    async def close(self) -> None:
        """Stop listening and end `chunks`; safe to call twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._arrivals.end()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take one datagram from anybody."""
        if self._peer is None:
            self._peer = addr
        if addr != self._peer:
            self.ignored += 1
        elif (overrun := self._arrivals.put(data)) is not None:
            self._arrivals.fail(overrun)
