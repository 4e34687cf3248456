"""Everything that leaves while a face is live: four streams over ZeroMQ, and sinks."""

import time
from collections.abc import Sequence
from contextlib import ExitStack

from capture.blendshapes import BlendshapeFrame
from capture.keys import guard_for
from capture.phone_faces import PhoneFace
from capture.publisher import Publisher
from capture.sinks.config import SinkConfig
from capture.sinks.pump import SinkPump
from capture.sinks.unfelt import Seen
from capture.wire import encode, message_from_frame
from capture.wire_minute import MinuteMessage, encode_minute
from capture.wire_status import (
    STATUS_EVERY_S,
    EventMessage,
    Fact,
    SinkStatus,
    StatusMessage,
    encode_event,
    encode_status,
)
from capture.wire_traces import TraceMessage, encode_trace
from firmware_host.clock import NS_PER_S
from firmware_host.closing import Closing
from firmware_host.rig import PublishConfig


class Broadcast(Closing):
    """Opens what `publish` and `sinks` name; `with Broadcast(…) as out: out.face(frame)`.

    Args:
        source: name that messages carry.
        publish: addresses.
        sinks: programs and files to serve.

    Raises:
        ConfigError: an address beyond this computer without keys; a sink that cannot be.
        TransportError: an address or a port is taken, or not to be reached.
        EnvironmentMissing: a sink needs a library that is not installed.
    """

    def __init__(
        self, source: str, publish: PublishConfig, sinks: Sequence[SinkConfig] = ()
    ) -> None:
        self._source = source
        addresses = (
            publish.faces,
            publish.status_address,
            publish.events_address,
            publish.minute_address,
        )
        guard = guard_for(tuple(filter(None, addresses)), publish.key_file, publish.allow)
        with ExitStack() as closing:
            publishers = [
                closing.enter_context(Publisher(address, guard)) if address else None
                for address in addresses
            ]
            # Without sinks there is no thread for them.
            self._pump = closing.enter_context(SinkPump(list(sinks))) if sinks else None
            self._closing = closing.pop_all()
        self._faces, self._status, self._events, self._minute = publishers
        self._counted = {"face": 0, "status": 0, "event": 0, "minute": 0, "trace": 0}
        self._status_ns = 0

    def face(self, frame: BlendshapeFrame, newest_ns: int = 0) -> None:
        """Publish one face and show it on every sink.

        Raises:
            Exception: a bug of ours in a sink, as soon as the next face comes.
        """
        assert self._faces is not None
        number = self._next("face")
        message = message_from_frame(frame, self._source, number, time.time_ns(), newest_ns)
        self._faces.send(encode(message))
        if self._pump is not None:
            self._pump.show(frame)

    def see(self, face: PhoneFace) -> None:
        """Tell the sinks what a phone sees; a lost face tells nothing."""
        if self._pump is not None and face.weights is not None:
            self._pump.see(Seen(face.arrival_ns, face.weights))

    def status(
        self,
        *,
        state: str,
        faces: int,
        samples: int = 0,
        lost: int = 0,
        confidence: float = 0.0,
        slots: tuple[str, ...] = (),
        shape_confidence: bytes = b"",
    ) -> None:
        """Publish how things are, see `StatusMessage`; once in STATUS_EVERY_S at most."""
        now_ns = time.monotonic_ns()
        if self._status is None or now_ns - self._status_ns < STATUS_EVERY_S * NS_PER_S:
            return
        self._status_ns = now_ns
        message = StatusMessage(
            self._source,
            self._next("status"),
            now_ns,
            time.time_ns(),
            state,
            faces,
            samples,
            lost,
            confidence,
            slots,
            shape_confidence,
            self.sinks(),
        )
        self._status.send(encode_status(message))

    def trace(self, slots: tuple[str, ...], rates: bytes) -> None:
        """Publish how sensors move, see `TraceMessage`, where statuses go."""
        if self._status is not None:
            number = self._next("trace")
            message = TraceMessage(self._source, number, time.time_ns(), slots, rates)
            self._status.send(encode_trace(message))

    def event(self, kind: str, **facts: Fact) -> None:
        """Publish that something happened."""
        if self._events is not None:
            number, now_ns = self._next("event"), time.monotonic_ns()
            message = EventMessage(self._source, number, now_ns, time.time_ns(), kind, facts)
            self._events.send(encode_event(message))

    def minute(
        self,
        *,
        time_ns: int,
        slot: str,
        low_hz: float,
        high_hz: float,
        strength: float,
        duration_s: float,
        rate_rad_s: float,
        force_m_s2: float,
        visible: bool,
    ) -> None:
        """Publish a movement too small for a camera, see `MinuteMessage`."""
        if self._minute is None:
            return
        message = MinuteMessage(
            self._source,
            self._next("minute"),
            time_ns,
            time.time_ns(),
            slot,
            low_hz,
            high_hz,
            strength,
            duration_s,
            rate_rad_s,
            force_m_s2,
            visible,
        )
        self._minute.send(encode_minute(message))

    def sinks(self) -> tuple[SinkStatus, ...]:
        """How each sink is doing."""
        return () if self._pump is None else self._pump.states()

    def _next(self, stream: str) -> int:
        number = self._counted[stream]
        self._counted[stream] = number + 1
        return number

    def close(self) -> None:
        """Close sinks, then sockets. Raises ImusicError where a file could not be written."""
        self._closing.close()
