"""Virtual devices on cables, ports and sockets, and rigs of them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from capture.daemon import record
from capture.record_status import Notice, RecordResult
from firmware_host.rig import DeviceConfig, Rig, SessionConfig
from firmware_host.simulator import HubOptions, SimulatedHub
from firmware_host.virtual.motion import DeviceClock, Motion
from firmware_host.virtual.witmotion import VirtualWitMotion

GRAVITY = 9.80665
PATIENCE_S = 60.0  # for a machine that does other things too
LEFT, RIGHT, BONE = "zygomaticus_left", "zygomaticus_right", "head_reference"


def motion(seconds: float, rate_hz: float = 100.0, seed: int = 0) -> Motion:
    """A sensor that turns a little all the time, differently by seed."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    accel, gyro = np.zeros((len(time_s), 3)), np.zeros((len(time_s), 3))
    accel[:, 1] = GRAVITY
    accel += np.random.default_rng(seed).normal(0, 0.05, accel.shape)
    gyro[:, 0] = 0.5 * np.sin(2.1 * time_s + seed)
    gyro[:, 1] = 0.3 * np.sin(1.3 * time_s)
    return Motion(time_s, accel, gyro)


def witmotion(seconds: float, seed: int = 0, **clock: object) -> VirtualWitMotion:
    return VirtualWitMotion(motion(seconds, seed=seed), DeviceClock(**clock))


def hub(seconds: float, slots: tuple[str, ...], rate_hz: float = 200.0, **options: object):
    """A hub whose sensors turn a little all the time."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    accel = np.zeros((len(time_s), len(slots), 3))
    accel[..., 1] = 9.81
    gyro = np.zeros_like(accel)
    gyro[..., 0] = 0.5 * np.sin(2.1 * time_s[:, None] + np.arange(len(slots)))
    accel += np.random.default_rng(5).normal(0, 0.02, accel.shape)
    return SimulatedHub(time_s, accel, gyro, slots, HubOptions(**options))


def device(name: str, url: str, *slots: str, kind: str = "witmotion", **more: object):
    return DeviceConfig(name=name, url=url, kind=kind, slots=slots, **more)


def rig_of(*devices: DeviceConfig, lost_after_s: float = 10.0, **more: object) -> Rig:
    session = SessionConfig(rest_s=0.5, routine_s=0.5, lost_after_s=lost_after_s)
    return Rig(devices=devices, session=session, **more)


def run(coroutine: Awaitable[object]) -> object:
    async def patient() -> object:
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(patient())


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Session:
    """A recording under way: what it has told so far, and a way to end it."""

    def __init__(self, rig: Rig, out: Path, **options: object) -> None:
        self.notices: list[Notice] = []
        self.samples: dict[int, int] = {}
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(
            record(
                rig, out, listeners=[self._count], stop_event=self._stop,
                on_notice=self.notices.append, **options,
            )
        )  # fmt: skip

    def _count(self, event: object) -> None:
        if hasattr(event, "tick_us") and hasattr(event, "device"):
            self.samples[event.device] = self.samples.get(event.device, 0) + len(event)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is so; an end of the recording before that is an error."""
        while not is_so():
            if self._task.done():
                self._task.result()
                raise AssertionError(f"the recording ended before: {self.told}")
            await asyncio.sleep(0.01)

    async def heard(self, *counts: int) -> None:
        """Wait until each device has given so many samples in all."""
        await self.until(
            lambda: all(self.samples.get(at, 0) >= count for at, count in enumerate(counts))
        )

    async def told_of(self, device: str, text: str) -> Notice:
        """Wait until something was said about a device."""

        def found() -> list[Notice]:
            return [n for n in self.notices if n.device == device and text in n.text]

        await self.until(lambda: bool(found()))
        return found()[0]

    @property
    def told(self) -> list[str]:
        return [f"{notice.device}: {notice.text}" for notice in self.notices]

    async def end(self) -> RecordResult:
        self._stop.set()
        result = await self._task
        assert result is not None
        return result

    async def result(self) -> RecordResult | None:
        return await self._task
