"""What a virtual device feels, and the clock it has. No I/O."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_host.errors import DataError

GRAVITY_M_S2 = 9.80665
Array = NDArray[np.float64]


class VirtualDevice(Protocol):
    """A device on a byte line. `SimulatedHub` is one; its time begins with START."""

    @property
    def running(self) -> bool:
        """Whether its time passes."""
        ...

    @property
    def finished(self) -> bool:
        """Whether it has said all that it will ever say."""
        ...

    def boot(self) -> bytes:
        """What it says unasked when it is switched on."""
        ...

    def receive(self, data: bytes, elapsed_s: float = 0.0) -> bytes:
        """Obey the host; return the answer."""
        ...

    def due(self, elapsed_s: float) -> bytes:
        """Everything that leaves up to `elapsed_s` and has not left yet."""
        ...

    def next_due_s(self) -> float | None:
        """When the next bytes leave; None where there are none."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What one sensor feels. time_s: (N,) increasing. accel_m_s2, gyro_rad_s: (N, 3).

    Raises:
        DataError: the shapes do not agree.
    """

    time_s: Array
    accel_m_s2: Array
    gyro_rad_s: Array

    def __post_init__(self) -> None:
        expected = (len(self.time_s), 3)
        if self.accel_m_s2.shape != expected or self.gyro_rad_s.shape != expected:
            raise DataError(f"motion: expected accel and gyro of shape {expected}")


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """The device's own time. It stands still from `frozen_after_s` on."""

    epoch_us: int = 0
    drift_ppm: float = 0.0
    frozen_after_s: float | None = None

    def read_us(self, elapsed_s: float) -> int:
        """What it shows after `elapsed_s` of true time."""
        if self.frozen_after_s is not None:
            elapsed_s = min(elapsed_s, self.frozen_after_s)
        return self.epoch_us + round(elapsed_s * (1e6 + self.drift_ppm))


class Player:
    """Counts through the samples of a motion as their time comes."""

    def __init__(self, time_s: Array) -> None:
        self._time_s = time_s
        self.sent = 0

    @property
    def finished(self) -> bool:
        """Whether the last sample has left."""
        return self.sent == len(self._time_s)

    def next_due_s(self) -> float | None:
        """When the next sample leaves."""
        return None if self.finished else float(self._time_s[self.sent])

    def take(self, elapsed_s: float) -> range:
        """The samples that leave now."""
        end = int(np.searchsorted(self._time_s, elapsed_s, "right"))
        leaving = range(self.sent, max(end, self.sent))
        self.sent = leaving.stop
        return leaving
