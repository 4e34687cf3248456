"""Faces over ZeroMQ: a PUB socket that never waits, and a subscriber's loop."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import zmq

from capture.wire import TOPIC
from firmware_host.errors import TransportError

_QUEUE_MESSAGES = 240  # what a slow subscriber may fall behind: four seconds at 60 Hz
_LINGER_MS = 200


class FacePublisher:
    """Publishes encoded messages on `address`; a `:*` port takes a free one, see `address`.

    `send` never waits: a subscriber that falls behind loses messages, nobody else does. CONFLATE
    stays off here, since it would keep one message for all subscribers; viewers ask for it.

    Raises:
        TransportError: the address is taken or malformed.
    """

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.set(zmq.SNDHWM, _QUEUE_MESSAGES)
        self._socket.set(zmq.LINGER, _LINGER_MS)
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self.close()
            raise TransportError(
                f"cannot publish on {address}: {error.strerror}",
                "is another imusic publishing there? close it, or choose another publish.faces "
                "in the rig, for example tcp://127.0.0.1:5571",
                address,
            ) from error
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT)

    def send(self, message: bytes) -> None:
        """Give one encoded message to whoever listens."""
        self._socket.send(message, zmq.DONTWAIT)

    def close(self) -> None:
        """Close the socket; messages under way get a moment to leave. Safe to call twice."""
        self._socket.close()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def subscribe(
    address: str, timeout_s: float, *, topic: bytes = TOPIC, newest_only: bool = False
) -> Iterator[bytes]:
    """Yield messages as they come; end once none came for `timeout_s`.

    The subscription exists from the first `next` on, and takes a moment to reach the publisher.

    Args:
        address: where somebody publishes, or will.
        timeout_s: how long a silence may last.
        topic: what messages must begin with.
        newest_only: skip to the newest message whenever the caller was slow, as viewers want.

    Raises:
        TransportError: the address is malformed.
    """
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.set(zmq.LINGER, 0)
        if newest_only:
            socket.set(zmq.CONFLATE, 1)
        socket.set(zmq.SUBSCRIBE, topic)
        try:
            socket.connect(address)
        except zmq.ZMQError as error:
            raise TransportError(
                f"cannot subscribe to {address}: {error.strerror}",
                "expected an address like tcp://127.0.0.1:5570",
                address,
            ) from error
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if socket.poll(int(left_s * 1000) + 1):
                yield socket.recv()
                deadline = time.monotonic() + timeout_s
