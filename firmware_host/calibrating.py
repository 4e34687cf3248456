"""Calibrating the sensors of a rig: what its devices say, and who has rested how. Pure but for
`calibrate`, the shell that listens to them.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError
from firmware_host.link_events import RigEvent, told
from firmware_host.rest import RestFinder
from firmware_host.rig import DeviceConfig
from firmware_host.samples import HubInfo, HubMode, ImuBlock
from firmware_host.sensor_profile import Correction, SensorProfile, new_profile
from firmware_host.six_positions import Refused, SixPositions, Taken
from firmware_host.supervisor import DeviceLink, RigLinks

TICK_S = 0.1
_MEASURED_S = 1.0  # over which the rate of a device that does not tell it is counted


@dataclass(frozen=True, slots=True)
class Step:
    """Something to tell the operator: about one sensor, or (slot empty) about its device."""

    device: str
    slot: str
    text: str
    is_progress: bool


@dataclass(slots=True)
class DeviceTurning:
    """One device whose sensors are turned. names: its own for each; numbers: which of its sensors.

    skip: slots that are left out.
    """

    name: str
    rest_s: float
    with_misalignment: bool
    skip: Collection[str] = ()
    info: HubInfo | None = None
    positions: SixPositions | None = None
    names: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    _finder: RestFinder | None = None
    _early: list[ImuBlock] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether every sensor has rested in every position."""
        return self.positions is not None and self.positions.is_done

    @property
    def still_s(self) -> float:
        """For how long its sensors that still need a rest have been still: the least of them."""
        if self._finder is None or self.positions is None or self.info is None:
            return 0.0
        wanted = self.positions.next[1]
        still = self._finder.still_s
        slots = [self.info.slots.index(slot) for slot in wanted]
        return min((float(still[slot]) for slot in slots), default=0.0)

    def meet(self, info: HubInfo, names: Sequence[str], numbers: Sequence[int]) -> None:
        """The device says who it is. Raises ConfigError where it has nothing to calibrate."""
        if info.mode is HubMode.FUSED:
            raise ConfigError(
                f"the {self.name} gives orientations computed from its sensors, not what they read",
                "set it to raw if it can (`imusic hub URL --mode raw`), or leave it as it is",
            )
        if self.info is not None and self.info.slots == info.slots:
            self.info = info  # some say their first samples before they say who they are
            return
        self.info, self.names, self.numbers = info, tuple(names), tuple(numbers)
        wanted = [slot for slot in info.slots if slot not in self.skip]
        self.positions = SixPositions(wanted, self.with_misalignment)
        self._finder = None
        if info.rate_hz > 0:
            self._finder = RestFinder(len(info.slots), info.rate_hz, self.rest_s)

    def take(self, block: ImuBlock) -> list[Step]:
        """Take samples; return what there is to tell."""
        if self.info is None or self.positions is None:
            return []
        if self._finder is None:
            self._early.append(block)
            self._finder = self._finder_of_early()
            return []
        steps = []
        for rest in self._finder.push(block.accel_m_s2, block.gyro_rad_s):
            slot = self.info.slots[rest.slot]
            if slot in self.positions.slots:
                steps.append(_step(self.name, self.positions.take(slot, rest)))
        return steps

    def _finder_of_early(self) -> RestFinder | None:
        """Once it has been heard for a second, its rate is known."""
        assert self.info is not None
        span_s = (self._early[-1].arrival_ns - self._early[0].arrival_ns) / NS_PER_S
        if span_s < _MEASURED_S:
            return None
        rate_hz = sum(map(len, self._early[1:])) / span_s
        self._early.clear()
        return RestFinder(len(self.info.slots), rate_hz, self.rest_s)

    def profile(self) -> tuple[SensorProfile | None, dict[str, str]]:
        """(profile of the sensors that could be calibrated, why others could not); no profile where
        one has yet to rest.
        """
        if self.info is None or self.positions is None or not self.positions.is_done:
            return None, {}
        found, objections = self.positions.corrections()
        sensors: dict[str, Correction] = {}
        for slot, name, number in zip(self.info.slots, self.names, self.numbers, strict=True):
            if slot in found:
                sensors[name] = msgspec.structs.replace(found[slot], number=number)
        method = (
            "twelve positions, with misalignment" if self.with_misalignment else "six positions"
        )
        profile = new_profile(self.info.device_id, sensors, method) if sensors else None
        return profile, objections


def _step(device: str, outcome: Taken | Refused) -> Step:
    if isinstance(outcome, Taken):
        return Step(device, outcome.slot, outcome.position, True)
    return Step(device, outcome.slot, outcome.reason, False)


async def calibrate(
    sources: Sequence[DeviceConfig],
    devices: Sequence[DeviceTurning],
    on_step: Callable[[Step], None],
    timeout_s: float,
    lost_after_s: float = 10.0,
    on_tick: Callable[[], None] = lambda: None,
) -> None:
    """Listen until all are done, or say no more, or time is over. What was found is in `devices`.

    Args:
        sources, devices: the same devices, in the same order.
        on_step: called with everything that there is to tell.
        timeout_s: for all of it.
        lost_after_s: how long a required device may be silent.
        on_tick: called ten times a second.

    Raises:
        ImusicError: a required device is not there, or has nothing to calibrate.
    """

    refused: list[ConfigError] = []

    def take(link: DeviceLink, event: RigEvent, _: int) -> None:
        device = devices[link.index]
        if isinstance(event, HubInfo):
            try:
                device.meet(event, link.sensor_names, link.sensors)
            except ConfigError as error:
                refused.append(error)
                raise
        elif isinstance(event, ImuBlock):
            for step in device.take(event):
                on_step(step)
        elif (line := told(event)) is not None:
            on_step(Step(link.name, "", line[0], False))

    end_s = time.monotonic() + timeout_s
    async with RigLinks(sources, take) as links:
        following = asyncio.create_task(links.follow(lost_after_s))
        try:
            while not all(device.is_done for device in devices) and time.monotonic() < end_s:
                await asyncio.wait({following}, timeout=TICK_S)
                on_tick()
                if refused:
                    raise refused[0]
                if following.done():
                    following.result()  # raises what was wrong
                    break
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            links.stop()
            await asyncio.sleep(TICK_S)  # so that the word goes out before the line is closed
