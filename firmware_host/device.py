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

from firmware_host import messages
from firmware_host.frames import Frame, FrameDecoder
from firmware_host.messages import FULL_SCALE, PROTOCOL_VERSION, Info, Kind
from firmware_host.samples import (
    Duplicate,
    Gap,
    Garbage,
    HubEvent,
    HubInfo,
    HubStatus,
    ImuBlock,
)

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
    """

    def __init__(self) -> None:
        self.info: HubInfo | None = None
        self._decoder = FrameDecoder()
        self._replies = [messages.encode_command(Kind.HELLO)]
        self._wanted = Kind.START
        self._asked = True  # a HELLO is under way
        self._next = 0  # the sequence number expected next, once INFO came
        self._tick: int | None = None  # of the last sample
        self._run: list[tuple[int, int, bytes]] = []  # (sequence, tick, payload) of one block

    def receive(self, data: bytes, time_ns: int) -> list[HubEvent]:
        """Return what `data`, received at host time `time_ns`, completes. Never raises."""
        events: list[HubEvent] = []
        for found in self._decoder.feed(data):
            if isinstance(found, Garbage):
                self._end_run(events, time_ns)
                events.append(found)
            elif found.kind == Kind.SAMPLES:
                self._take_sample(found, events, time_ns)
            else:
                self._end_run(events, time_ns)
                self._take_message(found, events)
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

    def stop(self) -> None:
        """Ask the hub to end the stream; it answers END."""
        self._wanted = Kind.STOP
        self._replies.append(messages.encode_command(Kind.STOP))

    def _take_sample(self, frame: Frame, events: list[HubEvent], time_ns: int) -> None:
        header = messages.sample_header(frame.payload, len(self.info.slots)) if self.info else None
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
            self._interrupt(Garbage(frame.size), events, time_ns)
            return
        if sequence > self._next:
            self._interrupt(Gap(self._next, sequence - self._next), events, time_ns)
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
        counts = messages.decode_readings(payloads, len(self.info.slots))  # (N, S, 6)
        events.append(
            ImuBlock(
                tick_us=np.array(tick_us, np.int64),
                sequence=np.array(sequence, np.int64),
                accel_m_s2=counts[..., :3] * np.float32(self.info.accel_range_m_s2 / FULL_SCALE),
                gyro_rad_s=counts[..., 3:] * np.float32(self.info.gyro_range_rad_s / FULL_SCALE),
                arrival_ns=time_ns,
            )
        )

    def _take_message(self, frame: Frame, events: list[HubEvent]) -> None:
        message = messages.decode(frame)
        if message is None:
            events.append(Garbage(frame.size))
        elif isinstance(message, Info):
            self._take_info(message, events)
        elif isinstance(message, HubStatus):
            self._count_to(message.samples_sent, events)
            near = message.tick_us if self._tick is None else self._tick
            events.append(replace(message, tick_us=unwrap(near, message.tick_us)))
        else:
            self._count_to(message.samples_sent, events)
            events.append(message)
            self._begin_anew()

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
