"""Faces as JSON, as the BEAT data set has them: `names`, and `frames` of `time` and `weights`.

    {"names": ["browDownLeft", …], "frames": [{"time": 0.0, "weights": [0.1, …]}, …]}

Names are those of ARKit in any usual spelling and order; BEAT lacks `tongueOut`. Weights that no
name is given for are 0, and that is noted. Times are seconds.
"""

from pathlib import Path

import msgspec
import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX, MAX_WEIGHT, canonical_name
from capture.importers import host_ns_of
from capture.provenance import file_sha256
from capture.take import Take, new_take
from capture.take_folders import known_name, whole_take
from firmware_host.errors import DataError
from firmware_host.layout import FACE_12

MAX_BYTES = 1 << 30
FEWEST_SHAPES = 20  # fewer are something else than a face of ARKit


class _Frame(msgspec.Struct):
    time: float
    weights: list[float]


class _File(msgspec.Struct):
    names: list[str]
    frames: list[_Frame]


def import_beat(path: Path, out_dir: Path) -> Take:
    """Make `out_dir` a take of the faces in a JSON file; there are no samples in it.

    Raises:
        DataError: not such a file, shapes that are not ARKit's, or times that do not increase.
        ConfigError: `out_dir` exists and is not empty.
    """
    told = _read(path)
    columns, unknown = _columns(path, told.names)
    time_s = np.array([frame.time for frame in told.frames], float)
    if len(time_s) < 2 or not np.isfinite(time_s).all() or np.any(np.diff(time_s) <= 0):
        raise DataError(f"{path}: expected at least two frames with increasing times")
    for number, frame in enumerate(told.frames):
        if len(frame.weights) != len(told.names):
            raise DataError(
                f"{path}: frame {number}: expected {len(told.names)} weights, "
                f"got {len(frame.weights)}"
            )
    given = np.array([frame.weights for frame in told.frames], np.float32)
    weights = np.zeros((len(given), len(ARKIT_NAMES)), np.float32)
    for source, shape in columns.items():
        weights[:, shape] = given[:, source]
    if np.abs(weights[np.isfinite(weights)]).max(initial=0.0) > MAX_WEIGHT:
        raise DataError(f"{path}: weights beyond {MAX_WEIGHT:g}", "percent? divide by 100")
    tracked = np.asarray(np.isfinite(weights).all(axis=1), np.bool_)
    weights[~tracked] = np.nan
    missing = [n for k, n in enumerate(ARKIT_NAMES) if k not in columns.values()]
    notes = [f"{', '.join(missing)}: not in the file, 0 here"] if missing else []
    notes += [f"{', '.join(unknown)}: no shape of ARKit, left out"] if unknown else []
    origin = {
        "kind": "beat",
        "file": known_name(path),
        "source_sha256": file_sha256(path),
        "one_clock": True,
        "time_zero_s": 0.0,
        "clock": "file",
        "notes": notes,
    }
    host_ns = host_ns_of(time_s - time_s[0], 0.0)
    with whole_take(out_dir, new_take(known_name(out_dir), FACE_12, origin)) as writer:
        writer.faces(host_ns, host_ns, weights, tracked)
        return writer.close()


def _read(path: Path) -> _File:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than {MAX_BYTES >> 20} MB")
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: expected JSON with `names` and `frames` of `time` and `weights`: {error}"
        ) from error


def _columns(path: Path, names: list[str]) -> tuple[dict[int, int], list[str]]:
    """Column → shape, and the names that are none."""
    found: dict[int, int] = {}
    unknown = []
    for k, name in enumerate(names):
        shape = canonical_name(name)
        if shape is None:
            unknown.append(name)
        elif INDEX[shape] in found.values():
            raise DataError(f"{path}: {shape} is named twice")
        else:
            found[k] = INDEX[shape]
    if len(found) < FEWEST_SHAPES:
        raise DataError(
            f"{path}: {len(found)} of its {len(names)} names are shapes of ARKit",
            "names such as jawOpen, eyeBlinkLeft or eyeBlink_L",
        )
    return found, unknown
