"""`imusic check`: listens to the devices of a rig while the wearer rests and moves the head."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from capture.calibration import calibrate
from capture.check import (
    DeviceEar,
    Row,
    absent_rows,
    device_row,
    slot_rows,
    stretch_ns,
    swap_problems,
)
from capture.merging import Merger
from capture.resample import TICK_HZ, rows_of, tick_of
from capture.swaps import Swaps, find_places, find_swaps, pairs
from firmware_host.clock import NS_PER_S
from firmware_host.errors import TransportError
from firmware_host.link_events import RigEvent, told
from firmware_host.rig import Rig
from firmware_host.rig_profiles import RigProfiles, read_profiles
from firmware_host.supervisor import DeviceLink, LinkState, RigLinks

TICK_S = 0.05
SETTLE_S = 0.1  # of the rest: what was under way when the devices began
REST, MOVE = "rest", "move"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: devices, then slots in the order of the layout. notes: what was not told."""

    devices: tuple[Row, ...]
    slots: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether everything is green."""
        return all(row.is_green for row in (*self.devices, *self.slots))


async def check(
    rig: Rig,
    with_routine: bool = True,
    start_timeout_s: float = 10.0,
    on_phase: Callable[[str, float], None] | None = None,
) -> Verdict:
    """Listen for the rest and the routine of the rig, then judge.

    Args:
        rig: whose devices to listen to.
        with_routine: also for head motion, by which left and right are told.
        start_timeout_s: how long to wait for the devices.
        on_phase: called with REST and MOVE and how long each lasts, when they begin.

    Raises:
        TransportError: none of the devices is there; why.
        ConfigError: a url or a sensor profile of the rig is of no use.
    """
    profiles = read_profiles(rig)
    ears = tuple(DeviceEar(source.name) for source in profiles.sources)
    notes: list[str] = []

    def take(link: DeviceLink, event: RigEvent, _: int) -> None:
        ears[link.index].take(event)
        if (line := told(event)) is not None:
            notes.append(f"{link.name}: {line[0]}")

    async with RigLinks(profiles.sources, take) as links:
        first_ns = await _all_heard(links, ears, start_timeout_s)
        routine_s = rig.session.routine_s if with_routine else 0.0
        at_ns = stretch_ns(first_ns, rig.session.rest_s, routine_s)
        for phase, seconds, until_ns in (
            (REST, rig.session.rest_s, at_ns[1]),
            (MOVE, routine_s, at_ns[2]),
        ):
            if on_phase is not None and seconds > 0:
                on_phase(phase, seconds)
            await _until(links, until_ns)
        now_ns = time.monotonic_ns()
        links.stop()
        await asyncio.sleep(TICK_S)
    return judge(rig, profiles, ears, at_ns, now_ns, tuple(notes))


async def _all_heard(links: RigLinks, ears: Sequence[DeviceEar], timeout_s: float) -> int:
    """When every device has begun to give samples, or those that do when time is over."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s and not all(ear.blocks for ear in ears):
        links.check()
        await asyncio.sleep(TICK_S)
        if all(link.state is LinkState.REFUSED for link in links.links):
            break  # they are there, and others than the rig says: they will stay so
        if len(ears) == 1 and links.links[0].state is LinkState.DOWN:
            break
    begun = [ear.blocks[0].arrival_ns for ear in ears if ear.blocks]
    if not begun:
        raise next(
            (link.error for link in links.links if link.error is not None),
            TransportError("no device of the rig gives samples", "are they on?"),
        )
    return max(begun)


async def _until(links: RigLinks, until_ns: int) -> None:
    while time.monotonic_ns() < until_ns and not links.is_over:
        links.check()
        await asyncio.sleep(TICK_S)


def judge(
    rig: Rig,
    profiles: RigProfiles,
    ears: Sequence[DeviceEar],
    at_ns: tuple[int, int, int],
    now_ns: int,
    notes: tuple[str, ...] = (),
) -> Verdict:
    """Apply every rule to what was heard. at_ns: rest begins, rest ends, routine ends."""
    rest_ns = at_ns[0] + round(SETTLE_S * NS_PER_S), at_ns[1]
    layout = rig.sensor_layout
    rows = [row for ear in ears for row in slot_rows(ear, rest_ns, now_ns, profiles.corrections)]
    rows += absent_rows(layout.names, rows)
    if at_ns[2] > at_ns[1]:
        swaps = _swaps(rig, profiles, ears, at_ns)
        wrong = swap_problems(swaps.swapped)
        rows = [
            replace(row, problems=(*row.problems, wrong[row.name])) if row.name in wrong else row
            for row in rows
        ]
        if swaps.unknown:
            names = ", ".join(f"{left} and {right}" for left, right in swaps.unknown)
            notes = (*notes, f"left and right of {names} could not be told: tilt and turn more")
    order = {name: i for i, name in enumerate(layout.names)}
    rows.sort(key=lambda row: order.get(row.name, len(order)))
    return Verdict(tuple(device_row(ear, now_ns) for ear in ears), tuple(rows), notes)


def _swaps(
    rig: Rig, profiles: RigProfiles, ears: Sequence[DeviceEar], at_ns: tuple[int, int, int]
) -> Swaps:
    layout = rig.sensor_layout
    rows, rest = rows_between(layout.names, profiles, ears, at_ns)
    still, moving = rows[:rest], rows[rest:]
    if np.isnan(moving[:, layout.reference_index]).all() or not len(still):
        names = layout.names
        return Swaps((), tuple((names[left], names[right]) for left, right in pairs(layout)))
    calibration = calibrate(layout, still[..., :3], still[..., 3:], moving[..., 3:])
    return find_swaps(find_places(moving, layout, calibration), layout)


def rows_between(
    slots: Sequence[str],
    profiles: RigProfiles,
    ears: Sequence[DeviceEar],
    at_ns: tuple[int, int, int],
) -> tuple[NDArray[np.float64], int]:
    """(N, S, 6) rows at TICK_HZ from rest to the end of the routine, and how many are of the rest.

    Readings are corrected, and placed in time, as in a session.
    """
    devices = [ear.info.slots if ear.info else () for ear in ears]
    merger = Merger(slots, devices, profiles.corrections)
    blocks = sorted((b for ear in ears for b in ear.blocks), key=lambda b: b.arrival_ns)
    placed = [merger.place(block) for block in blocks if len(block)]
    ticks = tick_of(np.array(at_ns))
    rows = rows_of(
        np.concatenate([p.time_ns for p in placed]),
        np.concatenate([p.accel_m_s2 for p in placed]),
        np.concatenate([p.gyro_rad_s for p in placed]),
        int(ticks[0]),
        int(ticks[2] - ticks[0]) + 1,
    )
    return rows, round((at_ns[1] - at_ns[0]) / NS_PER_S * TICK_HZ)
