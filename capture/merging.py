"""Several devices become one: every block on the host's clock, in the slots of one layout. Pure.

The one place where devices meet, live and offline alike: each has its own clock map, and gives only
the slots that are its own. What puts samples into rows (`capture.resample`) counts a slot as heard
where it is not NaN, so rows of one tick fill up from as many devices as there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firmware_host.clock import RunningClock
from firmware_host.samples import Floats, ImuBlock, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Samples of one device among the slots of all.

    time_ns: (N,) host monotonic time. accel_m_s2, gyro_rad_s: (N, S, 3), NaN where it has no slot.
    """

    time_ns: Ints
    accel_m_s2: Floats
    gyro_rad_s: Floats


class Merger:
    """Places the blocks of several devices, causally.

    Args:
        slots: names of all slots, in the order wanted.
        devices: names of the slots of each device, in the order of its blocks; those that are not
            among `slots` are left out.
    """

    def __init__(self, slots: Sequence[str], devices: Sequence[tuple[str, ...]]) -> None:
        self._clocks = [RunningClock() for _ in devices]
        self._orders = [
            tuple(own.index(slot) if slot in own else -1 for slot in slots) for own in devices
        ]

    def place(self, block: ImuBlock) -> Placed:
        """Take a block of one sample or more; blocks come in order of arrival."""
        clock, order = self._clocks[block.device], self._orders[block.device]
        device_ns: Ints = np.asarray(block.tick_us, np.int64) * 1000
        clock.update(int(device_ns[-1]), block.arrival_ns)
        return Placed(
            clock.to_host(device_ns),
            in_order(block.accel_m_s2, order),
            in_order(block.gyro_rad_s, order),
        )


def in_order(values: Floats, order: tuple[int, ...]) -> Floats:
    """(N, S_worn, 3) → (N, S, 3) in the order wanted, NaN where not worn (−1)."""
    if order == tuple(range(values.shape[1])):
        return values
    out = np.full((len(values), len(order), 3), np.nan, np.float32)
    for slot, source in enumerate(order):
        if source >= 0:
            out[:, slot] = values[:, source]
    return out
