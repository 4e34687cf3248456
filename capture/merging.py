"""Several devices become one: every block on the host's clock, in the slots of one layout. Pure.

The one place where devices meet, live and offline alike: each has its own clock map, and gives only
the slots that are its own. What puts samples into rows (`capture.resample`) counts a slot as heard
where it is not NaN, so rows of one tick fill up from as many devices as there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from firmware_host.index_clock import IndexClock
from firmware_host.running_clock import RunningClock
from firmware_host.samples import Floats, ImuBlock, Ints
from firmware_host.sensor_profile import Correction, Corrector


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Samples of one device among the slots of all.

    time_ns: (N,) host monotonic time. accel_m_s2, gyro_rad_s: (N, S, 3), NaN where it has no slot.
    """

    time_ns: Ints
    accel_m_s2: Floats
    gyro_rad_s: Floats


class SlotReader:
    """Readings of one device's slots, corrected by their sensor profile, in the order wanted.

    The one place where readings are corrected, live and offline alike: what is recorded, and what
    a `Recording` holds, is as the sensors gave it.

    Args:
        slots: names of all slots, in the order wanted.
        own: names of the slots of the device, in the order of its readings; those that are not
            among `slots` are left out.
        corrections: by slot.
    """

    def __init__(
        self, slots: Sequence[str], own: Sequence[str], corrections: Mapping[str, Correction]
    ) -> None:
        self._corrector = Corrector(own, corrections)
        self._order = tuple(own.index(slot) if slot in own else -1 for slot in slots)

    def read(self, accel_m_s2: Floats, gyro_rad_s: Floats) -> tuple[Floats, Floats]:
        """(N, S_own, 3) twice → (N, S, 3) twice, NaN where it has no slot."""
        accel, gyro = self._corrector.correct(accel_m_s2, gyro_rad_s)
        return in_order(accel, self._order), in_order(gyro, self._order)


class Merger:
    """Places the blocks of several devices, causally.

    Args:
        slots: names of all slots, in the order wanted.
        devices: names of the slots of each device, in the order of its blocks.
        corrections: by slot.
    """

    def __init__(
        self,
        slots: Sequence[str],
        devices: Sequence[tuple[str, ...]],
        corrections: Mapping[str, Correction] | None = None,
    ) -> None:
        self._clocks = [RunningClock() for _ in devices]
        self._counts = [IndexClock() for _ in devices]
        self._readers = [SlotReader(slots, own, corrections or {}) for own in devices]

    def place(self, block: ImuBlock) -> Placed:
        """Take a block of one sample or more; blocks come in order of arrival."""
        clock, reader = self._clocks[block.device], self._readers[block.device]
        accel, gyro = reader.read(block.accel_m_s2, block.gyro_rad_s)
        if block.tick_is_arrival:  # as `capture.sync` does with a recording
            times_ns = self._counts[block.device].place(len(block), block.arrival_ns)
            return Placed(times_ns, accel, gyro)
        device_ns: Ints = np.asarray(block.tick_us, np.int64) * 1000
        clock.update(int(device_ns[-1]), block.arrival_ns)
        return Placed(clock.to_host(device_ns), accel, gyro)


def in_order(values: Floats, order: tuple[int, ...]) -> Floats:
    """(N, S_worn, 3) → (N, S, 3) in the order wanted, NaN where not worn (−1)."""
    if order == tuple(range(values.shape[1])):
        return values
    out = np.full((len(values), len(order), 3), np.nan, np.float32)
    for slot, source in enumerate(order):
        if source >= 0:
            out[:, slot] = values[:, source]
    return out
