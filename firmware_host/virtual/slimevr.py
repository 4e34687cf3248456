"""A SlimeVR tracker made of software: its datagrams, and a socket for them.

By the makers' tracker firmware (SlimeVR-Tracker-ESP: packets.h, connection.cpp): it cries its
handshake every second until a server greets it, sends sensor states until they are acknowledged,
then rotation and acceleration of each sensor, bundled where the server says that it understands
bundles. It echoes pings and forgets a server that is silent for three seconds.
"""

import asyncio
import struct
import time
from collections.abc import Callable
from typing import cast

import numpy as np

from firmware_host.virtual.motion import Array, Player

SERVER_SILENCE_S = 3.0
EVERY_S = 1.0
_PROTOCOL = 22
_HEARTBEAT, _HANDSHAKE, _ACCEL, _PING = 0, 3, 4, 10
_BATTERY, _SENSOR_INFO, _ROTATION, _FEATURES, _BUNDLE = 12, 15, 17, 22, 100
_GREETING = b"\x03Hey OVR =D 5"
_BUNDLES_BIT = 1


class VirtualTracker:
    """One tracker. No I/O.

    Args:
        mac: as `AA:BB:…`.
        time_s: (N,) when its samples leave, after it was switched on.
        quat: (N, K, 4) wxyz, from each sensor's axes to a world with z up.
        linear_m_s2: (N, K, 3) acceleration along each sensor's axes, without gravity.
    """

    def __init__(
        self, mac: str, time_s: Array, quat: Array, linear_m_s2: Array, firmware: str = "virtual"
    ) -> None:
        self._mac = bytes.fromhex(mac.replace(":", ""))
        self._quat, self._linear, self._firmware = quat, linear_m_s2, firmware
        self._player = Player(time_s)
        self._number = 0
        self._server_s: float | None = None  # when the server was last heard
        self._second_s = 0.0
        self._acknowledged: set[int] = set()
        self._bundles = False
        self.delivered = 0  # samples that were sent to a server

    @property
    def finished(self) -> bool:
        """Whether the motion is over."""
        return self._player.finished

    def receive(self, data: bytes, elapsed_s: float) -> list[bytes]:
        """Obey the server; return the answers."""
        if data.startswith(_GREETING):
            self._server_s = elapsed_s
            return [self._packet(_FEATURES, b"\0")]
        if self._server_s is None:
            return []
        self._server_s = elapsed_s
        kind = int.from_bytes(data[:4], "big")
        if kind == _SENSOR_INFO and len(data) >= 6:
            self._acknowledged.add(data[4])
        elif kind == _FEATURES and len(data) > 12:
            self._bundles = bool(data[12] & _BUNDLES_BIT)
        elif kind == _PING:
            return [self._packet(_PING, data[12:16])]
        return []

    def due(self, elapsed_s: float) -> list[bytes]:
        """The datagrams that leave now."""
        if self._server_s is not None and elapsed_s - self._server_s > SERVER_SILENCE_S:
            self._server_s, self._acknowledged = None, set()
        out = []
        if elapsed_s >= self._second_s:
            self._second_s = elapsed_s + EVERY_S
            out += self._every_second()
        leaving = self._player.take(elapsed_s)
        if self._server_s is not None:
            self.delivered += len(leaving)
            for at in leaving:
                out += self._sample(at)
        return out

    def _every_second(self) -> list[bytes]:
        if self._server_s is None:
            self._number = 0
            return [self._packet(_HANDSHAKE, self._handshake())]
        told = [
            self._packet(_SENSOR_INFO, struct.pack(">BBB", sensor, 1, 8))
            for sensor in range(self._quat.shape[1])
            if sensor not in self._acknowledged
        ]
        return [
            self._packet(_HEARTBEAT, b""),
            self._packet(_BATTERY, struct.pack(">ff", 3.9, 0.75)),
            *told,
        ]

    def _handshake(self) -> bytes:
        words = struct.pack(">7I", 4, 8, 1, 0, 0, 0, _PROTOCOL)
        name = self._firmware.encode()
        return words + bytes((len(name),)) + name + self._mac

    def _sample(self, at: int) -> list[bytes]:
        parts = []
        for sensor in range(self._quat.shape[1]):
            w, x, y, z = self._quat[at, sensor].tolist()
            parts.append((_ROTATION, struct.pack(">BB4fB", sensor, 1, x, y, z, w, 0)))
            ax, ay, az = self._linear[at, sensor].tolist()
            parts.append((_ACCEL, struct.pack(">3fB", ax, ay, az, sensor)))
        if not self._bundles:
            return [self._packet(kind, payload) for kind, payload in parts]
        inner = b""
        for kind, payload in parts:
            inner += struct.pack(">HI", 4 + len(payload), kind) + payload
        return [self._packet(_BUNDLE, inner)]

    def _packet(self, kind: int, payload: bytes) -> bytes:
        self._number += 1
        return struct.pack(">IQ", kind, self._number) + payload


def still_tracker(mac: str, seconds: float, rate_hz: float = 100.0) -> VirtualTracker:
    """A tracker with one sensor that lies on a table."""
    count = round(seconds * rate_hz)
    quat = np.tile(np.array((1.0, 0.0, 0.0, 0.0)), (count, 1, 1))
    return VirtualTracker(mac, np.arange(count) / rate_hz, quat, np.zeros((count, 1, 3)))


async def run_tracker(
    tracker: VirtualTracker,
    server: tuple[str, int],
    clock_ns: Callable[[], int] = time.monotonic_ns,
    tick_s: float = 0.005,
) -> None:
    """Let a tracker live on a UDP socket until its motion is over."""
    loop = asyncio.get_running_loop()
    began_ns = clock_ns()

    def elapsed_s() -> float:
        return (clock_ns() - began_ns) * 1e-9

    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Socket(tracker, elapsed_s), remote_addr=server
    )
    try:
        while not tracker.finished:
            for datagram in tracker.due(elapsed_s()):
                transport.sendto(datagram)
            await asyncio.sleep(tick_s)
    finally:
        transport.close()


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, tracker: VirtualTracker, elapsed_s: Callable[[], float]) -> None:
        self._tracker, self._elapsed_s = tracker, elapsed_s
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # no subclass in Python 3.11

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        for answer in self._tracker.receive(data, self._elapsed_s()):
            assert self._transport is not None
            self._transport.sendto(answer)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens yet: it goes on crying."""
