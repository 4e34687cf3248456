"""Motion sensors on the Lab Streaming Layer: what `transports.lsl` hands on, as events. No I/O.

Its chunks are whole messages of ours, little-endian: `H` and a JSON object that says what the
stream is (`Header`); `S`, u32 count N, f64 stamps (N,), f32 values (N, C). Stamps are seconds of
the sender's LSL clock, and so the device's clock here; offsets are found as of any device.

Channels are found by their labels, `SENSOR.ax` … `SENSOR.gz`: first the sensor (any text, or none),
then `a`, `acc`, `accel`, `g`, `gyr`, `gyro` or `q`, `quat`, then the axis; between them `.`, `_`,
`-`, a blank, or nothing. Units as the stream's channels say; without one, m/s² and rad/s.
"""

import math
import re
import struct
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_host.samples import Garbage, HubInfo, HubMode, ImuBlock
from firmware_host.vendors.blocks import (
    ACCEL,
    GRAVITY_M_S2,
    GYRO,
    MAX_TICK_US,
    QUAT,
    BlockMaker,
    blank_row,
    unit_quat,
)
from firmware_host.vendors.events import Notice

MAX_CHANNELS = 1024
MAX_HEADER_BYTES = 256 * 1024
_LABEL = re.compile(
    r"(?P<sensor>.*?)[._ -]*(?P<what>accel|acc|gyro|gyr|quat|a|g|q)[._ -]?(?P<axis>[wxyz])$", re.I
)
_FIRST = {"a": ACCEL.start, "g": GYRO.start, "q": QUAT.start}
_COUNT = struct.Struct("<I")
_ACCEL_UNITS = {
    "": 1.0, "m/s^2": 1.0, "m/s2": 1.0, "m/s²": 1.0, "meters/second^2": 1.0, "mps2": 1.0,
    "g": GRAVITY_M_S2, "mg": GRAVITY_M_S2 / 1000,
}  # fmt: skip
_GYRO_UNITS = {
    "": 1.0, "rad/s": 1.0, "radians/second": 1.0, "rps": 1.0,
    "deg/s": math.pi / 180, "degrees/second": math.pi / 180, "dps": math.pi / 180,
    "°/s": math.pi / 180, "mdps": math.pi / 180_000,
}  # fmt: skip

Values = NDArray[np.float64]
Event = HubInfo | ImuBlock | Garbage | Notice


class Channel(msgspec.Struct, frozen=True):
    """One channel, as the stream's description has it."""

    label: str
    unit: str = ""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream says of itself. rate_hz: nominal, 0 where it is irregular."""

    name: str
    source_id: str = ""
    rate_hz: float = 0.0
    channels: tuple[Channel, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """Where channels go: `columns[k]` of the stream is column `fields[k]` of sensor `rows[k]`,
    times `scales[k]`. odd: units that nobody knows."""

    sensors: tuple[str, ...]
    columns: tuple[int, ...]
    rows: tuple[int, ...]
    fields: tuple[int, ...]
    scales: Values
    odd: tuple[str, ...] = ()


def places_of(channels: tuple[Channel, ...]) -> Places:
    """Find sensors by the labels of channels; those that have neither accel nor gyro are none."""
    found: dict[str, list[tuple[int, int, float]]] = {}
    odd = []
    for column, channel in enumerate(channels):
        match = _LABEL.fullmatch(channel.label.strip())
        if match is None:
            continue
        kind, axis = match["what"][0].lower(), match["axis"].lower()
        axes = "wxyz" if kind == "q" else "xyz"
        if axis not in axes:  # an acceleration has no w
            continue
        scale = 1.0
        if kind != "q":
            units = _ACCEL_UNITS if kind == "a" else _GYRO_UNITS
            unit = channel.unit.strip().lower()
            if unit not in units:
                odd.append(f"{channel.label} in {channel.unit}")
                continue
            scale = units[unit]
        found.setdefault(match["sensor"] or "sensor", []).append(
            (column, _FIRST[kind] + axes.index(axis), scale)
        )
    told = {
        name: parts for name, parts in found.items() if any(f < QUAT.start for _, f, _ in parts)
    }
    flat = [(c, row, f, s) for row, parts in enumerate(told.values()) for c, f, s in parts]
    return Places(
        tuple(told),
        tuple(c for c, *_ in flat),
        tuple(row for _, row, _, _ in flat),
        tuple(f for _, _, f, _ in flat),
        np.array([s for *_, s in flat], float),
        tuple(odd),
    )


def encode_header(header: Header) -> bytes:
    """The first message of a link."""
    return b"H" + msgspec.json.encode(header)


def encode_samples(stamps_s: Values, values: Values) -> bytes:
    """(N,) and (N, C) as they came."""
    head = b"S" + _COUNT.pack(len(stamps_s))
    return head + stamps_s.astype("<f8").tobytes() + values.astype("<f4").tobytes()


def decode_header(data: bytes) -> Header | None:
    """Inverse of `encode_header`; None where it is none."""
    if not data.startswith(b"H") or len(data) > MAX_HEADER_BYTES:
        return None
    try:
        header = msgspec.json.decode(data[1:], type=Header)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return header if 0 < len(header.channels) <= MAX_CHANNELS else None


def decode_samples(data: bytes, channels: int) -> tuple[Values, Values] | None:
    """Inverse of `encode_samples`; None where it is none of a stream with so many channels."""
    if not data.startswith(b"S") or len(data) < 1 + _COUNT.size:
        return None
    (count,) = _COUNT.unpack_from(data, 1)
    at = 1 + _COUNT.size
    if len(data) != at + count * (8 + 4 * channels):
        return None
    stamps = np.frombuffer(data, "<f8", count, at).astype(float)
    values = np.frombuffer(data, "<f4", count * channels, at + 8 * count).astype(float)
    return stamps, values.reshape(count, channels)


class LslDevice:
    """One stream as a device: its sensors are those that its labels name. Never raises."""

    def __init__(self) -> None:
        self.info: HubInfo | None = None
        self._header: Header | None = None
        self._places: Places | None = None
        self._channels = 0
        self._maker = BlockMaker(has_clock=True)

    def receive(self, data: bytes, time_ns: int) -> list[Event]:
        """What one message, received at host time `time_ns`, says."""
        if (header := decode_header(data)) is not None:
            return self._meet(header)
        found = None if self._places is None else decode_samples(data, self._channels)
        if found is None or self._places is None:
            return [Garbage(len(data))]
        stamps, values = found
        for stamp_s, row in zip(stamps.tolist(), values, strict=True):
            tick = round(stamp_s * 1e6) if abs(stamp_s) < MAX_TICK_US / 1e6 else None
            if tick is not None and tick < 0:
                tick = None
            self._maker.add(self._row(row, self._places), tick)
        return list(self._maker.take(time_ns))

    def _row(self, values: Values, places: Places) -> Values:
        row = blank_row(len(places.sensors))
        row[places.rows, places.fields] = values[list(places.columns)] * places.scales
        for sensor in row:
            sensor[QUAT] = unit_quat(sensor[QUAT])
        return row

    def _meet(self, header: Header) -> list[Event]:
        if header == self._header:
            return []
        places = places_of(header.channels)
        events: list[Event] = [
            Notice(f"channel {odd}: nobody knows this unit, left out", is_error=True)
            for odd in places.odd
        ]
        if not places.sensors:
            labels = ", ".join(channel.label for channel in header.channels[:6])
            text = f"the stream {header.name!r} has no channels like face.ax or face.gx: {labels}"
            return [*events, Notice(text, is_error=True)]
        self._header, self._places, self._channels = header, places, len(header.channels)
        rate_hz = header.rate_hz if header.rate_hz > 0 else math.nan
        has_rates = any(GYRO.start <= field < GYRO.stop for field in places.fields)
        mode = HubMode.RAW if has_rates else HubMode.FUSED
        who = header.source_id or header.name
        self.info = HubInfo(who, "", 0, rate_hz, math.nan, math.nan, places.sensors, mode=mode)
        return [*events, self.info]

    def outgoing(self) -> list[bytes]:
        """Nothing: a stream cannot be answered."""
        return []

    def keep_alive(self, time_ns: int) -> None:
        """Nothing: it speaks unasked."""

    @property
    def stuck_ticks(self) -> int:
        """Samples whose time stood still, went back or leapt."""
        return self._maker.stuck_ticks

    def stop(self) -> None:
        """Nothing: whoever sends goes on for others."""
