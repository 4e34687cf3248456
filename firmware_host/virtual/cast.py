"""A virtual device of every kind that a rig may have, in one shape: words in, words out. No I/O."""

from typing import Protocol

from firmware_host.errors import ConfigError
from firmware_host.simulator import HubOptions, SimulatedHub
from firmware_host.virtual.air import VirtualDot, VirtualWitMotionBle
from firmware_host.virtual.motion import VirtualDevice
from firmware_host.virtual.scenes import Scene, upright
from firmware_host.virtual.slimevr import VirtualTracker
from firmware_host.virtual.witmotion import VirtualWitMotion
from firmware_host.virtual.ximu3 import VirtualXimu3

TRACKER_MAC = "02:00:00:00:00:01"


class Actor(Protocol):
    """A device whose words are datagrams, notifications or pieces of a stream."""

    @property
    def finished(self) -> bool:
        """Whether it has said all that it will ever say."""
        ...

    def receive(self, data: bytes, elapsed_s: float) -> list[bytes]:
        """Obey the host; return the answers."""
        ...

    def due(self, elapsed_s: float) -> list[bytes]:
        """What leaves up to `elapsed_s` and has not left yet."""
        ...


class _OnLine:
    """A device on a byte line as an actor. The time of a hub begins with START."""

    def __init__(self, device: VirtualDevice) -> None:
        self._device = device
        self._start_s: float | None = None
        self._boot = device.boot()

    @property
    def finished(self) -> bool:
        return self._device.finished

    def receive(self, data: bytes, elapsed_s: float) -> list[bytes]:
        return self._words(self._device.receive(data, self._own_s(elapsed_s)))

    def due(self, elapsed_s: float) -> list[bytes]:
        boot, self._boot = self._boot, b""
        return self._words(boot + self._device.due(self._own_s(elapsed_s)))

    def _own_s(self, elapsed_s: float) -> float:
        if self._start_s is None and self._device.running:
            self._start_s = elapsed_s
        return 0.0 if self._start_s is None else elapsed_s - self._start_s

    @staticmethod
    def _words(data: bytes) -> list[bytes]:
        return [data] if data else []


def actor(kind: str, scene: Scene, sensor: int = 0, device_id: str = "", seed: int = 0) -> Actor:
    """A virtual device of a kind, as in rig.toml.

    Args:
        scene: what is felt. A hub has all of its sensors, any other device only `sensor`.
        device_id: what it says that it is, where it says so; empty for a name of its own.

    Raises:
        ConfigError: nobody can play this kind. DataError: the scene has no such sensor.
    """
    motion = scene.of(sensor)
    if kind == "hub":
        options = HubOptions(seed=seed, device_id=device_id or f"simulated-hub-{seed}")
        feels = scene.time_s, scene.accel_m_s2, scene.gyro_rad_s
        return _OnLine(SimulatedHub(*feels, scene.slots, options))
    if kind == "witmotion":
        return _OnLine(VirtualWitMotion(motion))
    if kind == "ximu3":
        return _OnLine(VirtualXimu3(motion, device_id or f"simulated-{seed}"))
    if kind == "witmotion-ble":
        return VirtualWitMotionBle(motion)
    if kind == "dot":
        return VirtualDot(motion)
    if kind == "slimevr":
        quat, linear = upright(motion.accel_m_s2)
        mac = device_id.upper() if device_id.strip("0:") else TRACKER_MAC
        return VirtualTracker(mac, motion.time_s, quat[:, None], linear[:, None])
    raise ConfigError(f"nobody plays a device of kind {kind!r}")
