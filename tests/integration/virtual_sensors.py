"""Virtual Bluetooth LE devices: a hub of ours, a WitMotion sensor, a Movella DOT."""

import asyncio
import struct

from bumble.att import ATT_Error, ErrorCode
from bumble.gatt import Characteristic, Service

from firmware_host.announcements import Link
from firmware_host.simulated_links import HubLife, Serving
from firmware_host.simulator import HubSummary, SimulatedHub
from firmware_host.transports.gatt import NUS_RX, NUS_SERVICE, NUS_TX
from firmware_host.vendors import dot, witmotion
from tests.integration.virtual_ble import Peripheral

HUB_ADDRESS = "C0:FF:EE:00:00:01"
WITMOTION_ADDRESS = "C0:FF:EE:00:00:02"
DOT_ADDRESS = "D4:22:CD:00:00:03"


class VirtualHub(Peripheral):
    """A simulated hub behind a Nordic UART service."""

    def __init__(
        self, hub: SimulatedHub, address: str = HUB_ADDRESS, name: str = "imusic-1", **how: object
    ) -> None:
        super().__init__(address, name, (NUS_SERVICE,))
        self._life_of = hub, Serving(link=Link.TCP, **how)
        self.heard: list[bytes] = []
        self.notifications = 0

    def services(self) -> list[Service]:
        self._life = HubLife(*self._life_of)
        self._tx = self.speaks(NUS_TX)
        both = Characteristic.WRITE | Characteristic.WRITE_WITHOUT_RESPONSE
        return [Service(NUS_SERVICE, [self.listens(NUS_RX, self._hear, both), self._tx])]

    def summary(self) -> HubSummary:
        return self._life.summary()

    def _hear(self, data: bytes) -> None:
        self.heard.append(data)
        self.play(self._send(self._life.receive(data)))

    def on_subscribed(self, characteristic: Characteristic[bytes]) -> None:
        self.play(self._live())

    async def _live(self) -> None:
        await self._send(self._life.hub.boot())
        while not self._life.hub.finished:
            await self._life.wait()
            await self._send(self._life.due(self.connection is not None))

    async def _send(self, stream: bytes) -> None:
        if self.connection is None:
            return
        size = self.connection.att_mtu - 3
        for at in range(0, len(stream), size):
            self.notifications += 1
            await self.say(self._tx, stream[at : at + size])


class MuteHub(Peripheral):
    """Has the service of a hub, and never says a word."""

    def services(self) -> list[Service]:
        rx = self.listens(NUS_RX, lambda _: None)
        return [Service(NUS_SERVICE, [rx, self.speaks(NUS_TX)])]


class VirtualWitMotion(Peripheral):
    """Sends its count as acceleration along x, at 10 Hz until another rate is set.

    It heeds settings for a while after it was unlocked, and only if they come slowly. Every fourth
    notification holds two samples.
    """

    def __init__(self, address: str = WITMOTION_ADDRESS) -> None:
        super().__init__(address, "WT901BLE68")
        self.rate_hz = 10
        self.sent = 0
        self._unlocked = False
        self._last_s = 0.0

    def services(self) -> list[Service]:
        self._notify = self.speaks(witmotion.BLE_NOTIFY)
        both = Characteristic.WRITE | Characteristic.WRITE_WITHOUT_RESPONSE
        write = self.listens(witmotion.BLE_WRITE, self._hear, both)
        return [Service(witmotion.BLE_SERVICE, [self._notify, write])]

    def _hear(self, data: bytes) -> None:
        now_s = asyncio.get_running_loop().time()
        is_slow, self._last_s = now_s - self._last_s >= 0.09, now_s
        if data == bytes.fromhex("ffaa6988b5"):
            self._unlocked = True
        elif data[:3] == b"\xff\xaa\x03" and self._unlocked and is_slow:
            self.rate_hz = {code: rate for rate, code in witmotion.RATES_HZ.items()}[data[3]]

    def on_subscribed(self, characteristic: Characteristic[bytes]) -> None:
        self.play(self._measure())

    async def _measure(self) -> None:
        while True:
            count = 2 if self.sent % 5 == 4 else 1
            samples = b"".join(self._sample() for _ in range(count))
            await self.say(self._notify, samples)
            await asyncio.sleep(count / self.rate_hz)

    def _sample(self) -> bytes:
        self.sent += 1
        return b"\x55\x61" + struct.pack("<9h", self.sent, 0, 2048, 1, 2, 3, 0, 0, 0)


class VirtualDot(Peripheral):
    """Sends its count as acceleration along x, in custom mode 5, once it is told to start."""

    def __init__(self, address: str = DOT_ADDRESS) -> None:
        super().__init__(address, "Movella DOT")
        self.rate_hz = 30
        self.sent = 0
        self.is_measuring = False

    def services(self) -> list[Service]:
        self._long = self.speaks(dot.LONG)
        payloads = [self._long, self.speaks(dot.MEDIUM), self.speaks(dot.SHORT)]
        control = self.listens(dot.CONTROL, self._control)
        settings = self.listens(dot.DEVICE_CONTROL, self._set)
        return [
            Service(dot.DEVICE_CONTROL.replace("1002", "1000"), [settings]),
            Service(dot.SERVICE, [control, *payloads]),
        ]

    def _set(self, data: bytes) -> None:
        if self.is_measuring or len(data) != 32 or data[0] != 0x10:
            raise ATT_Error(ErrorCode.WRITE_NOT_PERMITTED)
        self.rate_hz = int.from_bytes(data[24:26], "little")

    def _control(self, data: bytes) -> None:
        kind, action, mode = data
        if kind != 1 or (action == 1 and mode != 26):
            raise ATT_Error(ErrorCode.VALUE_NOT_ALLOWED)
        self.is_measuring = action == 1
        if self.is_measuring:
            self.play(self._measure())

    async def _measure(self) -> None:
        while self.is_measuring:
            self.sent += 1
            numbers = (1.0, 0.0, 0.0, 0.0, float(self.sent), 0.0, 9.80665, 0.0, 0.0, 90.0)
            clock_us = 1_000_000 * self.sent // self.rate_hz
            await self.say(self._long, struct.pack("<I10f19x", clock_us, *numbers))
            await asyncio.sleep(1 / self.rate_hz)
