"""Sensors of other makers over Bluetooth LE, made of software: notifications and writes. No I/O.

WitMotion by its datasheet "WT901BLECL v20-0707", section 6.1: `55 61` and nine little-endian i16,
at the rate that register 3 says; settings are heeded once it is unlocked. Movella DOT by "Movella
DOT BLE Service Specification" (XD0506P), section 3: it measures when it is told to, here in custom
mode 5: its clock in µs, quaternion, acceleration in m/s², rates in deg/s, padded to 63 bytes.
Written apart from the decoders, so that an error of one is none of the other.
"""

import math
import struct

import numpy as np

from firmware_host.virtual.motion import GRAVITY_M_S2, DeviceClock, Motion, Player
from firmware_host.virtual.scenes import upright

_RATES_HZ = {0x06: 10.0, 0x07: 20.0, 0x08: 50.0, 0x09: 100.0, 0x0B: 200.0}
_CUSTOM_MODE_5 = 26
_DOT_RATE_HZ = 60.0


class VirtualWitMotionBle:
    """Plays a motion, one sample a notification, at 10 Hz until another rate is set."""

    def __init__(self, motion: Motion) -> None:
        self._motion = motion
        self.rate_hz = 10.0
        self._is_unlocked = False
        self._next_s = 0.0
        self.sent = 0

    @property
    def finished(self) -> bool:
        """Whether the motion is over."""
        return bool(self._next_s > self._motion.time_s[-1])

    def receive(self, data: bytes, elapsed_s: float) -> list[bytes]:  # noqa: ARG002
        """Take one write; nothing is answered."""
        if data == bytes.fromhex("FF AA 69 88 B5"):
            self._is_unlocked = True
        elif self._is_unlocked and data[:3] == bytes.fromhex("FF AA 03") and data[3] in _RATES_HZ:
            self.rate_hz = _RATES_HZ[data[3]]
        return []

    def due(self, elapsed_s: float) -> list[bytes]:
        """The notifications that leave now."""
        leaving = []
        while self._next_s <= elapsed_s and not self.finished:
            leaving.append(self._sample(int(np.searchsorted(self._motion.time_s, self._next_s))))
            self._next_s += 1 / self.rate_hz
        self.sent += len(leaving)
        return leaving

    def next_due_s(self) -> float | None:
        """When the next sample leaves."""
        return None if self.finished else self._next_s

    def _sample(self, at: int) -> bytes:
        force = self._motion.accel_m_s2[at] / (16 * GRAVITY_M_S2)
        rate = self._motion.gyro_rad_s[at] / math.radians(2000)
        counts = np.clip(np.rint(np.concatenate((force, rate)) * 32768), -32768, 32767)
        return b"\x55\x61" + struct.pack("<9h", *counts.astype(int).tolist(), 0, 0, 0)


class VirtualDot:
    """Plays a motion at 60 Hz, once it is told to measure in custom mode 5."""

    def __init__(self, motion: Motion, clock: DeviceClock | None = None) -> None:
        self._motion, self._clock = motion, clock or DeviceClock()
        self._quat, _ = upright(motion.accel_m_s2)
        step_s = 1 / _DOT_RATE_HZ
        self._player = Player(np.arange(0.0, motion.time_s[-1], step_s))
        self._at = np.searchsorted(motion.time_s, np.arange(0.0, motion.time_s[-1], step_s))
        self.is_measuring = False
        self.sent = 0

    @property
    def finished(self) -> bool:
        """Whether the motion is over."""
        return self._player.finished

    def receive(self, data: bytes, elapsed_s: float) -> list[bytes]:  # noqa: ARG002
        """Take one write to the control characteristic."""
        if len(data) == 3 and data[0] == 1:
            self.is_measuring = data[1] == 1 and data[2] == _CUSTOM_MODE_5
        return []

    def due(self, elapsed_s: float) -> list[bytes]:
        """The notifications that leave now."""
        leaving = self._player.take(elapsed_s)
        if not self.is_measuring:
            return []
        self.sent += len(leaving)
        return [self._sample(at) for at in leaving]

    def next_due_s(self) -> float | None:
        """When the next sample leaves."""
        return self._player.next_due_s()

    def _sample(self, number: int) -> bytes:
        at = int(self._at[number])
        rates = np.degrees(self._motion.gyro_rad_s[at])
        numbers = np.concatenate((self._quat[at], self._motion.accel_m_s2[at], rates))
        clock_us = self._clock.read_us(float(self._motion.time_s[at])) & 0xFFFF_FFFF
        return struct.pack("<I10f19x", clock_us, *numbers.tolist())
