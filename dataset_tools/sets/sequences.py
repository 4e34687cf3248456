"""A take as one sequence of a data set: rows at 60 Hz, and samples and faces as they came. Pure.

All times are on the take's timeline, where 0 is its first sample (`capture.sync`). Readings are
corrected as its `take.toml` says, and stay in sensor frames. Weights stay as recorded, also where
they are a little outside [0, 1].
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.blendshapes import ARKIT_NAMES
from capture.merging import SlotReader
from capture.recording import Recording
from capture.resample import TICK_HZ, rows_of
from capture.sync import Alignment, aligned_faces, sample_times_s
from firmware_host.clock import NS_PER_S
from firmware_host.samples import Floats, Ints

# Truth between two ARKit frames further apart than this is not truth.
LARGEST_HOLE_S = 0.1
ROUNDING_S = 1e-6  # times are kept in whole ns

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples in order of time: time_ns (N,), accel and gyro (N, S, 3), NaN where not heard.

    device: (N,) which device of the take a row is of.
    """

    time_ns: Ints
    accel_m_s2: Floats
    gyro_rad_s: Floats
    device: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.time_ns)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """ARKit frames in order of time: time_ns (M,), weights (M, 52), quats (M, 4) wxyz world from
    head, tracked (M,). NaN where no face was seen, or no head pose told.
    """

    time_ns: Ints
    weights: Floats
    quats: Floats
    tracked: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time_ns)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """60 Hz: accel, gyro (T, S, 3), weights (T, 52), quats (T, 4); NaN where unknown."""

    accel_m_s2: Floats
    gyro_rad_s: Floats
    weights: Floats
    quats: Floats

    def __len__(self) -> int:
        return len(self.weights)


def samples_of(recording: Recording, alignment: Alignment, slots: tuple[str, ...]) -> Samples:
    """All samples of a take in the slots of the data set."""
    take = recording.take
    reader = SlotReader(slots, take.sensor_layout.names, take.corrections)
    accel, gyro = reader.read(recording.accel_m_s2, recording.gyro_rad_s)
    time_ns = _in_ns(sample_times_s(recording, alignment))
    device = recording.merged(
        [np.full(len(track), number, np.uint8) for number, track in enumerate(recording.tracks)]
    )
    order = np.argsort(time_ns, kind="stable")
    if np.array_equal(order, np.arange(len(order))):
        return Samples(time_ns, accel, gyro, device)
    return Samples(time_ns[order], accel[order], gyro[order], device[order])


def faces_of(recording: Recording, alignment: Alignment) -> Faces:
    """All ARKit frames of a take, repeated ones left out."""
    time_s, weights, quats, tracked = aligned_faces(recording, alignment)
    return Faces(_in_ns(time_s), weights, quats, tracked)


def rows_at_60_hz(samples: Samples, faces: Faces) -> Rows:
    """Everything at 60 Hz, from the first sample on; row k ends at (k + 1) / 60 s."""
    last_ns = int(samples.time_ns[-1] if len(samples) else faces.time_ns[-1] if len(faces) else 0)
    count = last_ns * TICK_HZ // NS_PER_S
    slots = samples.accel_m_s2.shape[1]
    readings = np.full((count, slots, 6), np.nan, np.float32)
    if count and len(samples):
        felt = rows_of(samples.time_ns, samples.accel_m_s2, samples.gyro_rad_s, 1, count)
        readings = felt.astype(np.float32)
    at_s = np.arange(1, count + 1) / TICK_HZ
    weights = _between(at_s, faces, faces.weights, faces.tracked)
    posed = faces.tracked & np.isfinite(faces.quats).all(axis=1)
    turns = faces.quats.astype(np.float64)
    turns[posed] = rotations.unwrap(turns[posed])
    quats = _between(at_s, faces, turns, posed)
    lengths = np.linalg.norm(quats, axis=1, keepdims=True)
    return Rows(
        readings[..., :3], readings[..., 3:], weights.astype(np.float32),
        (quats / lengths).astype(np.float32),
    )  # fmt: skip


def _between(
    at_s: Times, faces: Faces, values: NDArray[np.floating], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(T, K) values by lines between known frames; NaN in holes and beyond both ends."""
    time_s, values = faces.time_ns[known] / NS_PER_S, np.asarray(values[known], np.float64)
    out = np.full((len(at_s), values.shape[1]), np.nan)
    if len(time_s) < 2:
        return out
    right = np.clip(np.searchsorted(time_s, at_s), 1, len(time_s) - 1)
    hole = time_s[right] - time_s[right - 1]
    inside = (at_s >= time_s[0] - ROUNDING_S) & (at_s <= time_s[-1] + ROUNDING_S)
    usable = (hole <= LARGEST_HOLE_S) & inside
    share = np.clip((at_s - time_s[right - 1]) / np.maximum(hole, 1e-9), 0, 1)[usable, None]
    right = right[usable]
    out[usable] = values[right - 1] * (1.0 - share) + values[right] * share
    return out


def no_samples(slots: int) -> Samples:
    """Of a take that has none."""
    none = np.zeros((0, slots, 3), np.float32)
    return Samples(np.zeros(0, np.int64), none, none, np.zeros(0, np.uint8))


def no_faces() -> Faces:
    """Of a take that has none."""
    weights = np.zeros((0, len(ARKIT_NAMES)), np.float32)
    return Faces(
        np.zeros(0, np.int64), weights, np.zeros((0, 4), np.float32), np.zeros(0, np.bool_)
    )


def _in_ns(time_s: Times) -> Ints:
    times: Ints = np.rint(time_s * NS_PER_S).astype(np.int64)
    return times
