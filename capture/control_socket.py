"""The control socket of a recorder, and who asks it: ZeroMQ REP and REQ, `capture.wire_control`.

A thread of its own answers, so a recorder that is busy is never waited for by more than that.
"""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import zmq

from capture.keys import Guard, Ticket
from capture.publisher import open_door, show_keys
from capture.record_options import Control
from capture.wire_control import (
    ControlReply,
    ControlRequest,
    command_of,
    decode_reply,
    decode_request,
    encode_control,
)
from firmware_host.closing import Closing
from firmware_host.errors import ProtocolError, TransportError

LOOPBACK = "tcp://127.0.0.1:*"
OBEY_S = 3.0  # how long the recorder may take to do it
MAX_BYTES = 4096
_POLL_MS = 100


class ControlSocket(Closing):
    """Answers at `address` until it is closed.

    Args:
        control: where commands go; whoever takes them answers.
        facts: called for the status, from the thread of the socket.
        address: `:*` takes a free port. guard: keys and whom to let in, beyond loopback.

    Raises:
        TransportError: the address is taken or malformed.
    """

    def __init__(
        self,
        control: Control,
        facts: Callable[[], dict[str, Any]],
        address: str = LOOPBACK,
        guard: Guard | None = None,
    ) -> None:
        self._control, self._facts = control, facts
        with contextlib.ExitStack() as closing:
            context = closing.enter_context(zmq.Context())
            if guard is not None:
                closing.callback(open_door(context, guard).stop)
            self._socket = closing.enter_context(context.socket(zmq.REP))
            self._socket.set(zmq.LINGER, 0)
            self._socket.set(zmq.MAXMSGSIZE, MAX_BYTES)
            if guard is not None:
                show_keys(self._socket, guard.keys)
                self._socket.set(zmq.CURVE_SERVER, 1)
            try:
                self._socket.bind(address)
            except zmq.ZMQError as error:
                raise TransportError(
                    f"cannot be controlled at {address}: {error.strerror}",
                    "is another recorder running? choose another control.address in the rig",
                    address,
                ) from error
            self.address = self._socket.get_string(zmq.LAST_ENDPOINT)
            self._closing = closing.pop_all()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_over.is_set():
            if self._socket.poll(_POLL_MS):
                self._socket.send(encode_control(self._answer(self._socket.recv())))

    def _answer(self, data: bytes) -> ControlReply:
        try:
            command = command_of(decode_request(data))
        except ProtocolError as error:
            return ControlReply(ok=False, error=str(error), hint="see docs/wire.md, control/1")
        why = ""
        if command is not None:
            answer: Future[str] = Future()
            self._control.say(replace(command, answer=answer.set_result))
            try:
                why = answer.result(OBEY_S)
            except TimeoutError:
                why = f"the recorder did not do it within {OBEY_S:g} s"
        return ControlReply(ok=not why, error=why, status=self._facts())

    def close(self) -> None:
        """Answer nobody any more."""
        self._is_over.set()
        self._thread.join()
        self._closing.close()


def ask(
    address: str, request: ControlRequest, timeout_s: float, ticket: Ticket | None = None
) -> ControlReply:
    """What the recorder at `address` answers.

    Raises:
        TransportError: nobody answers in time, or the address is malformed.
        ProtocolError: whoever answers is no recorder.
    """
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.set(zmq.LINGER, 0)
        if ticket is not None:
            show_keys(socket, ticket.keys)
            socket.set(zmq.CURVE_SERVERKEY, ticket.publisher.encode("ascii"))
        try:
            socket.connect(address)
        except zmq.ZMQError as error:
            raise TransportError(
                f"cannot ask {address}: {error.strerror}", "expected tcp://HOST:PORT", address
            ) from error
        socket.send(encode_control(request))
        if not socket.poll(int(1000 * timeout_s)):
            raise TransportError(
                f"nobody answers at {address}",
                "does `imusic serve` run there? beyond this computer it wants --server-key and "
                "--key-file, and our public key on its list",
                address,
            )
        return decode_reply(socket.recv())
