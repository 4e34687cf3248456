"""An x-io x-IMU3 on a serial or TCP line, made of software. No I/O.

By the maker's "x-IMU3 User Manual v0.11", section 8: inertial messages as text
`I,time,gyro xyz,accel xyz` (µs, deg/s, g) or as bytes `C9 | u64 | six f32 | 0A`, with 0A and DB
stuffed; JSON commands, each answered.
"""

import json
import math
import struct

from firmware_host.virtual.motion import GRAVITY_M_S2, DeviceClock, Motion, Player


class VirtualXimu3:
    """Plays a motion."""

    running = True

    def __init__(
        self,
        motion: Motion,
        serial_number: str = "0123-4567-89AB-CDEF",
        clock: DeviceClock | None = None,
        binary: bool = False,
    ) -> None:
        self._motion, self._clock = motion, clock or DeviceClock()
        self._serial_number, self._binary = serial_number, binary
        self._player = Player(motion.time_s)
        self._heard = b""

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
        """Answer ping; other commands are not known here."""
        *lines, self._heard = (self._heard + data).split(b"\n")
        return b"".join(map(self._answer, lines))

    def due(self, elapsed_s: float) -> bytes:
        """The message of every sample that leaves now."""
        return b"".join(self._sample(at) for at in self._player.take(elapsed_s))

    def next_due_s(self) -> float | None:
        """When the next sample leaves."""
        return self._player.next_due_s()

    def _answer(self, line: bytes) -> bytes:
        try:
            command = json.loads(line)
        except ValueError:
            return b""
        if not (isinstance(command, dict) and "ping" in command):
            return b""
        told = {
            "interface": "USB",
            "deviceName": "x-IMU3",
            "serialNumber": self._serial_number,
        }
        return json.dumps({"ping": told}).encode() + b"\r\n"

    def _sample(self, at: int) -> bytes:
        rates = [math.degrees(value) for value in self._motion.gyro_rad_s[at].tolist()]
        forces = [value / GRAVITY_M_S2 for value in self._motion.accel_m_s2[at].tolist()]
        tick_us = self._clock.read_us(float(self._motion.time_s[at]))
        if self._binary:
            return _stuffed(b"\xc9" + struct.pack("<Q6f", tick_us, *rates, *forces)) + b"\n"
        numbers = ",".join(f"{value:.4f}" for value in (*rates, *forces))
        return f"I,{tick_us},{numbers}\r\n".encode()


def _stuffed(message: bytes) -> bytes:
    return message.replace(b"\xdb", b"\xdb\xdd").replace(b"\n", b"\xdb\xdc")
