"""One SlimeVR tracker as a state machine: datagrams in, events and answers out. No I/O.

         HANDSHAKE, nobody approved ► Stranger         HANDSHAKE, approved ► greeting, HubInfo
waiting ───────────────────────────────────► waiting ─────────────────────────────────────► linked
   ▲                                                                                          │
   └──────────────────────── silent for SILENT_NS (`is_silent`) ◄─────────────────────────────┘

A tracker sends orientation and acceleration, no rates and no time: rates are NaN, and samples
carry their arrival (`tick_is_arrival`). Rates from orientations would need the time between two of
them, which Wi-Fi shakes by as much as that. Gravity, which the tracker took out by its orientation,
is put back by the same orientation, so that accel is specific force as everywhere.
"""

import math
from collections import deque
from collections.abc import Container

import numpy as np

from firmware_host.samples import Duplicate, Garbage, HubInfo, HubMode
from firmware_host.vendors import slime_packets
from firmware_host.vendors.blocks import (
    ACCEL,
    GRAVITY_M_S2,
    QUAT,
    BlockMaker,
    Row,
    blank_row,
    into_sensor,
    unit_quat,
)
from firmware_host.vendors.events import (
    Health,
    LinkDelay,
    PacketsLost,
    Stranger,
    VendorEvent,
)
from firmware_host.vendors.slime_packets import (
    MAX_SENSORS,
    Acceleration,
    Battery,
    Features,
    Handshake,
    Malformed,
    Packet,
    Pong,
    Rotation,
    SensorInfo,
    Signal,
    Temperature,
    decode_datagram,
)

KEEP_ALIVE_NS = 500_000_000
SILENT_NS = 1_000_000_000  # the server's own measure; trackers send heartbeats beside their data
_MAX_LOST = 100_000  # more at a time is no loss but nonsense: a tracker gives up after 3 s
_MAX_QUAT_AGE_NS = 100_000_000  # older, it no longer says where gravity points
_PINGS_REMEMBERED = 8
# No network repeats so much at a stretch: a number that damage raised must not silence a tracker.
_LATE_IN_A_ROW = 64
_MAX_REPLIES = 256  # nobody sends so many at once; they go out after every datagram
_WORKING = 1
_UP = np.array((0.0, 0.0, GRAVITY_M_S2))


class SlimeTracker:
    """Everything the host knows about the tracker behind one address and port.

    Args:
        approved: MAC addresses, as `AA:BB:…`, that may be heard; asked at every handshake, so that
            the operator can add one while the tracker asks. A MAC is no proof of identity.
        remote: the address it sends from; its name where it tells no MAC.
        slots: where its sensors sit, by their number; `sensor0` and so on where it has more.
    """

    def __init__(self, approved: Container[str], remote: str, slots: tuple[str, ...] = ()) -> None:
        self.info: HubInfo | None = None
        self._approved = approved
        self._remote = remote
        self._names = slots[:MAX_SENSORS]
        self._handshake = Handshake("", "")
        self._sensors = 1
        self._number: int | None = None  # of the last packet
        self._late_in_a_row = 0
        self._heard_ns = 0
        self._alive_ns: int | None = None  # when the last heartbeat was due
        self._pings: dict[int, int] = {}  # number -> when it was sent
        self._replies: deque[bytes] = deque(maxlen=_MAX_REPLIES)
        self._quats: dict[int, tuple[Row, int]] = {}  # sensor -> orientation, and its arrival
        self._maker = BlockMaker(has_clock=False)
        self._row: Row | None = None

    def receive(self, data: bytes, time_ns: int) -> list[VendorEvent]:
        """Return what one datagram, received at host time `time_ns`, says. Never raises."""
        events: list[VendorEvent] = []
        decoded = decode_datagram(data)
        if decoded is None:
            return [Garbage(len(data))]
        number, packets = decoded
        if any(isinstance(packet, Handshake) for packet in packets):
            self._number = None  # a tracker that asks counts anew
        elif self.info is None:
            return [Garbage(len(data))]  # nobody approved it, or its handshake was lost
        elif not self._is_next(number, len(data), events):
            return events
        self._heard_ns = time_ns
        for packet in packets:
            self._take(packet, events, time_ns)
            if self.info is None:
                return events
        self._end_row()
        events += self._maker.take(time_ns)
        return events

    def outgoing(self) -> list[bytes]:
        """Return the datagrams that are to be sent to the tracker now, and forget them."""
        replies = list(self._replies)
        self._replies.clear()
        return replies

    def keep_alive(self, time_ns: int) -> None:
        """Call this a few times a second: a heartbeat and a ping go out every KEEP_ALIVE_NS."""
        if self.info is None:
            return
        if self._alive_ns is not None and time_ns - self._alive_ns < KEEP_ALIVE_NS:
            return
        number = (max(self._pings) + 1) & 0x7FFF_FFFF if self._pings else 1
        self._alive_ns = time_ns
        self._pings[number] = time_ns
        if len(self._pings) > _PINGS_REMEMBERED:
            del self._pings[min(self._pings)]
        self._replies += [slime_packets.encode_heartbeat(), slime_packets.encode_ping(number)]

    def stop(self) -> None:
        """Nothing: a tracker looks for another server once it hears no heartbeats."""

    @property
    def stuck_ticks(self) -> int:
        """Samples whose time stood still, went back or leapt: none, it tells no time."""
        return self._maker.stuck_ticks

    def is_silent(self, time_ns: int) -> bool:
        """Whether a tracker that was linked has not been heard for SILENT_NS."""
        return self.info is not None and time_ns - self._heard_ns > SILENT_NS

    def _is_next(self, number: int, size: int, events: list[VendorEvent]) -> bool:
        last = self._number
        if last is not None and number <= last:
            self._late_in_a_row += 1
            if self._late_in_a_row < _LATE_IN_A_ROW:
                events.append(Duplicate(number))
                return False
            last = None
        if last is not None and number - last > _MAX_LOST:
            events.append(Garbage(size))
            return False
        if last is not None and number > last + 1:
            events.append(PacketsLost(number - last - 1))
        self._number, self._late_in_a_row = number, 0
        return True

    def _take(self, packet: Packet, events: list[VendorEvent], time_ns: int) -> None:
        match packet:
            case Handshake():
                self._take_handshake(packet, events)
            case Rotation() if self._has_room_for(packet.sensor, events, time_ns):
                self._take_rotation(packet, time_ns)
            case Acceleration() if self._has_room_for(packet.sensor, events, time_ns):
                self._take_acceleration(packet, time_ns)
            case SensorInfo():
                self._replies.append(slime_packets.encode_sensor_info(packet))
                if packet.status == _WORKING:
                    self._has_room_for(packet.sensor, events, time_ns)
            case Battery() if math.isfinite(packet.level):
                events.append(Health(battery=min(max(packet.level, 0.0), 1.0)))
            case Temperature() if math.isfinite(packet.celsius):
                events.append(Health(temperature_c=packet.celsius))
            case Signal():
                events.append(Health(rssi_dbm=packet.dbm))
            case Pong() if packet.number in self._pings:
                events.append(LinkDelay(time_ns - self._pings.pop(packet.number)))
            case Features():
                self._replies.append(slime_packets.encode_features())
            case Malformed():
                events.append(Garbage(packet.size))

    def _take_handshake(self, handshake: Handshake, events: list[VendorEvent]) -> None:
        name = handshake.mac or self._remote
        if name not in self._approved:
            self.info = None
            events.append(Stranger(name, handshake.firmware))
            return
        self._handshake = handshake
        self._replies.append(slime_packets.encode_greeting())
        self._introduce(events)

    def _introduce(self, events: list[VendorEvent]) -> None:
        """Say who it is and how many sensors it has."""
        named = self._names[: self._sensors]
        slots = named + tuple(f"sensor{i}" for i in range(len(named), self._sensors))
        name = self._handshake.mac or self._remote
        firmware = self._handshake.firmware
        self.info = HubInfo(
            name, firmware, 0, math.nan, math.nan, math.nan, slots, mode=HubMode.FUSED
        )
        events.append(self.info)

    def _has_room_for(self, sensor: int, events: list[VendorEvent], time_ns: int) -> bool:
        """Whether this is one of the sensors we count; a new one makes every later row wider."""
        if sensor >= MAX_SENSORS:
            return False
        if sensor >= self._sensors:
            self._end_row()
            events += self._maker.take(time_ns)
            self._sensors = sensor + 1
            self._introduce(events)
        return True

    def _take_rotation(self, rotation: Rotation, time_ns: int) -> None:
        quat = unit_quat(np.array(rotation.quat))
        self._quats[rotation.sensor] = quat, time_ns
        self._place(rotation.sensor, QUAT)[:] = quat

    def _take_acceleration(self, acceleration: Acceleration, time_ns: int) -> None:
        quat, known_ns = self._quats.get(acceleration.sensor, (np.full(4, np.nan), time_ns))
        place = self._place(acceleration.sensor, ACCEL)
        if time_ns - known_ns <= _MAX_QUAT_AGE_NS:
            place[:] = np.array(acceleration.vector) + into_sensor(quat, _UP)

    def _place(self, sensor: int, columns: slice) -> Row:
        """Where in the row under way to write; the second of a kind begins another row."""
        if self._row is not None and not np.isnan(self._row[sensor, columns]).any():
            self._end_row()
        if self._row is None:
            self._row = blank_row(self._sensors)
        return self._row[sensor, columns]

    def _end_row(self) -> None:
        if self._row is not None and not np.isnan(self._row).all():
            self._maker.add(self._row)
        self._row = None
