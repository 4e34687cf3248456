"""Movella DOT (before: Xsens DOT) over Bluetooth LE: notifications in, events out. No I/O.

Source: the maker's "Movella DOT BLE Service Specification" (XD0506P), section 2.2, device control,
and section 3, measurement service. All numbers are little-endian; every payload begins with the
device's clock, u32 µs, which wraps after 71 minutes. Notifications may be padded with zeros. What a
payload holds depends on the mode that was asked for, and does not say so itself: it must be decoded
by the mode that runs. Modes that need the maker's own library (high fidelity) or hold no readings
are left out.
"""

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from firmware_host.device import unwrap
from firmware_host.samples import Garbage, HubInfo, HubMode, ImuBlock
from firmware_host.vendors.blocks import (
    ACCEL,
    GRAVITY_M_S2,
    GYRO,
    QUAT,
    BlockMaker,
    Row,
    blank_row,
    into_sensor,
    unit_quat,
)

_UUID = "1517{:04x}-4947-11e9-8646-d663bd873d93"
DEVICE_CONTROL = _UUID.format(0x1002)
SERVICE = _UUID.format(0x2000)
CONTROL = _UUID.format(0x2001)
LONG, MEDIUM, SHORT = (_UUID.format(number) for number in (0x2002, 0x2003, 0x2004))
ACCEL_RANGE_M_S2 = 16 * GRAVITY_M_S2
GYRO_RANGE_RAD_S = math.radians(2000)
STREAM_RATES_HZ = (1, 4, 10, 12, 15, 20, 30, 60)  # 120 is for recording inside the device only
STOP = bytes((1, 0, 0))  # to be written to CONTROL; the mode is heeded when starting only
_OUTPUT_RATE = 1 << 4  # which field of the 32 bytes of device control is meant
_RATE_SETTING = struct.Struct("<B23xH6x")
_UP = np.array((0.0, 0.0, GRAVITY_M_S2))


class DotMode(IntEnum):
    """What the device is asked to measure. CUSTOM_5 is the one to use: all there is."""

    EXTENDED_QUATERNION = 2
    COMPLETE_QUATERNION = 3
    ORIENTATION_QUATERNION = 5
    FREE_ACCELERATION = 6
    RATE_QUANTITIES_WITH_MAG = 20
    RATE_QUANTITIES = 21
    CUSTOM_3 = 24
    CUSTOM_5 = 26


# The fields behind the clock, in their order: q quaternion wxyz, f free acceleration (m/s², in the
# world, without gravity), a acceleration (m/s²), g rates (deg/s). What may follow is left out.
_FIELDS: dict[DotMode, str] = {
    DotMode.EXTENDED_QUATERNION: "qf",
    DotMode.COMPLETE_QUATERNION: "qf",
    DotMode.ORIENTATION_QUATERNION: "q",
    DotMode.FREE_ACCELERATION: "f",
    DotMode.RATE_QUANTITIES_WITH_MAG: "ag",
    DotMode.RATE_QUANTITIES: "ag",
    DotMode.CUSTOM_3: "qg",
    DotMode.CUSTOM_5: "qag",
}
_SIZES = {"q": 4, "f": 3, "a": 3, "g": 3}
_CLOCK = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class DotPayload:
    """One notification, in the device's units; empty where the mode does not hold it."""

    clock_us: int
    quat: tuple[float, ...] = ()
    free_accel: tuple[float, ...] = ()
    accel: tuple[float, ...] = ()
    gyro_deg_s: tuple[float, ...] = ()


def decode_payload(mode: DotMode, data: bytes) -> DotPayload | None:
    """Read one notification; None where it is too short for its mode. Never raises."""
    fields = _FIELDS[mode]
    count = sum(_SIZES[field] for field in fields)
    if len(data) < _CLOCK.size + 4 * count:
        return None
    numbers = struct.unpack_from(f"<{count}f", data, _CLOCK.size)
    found: dict[str, tuple[float, ...]] = {}
    at = 0
    for field in fields:
        found[field] = numbers[at : at + _SIZES[field]]
        at += _SIZES[field]
    parts = (found.get(field, ()) for field in _SIZES)
    return DotPayload(_CLOCK.unpack_from(data)[0], *parts)


def rate_setting(rate_hz: int) -> bytes:
    """What to write to DEVICE_CONTROL while nothing is measured. The device may remember it.

    Raises:
        ValueError: a rate at which the device does not stream.
    """
    if rate_hz not in STREAM_RATES_HZ:
        raise ValueError(f"expected a rate of {STREAM_RATES_HZ} Hz, got {rate_hz}")
    return _RATE_SETTING.pack(_OUTPUT_RATE, rate_hz)


class DotDevice:
    """One DOT as a state machine: it is told what to measure, and streams.

    Readings that the mode does not hold are NaN. Free acceleration becomes specific force by the
    orientation of the same instant, which gives gravity its direction.

    Raises:
        ValueError: the mode gives free acceleration without orientation: no reading of ours.
    """

    def __init__(
        self, device_id: str = "dot", slot: str = "sensor", mode: DotMode = DotMode.CUSTOM_5
    ) -> None:
        if mode is DotMode.FREE_ACCELERATION:
            raise ValueError("free acceleration without orientation cannot be turned into readings")
        self.info: HubInfo | None = None
        self._mode = mode
        self._device_id, self._slot = device_id, slot
        self._clock_us: int | None = None
        self._maker = BlockMaker(has_clock=True)
        self._replies = [bytes((1, 1, mode))]

    def receive(self, data: bytes, time_ns: int) -> list[HubInfo | ImuBlock | Garbage]:
        """Return what one notification, received at host time `time_ns`, says. Never raises."""
        payload = decode_payload(self._mode, data)
        if payload is None:
            return [Garbage(len(data))]
        events: list[HubInfo | ImuBlock | Garbage] = []
        if self.info is None:
            self.info = self._describe()
            events.append(self.info)
        near = payload.clock_us if self._clock_us is None else self._clock_us
        self._clock_us = unwrap(near, payload.clock_us)
        self._maker.add(_row(payload), self._clock_us)
        events += self._maker.take(time_ns)
        return events

    def outgoing(self) -> list[bytes]:
        """Return what is to be written to CONTROL now, and forget it."""
        replies, self._replies = self._replies, []
        return replies

    def keep_alive(self, time_ns: int) -> None:
        """Nothing: the device speaks unasked."""

    @property
    def stuck_ticks(self) -> int:
        """Samples whose time stood still, went back or leapt."""
        return self._maker.stuck_ticks

    def stop(self) -> None:
        """Ask the device to end the stream."""
        self._replies.append(bytes((1, 0, self._mode)))

    def _describe(self) -> HubInfo:
        mode = HubMode.RAW if "g" in _FIELDS[self._mode] else HubMode.FUSED
        accel, gyro = ACCEL_RANGE_M_S2, GYRO_RANGE_RAD_S
        return HubInfo(self._device_id, "", 0, math.nan, accel, gyro, (self._slot,), mode=mode)


def _row(payload: DotPayload) -> Row:
    row = blank_row()
    if payload.quat:
        row[0, QUAT] = unit_quat(np.array(payload.quat))
    if payload.accel:
        row[0, ACCEL] = payload.accel
    elif payload.free_accel:
        row[0, ACCEL] = into_sensor(row[0, QUAT], np.array(payload.free_accel) + _UP)
    if payload.gyro_deg_s:
        row[0, GYRO] = np.radians(payload.gyro_deg_s)
    return row
