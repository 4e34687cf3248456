"""The x-io x-IMU3 over serial, USB, TCP or UDP: text and binary messages alike. No I/O.

Source: the maker's "x-IMU3 User Manual v0.11", section 8 (messages, byte stuffing) and section 10
(announcement); the order of a binary message's fields is that of its text. Every message ends with
a line feed. The first byte tells what it is: `{` a command or its answer in JSON, 0x80 + letter a
binary message, a letter a text of comma-separated values. Inertial readings (I) are the samples;
orientations, which the device computes from them, are left out.
"""

import json
import math
import re
import struct
from dataclasses import dataclass

import numpy as np

from firmware_host.samples import Garbage, HubInfo, ImuBlock
from firmware_host.vendors.blocks import (
    ACCEL,
    GRAVITY_M_S2,
    GYRO,
    MAX_TICK_US,
    BlockMaker,
    Row,
    blank_row,
)
from firmware_host.vendors.events import Health, LineEdge, Notice

ACCEL_RANGE_M_S2 = 16 * GRAVITY_M_S2
GYRO_RANGE_RAD_S = math.radians(2000)
ANNOUNCEMENT_PORT = 10000  # UDP, one a second
UNNAMED = "x-IMU3"  # until it has said its serial number
MAX_MESSAGE = 4096  # bytes; those with numbers are below 100

# How many numbers may follow the time, by letter; None where a text or bytes follow. Where two are
# named, the second is of the manual v0.11 and the first of later firmware (`ximu3` 1.9).
_ARGUMENTS: dict[str, tuple[int, ...] | None] = {
    "I": (6,),  # inertial
    "M": (3,),  # magnetometer
    "H": (3,),  # high-g accelerometer
    "Q": (4,),  # quaternion
    "R": (9,),  # rotation matrix
    "A": (3,),  # Euler angles
    "L": (3, 7),  # linear acceleration
    "E": (3, 7),  # Earth acceleration
    "U": None,  # state of the orientation filter
    "T": (1,),  # temperature
    "B": (3,),  # battery
    "W": (2,),  # radio
    "Y": (1,),  # edge at the sync input
    "O": (1, 0),  # button
    "S": None,  # serial accessory
    "C": None,  # time code
    "N": None,  # notification
    "F": None,  # error
}
_END = b"\n"
_EMPTY = Garbage(1)
_BINARY = 0x80
_TIME = struct.Struct("<Q")
_ESCAPES = re.compile(rb"\xdb(.?)", re.DOTALL)
_UNESCAPED = {b"\xdc": b"\n", b"\xdd": b"\xdb"}
_NUMBER = rb"[+-]?\d{1,39}(?:\.\d{0,39})?(?:[eE][+-]?\d{1,2})?"
_TEXT = re.compile(rb"([A-Z]),(\d{1,20})(?:,(.*))?", re.DOTALL)
_VALUE = re.compile(_NUMBER)

XimuEvent = HubInfo | ImuBlock | LineEdge | Health | Notice | Garbage


@dataclass(frozen=True, slots=True)
class DataMessage:
    """One message of the device: what kind, when by its clock, and what it says."""

    letter: str
    tick_us: int
    values: tuple[float, ...] = ()
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class JsonMessage:
    """A command, or its answer: one key and what it holds; an announcement holds many keys."""

    values: dict[str, object]


@dataclass(frozen=True, slots=True)
class XimuAnnouncement:
    """What an x-IMU3 in a network tells everybody once a second.

    tcp_port: on which it serves one host. udp_port: to which port of a host it sends, 0 where it
    does not say. battery: charge in [0, 1], NaN where unknown.
    """

    name: str
    serial_number: str
    tcp_port: int
    udp_port: int
    battery: float


def decode_announcement(data: bytes) -> XimuAnnouncement | None:
    """Read one datagram of ANNOUNCEMENT_PORT; None where it is none. Never raises."""
    message = _json(data.strip()) if len(data) < MAX_MESSAGE else None
    if message is None:
        return None
    values = message.values
    tcp_port, udp_port = (values.get(key) for key in ("port", "send"))
    if not (isinstance(tcp_port, int) and 0 < tcp_port < 65_536):
        return None
    charge = values.get("battery")
    return XimuAnnouncement(
        str(values.get("name", ""))[:64],
        (_name(message) or "")[:64],
        tcp_port,
        udp_port if isinstance(udp_port, int) and 0 < udp_port < 65_536 else 0,
        charge / 100 if isinstance(charge, int | float) and 0 <= charge <= 100 else math.nan,
    )


class XimuDecoder:
    """Incremental decoder: feed it what arrived, take what is complete.

    A run of MAX_MESSAGE bytes without a line feed is given up in lumps of that size. There is no
    checksum: a damaged number is seen only where it breaks the length, the order or the spelling.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._is_overlong = False  # the run in the buffer has already lost its beginning

    @property
    def pending(self) -> int:
        """Bytes held back until the next line feed; always less than MAX_MESSAGE."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[DataMessage | JsonMessage | Garbage]:
        """Return what `data` completes, in order. Never raises."""
        found: list[DataMessage | JsonMessage | Garbage] = []
        *runs, rest = (self._buffer + data).split(_END)
        for run in runs:
            if not run and not self._is_overlong:
                found.append(_EMPTY)  # a line of line feeds is not to cost more than messages
                continue
            run = self._give_up_overlong(run, found)
            message = None if self._is_overlong else decode_message(run)
            found.append(message or Garbage(len(run) + 1))
            self._is_overlong = False
        self._buffer = self._give_up_overlong(rest, found)
        return found

    def _give_up_overlong(
        self, run: bytes, found: list[DataMessage | JsonMessage | Garbage]
    ) -> bytes:
        while len(run) >= MAX_MESSAGE:
            found.append(Garbage(MAX_MESSAGE))
            run = run[MAX_MESSAGE:]
            self._is_overlong = True
        return run


def decode_message(run: bytes) -> DataMessage | JsonMessage | None:
    """Read what lies between two line feeds; None where it is no message."""
    if not run:
        return None
    if run[0] & _BINARY:
        message = _binary(run)
    elif run[:1] == b"{":
        return _json(run)
    else:
        message = _text(run.removesuffix(b"\r"))
    return message if message and message.tick_us <= MAX_TICK_US else None


def _binary(run: bytes) -> DataMessage | None:
    if len(run) <= _TIME.size:  # stuffing only makes it longer
        return None
    letter = chr(run[0] - _BINARY)
    codes = _ESCAPES.findall(run)
    if letter not in _ARGUMENTS or not all(code in _UNESCAPED for code in codes):
        return None
    body = _ESCAPES.sub(lambda escape: _UNESCAPED[escape[1]], run)[1:]
    if len(body) < _TIME.size:
        return None
    tick_us = int(_TIME.unpack_from(body)[0])
    body = body[_TIME.size :]
    counts = _ARGUMENTS[letter]
    if counts is None:
        return DataMessage(letter, tick_us, text=body)
    count, rest = divmod(len(body), 4)
    if rest or count not in counts:
        return None
    return DataMessage(letter, tick_us, struct.unpack(f"<{count}f", body))


def _text(run: bytes) -> DataMessage | None:
    parts = _TEXT.fullmatch(run)
    letter = parts[1].decode() if parts else ""
    if parts is None or letter not in _ARGUMENTS:
        return None
    counts, rest = _ARGUMENTS[letter], parts[3]
    if counts is None:
        return DataMessage(letter, int(parts[2]), text=rest or b"")
    words = [] if rest is None else rest.split(b",")
    if len(words) not in counts or not all(map(_VALUE.fullmatch, words)):
        return None
    return DataMessage(letter, int(parts[2]), tuple(map(float, words)))


def _json(run: bytes) -> JsonMessage | None:
    try:
        values = json.loads(run)
    except (ValueError, RecursionError):  # not UTF-8, no JSON, or nested to break us
        return None
    return JsonMessage(values) if isinstance(values, dict) else None


class XimuDevice:
    """One x-IMU3 as a state machine. It streams unasked; it is asked only who it is.

    Its answer comes as a HubInfo; if readings come first, a HubInfo without a serial number does.
    Inertial messages must be on, which they are unless somebody turned them off.
    """

    def __init__(self, slot: str = "sensor") -> None:
        self.info: HubInfo | None = None
        self._slot = slot
        self._decoder = XimuDecoder()
        self._maker = BlockMaker(has_clock=True)
        self._replies = [b'{"ping":null}\r\n']

    def receive(self, data: bytes, time_ns: int) -> list[XimuEvent]:
        """Return what `data`, received at host time `time_ns`, completes. Never raises."""
        events: list[XimuEvent] = []
        for found in self._decoder.feed(data):
            if isinstance(found, DataMessage) and found.letter == "I":
                if self.info is None:
                    self._introduce(UNNAMED, events)
                self._maker.add(_row(found.values), found.tick_us)
            elif event := _event(found):
                events += self._maker.take(time_ns)
                events.append(event)
            elif isinstance(found, JsonMessage) and (name := _name(found)):
                events += self._maker.take(time_ns)
                self._introduce(name, events)
        events += self._maker.take(time_ns)
        return events

    def outgoing(self) -> list[bytes]:
        """Return what is to be sent to the device now, and forget it."""
        replies, self._replies = self._replies, []
        return replies

    def keep_alive(self, time_ns: int) -> None:
        """Nothing: the device speaks unasked."""

    def stop(self) -> None:
        """Nothing: the device knows no end."""

    @property
    def stuck_ticks(self) -> int:
        """Samples whose time stood still, went back or leapt."""
        return self._maker.stuck_ticks

    def _introduce(self, device_id: str, events: list[XimuEvent]) -> None:
        self.info = HubInfo(
            device_id, "", 0, math.nan, ACCEL_RANGE_M_S2, GYRO_RANGE_RAD_S, (self._slot,)
        )
        events.append(self.info)


def _row(values: tuple[float, ...]) -> Row:
    row = blank_row()
    row[0, GYRO] = np.radians(values[:3])
    row[0, ACCEL] = np.array(values[3:]) * GRAVITY_M_S2
    return row


def _event(
    found: DataMessage | JsonMessage | Garbage,
) -> LineEdge | Health | Notice | Garbage | None:
    """What a message other than samples means to us; None where nothing."""
    if isinstance(found, Garbage):
        return found
    if isinstance(found, JsonMessage):
        return None
    if found.letter == "Y":
        return LineEdge(found.tick_us, found.values[0] > 0.5)
    if found.letter == "B":
        return Health(battery=min(max(found.values[0] / 100, 0.0), 1.0))
    if found.letter == "T":
        return Health(temperature_c=found.values[0])
    if found.letter == "W":  # percent, then dBm
        return Health(rssi_dbm=found.values[1])
    if found.letter in "NF":
        return Notice(found.text.decode("ascii", "replace"), found.letter == "F")
    return None


def _name(message: JsonMessage) -> str | None:
    """The serial number (or else the name) in the answer to a ping or in an announcement."""
    values = message.values.get("ping", message.values)
    if not isinstance(values, dict):
        return None
    # The first two are of the manual v0.11, the others of later firmware.
    for key in ("serialNumber", "serial", "sn", "deviceName", "name"):
        value = values.get(key)
        if isinstance(value, str) and value:
            return value[:64]
    return None
