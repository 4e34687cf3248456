"""One virtual device of every kind on every kind of line, all of them in one rig.

Serial lines are real ptys, networks real sockets of this computer, and the air is that of
`virtual_ble`. Those on lines live in a thread of their own, as devices do.
"""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from bumble.gatt import Characteristic, Service

from firmware_host.announcements import Link
from firmware_host.layout import FACE_12
from firmware_host.rig import DeviceConfig, Rig, SessionConfig
from firmware_host.simulator import HubOptions, SimulatedHub
from firmware_host.vendors import dot, witmotion
from firmware_host.virtual.air import VirtualDot, VirtualWitMotionBle
from firmware_host.virtual.lines import on_cable, on_tcp
from firmware_host.virtual.scenes import Scene, scene, upright
from firmware_host.virtual.slimevr import VirtualTracker, run_tracker
from firmware_host.virtual.turns import UP, turned
from firmware_host.virtual.witmotion import VirtualWitMotion
from firmware_host.virtual.ximu3 import VirtualXimu3
from tests.integration.network_links import served
from tests.integration.rigs import free_port
from tests.integration.virtual_ble import Peripheral, VirtualAir
from tests.integration.virtual_sensors import (
    DOT_ADDRESS,
    HUB_ADDRESS,
    WITMOTION_ADDRESS,
    VirtualHub,
)

RATE_HZ = 100.0
MAC = "02:00:00:00:00:07"
TAP_M_S2 = 30.0

# name in the rig: kind, transport. The slots of the layout, in this order, are theirs.
CAST: dict[str, tuple[str, str]] = {
    "hub_line": ("hub", "serial"),
    "hub_udp": ("hub", "udp"),
    "hub_tcp": ("hub", "tcp"),
    "hub_air": ("hub", "ble"),
    "wit_line": ("witmotion", "serial"),
    "wit_air": ("witmotion-ble", "ble"),
    "slime_udp": ("slimevr", "udp"),
    "ximu_line": ("ximu3", "serial"),
    "ximu_tcp": ("ximu3", "tcp"),
    "ximu_udp": ("ximu3", "udp"),
    "dot_air": ("dot", "ble"),
}
SLOTS = dict(zip(CAST, FACE_12.names[1:], strict=True))  # all but the first


def resting(seconds: float = 240.0) -> Scene:
    return scene("rest", tuple(CAST), seconds, RATE_HZ, seed=5)


def turning() -> Scene:
    """A box of all sensors, laid on its six faces as fast as `--rest 1` allows."""
    faces = tuple(UP) * 6  # whoever is heard late, or badly, rests again
    turns = turned(len(CAST), faces, 6, RATE_HZ, rest_s=1.8, turn_s=0.5)
    return Scene(tuple(CAST), turns.time_s, turns.accel_m_s2, turns.gyro_rad_s)


class _Aired(Peripheral):
    """A device that notifies what an actor says, from when it is listened to."""

    def __init__(self, address: str, name: str, device: VirtualWitMotionBle | VirtualDot) -> None:
        super().__init__(address, name)
        self._device = device
        self._began_s = 0.0

    def _now_s(self) -> float:
        return time.monotonic() - self._began_s if self._began_s else 0.0

    def _hear(self, data: bytes) -> None:
        self._device.receive(data, self._now_s())

    def on_subscribed(self, characteristic: Characteristic[bytes]) -> None:
        if not self._began_s:
            self._began_s = time.monotonic()
            self.play(self._live(characteristic))

    async def _live(self, characteristic: Characteristic[bytes]) -> None:
        while not self._device.finished:
            for word in self._device.due(self._now_s()):
                await self.say(characteristic, word)
            await asyncio.sleep(0.005)


class _AiredWitMotion(_Aired):
    def services(self) -> list[Service]:
        both = Characteristic.WRITE | Characteristic.WRITE_WITHOUT_RESPONSE
        write = self.listens(witmotion.BLE_WRITE, self._hear, both)
        return [Service(witmotion.BLE_SERVICE, [self.speaks(witmotion.BLE_NOTIFY), write])]


class _AiredDot(_Aired):
    def services(self) -> list[Service]:
        payloads = [self.speaks(uuid) for uuid in (dot.LONG, dot.MEDIUM, dot.SHORT)]
        settings = self.listens(dot.DEVICE_CONTROL, lambda _: None)
        return [
            Service(dot.DEVICE_CONTROL.replace("1002", "1000"), [settings]),
            Service(dot.SERVICE, [self.listens(dot.CONTROL, self._hear), *payloads]),
        ]


class World:
    """Every device, what each feels, and the rig that finds them. `air` is to be the radio."""

    def __init__(self, felt: Scene, folder: Path) -> None:
        self._felt, self._folder = felt, folder
        self.urls = {"hub_air": f"ble:{HUB_ADDRESS}", "wit_air": f"ble:{WITMOTION_ADDRESS}"}
        self.urls["dot_air"] = f"ble:{DOT_ADDRESS}"
        self.devices = {name: self._make(name, kind) for name, (kind, _) in CAST.items()}
        self.air = VirtualAir(
            VirtualHub(self.devices["hub_air"], HUB_ADDRESS, "imusic-air"),
            _AiredWitMotion(WITMOTION_ADDRESS, "WT901BLE68", self.devices["wit_air"]),
            _AiredDot(DOT_ADDRESS, "Movella DOT", self.devices["dot_air"]),
        )

    def rig(self, *left_out: str) -> Rig:
        """All devices but some, each with its slot."""
        devices = tuple(
            DeviceConfig(
                name=name,
                kind=kind,
                url=self.urls[name],
                id=MAC if kind == "slimevr" else "",
                slots=(SLOTS[name],),
            )
            for name, (kind, _) in CAST.items()
            if name not in left_out
        )
        return Rig(devices=devices, session=SessionConfig(rest_s=1.5, routine_s=0.5))

    def tap(self, name: str) -> None:
        """Somebody taps on that device, a tenth of a second from now."""
        device, motion = self.devices[name], None
        if isinstance(device, SimulatedHub):
            at = device._sent + 10
            device._counts[at : at + 2, :, 2] += round(
                TAP_M_S2 / device._info.accel_range_m_s2 * 32768
            )
        elif isinstance(device, VirtualTracker):
            at = device._player.sent + 10
            device._linear[at : at + 4, :, 2] += TAP_M_S2
        else:
            motion = device._motion
            at = motion.time_s.searchsorted(device.next_due_s() or 0.0) + 10
            motion.accel_m_s2[at : at + 4, 2] += TAP_M_S2

    def _make(self, name: str, kind: str) -> object:
        motion = self._felt.of(list(CAST).index(name))
        if kind == "hub":
            feels = (part[:, None] for part in (motion.accel_m_s2, motion.gyro_rad_s))
            options = HubOptions(seed=len(name), device_id=name)
            return SimulatedHub(motion.time_s, *feels, (SLOTS[name],), options)
        if kind == "slimevr":
            quat, linear = upright(motion.accel_m_s2)
            return VirtualTracker(MAC, motion.time_s, quat[:, None], linear[:, None])
        if kind == "ximu3":
            return VirtualXimu3(motion, name, binary=name == "ximu_tcp")
        makes = {
            "witmotion": VirtualWitMotion, "witmotion-ble": VirtualWitMotionBle, "dot": VirtualDot
        }  # fmt: skip
        return makes[kind](motion)

    @asynccontextmanager
    async def on_lines(self) -> AsyncIterator[None]:
        """Plug in and switch on whatever is not in the air."""
        port, slime_port = (free_port(socket.SOCK_DGRAM) for _ in range(2))
        self.urls["ximu_udp"] = f"udp:127.0.0.1:{port}"
        self.urls["slime_udp"] = f"udp:127.0.0.1:{slime_port}"
        async with AsyncExitStack() as stack:
            for name in ("hub_line", "wit_line", "ximu_line"):
                cable = on_cable(self.devices[name], self._folder / name)
                self.urls[name] = (await stack.enter_async_context(cable)).url
            for name, link in (("hub_udp", Link.UDP), ("hub_tcp", Link.TCP)):
                there, _ = await stack.enter_async_context(served(self.devices[name], link))
                self.urls[name] = f"{link.name.lower()}:127.0.0.1:{there}"
            there = await stack.enter_async_context(on_tcp(self.devices["ximu_tcp"]))
            self.urls["ximu_tcp"] = f"tcp:127.0.0.1:{there}"
            speaking = [
                asyncio.create_task(
                    run_tracker(self.devices["slime_udp"], ("127.0.0.1", slime_port))
                ),
                asyncio.create_task(_shout(self.devices["ximu_udp"], port)),
            ]
            try:
                yield
            finally:
                for task in speaking:
                    task.cancel()
                await asyncio.gather(*speaking, return_exceptions=True)


async def _shout(device: VirtualXimu3, port: int) -> None:
    """An x-IMU3 sends its messages to a port, whoever listens."""
    began_s = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        while not device.finished:
            if said := device.due(time.monotonic() - began_s):
                ours.sendto(said, ("127.0.0.1", port))
            await asyncio.sleep(0.005)


@contextmanager
def alive(world: World) -> Iterator[World]:
    """The world lives in a thread while the block runs."""
    loop = asyncio.new_event_loop()
    over, ready = asyncio.Event(), threading.Event()
    failed: list[BaseException] = []

    async def live() -> None:
        try:
            async with world.on_lines():
                ready.set()
                await over.wait()
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()))
    thread.start()
    ready.wait()
    try:
        if failed:
            raise failed[0]
        yield world
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
