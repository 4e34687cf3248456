"""A WitMotion sensor on a serial line, made of software. No I/O.

By the maker's datasheet "WT901 v20-0702", section 5.1 (frames) and 5.2 (registers): every content
is a frame `55 type d0 .. d7 sum`, little-endian i16. It sends what its content register says: as
delivered acceleration, rate, angle and magnetic field, here without the last two and with the time.
Written apart from the decoder, so that an error of one is none of the other.
"""

import math
import struct
from datetime import UTC, datetime, timedelta

from firmware_host.virtual.motion import GRAVITY_M_S2, DeviceClock, Motion, Player

_TIME, _ACCEL, _GYRO = 0x50, 0x51, 0x52
_TEMPERATURE = 2500  # hundredths of °C
_BORN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class VirtualWitMotion:
    """Plays a motion. has_time: whether its content register asks for the time."""

    running = True

    def __init__(
        self, motion: Motion, clock: DeviceClock | None = None, has_time: bool = True
    ) -> None:
        self._motion, self._clock = motion, clock or DeviceClock()
        self._player = Player(motion.time_s)
        self._kinds = [_TIME, _ACCEL, _GYRO] if has_time else [_ACCEL, _GYRO]
        self._unlocked = False

    @property
    def finished(self) -> bool:
        """Whether the motion is over."""
        return self._player.finished

    @property
    def sent(self) -> int:
        """Samples that have left."""
        return self._player.sent

    def boot(self) -> bytes:
        """Nothing."""
        return b""

    def receive(self, data: bytes, elapsed_s: float = 0.0) -> bytes:  # noqa: ARG002
        """Obey the content register, once unlocked; nothing is answered."""
        for at in range(0, len(data) - 4, 5):
            self._obey(data[at : at + 5])
        return b""

    def due(self, elapsed_s: float) -> bytes:
        """The frames of every sample that leaves now."""
        return b"".join(self._sample(at) for at in self._player.take(elapsed_s))

    def next_due_s(self) -> float | None:
        """When the next sample leaves."""
        return self._player.next_due_s()

    def _obey(self, command: bytes) -> None:
        if command == bytes.fromhex("FF AA 69 88 B5"):
            self._unlocked = True
        elif self._unlocked and command[:3] == bytes.fromhex("FF AA 02"):
            content = int.from_bytes(command[3:], "little")
            self._kinds = [k for k in (_TIME, _ACCEL, _GYRO) if content >> (k - _TIME) & 1]

    def _sample(self, at: int) -> bytes:
        force, rate = self._motion.accel_m_s2[at], self._motion.gyro_rad_s[at]
        contents = {
            _TIME: self._date(float(self._motion.time_s[at])),
            _ACCEL: _shorts(*(16 * GRAVITY_M_S2,) * 3, values=force.tolist()),
            _GYRO: _shorts(*(math.radians(2000),) * 3, values=rate.tolist()),
        }
        return b"".join(_frame(kind, contents[kind]) for kind in self._kinds)

    def _date(self, elapsed_s: float) -> bytes:
        now = _BORN + timedelta(microseconds=self._clock.read_us(elapsed_s))
        head = (now.year - 2000, now.month, now.day, now.hour, now.minute, now.second)
        return bytes(head) + (now.microsecond // 1000).to_bytes(2, "little")


def _shorts(*ranges: float, values: list[float]) -> bytes:
    counts = [
        max(-32768, min(32767, round(value / reach * 32768)))
        for value, reach in zip(values, ranges, strict=True)
    ]
    return struct.pack("<4h", *counts, _TEMPERATURE)


def _frame(kind: int, content: bytes) -> bytes:
    body = bytes((0x55, kind)) + content
    return body + bytes((sum(body) & 0xFF,))
