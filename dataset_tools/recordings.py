"""Recorded faces of any supported file as performances: Live Link CSV, NPZ, UDP captures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.curves import Array
from capture.npz_files import faces_of, read_npz
from capture.provenance import DataUse, file_sha256
from dataset_tools.performance import Performance, from_weights
from firmware_host.errors import DataError
from firmware_host.samples import Floats

# Ours: slower is no recording of a face, and a longer hole is no part of one.
MAX_STEP_S, MAX_HOLE_S = 1.0, 60.0


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recordings of one person: a glob below the data folder, and the licence they came with."""

    person: str
    files: str
    licence: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording in memory."""

    performance: Performance
    use: DataUse

    @property
    def person(self) -> str:
        """Who was recorded."""
        return self.use.person


def read_sources(sources: Sequence[Source], root: Path) -> list[Recorded]:
    """Read all files of all sources. Raises DataError where a glob finds nothing."""
    found = []
    for source in sources:
        paths = sorted(root.glob(source.files))
        if not paths:
            raise DataError(
                f"no recording matches {source.files!r} below {root}",
                "set IMUSIC_DATA or --data to the folder that holds the recordings",
            )
        for path in paths:
            use = DataUse(source.person, file_sha256(path), source.licence)
            found.append(Recorded(read_performance(path), use))
    return found


def read_performance(path: Path, swap_sideways: bool | None = None, seed: int = 0) -> Performance:
    """Read a recording; the suffix says which kind. Head motion is generated where it has none.

    Args:
        swap_sideways: for Live Link CSVs, exchange left and right of jaw and mouth; None decides by
            the header's spelling (`capture.livelink_csv`).

    Raises:
        DataError: unknown suffix, or a file that is not what its suffix says.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _from_csv(path, swap_sideways, seed)
    if suffix == ".npz":
        return _from_npz(path, seed)
    if suffix == ".gesichter":
        return _from_packets(path, seed)
    raise DataError(f"{path}: expected .csv (Live Link), .npz or .gesichter, got {suffix!r}")


def _from_csv(path: Path, swap_sideways: bool | None, seed: int) -> Performance:
    from capture.livelink import quat_from_head_angles
    from capture.livelink_csv import read_livelink_csv

    recording = read_livelink_csv(path, swap_sideways)
    angles = recording.head_yaw_pitch_roll
    quat = None if angles is None else np.asarray(quat_from_head_angles(angles), float)
    return _performed(path, recording.time_s, recording.weights, recording.tracked, quat, seed)


def _from_npz(path: Path, seed: int) -> Performance:
    keys = ("names", "time_s", "weights")
    time_s, weights = faces_of(path, read_npz(path, keys), keys)
    tracked = np.asarray(np.isfinite(weights).all(axis=1), np.bool_)
    return _performed(path, time_s, weights, tracked, None, seed)


def _from_packets(path: Path, seed: int) -> Performance:
    from capture.livelink import device_time_ns, quat_from_head_angles, read_gesichter

    packets = [p for p in read_gesichter(path) if p.weights is not None]
    if len(packets) < 2:
        raise DataError(f"{path}: expected at least two packets with a face, got {len(packets)}")
    time_s = np.array([device_time_ns(p) for p in packets]) / 1e9
    angles = np.array([p.head_yaw_pitch_roll for p in packets])
    weights = np.array([p.weights for p in packets])
    quat = np.asarray(quat_from_head_angles(angles), float)
    return _performed(path, time_s - time_s[0], weights, np.ones(len(time_s), bool), quat, seed)


def _performed(
    path: Path,
    time_s: Array,
    weights: Array | Floats,
    tracked: NDArray[np.bool_],
    quat_world_from_head: Array | None,
    seed: int,
) -> Performance:
    """As `from_weights`, of a file whose faces need not be enough. Raises DataError with its path.

    Weights are limited to [0, 1].
    """
    if len(time_s) < 2:
        raise DataError(f"{path}: expected at least two rows, got {len(time_s)}")
    if not tracked.any():
        raise DataError(
            f"{path}: none of its {len(time_s)} rows has a face", "give a recording that saw one"
        )
    steps = np.diff(time_s)
    if steps.max() > MAX_HOLE_S or np.median(steps) > MAX_STEP_S:
        raise DataError(
            f"{path}: rows are {np.median(steps):.3g} s apart and up to {steps.max():.6g} s; "
            f"expected {MAX_STEP_S:g} and {MAX_HOLE_S:g} s at most",
            "are the times in seconds? if they are, split the file at its holes",
        )
    limited = np.clip(np.asarray(weights, float), 0.0, 1.0)
    return from_weights(time_s, limited, tracked, quat_world_from_head, seed)
