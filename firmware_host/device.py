"""One sensor hub as a state machine: bytes in, events and replies out. No I/O.

      HELLO ►            ◄ INFO, START ►               ◄ END
asked ──────────► asked ────────────────► streaming ──────────► ended
                                          │       ▲
                                          └───────┘ ◄ INFO (hub restarted, or HELLO repeated)

Sequence numbers and ticks are 32 bits on the wire. Here they are int64 that never go back: the low
32 bits are the wire's, the high bits count wraps and restarts. A silence of the hub longer than
71 minutes (2^32 µs) would lose a wrap of the tick.
"""

from dataclasses import replace

import numpy as np

from firmware_host import commands, messages
from firmware_host.commands import Request
from firmware_host.frames import DELIMITER, Frame, FrameDecoder
from firmware_host.fused import RateFromOrientation, unit_quats
from firmware_host.messages import FULL_SCALE, PROTOCOL_VERSION, WIDTHS, Info, Kind, Pong
from firmware_host.samples import (
    Answer,
    Duplicate,
    Floats,
    Gap,
    Garbage,
    HubEnd,
    HubEvent,
    HubFeatures,
    HubInfo,
    HubStatus,
    ImuBlock,
    RoundTrip,
    SyncEdge,
)

MAX_ROUND_TRIP_NS = 2_000_000_000  # a PONG that seems later answers another host, or another clock
_MASK = 0xFFFF_FFFF
_HALF = 0x8000_0000


def unwrap(near: int, wire: int) -> int:
    """The int whose low 32 bits are `wire` and that is nearest to `near`."""
    return near + ((wire - near + _HALF) & _MASK) - _HALF


class HubDevice:
    """Everything the host knows about one hub that speaks our protocol.

    Samples that arrive before the first INFO (the host joined a running hub) cannot be scaled and
    count as Garbage; INFO says where the count stands, so every sample after it is accounted for.
    Samples not newer than the last one are dropped as Duplicate, and HELLO is repeated: if the hub
    counts from anew, its INFO says so.

    Args:
        stream: answer INFO with START; without, the hub can be asked and configured in peace.
    """

    def __init__(self, stream: bool = True) -> None:
        self.info: HubInfo | None = None
        self._decoder = FrameDecoder()
        self._replies = [messages.encode_command(Kind.HELLO)]
        self._wanted: Kind | None = Kind.START if stream else None
        self._asked = True  # a HELLO is under way
        self._next = 0  # the sequence number expected next, once INFO came
        self._tick: int | None = None  # of the last sample
        self._run: list[tuple[int, int, bytes]] = []  # (sequence, tick, payload) of one block
        self._run_kind: int = Kind.SAMPLES
        self._rates = RateFromOrientation()
        self._requests = 0  # made so far
        self.stuck_ticks = 0  # samples that came with the time of the one before

    def receive(self, data: bytes, time_ns: int) -> list[HubEvent]:
        """Return what `data`, received at host time `time_ns`, completes. Never raises."""
        events: list[HubEvent] = []
        for found in self._decoder.feed(data):
            if isinstance(found, Garbage):
                self._end_run(events, time_ns)
                events.append(found)
            elif found.kind in WIDTHS:
                self._take_sample(found, events, time_ns)
            else:
                self._end_run(events, time_ns)
                self._take_message(found, events, time_ns)
        self._end_run(events, time_ns)
        return events

    def outgoing(self) -> list[bytes]:
        """Return what is to be sent to the hub now, and forget it."""
        replies, self._replies = self._replies, []
        return replies

    def hello(self) -> None:
        """Ask the hub (again) who it is."""
        self._asked = True
        self._replies.append(messages.encode_command(Kind.HELLO))

    def relink(self, time_ns: int) -> list[HubEvent]:
        """There is a new link to the same hub: what the old one cut off is garbage. Ask again."""
        self.hello()
        return self.receive(DELIMITER, time_ns)

    def stop(self) -> None:
        """Ask the hub to end the stream; it answers END."""
        self._wanted = Kind.STOP
        self._replies.append(messages.encode_command(Kind.STOP))

    def ping(self, time_ns: int) -> None:
        """Ask the hub for its clock, if it can tell; the answer comes as a RoundTrip.

        time_ns: now, on the clock that `receive` is given.
        """
        if self.info and HubFeatures.PING in self.info.features:
            self._replies.append(commands.encode_ping(time_ns))

    def request(self, request: Request) -> int:
        """Ask the hub for something; returns the number that its Answer will carry."""
        number = self._requests & 0xFF
        self._requests += 1
        self._replies.append(commands.encode_request(number, request))
        return number

    def _header(self, frame: Frame) -> tuple[int, int] | None:
        if self.info is None:
            return None
        return messages.sample_header(frame.payload, len(self.info.slots), WIDTHS[frame.kind])

    def _take_sample(self, frame: Frame, events: list[HubEvent], time_ns: int) -> None:
        header = self._header(frame)
        if header is None:
            self._interrupt(Garbage(frame.size), events, time_ns)
            return
        sequence = unwrap(self._next, header[0])
        if sequence < self._next:
            self._interrupt(Duplicate(sequence), events, time_ns)
            self._ask_once()
            return
        tick = header[1]
        if self._tick is not None:
            tick = self._tick + ((tick - self._tick) & _MASK)
        if tick == self._tick:  # two samples at one tick cannot both be right
            self.stuck_ticks += 1
            self._interrupt(Garbage(frame.size), events, time_ns)
            return
        if sequence > self._next:
            self._interrupt(Gap(self._next, sequence - self._next), events, time_ns)
        if frame.kind != self._run_kind:
            self._end_run(events, time_ns)
            self._run_kind = frame.kind
        self._run.append((sequence, tick, frame.payload))
        self._next, self._tick = sequence + 1, tick

    def _interrupt(self, event: HubEvent, events: list[HubEvent], time_ns: int) -> None:
        self._end_run(events, time_ns)
        events.append(event)

    def _end_run(self, events: list[HubEvent], time_ns: int) -> None:
        """Turn the run of consecutive samples, if any, into one block."""
        if not self._run or self.info is None:
            return
        sequence, tick_us, payloads = zip(*self._run, strict=True)
        self._run = []
        ticks = np.array(tick_us, np.int64)
        width = WIDTHS[self._run_kind]
        counts = messages.decode_readings(payloads, len(self.info.slots), width)  # (N, S, width)
        accel_unit = np.float32(self.info.accel_range_m_s2 / FULL_SCALE)
        gyro_unit = np.float32(self.info.gyro_range_rad_s / FULL_SCALE)
        if self._run_kind == Kind.SAMPLES_FUSED:
            quat = unit_quats(counts[..., :4])
            accel, gyro = counts[..., 4:] * accel_unit, self._rates.push(ticks, quat)
            orientation: Floats | None = quat.astype(np.float32)
        else:
            accel, gyro = counts[..., :3] * accel_unit, counts[..., 3:] * gyro_unit
            orientation = None
        numbers = np.array(sequence, np.int64)
        events.append(ImuBlock(ticks, numbers, accel, gyro, time_ns, orientation))

    def _take_message(self, frame: Frame, events: list[HubEvent], time_ns: int) -> None:
        message = messages.decode(frame)
        if message is None:
            events.append(Garbage(frame.size))
        elif isinstance(message, Info):
            self._take_info(message, events)
        elif isinstance(message, Pong):
            self._take_pong(message, events, time_ns)
        else:
            self._take_word(message, events)

    def _take_word(
        self, message: HubStatus | HubEnd | Answer | SyncEdge, events: list[HubEvent]
    ) -> None:
        if isinstance(message, HubStatus | HubEnd):
            self._count_to(message.samples_sent, events)
        if isinstance(message, HubStatus | SyncEdge):
            message = replace(message, tick_us=self._unwrap_tick(message.tick_us))
        events.append(message)
        if isinstance(message, HubEnd):
            self._begin_anew()

    def _take_pong(self, pong: Pong, events: list[HubEvent], time_ns: int) -> None:
        """The token is our clock in µs at the PING: what it lacks above 32 bits is in `time_ns`."""
        sent_us = unwrap(time_ns // 1000, pong.token)
        if 0 <= time_ns - 1000 * sent_us <= MAX_ROUND_TRIP_NS:
            events.append(RoundTrip(self._unwrap_tick(pong.tick_us), 1000 * sent_us, time_ns))

    def _unwrap_tick(self, tick_us: int) -> int:
        return unwrap(tick_us if self._tick is None else self._tick, tick_us)

    def _take_info(self, info: Info, events: list[HubEvent]) -> None:
        events.append(info.hub)
        self._asked = False
        if info.hub.protocol_version != PROTOCOL_VERSION:
            self.info = None
            return
        if self.info is None:
            self._next = info.next_sequence
        elif unwrap(self._next, info.next_sequence) < self._next:
            self._begin_anew()
            self._next += info.next_sequence
        else:
            self._count_to(info.next_sequence, events)
        self.info = info.hub
        if self._wanted:
            self._replies.append(messages.encode_command(self._wanted))

    def _count_to(self, samples_sent: int, events: list[HubEvent]) -> None:
        """Report as a gap what the hub has sent by now but never arrived."""
        if self.info is None:
            return
        total = unwrap(self._next, samples_sent)
        if total > self._next:
            events.append(Gap(self._next, total - self._next))
            self._next = total
        elif total < self._next:
            self._ask_once()

    def _begin_anew(self) -> None:
        """The hub counts from zero again: go on above every number used so far."""
        self._next = (self._next | _MASK) + 1
        if self._tick is not None:
            self._tick |= _MASK

    def _ask_once(self) -> None:
        if not self._asked:
            self.hello()
