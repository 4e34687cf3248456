"""Which sensor is which: asks for a tap on each slot and listens who felt it. The shell."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from firmware_host.link_events import RigEvent, told
from firmware_host.rig import HUB, DeviceConfig, Rig
from firmware_host.samples import ImuBlock
from firmware_host.supervisor import DeviceLink, RigLinks
from firmware_host.tapping import Sensor, Tap, TapListener, Unclear

TRIES = 3  # for a slot whose tap was not clear
QUIET_S = 0.5  # after a tap, so that its echo is not the next one
_LOOK_S = 0.05


@dataclass(slots=True)
class Identified:
    """What was found. slots: sensor by slot. names: what each sensor is called by its device."""

    slots: dict[str, Sensor] = field(default_factory=dict)
    names: dict[Sensor, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


async def identify(
    rig: Rig,
    slots: Sequence[str],
    say: Callable[[str], None],
    wait_s: float = 10.0,
) -> Identified:
    """Ask for a tap on each of `slots`, until every sensor has one.

    Args:
        rig: its devices; the slots that they have are not used.
        slots: of its layout, in the order to be asked.
        say: tells the operator what to do, and what happens.
        wait_s: how long to wait for a tap; then the slot is skipped.

    Raises:
        ImusicError: a required device is not there, or is lost.
    """
    return await _Identification(rig, say, wait_s).run(slots)


class _Identification:
    """One call of `identify`."""

    def __init__(self, rig: Rig, say: Callable[[str], None], wait_s: float) -> None:
        self._say, self._wait_s = say, wait_s
        self._lost_after_s = rig.session.lost_after_s
        self._listener = TapListener()
        self._found = Identified()
        bare = [msgspec.structs.replace(device, slots=()) for device in rig.sources]
        self._links = RigLinks(bare, self._take)

    async def run(self, slots: Sequence[str]) -> Identified:
        async with self._links:
            following = asyncio.create_task(self._links.follow(self._lost_after_s))
            asking = asyncio.create_task(self._ask_all(slots))
            try:
                await asyncio.wait({following, asking}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (following, asking):
                    if not task.done():
                        task.cancel()
                await asyncio.gather(following, asking, return_exceptions=True)
            for task in (following, asking):
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error
        return self._found

    def _take(self, link: DeviceLink, event: RigEvent, _: int) -> None:
        if isinstance(event, ImuBlock):
            self._listener.take(event)
        elif (line := told(event)) is not None:
            self._say(f"{link.name}: {line[0]}")

    async def _ask_all(self, slots: Sequence[str]) -> None:
        while not all(link.was_up for link in self._links.links if link.config.required):
            await asyncio.sleep(_LOOK_S)
        skipped = []
        for slot in slots:
            sensors = self._sensors()
            self._found.names = sensors
            if not set(sensors) - set(self._found.slots.values()):
                self._say("every sensor has a slot now")
                break
            if not await self._ask(slot):
                skipped.append(slot)
        self._found.skipped = tuple(skipped)

    async def _ask(self, slot: str) -> bool:
        """Whether the sensor of this slot was found."""
        for _ in range(TRIES):
            await self._quiet()
            self._say(f"tap {slot} once, with a finger nail")
            felt = await self._felt()
            if felt is None:
                self._say(f"nothing was felt within {self._wait_s:g} s: {slot} is skipped")
                return False
            if isinstance(felt, Unclear):
                names = " and ".join(self._called(sensor) for sensor in felt.sensors)
                self._say(f"{names} felt it almost alike; tap more gently, and only there")
            elif (other := self._slot_of(felt.sensor)) is not None:
                self._say(f"that was {self._called(felt.sensor)}, which is {other} already")
            else:
                self._found.slots[slot] = felt.sensor
                self._say(f"{slot} is {self._called(felt.sensor)}")
                return True
        self._say(f"{slot} is skipped: no tap on it was clear")
        return False

    async def _quiet(self) -> None:
        await asyncio.sleep(QUIET_S)
        self._listener.forget()

    async def _felt(self) -> Tap | Unclear | None:
        until_s = time.monotonic() + self._wait_s
        while time.monotonic() < until_s or self._listener.has_felt:
            await asyncio.sleep(_LOOK_S)
            felt = self._listener.verdict(time.monotonic_ns())
            if felt is not None:
                return felt
        return None

    def _sensors(self) -> dict[Sensor, str]:
        return {
            (link.index, number): name
            for link in self._links.links
            if link.info is not None
            for number, name in enumerate(link.info.slots)
        }

    def _slot_of(self, sensor: Sensor) -> str | None:
        return next((slot for slot, own in self._found.slots.items() if own == sensor), None)

    def _called(self, sensor: Sensor) -> str:
        device, number = sensor
        link = self._links.links[device]
        if link.info is None or len(link.info.slots) == 1:
            return link.name
        return f"sensor {number} of {link.name}"


def with_slots(rig: Rig, found: Identified) -> Rig:
    """The rig with what was found; a sensor without a slot is left out."""
    devices = tuple(
        msgspec.structs.replace(device, slots=_slots_of(device, index, found))
        for index, device in enumerate(rig.sources)
    )
    return msgspec.structs.replace(rig, hub=None, devices=devices)


def _slots_of(
    device: DeviceConfig, index: int, found: Identified
) -> tuple[str, ...] | dict[str, str]:
    own = {sensor[1]: slot for slot, sensor in found.slots.items() if sensor[0] == index}
    if sorted(own) == list(range(len(own))):
        return tuple(own[number] for number in sorted(own))
    if device.kind == HUB:  # its own names outlast a sensor more or less
        return {found.names[index, number]: slot for number, slot in sorted(own.items())}
    return {str(number): slot for number, slot in sorted(own.items())}
