"""A clock map for live use: causal, and at its end what a whole recording gives. No I/O."""

import numpy as np

from firmware_host.floor_line import NS_PER_S, FloorLine
from firmware_host.samples import Ints

RESET_S = 1.0  # a floor that moves by more was a reset
FLOOR_S = 5.0  # ours: no delivery stalls for longer before one message comes without delay


class RunningClock:
    """Maps device times by the readings so far, and notices when the device counts anew.

    In its first ten seconds the rate is taken for one: a floor over less time cannot tell drift
    from jitter. From then on it is the line under the last minutes, renewed every second.

    A device whose clock leaps ahead is followed at once. One whose messages all come late by more
    than RESET_S has either been set back, or they only waited: that is settled after FLOOR_S, and
    until then the old map stands. `resets` counts what came to stay.
    """

    def __init__(self) -> None:
        self.resets = 0
        self._floor: FloorLine | None = None
        self._suspect: tuple[FloorLine, int] | None = None  # and when suspicion began
        self._newest_ns = 0

    def update(self, device_ns: int, arrival_ns: int) -> None:
        """Take one pair; pairs come in order of arrival."""
        floor = self._floor
        if floor is None:
            self._floor = _begun(device_ns, arrival_ns)
        elif self._newest_ns - device_ns > FLOOR_S * NS_PER_S:
            self._begin_anew(_begun(device_ns, arrival_ns))
        else:
            late_ns = arrival_ns - _host_ns(floor, device_ns)
            if abs(late_ns) <= RESET_S * NS_PER_S:
                self._suspect = None
                floor.push(device_ns, arrival_ns)
            elif late_ns < 0:
                self._begin_anew(_begun(device_ns, arrival_ns))
            else:
                self._doubt(device_ns, arrival_ns)
        self._newest_ns = device_ns if self._suspect is None else self._newest_ns

    def to_host(self, device_ns: Ints) -> Ints:
        """Map (N,) device times. Raises ValueError before the first `update`."""
        if self._floor is None:
            raise ValueError("the clock has seen no reading yet")
        device, line = np.asarray(device_ns, np.int64), self._floor.line
        if line is None:
            return np.asarray(device + self._floor.lowest_ns)
        elapsed = device - line.device_ns
        late = np.rint(elapsed * (line.rate - 1.0)).astype(np.int64)
        return np.asarray(line.host_ns + elapsed + late)

    def _doubt(self, device_ns: int, arrival_ns: int) -> None:
        if self._suspect is None:
            self._suspect = _begun(device_ns, arrival_ns), arrival_ns
            return
        floor, since_ns = self._suspect
        floor.push(device_ns, arrival_ns)
        if arrival_ns - since_ns >= FLOOR_S * NS_PER_S:
            self._begin_anew(floor)

    def _begin_anew(self, floor: FloorLine) -> None:
        self._floor, self._suspect = floor, None
        self.resets += 1


def _begun(device_ns: int, arrival_ns: int) -> FloorLine:
    floor = FloorLine()
    floor.push(device_ns, arrival_ns)
    return floor


def _host_ns(floor: FloorLine, device_ns: int) -> int:
    return floor.line.at(device_ns) if floor.line else device_ns + floor.lowest_ns
