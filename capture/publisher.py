"""Messages over ZeroMQ: a PUB socket that never waits, and a subscriber's loop."""

import math
import time
from collections.abc import Iterator

import zmq
from zmq.auth.thread import ThreadAuthenticator

from capture.keys import Guard, KeyPair, Ticket
from capture.wire import TOPIC
from firmware_host.closing import Closing
from firmware_host.errors import TransportError

_QUEUE_MESSAGES = 240  # what a slow subscriber may fall behind: four seconds at 60 Hz
_LINGER_MS = 200
_POLL_S = 1.0  # at a time: a longer wait in milliseconds does not fit Windows' long
# A peer that is gone without a word is noticed after these.
_HEARTBEAT_MS, _HEARTBEAT_TIMEOUT_MS = 1000, 3000


class Publisher(Closing):
    """Publishes encoded messages on `address`; a `:*` port takes a free one, see `address`.

    `send` never waits: a subscriber that falls behind loses messages, nobody else does. CONFLATE
    stays off here, since a recorder wants all messages; viewers ask for it on their side.

    Args:
        address: where.
        guard: keys, and whom to let in; needed beyond loopback (`capture.keys.guard_for`).

    Raises:
        TransportError: the address is taken or malformed.
    """

    def __init__(self, address: str, guard: Guard | None = None) -> None:
        self._context = zmq.Context()
        self._door = None if guard is None else open_door(self._context, guard)
        self._socket = self._context.socket(zmq.PUB)
        self._socket.set(zmq.SNDHWM, _QUEUE_MESSAGES)
        self._socket.set(zmq.LINGER, _LINGER_MS)
        _beat(self._socket)
        if guard is not None:
            show_keys(self._socket, guard.keys)
            self._socket.set(zmq.CURVE_SERVER, 1)
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self.close()
            raise TransportError(
                f"cannot publish on {address}: {error.strerror}",
                "is another imusic publishing there? close it, or choose other publish addresses "
                "in the rig, for example tcp://127.0.0.1:5580",
                address,
            ) from error
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT)

    def send(self, message: bytes) -> None:
        """Give one encoded message to whoever listens."""
        self._socket.send(message, zmq.DONTWAIT)

    def close(self) -> None:
        """Close the socket; messages under way get a moment to leave. Safe to call twice."""
        self._socket.close()
        if self._door is not None:
            self._door.stop()
            self._door = None
        self._context.term()


class _AllowList:
    """Answers ZeroMQ's question whether a key may come in."""

    def __init__(self, allow: tuple[str, ...]) -> None:
        self._allow = {key.encode("ascii") for key in allow}

    def callback(self, domain: str, key: bytes) -> bool:  # noqa: ARG002 - pyzmq names them
        """Whether `key` is on the list."""
        return key in self._allow


def open_door(context: "zmq.Context[zmq.Socket[bytes]]", guard: Guard) -> ThreadAuthenticator:
    """Let only keys on the list into sockets of this context; stop it before the context ends."""
    door = ThreadAuthenticator(context)
    door.start()
    door.configure_curve_callback(domain="*", credentials_provider=_AllowList(guard.allow))
    return door


def show_keys(socket: "zmq.Socket[bytes]", keys: KeyPair) -> None:
    """Let this end of a socket have its keys."""
    socket.set(zmq.CURVE_PUBLICKEY, keys.public.encode("ascii"))
    socket.set(zmq.CURVE_SECRETKEY, keys.secret.encode("ascii"))


def _beat(socket: "zmq.Socket[bytes]") -> None:
    socket.set(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    socket.set(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)


def subscribe(
    address: str,
    timeout_s: float,
    *,
    topic: bytes = TOPIC,
    newest_only: bool = False,
    ticket: Ticket | None = None,
    total_s: float = math.inf,
) -> Iterator[bytes]:
    """Yield messages as they come; end once none came for `timeout_s`.

    The subscription exists from the first `next` on, and takes a moment to reach the publisher.

    Args:
        address: where somebody publishes, or will.
        timeout_s: how long a silence may last.
        topic: what messages must begin with.
        newest_only: skip to the newest message whenever the caller was slow, as viewers want.
        ticket: keys, for a publisher that wants some.
        total_s: when to end, whatever comes.

    Raises:
        TransportError: the address is malformed.
    """
    end = time.monotonic() + total_s
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.set(zmq.LINGER, 0)
        _beat(socket)
        if newest_only:
            socket.set(zmq.CONFLATE, 1)
        if ticket is not None:
            show_keys(socket, ticket.keys)
            socket.set(zmq.CURVE_SERVERKEY, ticket.publisher.encode("ascii"))
        socket.set(zmq.SUBSCRIBE, topic)
        try:
            socket.connect(address)
        except zmq.ZMQError as error:
            raise TransportError(
                f"cannot subscribe to {address}: {error.strerror}",
                "expected an address like tcp://127.0.0.1:5570",
                address,
            ) from error
        silent_until = time.monotonic() + timeout_s
        while (left_s := min(silent_until, end) - time.monotonic()) > 0:
            if socket.poll(int(min(left_s, _POLL_S) * 1000) + 1):
                yield socket.recv()
                silent_until = time.monotonic() + timeout_s
