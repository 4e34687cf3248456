"""Where encoded faces go: UDP sockets that never wait, and the sink they belong to.

A datagram that the network does not take at once is counted and gone: the next one is newer.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from capture.blendshapes import BlendshapeFrame
from capture.sinks.phone_text import DIALECTS, Address, Asked, PhoneTextEncoder
from capture.sinks.shaping import Shaped
from firmware_host.errors import ConfigError
from firmware_host.transports.network import explain_bind_error, explain_reach_error

_SEND_BUFFER_BYTES = 1 << 19  # some frames of the most talkative sink
_HEALED_FACES = 60  # so many without trouble, and it is over
_ASK_BYTES = 2048
_ASKS_AT_ONCE = 16


@dataclass(slots=True)
class SinkCounts:
    """What a sink did. failed: datagrams the network refused, or faces a file did not get."""

    frames: int = 0
    datagrams: int = 0
    failed: int = 0
    trouble: str = ""


class Encoder(Protocol):
    """A face → what is sent for it. No I/O."""

    def encode(self, frame: BlendshapeFrame) -> list[bytes]:
        """The datagrams of one face, in order."""
        ...


class Sink(Protocol):
    """Somewhere faces go. Nothing here waits."""

    counts: SinkCounts
    every_face: bool

    def show(self, shaped: Shaped) -> None:
        """Take one face."""
        ...

    def close(self) -> None:
        """Let go of it; safe to call twice."""
        ...


class UdpSink:
    """Sends each face to one address.

    Raises:
        TransportError: the host is not known, or there is no way to it.
    """

    every_face = False

    def __init__(self, encoder: Encoder, host: str, port: int) -> None:
        self._encoder = encoder
        self.counts = SinkCounts()
        family, address = _resolved(host, port)
        self._socket = _open_socket(family)
        # Connected, the kernel tells where nobody listens, and sends for half the price.
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise explain_reach_error(f"udp:{host}:{port}", error) from error
        self._untroubled = 0

    def show(self, shaped: Shaped) -> None:
        """Send one face."""
        counts, failed = self.counts, self.counts.failed
        counts.frames += 1
        for datagram in self._encoder.encode(shaped.frame):
            try:
                self._socket.send(datagram)
                counts.datagrams += 1
            except OSError as error:
                _note(error, counts)
        self._untroubled = self._untroubled + 1 if counts.failed == failed else 0
        if self._untroubled == _HEALED_FACES:
            counts.trouble = ""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class PhoneSink:
    """Plays a phone: faces go to whoever asked at our address, and was allowed to.

    Raises:
        ConfigError: it listens to a network and allows nobody there.
        TransportError: the port is taken.
    """

    every_face = False

    def __init__(self, scheme: str, host: str, port: int, allow: str) -> None:
        dialect = DIALECTS[scheme]
        allowed = frozenset(filter(None, (part.strip() for part in allow.split(","))))
        if not _is_loopback(host) and all(map(_is_loopback, allowed)):
            raise ConfigError(
                f"sink {scheme}://{host}:{port}: it listens to a network where nobody may ask",
                "add allow=IP of the computer that shows the face",
            )
        self.counts = SinkCounts()
        self._asked = Asked(dialect, allowed)
        self._encoders = {s: PhoneTextEncoder(dialect, s) for s in "&-"}
        self._socket = _open_socket(socket.AF_INET)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise explain_bind_error(f"{scheme}://{host}:{port}", error) from error

    def show(self, shaped: Shaped) -> None:
        """Hear who asks, then send one face to all of them."""
        self._hear()
        self.counts.frames += 1
        if self._asked.refused:
            self.counts.trouble = f"not allowed: {', '.join(sorted(self._asked.refused)[:3])}"
        datagrams: dict[str, bytes] = {}
        for address, separator in self._asked.targets.items():
            if separator not in datagrams:
                (datagrams[separator],) = self._encoders[separator].encode(shaped.frame)
            _send(self._socket, datagrams[separator], address, self.counts)

    def _hear(self) -> None:
        for _ in range(_ASKS_AT_ONCE):
            try:
                data, sender = self._socket.recvfrom(_ASK_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:  # Windows says here that somebody who asked is gone
                continue
            self._asked.hear(data, sender)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _send(sock: socket.socket, data: bytes, address: Address, counts: SinkCounts) -> None:
    try:
        sock.sendto(data, address)
        counts.datagrams += 1
    except OSError as error:
        _note(error, counts)


def _note(error: OSError, counts: SinkCounts) -> None:
    """A datagram is gone: full, unreachable, nobody there. The next face tries again."""
    counts.failed += 1
    refused = isinstance(error, ConnectionError)
    counts.trouble = "nobody listens there" if refused else error.strerror or str(error)


def _open_socket(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    sock.setblocking(False)
    return sock


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise explain_reach_error(f"udp:{host}:{port}", error) from error
    # What many programs mean by localhost is the older of its two addresses.
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, (str(address[0]), int(address[1]))


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("localhost", "::1")


def day_offset_ns(
    unix_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
) -> int:
    """What, added to the host's monotonic clock, gives the local time of day."""
    now = unix_ns()
    local = time.localtime(now // 1_000_000_000)
    of_day_s = local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec
    return of_day_s * 1_000_000_000 + now % 1_000_000_000 - monotonic_ns()
