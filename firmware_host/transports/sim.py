"""A device made of software, in this process: `sim:`, `sim:taps,seed=3`, `sim:FILE.npz,sensor=2`.

Everything that reads a device works without one. What it is, a hub or another maker's, the rig (or
`--kind`) says as of a real one; it speaks the same bytes.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from firmware_host.errors import ConfigError, TransportError
from firmware_host.transports.gatt import PROFILES
from firmware_host.virtual.cast import Actor, actor
from firmware_host.virtual.scenes import SCENES, read_scene, scene

_STEP_S = 0.005  # how often it speaks
_EXAMPLE = "for example sim:, sim:taps, sim:head,seed=3,seconds=60,rate=100 or sim:FILE.npz"
_LIMITS = {"seed": (0, 2**32), "seconds": (1.0, 3600.0), "rate": (1.0, 2000.0), "sensor": (0, 15)}


@dataclass(frozen=True, slots=True)
class SimOptions:
    """What the part behind `sim:` says. scene: a name, or a file that ends in .npz."""

    scene: str = "head"
    seed: int = 0
    seconds: float = 120.0
    rate: float = 200.0
    sensor: int = 0


class SimTransport:
    """The words of a virtual device as time passes; it obeys what is sent to it.

    Args:
        target: what follows `sim:`.
        kind: of the device, as in rig.toml.
        device_id: what it says that it is.

    Raises:
        ConfigError: an option is unknown or malformed.
    """

    def __init__(self, target: str = "", kind: str = "hub", device_id: str = "") -> None:
        self.address = f"sim:{target}"
        self._options, self._kind, self._device_id = parse_sim(target), kind, device_id
        self._actor: Actor | None = None
        self._answers: list[bytes] = []
        self._began_ns = 0
        self._is_closed = asyncio.Event()

    async def open(self) -> None:
        """Switch it on. Raises DataError where its file cannot be read."""
        self._actor = await asyncio.to_thread(self._make)
        self._began_ns = time.monotonic_ns()
        self._is_closed.clear()
        if self._kind == "witmotion-ble":  # as its profile does over the air
            for write in PROFILES["witmotion"].start:
                self._actor.receive(write.data, 0.0)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what it says until `close`, or until it has said everything."""
        device = self._opened()
        while not self._is_closed.is_set():
            answers, self._answers = self._answers, []
            for word in [*answers, *device.due(self._elapsed_s())]:
                yield word
            if device.finished and not self._answers:
                return
            await asyncio.sleep(_STEP_S)

    async def send(self, data: bytes) -> None:
        """Let it hear `data`. Raises TransportError when it is not open."""
        self._answers += self._opened().receive(data, self._elapsed_s())

    async def close(self) -> None:
        """Switch it off; safe to call twice."""
        self._is_closed.set()

    def _opened(self) -> Actor:
        if self._actor is None:
            raise TransportError(f"{self.address} is not open", address=self.address)
        return self._actor

    def _elapsed_s(self) -> float:
        return (time.monotonic_ns() - self._began_ns) * 1e-9

    def _make(self) -> Actor:
        said = self._options
        if said.scene.endswith(".npz"):
            felt = read_scene(Path(said.scene))
        else:
            felt = scene(said.scene, seconds=said.seconds, rate_hz=said.rate, seed=said.seed)
        return actor(self._kind, felt, said.sensor, self._device_id, said.seed)


def parse_sim(target: str) -> SimOptions:
    """What follows `sim:`. Raises ConfigError naming what is wrong, with an example."""
    first, *rest = target.split(",")
    if "=" in first:
        first, rest = "", [first, *rest]
    if first and first not in SCENES and not first.endswith(".npz"):
        known = ", ".join(SCENES)
        raise ConfigError(f"sim:{target}: expected a scene ({known}) or FILE.npz", _EXAMPLE)
    numbers: dict[str, float] = {}
    for option in rest:
        key, _, text = option.partition("=")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if key not in _LIMITS:
            raise ConfigError(f"sim:{target}: no {key!r}; known: {', '.join(_LIMITS)}", _EXAMPLE)
        low, high = _LIMITS[key]
        if not low <= number <= high:
            raise ConfigError(
                f"sim:{target}: expected {key} from {low:g} to {high:g}, got {text!r}", _EXAMPLE
            )
        numbers[key] = number
    plain = SimOptions()
    return SimOptions(
        first or plain.scene,
        int(numbers.get("seed", plain.seed)),
        numbers.get("seconds", plain.seconds),
        numbers.get("rate", plain.rate),
        int(numbers.get("sensor", plain.sensor)),
    )
