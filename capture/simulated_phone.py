"""A phone without a phone: speaks each app's protocol over real sockets, as the app would.

It answers only whom it is asked by, forgets who stops asking, and rounds as the app rounds. It
decides nothing about faces: `send` gets them one by one.
"""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from capture import facecap, ifacialmocap, livelink, mediapipe_faces, vtube_studio
from capture.livelink import LiveLinkPacket
from capture.phone_apps import APPS
from capture.phone_faces import PhoneFace
from capture.udp import Address, address_of, open_udp
from firmware_host.clock import NS_PER_S

_DIALECTS = {
    "ifacialmocap": ifacialmocap.IFACIALMOCAP,
    "facemotion3d": ifacialmocap.FACEMOTION3D,
}


class SimulatedPhone:
    """One app on one phone.

    `async with SimulatedPhone("vtube-studio") as phone: … phone.send(face)`

    Args:
        app: as in `rig.toml`.
        bind: address of the phone; port: where it is asked, 0 takes a free one.
        target: where the apps send that are told so on the phone (Live Link Face, Face Cap).
        tcp_port: where the host listens, for the apps that connect to it.
        clock_ns: the host's monotonic clock.
    """

    def __init__(
        self,
        app: str,
        *,
        bind: str = "127.0.0.1",
        port: int = 0,
        target: Address | None = None,
        tcp_port: int = 49986,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        assert app in APPS, app
        self.app = app
        self.address: Address = (bind, port)
        self.asked: list[bytes] = []
        self._targets: dict[Address, int | None] = {} if target is None else {target: None}
        self._tcp_port = tcp_port
        self._clock_ns = clock_ns
        self._udp: asyncio.DatagramTransport | None = None
        self._line: asyncio.StreamWriter | None = None
        self._calling: asyncio.Task[None] | None = None

    @property
    def is_asked(self) -> bool:
        """Whether anybody wants frames now."""
        return self._line is not None or bool(self._listeners())

    def send(self, face: PhoneFace) -> int:
        """Send one frame to all who asked for it; return how many datagrams that took."""
        if self._line is not None:
            self._line.write(self._encoded(face)[0] + _DIALECTS[self.app].end)
            return 1
        assert self._udp is not None, "not open"
        sent = 0
        for target in self._listeners():
            for datagram in self._encoded(face):
                self._udp.sendto(datagram, target)
                sent += 1
        return sent

    def aim(self, target: Address) -> None:
        """Send to `target` too, as the operator or the remote control tells the app."""
        self._targets[target] = None

    def _listeners(self) -> list[Address]:
        now_ns = self._clock_ns()
        return [to for to, until in self._targets.items() if until is None or until > now_ns]

    def _encoded(self, face: PhoneFace) -> list[bytes]:
        if self.app == "livelink":
            return [livelink.encode(_packet(face))]
        if self.app == "facecap":
            return facecap.encode(face)
        if self.app == "vtube-studio":
            return [vtube_studio.encode(face)]
        if self.app == "mediapipe":
            return [mediapipe_faces.encode_face(face)]
        return [ifacialmocap.encode(face, _DIALECTS[self.app])]

    def _receive(self, data: bytes, sender: Address) -> None:
        self.asked.append(data)
        if self.app == "vtube-studio":
            self._obey_vtube(data, sender)
        elif self.app in _DIALECTS:
            self._obey_dialect(data, sender)

    def _obey_vtube(self, data: bytes, sender: Address) -> None:
        asked = vtube_studio.read_request(data)
        if asked is not None:
            ports, seconds = asked
            until_ns = self._clock_ns() + round(seconds * NS_PER_S)
            self._targets |= {(sender[0], port): until_ns for port in ports}

    def _obey_dialect(self, data: bytes, sender: Address) -> None:
        dialect = _DIALECTS[self.app]
        if data in dialect.stop:
            self._targets.pop(sender, None)
            self._hang_up()
        elif data == dialect.start:
            self._targets[sender] = None
        elif data == dialect.start_tcp and self._line is None and self._calling is None:
            self._calling = asyncio.ensure_future(self._call(sender[0]))

    async def _call(self, host: str) -> None:
        try:
            _, self._line = await asyncio.open_connection(host, self._tcp_port)
        finally:
            self._calling = None

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    async def __aenter__(self) -> Self:
        self._udp = await open_udp(self.address, self._receive)
        self.address = address_of(self._udp)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._calling is not None:
            self._calling.cancel()
        self._hang_up()
        if self._udp is not None:
            self._udp.close()


def _packet(face: PhoneFace) -> LiveLinkPacket:
    number, numerator, denominator = face.frame
    return LiveLinkPacket(
        "0" * 32,
        face.sender or "simulated phone",
        number,
        face.sub_frame,
        numerator or 60,
        denominator or 1,
        face.weights,
        face.head_yaw_pitch_roll,
        face.eyes_yaw_pitch_roll,
    )
