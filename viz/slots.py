"""Which sensors of a take were heard when."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.take import TAKE_FILE
from firmware_host.layout import SensorLayout

HEARD_WITHIN_S = 0.1  # twenty samples of the usual rate


@dataclass(frozen=True, slots=True, eq=False)
class SlotTimes:
    """When each slot gave something. times_s: S arrays, increasing, on the take's timeline."""

    layout: SensorLayout
    times_s: tuple[NDArray[np.float64], ...]

    def heard_at(self, time_s: float) -> tuple[bool, ...]:
        """By slot: whether it gave a reading in the last HEARD_WITHIN_S, or will in the next."""
        heard = []
        for times in self.times_s:
            after = int(np.searchsorted(times, time_s - HEARD_WITHIN_S))
            heard.append(after < len(times) and bool(times[after] <= time_s + HEARD_WITHIN_S))
        return tuple(heard)


def read_slots(path: Path) -> SlotTimes | None:
    """The sensors of a take; None where `path` is no take, or one without samples.

    Raises:
        DataError: a take that cannot be read.
    """
    if not (path / TAKE_FILE).is_file():
        return None
    from capture.recording import read_recording
    from capture.sync import align, sample_times_s

    recording = read_recording(path)
    if not len(recording):
        return None
    times_s = sample_times_s(recording, align(recording))
    given = np.asarray(np.isfinite(recording.accel_m_s2).all(axis=2))  # (N, S)
    times = tuple(np.sort(times_s[given[:, slot]]) for slot in range(given.shape[1]))
    return SlotTimes(recording.take.sensor_layout, times)
