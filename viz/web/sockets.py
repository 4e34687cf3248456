"""The console's side of the sockets: newest messages in, commands out."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zmq
import zmq.asyncio

from capture.wire import TOPIC, decode, frame_from_message
from capture.wire_control import ControlRequest, ControlVerb, decode_reply, encode_control
from capture.wire_guide import GUIDE_TOPIC, GuideMessage, decode_guide
from capture.wire_record import RECORD_TOPIC, RecordMessage, decode_record
from capture.wire_status import STATUS_TOPIC, StatusMessage, decode_status
from capture.wire_traces import TRACE_TOPIC, TraceMessage, decode_trace
from firmware_host.errors import ConfigError, ProtocolError

ANSWER_S = 5.0
_TOLD = (RECORD_TOPIC, STATUS_TOPIC, TRACE_TOPIC, GUIDE_TOPIC)
_UPRIGHT = np.array([1, 0, 0, 0], np.float32)


@dataclass
class Latest:
    """What came last, and when by the monotonic clock; nothing is queued."""

    record: RecordMessage | None = None
    status: StatusMessage | None = None
    told_s: float = float("-inf")
    face: bytes = b""
    trace: TraceMessage | None = None
    traces: int = 0
    guide: GuideMessage | None = None
    guided_s: float = float("-inf")
    faces: int = 0
    malformed: int = 0
    face_came: asyncio.Event = field(default_factory=asyncio.Event)
    trace_came: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, data: bytes, now_s: float) -> None:
        """Take one message of any topic."""
        try:
            if data.startswith(RECORD_TOPIC):
                self.record, self.told_s = decode_record(data), now_s
            elif data.startswith(STATUS_TOPIC):
                self.status, self.told_s = decode_status(data), now_s
            elif data.startswith(GUIDE_TOPIC):
                self.guide, self.guided_s = decode_guide(data), now_s
            elif data.startswith(TRACE_TOPIC):
                self.trace = decode_trace(data)
                self.traces += 1
                self.trace_came.set()
            else:
                self.face = face_bytes(data)
                self.faces += 1
                self.face_came.set()
        except ProtocolError:
            self.malformed += 1


def face_bytes(data: bytes) -> bytes:
    """A `face/1` message as the page wants it, little-endian: 52 weights and wxyz as float32, and
    when it was published as float64, milliseconds of Unix time.
    """
    message = decode(data)
    frame = frame_from_message(message)
    quat = frame.quat_world_from_head
    if quat is None or not 0.5 < float(np.linalg.norm(quat)) < 2.0:  # NaN as well
        quat = _UPRIGHT
    weights = np.clip(np.nan_to_num(frame.weights), 0.0, 1.0)
    sent_ms = np.array([message.unix_ns / 1e6], "<f8")
    return np.concatenate([weights, quat]).astype("<f4").tobytes() + sent_ms.tobytes()


class Sockets:
    """Subscriptions and control of a console; `await sockets.listen(latest)` runs for ever.

    Args:
        faces: where faces are published.
        told: where `record/1` or `status/1` is published; "" nowhere.
        control: of a recording; "" where nothing can be controlled.
    """

    def __init__(self, faces: str, told: str, control: str) -> None:
        self._faces, self._told, self._control = faces, told, control
        self._context: Any = zmq.asyncio.Context()
        for address in filter(None, (faces, told, control)):
            self._check(address)

    @property
    def can_control(self) -> bool:
        """Whether there is somebody to obey."""
        return bool(self._control)

    def _check(self, address: str) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.set(zmq.LINGER, 0)
            try:
                socket.connect(address)
            except zmq.ZMQError as error:
                raise ConfigError(
                    f"cannot connect to {address!r}: {error.strerror}",
                    "expected an address like tcp://127.0.0.1:5570",
                ) from error

    async def listen(self, latest: Latest) -> None:
        """Keep `latest` up to date."""
        listened = [self._follow(self._faces, TOPIC, latest)]
        if self._told:
            listened += [self._follow(self._told, t, latest) for t in _TOLD]
        await asyncio.gather(*listened)

    async def _follow(self, address: str, topic: bytes, latest: Latest) -> None:
        with self._context.socket(zmq.SUB) as socket:
            socket.set(zmq.LINGER, 0)
            socket.set(zmq.CONFLATE, 1)
            socket.set(zmq.SUBSCRIBE, topic)
            socket.connect(address)
            while True:
                latest.take(await socket.recv(), time.monotonic())

    async def say(self, verb: ControlVerb, label: str = "") -> str:
        """Tell the recording what to do; "" where it obeys, else why not."""
        with self._context.socket(zmq.REQ) as socket:
            socket.set(zmq.LINGER, 0)
            socket.connect(self._control)
            await socket.send(encode_control(ControlRequest(verb=verb, label=label)))
            try:
                answer = decode_reply(await asyncio.wait_for(socket.recv(), ANSWER_S))
            except TimeoutError:
                return "the recording does not answer"
            except ProtocolError as error:
                return str(error)
        return "" if answer.ok else answer.error

    def close(self) -> None:
        """Leave all."""
        self._context.destroy(linger=0)
