"""Protobuf messages of a take, built in code, and their encoding in bulk. No I/O.

Every field of these messages has a fixed width and is always present (proto2), so all messages of
one type are the same bytes but for the values. That lets numpy encode and decode a whole stretch at
once, while any protobuf reader (Foxglove, PlotJuggler) sees ordinary messages with their schema.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from firmware_host.errors import DataError
from firmware_host.rig import HUB

Kind = Literal["float", "sfixed64", "fixed64", "sfixed32", "bool"]
Rows = NDArray[np.uint8]

_WIRE: dict[Kind, tuple[int, int, str]] = {  # wire type, bytes, numpy type
    "float": (5, 4, "<f4"),
    "sfixed64": (1, 8, "<i8"),
    "fixed64": (1, 8, "<u8"),
    "sfixed32": (5, 4, "<i4"),
    "bool": (0, 1, "u1"),
}
_GROUP_WIRE = 2
PACKAGE = "imusic"


@dataclass(frozen=True, slots=True)
class Field:
    """A number of fixed width."""

    name: str
    kind: Kind = "float"


@dataclass(frozen=True, slots=True)
class Group:
    """A message inside a message."""

    name: str
    fields: tuple["Field | Group", ...]


@dataclass(frozen=True)
class FixedMessage:
    """A message type whose every encoded message has the same length."""

    name: str
    fields: tuple[Field | Group, ...]

    @cached_property
    def _layout(self) -> tuple[bytes, dict[str, tuple[int, Kind]]]:
        places: dict[str, tuple[int, Kind]] = {}
        return _template(self.fields, "", 0, places), places

    @property
    def template(self) -> bytes:
        """One encoded message, every value zero."""
        return self._layout[0]

    @cached_property
    def _constant(self) -> NDArray[np.bool_]:
        """Which bytes are the same in every message."""
        constant = np.ones(len(self.template), np.bool_)
        for at, kind in self._layout[1].values():
            constant[at : at + _WIRE[kind][1]] = False
        return constant

    def columns(self, *paths: str) -> "Columns":
        """Where the fields at these dotted paths lie; all of one kind."""
        places = [self._layout[1][path] for path in paths]
        _, width, dtype = _WIRE[places[0][1]]
        at = np.concatenate([np.arange(start, start + width) for start, _ in places])
        return Columns(at, np.dtype(dtype), len(paths))

    def rows(self, count: int) -> Rows:
        """(count, L) encoded messages, every value zero; fill them through `columns`."""
        return np.tile(np.frombuffer(self.template, np.uint8), (count, 1))

    def parse(self, payloads: Sequence[memoryview]) -> Rows:
        """(N, L) of N encoded messages. Raises DataError where one is not of this type."""
        length = len(self.template)
        if any(len(payload) != length for payload in payloads):
            raise DataError(f"expected messages {self.name} of {length} bytes")
        rows = np.frombuffer(b"".join(payloads), np.uint8).reshape(-1, length)
        expected = np.frombuffer(self.template, np.uint8)[self._constant]
        if not np.array_equal(
            rows[:, self._constant], np.broadcast_to(expected, (len(rows), len(expected)))
        ):
            raise DataError(f"a message is not of the type {self.name} this take should hold")
        return rows

    @cached_property
    def descriptor_set(self) -> bytes:
        """The FileDescriptorSet that an MCAP schema record carries."""
        from google.protobuf import descriptor_pb2

        files = descriptor_pb2.FileDescriptorSet()
        file = files.file.add(name=f"{PACKAGE}/{self.name}.proto", package=PACKAGE, syntax="proto2")
        _describe(file.message_type.add(name=self.name), self.fields, f".{PACKAGE}.{self.name}")
        return files.SerializeToString()


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Some fields of encoded messages, as numbers."""

    at: NDArray[np.intp]
    dtype: np.dtype[Any]
    count: int

    def put(self, rows: Rows, values: NDArray[Any]) -> None:
        """Write (N, …) values, as many per message as there are fields."""
        numbers = np.ascontiguousarray(values, self.dtype).reshape(len(rows), self.count)
        rows[:, self.at] = numbers.view(np.uint8)

    def get(self, rows: Rows) -> NDArray[Any]:
        """(N, fields) values, a copy."""
        return np.ascontiguousarray(rows[:, self.at]).view(self.dtype)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _template(
    fields: Sequence[Field | Group], prefix: str, at: int, places: dict[str, tuple[int, Kind]]
) -> bytes:
    """Encoded fields, all zero, beginning at byte `at`; fills `places` with where values lie."""
    out = b""
    for number, field in enumerate(fields, 1):
        path = f"{prefix}{field.name}"
        if isinstance(field, Group):
            tag = _varint(number << 3 | _GROUP_WIRE)
            head = tag + _varint(len(_template(field.fields, "", 0, {})))
            body = _template(field.fields, f"{path}.", at + len(out) + len(head), places)
            out += head + body
            continue
        wire, width, _ = _WIRE[field.kind]
        out += _varint(number << 3 | wire)
        places[path] = (at + len(out), field.kind)
        out += bytes(width)
    return out


def _describe(message: Any, fields: Sequence[Field | Group], full_name: str) -> None:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

    for number, field in enumerate(fields, 1):
        added = message.field.add(name=field.name, number=number, label=Proto.LABEL_OPTIONAL)
        if isinstance(field, Group):
            kind = "".join(part.capitalize() for part in field.name.split("_"))
            added.type, added.type_name = Proto.TYPE_MESSAGE, f"{full_name}.{kind}"
            _describe(message.nested_type.add(name=kind), field.fields, f"{full_name}.{kind}")
        else:
            added.type = getattr(Proto, f"TYPE_{field.kind.upper()}")


def messages(rows: Rows) -> Iterator[bytes]:
    """The encoded messages of (N, L) rows, one by one."""
    length, joined = rows.shape[1], rows.tobytes()
    for at in range(0, len(joined), length):
        yield joined[at : at + length]


def _xyz(name: str) -> Group:
    return Group(name, (Field("x"), Field("y"), Field("z")))


def _angles(name: str) -> Group:
    return Group(name, (Field("yaw"), Field("pitch"), Field("roll")))


def field_names(slots: Sequence[str]) -> tuple[str, ...]:
    """Slot names as protobuf field names: letters, digits and underscores, all different."""
    names: list[str] = []
    for index, slot in enumerate(slots):
        name = re.sub(r"[^0-9A-Za-z_]", "_", slot)
        name = f"slot_{name}" if not name[:1].isalpha() else name
        clashes = name.lower() in {"tick_us", "sequence", *(n.lower() for n in names)}
        names.append(f"{name}_{index}" if clashes else name)
    return tuple(names)


HUB_SAMPLE, SAMPLE_OF = "HubSample", "Sample_"


def sample_name(device: str) -> str:
    """The message type of a device's samples."""
    return HUB_SAMPLE if device == HUB else f"{SAMPLE_OF}{device}"


@lru_cache(maxsize=64)
def samples_message(slots: tuple[str, ...], device: str = HUB) -> FixedMessage:
    """`NAME/samples`: one tick of all its slots; accel in m/s², gyro in rad/s, NaN where absent."""
    sensors = (Group(name, (_xyz("accel"), _xyz("gyro"))) for name in field_names(slots))
    return FixedMessage(
        sample_name(device), (Field("tick_us", "sfixed64"), Field("sequence", "sfixed64"), *sensors)
    )


@lru_cache(maxsize=64)
def samples_columns(slots: tuple[str, ...]) -> tuple[Columns, Columns]:
    """(tick_us and sequence, all readings: accel xyz then gyro xyz of each slot)."""
    message = samples_message(slots)  # of whatever device: places do not depend on its name
    readings = [
        f"{name}.{sensor}.{axis}"
        for name in field_names(slots)
        for sensor in ("accel", "gyro")
        for axis in "xyz"
    ]
    return message.columns("tick_us", "sequence"), message.columns(*readings)


FACE = FixedMessage(
    "PhoneFace",
    (
        Field("device_ns", "sfixed64"),
        Field("frame_number", "sfixed32"),
        Field("sub_frame"),
        Field("rate_numerator", "sfixed32"),
        Field("rate_denominator", "sfixed32"),
        Field("tracked", "bool"),
        _angles("head"),
        Group("quat_world_from_head", tuple(Field(axis) for axis in "wxyz")),
        _angles("left_eye"),
        _angles("right_eye"),
        Group("weights", tuple(Field(name) for name in ARKIT_NAMES)),
    ),
)
FACE_TIME = FACE.columns("device_ns")
FACE_FRAME = FACE.columns("frame_number", "rate_numerator", "rate_denominator")
FACE_SUB_FRAME = FACE.columns("sub_frame")
FACE_TRACKED = FACE.columns("tracked")
FACE_HEAD = FACE.columns("head.yaw", "head.pitch", "head.roll")
FACE_QUAT = FACE.columns(*(f"quat_world_from_head.{axis}" for axis in "wxyz"))
FACE_EYES = FACE.columns(
    *(f"{eye}_eye.{axis}" for eye in ("left", "right") for axis in ("yaw", "pitch", "roll"))
)
FACE_WEIGHTS = FACE.columns(*(f"weights.{name}" for name in ARKIT_NAMES))

PHONE_CLOCK = 1  # the first device is 0, the others come after the phone
CLOCK = FixedMessage(
    "ClockReading",
    (Field("source", "sfixed32"), Field("device_ns", "sfixed64"), Field("host_ns", "sfixed64")),
)
CLOCK_SOURCE = CLOCK.columns("source")
CLOCK_PAIR = CLOCK.columns("device_ns", "host_ns")
