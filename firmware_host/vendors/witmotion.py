"""WitMotion sensors: the serial protocol with a sum, and Bluetooth 5 without. No I/O.

Sources: the maker's datasheet "WT901 v20-0702" section 5.1 and "WT901BLECL v20-0707" section 6.1;
"WIT standard communication protocol" of the maker's SDK pages. All numbers are little-endian i16.

On a serial line every content is a frame of its own, `55 type d0 .. d7 sum`, and a sample is a
round of them in rising order of type, as the device sends them. Which types it sends is a setting:
by default acceleration, rate, angle and magnetic field, so that time (0x50, of 1 ms) and the
quaternion (0x59) must be asked for. Over Bluetooth 5 a sample is `55 61` and nine numbers: no sum,
no time and no count, so a lost one leaves no trace and a false one is told only by its neighbours.

The angles (0x53) are left out: the device computes them from the readings that are here.
"""

import calendar
import math
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firmware_host.samples import Garbage, HubInfo, ImuBlock
from firmware_host.vendors.blocks import (
    ACCEL,
    GRAVITY_M_S2,
    GYRO,
    QUAT,
    BlockMaker,
    Row,
    blank_row,
    unit_quat,
)

ACCEL_RANGE_M_S2 = 16 * GRAVITY_M_S2
GYRO_RANGE_RAD_S = math.radians(2000)
FRAME_SIZE = 11
BLE_FRAME_SIZE = 20
RATES_HZ: dict[int, int] = {10: 0x06, 20: 0x07, 50: 0x08, 100: 0x09, 200: 0x0B}
BLE_SERVICE = "0000ffe5-0000-1000-8000-00805f9a34fb"
BLE_NOTIFY = "0000ffe4-0000-1000-8000-00805f9a34fb"
BLE_WRITE = "0000ffe9-0000-1000-8000-00805f9a34fb"

_HEAD = 0x55
_TIME, _ACCEL, _GYRO, _QUAT, _REGISTER = 0x50, 0x51, 0x52, 0x59, 0x5F
_TYPES = frozenset(range(0x50, 0x60))
_BLE_SAMPLE, _BLE_REGISTERS = 0x61, 0x71
_UNLOCK = bytes.fromhex("FF AA 69 88 B5")  # settings are taken for 10 s after it
_SAVE = bytes.fromhex("FF AA 00 00 00")
_CONTENT_REGISTER, _RATE_REGISTER = 0x02, 0x03
_FOUR = struct.Struct("<4h")
_NINE = struct.Struct("<9h")
_FULL_SCALE = 32768
_MANY = 128  # bytes; fewer are looked through one by one
_ROUNDS_REMEMBERED = 4  # so that a lost last frame is not taken for a change of content


@dataclass(frozen=True, slots=True)
class WitFrame:
    """One intact frame: its type, and what lies between the type and the sum (if any)."""

    kind: int
    payload: bytes


Check = Callable[[bytes], bool]
Starts = Callable[[bytes], list[int]]


class WitDecoder:
    """Incremental decoder of frames of one size that begin with 0x55.

    A candidate that fails gives up its first byte only, so no good frame behind it is lost; fewer
    than `size` bytes are ever held back. A sum of 8 bits lets one damaged frame in 256 pass.

    starts: where in many bytes an intact frame could begin, at once; they may overlap. It makes a
    long run of heads, each of them a candidate, cost as little as any other noise.
    """

    def __init__(self, size: int, is_intact: Check, tail: int, starts: Starts) -> None:
        self._size = size
        self._is_intact = is_intact
        self._tail = tail  # bytes of the sum
        self._starts = starts
        self._buffer = b""

    @property
    def pending(self) -> int:
        """Bytes held back until more arrive; always less than the size of a frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[WitFrame | Garbage]:
        """Return what `data` completes, in order. Never raises; every byte is counted once."""
        buffer = self._buffer + data
        if len(buffer) > _MANY:
            return self._feed_many(buffer)
        found: list[WitFrame | Garbage] = []
        at = start = 0  # where to look, and where what is not accounted for begins
        while (at := _find(buffer, at)) + self._size <= len(buffer):
            raw = buffer[at : at + self._size]
            if not self._is_intact(raw):
                at += 1
                continue
            if at > start:
                found.append(Garbage(at - start))
            found.append(WitFrame(raw[1], raw[2 : self._size - self._tail]))
            at = start = at + self._size
        if at > start:
            found.append(Garbage(at - start))
        self._buffer = buffer[at:]
        return found

    def _feed_many(self, buffer: bytes) -> list[WitFrame | Garbage]:
        found: list[WitFrame | Garbage] = []
        at = 0
        for start in self._starts(buffer):
            if start < at:
                continue
            if start > at:
                found.append(Garbage(start - at))
            at = start + self._size
            found.append(WitFrame(buffer[start + 1], buffer[start + 2 : at - self._tail]))
        rest = _find(buffer, max(at, len(buffer) - self._size + 1))
        if rest > at:
            found.append(Garbage(rest - at))
        self._buffer = buffer[rest:]
        return found


def _find(buffer: bytes, at: int) -> int:
    found = buffer.find(_HEAD, at)
    return len(buffer) if found < 0 else found


def _has_sum(raw: bytes) -> bool:
    return raw[1] in _TYPES and sum(raw[:-1]) & 0xFF == raw[-1]


def _summed_starts(buffer: bytes) -> list[int]:
    octets = np.frombuffer(buffer, np.uint8)
    last = len(octets) - FRAME_SIZE + 1  # starts are below it
    sums = np.concatenate(((0,), np.cumsum(octets, dtype=np.int64)))
    in_sum = sums[FRAME_SIZE - 1 :][:last] - sums[:last]
    is_whole = (octets[:last] == _HEAD) & (octets[1:][:last] >> 4 == _HEAD >> 4)
    is_whole &= (in_sum & 0xFF) == octets[FRAME_SIZE - 1 :]
    return np.flatnonzero(is_whole).tolist()


def _ble_starts(buffer: bytes) -> list[int]:
    octets = np.frombuffer(buffer, np.uint8)
    last = len(octets) - BLE_FRAME_SIZE + 1
    kinds = octets[1:][:last]
    is_frame = (kinds == _BLE_SAMPLE) | (kinds == _BLE_REGISTERS)
    return np.flatnonzero((octets[:last] == _HEAD) & is_frame).tolist()


def _is_ble_frame(raw: bytes) -> bool:
    return raw[1] in (_BLE_SAMPLE, _BLE_REGISTERS)


def settings(rate_hz: int, with_quat: bool = False) -> list[bytes]:
    """What to send, a tenth of a second apart, so that a serial sensor tells time and readings.

    Angles and the magnetic field are turned off. It keeps these settings when switched off. The
    line must carry 110 bits for each content (time, accel, rates, quaternion) of each sample, or
    the sensor slows down without saying so.

    Raises:
        ValueError: a rate that is not one of RATES_HZ.
    """
    if rate_hz not in RATES_HZ:
        raise ValueError(f"expected a rate of {sorted(RATES_HZ)} Hz, got {rate_hz}")
    kinds = (_TIME, _ACCEL, _GYRO, _QUAT) if with_quat else (_TIME, _ACCEL, _GYRO)
    content = sum(1 << kind - _TIME for kind in kinds)
    writes = ((_CONTENT_REGISTER, content), (_RATE_REGISTER, RATES_HZ[rate_hz]))
    changes = [bytes((0xFF, 0xAA, at)) + value.to_bytes(2, "little") for at, value in writes]
    return [_UNLOCK, *changes, _SAVE]


def ble_settings(rate_hz: int) -> list[bytes]:
    """What to write to BLE_WRITE, a tenth of a second apart, for another rate than the 10 Hz of
    a new sensor. Not saved: it lasts until the sensor is switched off.

    Raises:
        ValueError: a rate that is not one of RATES_HZ.
    """
    unlock, _, rate, _ = settings(rate_hz)
    return [unlock, rate]


class WitMotionSerial:
    """One WitMotion sensor on a serial line; several sensors are several of these.

    What came before the first whole round counts as Garbage. Whether the device tells time is
    decided at that round, and stays so.

    Args:
        device_id: how people call it; the device does not say who it is.
        slot: where it sits.
    """

    def __init__(self, device_id: str = "witmotion", slot: str = "sensor") -> None:
        self.info: HubInfo | None = None
        self._described = _describe(device_id, slot)
        self._decoder = WitDecoder(FRAME_SIZE, _has_sum, 1, _summed_starts)
        self._round: dict[int, bytes] = {}  # what came of the sample under way
        self._kind = 0  # of the last frame
        self._ends: deque[int] = deque(maxlen=_ROUNDS_REMEMBERED)  # last types of rounds before
        self._joined = False  # a round began after we began to listen
        self._maker: BlockMaker | None = None

    def receive(self, data: bytes, time_ns: int) -> list[HubInfo | ImuBlock | Garbage]:
        """Return what `data`, received at host time `time_ns`, completes. Never raises."""
        events: list[HubInfo | ImuBlock | Garbage] = []
        for found in self._decoder.feed(data):
            if isinstance(found, Garbage):
                events += self._take(time_ns)
                events.append(found)
            else:
                self._take_frame(found, events)
        events += self._take(time_ns)
        return events

    def outgoing(self) -> list[bytes]:
        """Nothing: the device speaks unasked."""
        return []

    def keep_alive(self, time_ns: int) -> None:
        """Nothing: the device speaks unasked."""

    def stop(self) -> None:
        """Nothing: the device knows no end."""

    @property
    def stuck_ticks(self) -> int:
        """Samples whose time stood still, went back or leapt."""
        return self._maker.stuck_ticks if self._maker else 0

    def _take_frame(self, frame: WitFrame, events: list[HubInfo | ImuBlock | Garbage]) -> None:
        if (
            frame.kind == _REGISTER
        ):  # an answer to somebody, which may come in the middle of a round
            return
        if frame.kind <= self._kind:  # a new round, whether or not the last one was whole
            self._end_round(events)
        self._round[frame.kind] = frame.payload
        self._kind = frame.kind
        if self._ends and frame.kind >= max(self._ends):  # as early as can be known
            self._end_round(events)
            self._kind = 0

    def _end_round(self, events: list[HubInfo | ImuBlock | Garbage]) -> None:
        parts, self._round = self._round, {}
        self._ends.append(self._kind)
        if not self._joined:
            self._joined = True
            events.append(Garbage(FRAME_SIZE * len(parts)))
            return
        if not parts.keys() & {_ACCEL, _GYRO, _QUAT}:
            return
        if self._maker is None or self.info is None:
            self._maker = BlockMaker(_TIME in parts)
            self.info = self._described
            events.append(self.info)
        self._maker.add(_row(parts), _milliseconds_us(parts.get(_TIME)))

    def _take(self, time_ns: int) -> list[ImuBlock]:
        return self._maker.take(time_ns) if self._maker else []


class WitMotionBle:
    """One WitMotion sensor with Bluetooth 5: notifications of BLE_NOTIFY in, events out.

    The device tells no time: the samples say so, and carry their arrival.
    """

    def __init__(self, device_id: str = "witmotion", slot: str = "sensor") -> None:
        self.info: HubInfo | None = None
        self._described = _describe(device_id, slot)
        self._decoder = WitDecoder(BLE_FRAME_SIZE, _is_ble_frame, 0, _ble_starts)
        self._maker = BlockMaker(has_clock=False)

    def receive(self, data: bytes, time_ns: int) -> list[HubInfo | ImuBlock | Garbage]:
        """Return what `data`, received at host time `time_ns`, completes. Never raises."""
        events: list[HubInfo | ImuBlock | Garbage] = []
        for found in self._decoder.feed(data):
            if isinstance(found, Garbage):
                events += self._maker.take(time_ns)
                events.append(found)
            elif found.kind == _BLE_SAMPLE:
                if self.info is None:
                    self.info = self._described
                    events.append(self.info)
                self._maker.add(_ble_row(found.payload))
        events += self._maker.take(time_ns)
        return events

    def outgoing(self) -> list[bytes]:
        """Nothing: the device speaks unasked."""
        return []

    def keep_alive(self, time_ns: int) -> None:
        """Nothing: the device speaks unasked."""

    def stop(self) -> None:
        """Nothing: the device knows no end."""

    @property
    def stuck_ticks(self) -> int:
        """Samples whose time stood still, went back or leapt."""
        return self._maker.stuck_ticks


def _describe(device_id: str, slot: str) -> HubInfo:
    return HubInfo(device_id, "", 0, math.nan, ACCEL_RANGE_M_S2, GYRO_RANGE_RAD_S, (slot,))


def _row(parts: dict[int, bytes]) -> Row:
    row = blank_row()
    if _ACCEL in parts:
        row[0, ACCEL] = _counts(parts[_ACCEL])[:3] * (ACCEL_RANGE_M_S2 / _FULL_SCALE)
    if _GYRO in parts:
        row[0, GYRO] = _counts(parts[_GYRO])[:3] * (GYRO_RANGE_RAD_S / _FULL_SCALE)
    if _QUAT in parts:
        row[0, QUAT] = unit_quat(_counts(parts[_QUAT]) / _FULL_SCALE)
    return row


def _ble_row(payload: bytes) -> Row:
    counts = np.array(_NINE.unpack(payload), np.float64)
    row = blank_row()
    row[0, ACCEL] = counts[:3] * (ACCEL_RANGE_M_S2 / _FULL_SCALE)
    row[0, GYRO] = counts[3:6] * (GYRO_RANGE_RAD_S / _FULL_SCALE)
    return row


def _counts(payload: bytes) -> Row:
    return np.array(_FOUR.unpack(payload), np.float64)


def _milliseconds_us(payload: bytes | None) -> int | None:
    """The device's calendar (0x50) in µs since 1970; None where it is no date."""
    if payload is None:
        return None
    year, month, day, hour, minute, second, low, high = payload
    millisecond = low | high << 8
    sound = 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60
    if not sound or millisecond >= 1000:
        return None
    seconds = calendar.timegm((2000 + year, month, 1, hour, minute, second))
    return ((seconds + 86_400 * (day - 1)) * 1000 + millisecond) * 1000
