"""Faces over time, read from whatever holds them: predictions, Live Link CSVs, takes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, OBSERVABLE
from capture.npz_files import faces_of, read_npz
from capture.rotations import from_vector, multiply, normalise, rotate, unwrap
from capture.take import TAKE_FILE
from firmware_host.errors import DataError
from firmware_host.samples import Floats

Times = NDArray[np.float64]
Flags = NDArray[np.bool_]

READABLE = "an .npz of `imusic predict`, a Live Link Face .csv, or a take folder"


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Faces over time.

    time_s: (T,) increasing. weights: (T, 52) canonical order, finite; held where not tracked.
    quats: (T, 4) wxyz world from head, or None where unknown. tracked: (T,), None where always.
    doubt: what speaks against its timeline, for people; "" where nothing does.
    spread: (T, 52) standard deviation of the truth about the weights, None where nobody states it.
    """

    name: str
    time_s: Times
    weights: Floats
    quats: Floats | None = None
    tracked: Flags | None = None
    doubt: str = ""
    spread: Floats | None = None

    def __len__(self) -> int:
        return len(self.time_s)


def read_track(path: Path) -> Track:
    """Read a track; the suffix, or being a take folder, says how.

    Raises:
        DataError: unreadable, or not what its name says; names what was expected.
    """
    if (path / TAKE_FILE).is_file():
        return _from_take(path)
    if not path.is_file():
        what = "a folder, but not a take" if path.is_dir() else "no such file or folder"
        raise DataError(f"{path}: {what}", f"give {READABLE}")
    if path.suffix.lower() == ".npz":
        return _from_npz(path)
    if path.suffix.lower() == ".csv":
        return _from_csv(path)
    raise DataError(f"{path}: expected {READABLE}, got {path.suffix or 'no suffix'!r}")


_FACE_KEYS = ("names", "time_s", "weights")


def _from_npz(path: Path) -> Track:
    arrays = read_npz(path, (*_FACE_KEYS, "quat_world_from_head", "tracked", "spread", "doubt"))
    time_s, weights = faces_of(path, arrays, _FACE_KEYS)
    tracked, quats = arrays.get("tracked"), arrays.get("quat_world_from_head")
    if tracked is not None:
        _expect(path, "tracked", tracked, (len(time_s),), "b")
    if quats is not None:
        _expect(path, "quat_world_from_head", quats, (len(time_s), 4))
    track = make_track(path.stem, time_s, weights, quats, tracked, str(path))
    track = replace(track, doubt=_said(arrays.get("doubt")))
    spread = arrays.get("spread")
    if spread is None or tuple(map(str, arrays["names"])) != ARKIT_NAMES:
        return track
    _expect(path, "spread", spread, weights.shape)
    return replace(track, spread=np.asarray(np.nan_to_num(spread), np.float32))


def _said(doubt: NDArray[Any] | None) -> str:
    """What `imusic predict --hybrid` kept of a take's doubt, on one line."""
    if doubt is None or doubt.dtype.kind != "U" or doubt.shape != ():
        return ""
    return " ".join("".join(c for c in str(doubt) if c.isprintable() or c.isspace()).split())


def _expect(
    path: Path, key: str, array: NDArray[Any], shape: tuple[int, ...], kinds: str = "fiu"
) -> None:
    if array.shape != shape or array.dtype.kind not in kinds:
        what = "true or false" if kinds == "b" else "numbers"
        raise DataError(
            f"{path}: expected {key} to be {what} of shape {shape}, got {array.dtype} "
            f"of shape {array.shape}"
        )


def _from_csv(path: Path) -> Track:
    from capture.livelink import quat_from_head_angles
    from capture.livelink_csv import read_livelink_csv

    read = read_livelink_csv(path)
    angles = read.head_yaw_pitch_roll
    quats = None if angles is None else quat_from_head_angles(angles)
    return make_track(path.stem, read.time_s, read.clipped(), quats, read.tracked, str(path))


def _from_take(path: Path) -> Track:
    from capture.doubt import doubt_of
    from capture.recording import read_recording
    from capture.sync import align, aligned_faces

    recording = read_recording(path)
    if not len(recording.faces):
        raise DataError(
            f"{path}: the take has no ARKit faces to draw",
            f"predict them first: imusic predict {path} --out face.npz",
        )
    alignment = align(recording)
    time_s, weights, quats, tracked = aligned_faces(recording, alignment)
    track = make_track(path.name, time_s, weights, quats, tracked, str(path))
    return replace(track, doubt=doubt_of(alignment))


def make_track(
    name: str,
    time_s: Times,
    weights: Floats,
    quats: Floats | None = None,
    tracked: Flags | None = None,
    where: str = "",
) -> Track:
    """Check and tidy: rows that are not finite count as not tracked and hold what was before them.

    Raises:
        DataError: no row has a face, or the times are not finite and increasing.
    """
    where = where or name
    if not np.isfinite(time_s).all() or np.any(np.diff(time_s) <= 0):
        raise DataError(f"{where}: expected times that increase")
    seen: Flags = np.asarray(np.isfinite(weights).all(axis=1))
    if tracked is not None:
        seen = seen & tracked
    if not seen.any():
        raise DataError(f"{where}: none of its {len(time_s)} rows has a face")
    if quats is not None:
        quats = _whole_quats(quats)
    return Track(name, time_s, _held(weights, seen), quats, None if seen.all() else seen)


def _held(rows: Floats, valid: Flags) -> Floats:
    """Rows that are not valid repeat the last valid one (the first, before any)."""
    last = np.maximum.accumulate(np.where(valid, np.arange(len(rows)), -1))
    return rows[np.where(last < 0, int(np.argmax(valid)), last)]


def _whole_quats(quats: Floats) -> Floats | None:
    usable: Flags = np.asarray(np.isfinite(quats).all(axis=1))
    usable &= np.linalg.norm(np.nan_to_num(quats), axis=1) > 0.5
    return _held(quats, usable) if usable.any() else None


def resample(track: Track, time_s: Times) -> Track:
    """The track at other times: linear between rows, held before the first and after the last."""
    weights = _between(track, track.weights, time_s)
    spread = None if track.spread is None else _between(track, track.spread, time_s)
    quats, tracked = None, None
    if track.quats is not None:
        smooth = unwrap(track.quats.astype(float))
        quats = np.stack([np.interp(time_s, track.time_s, q) for q in smooth.T], axis=-1)
        quats = normalise(quats).astype(np.float32)
    if track.tracked is not None:
        row = np.searchsorted(track.time_s, time_s, side="right") - 1
        tracked = track.tracked[np.clip(row, 0, None)]
    return Track(track.name, time_s, weights, quats, tracked, spread=spread)


def _between(track: Track, rows: Floats, time_s: Times) -> Floats:
    """(T, 52) rows of a track at other times."""
    out = np.empty((len(time_s), rows.shape[1]), np.float32)
    for shape in range(rows.shape[1]):
        out[:, shape] = np.interp(time_s, track.time_s, rows[:, shape])
    return out


def facing_camera(quats: Floats) -> Floats:
    """Turn (T, 4) about the vertical so that the head looks at the camera on the whole.

    An IMU knows no north, and a phone may lie beside the wearer: heading is arbitrary.
    """
    turned = quats.astype(float)
    ahead = rotate(turned, np.array([0.0, 0.0, 1.0])).mean(axis=0)
    heading = np.arctan2(ahead[0], ahead[2])
    return multiply(from_vector(np.array([0.0, -heading, 0.0])), turned).astype(np.float32)


def most_expressive_s(track: Track, start_s: float, end_s: float) -> float:
    """The time within [start_s, end_s] at which the face rises most above its median.

    Rises: for a person who talks, the face farthest from the median is the neutral one.
    """
    inside = (track.time_s >= start_s) & (track.time_s <= end_s)
    if track.tracked is not None:
        inside &= track.tracked
    if not inside.any():
        return start_s
    weights = track.weights[inside][:, OBSERVABLE]
    effort = np.maximum(weights - np.median(weights, axis=0), 0.0).sum(axis=1)
    return float(track.time_s[inside][np.argmax(effort)])
