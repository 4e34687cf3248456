"""Takes from what Live Link Face recorded on the phone: a CSV, or the folder of its take."""

from pathlib import Path
from typing import Any

from capture.importers import host_ns_of
from capture.livelink_csv import LiveLinkRecording, read_livelink_csv
from capture.livelink_take import Truth, read_livelink_take
from capture.take import Take, new_take
from capture.take_folders import known_name, whole_take
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12


def import_livelink(
    path: Path, out_dir: Path, truth: Truth | None = None, swap_sideways: bool | None = None
) -> Take:
    """Make `out_dir` a take of the faces in a CSV, or a take's folder, of Live Link Face.

    There are no samples in it. `origin` says which file served as the truth, what the times are
    of, and what the app's own `take.json` tells.

    Raises:
        DataError: not such a file or folder, or none of its rows has a face.
        ConfigError: `out_dir` exists and is not empty, or `truth` is asked of a lone CSV.
    """
    if path.is_dir():
        taken = read_livelink_take(path, truth, swap_sideways)
        facts = {"kind": "livelink_take", "clock": taken.clock, **taken.origin}
        return _write(taken.csv, taken.recording, facts, out_dir)
    if truth is not None:
        raise ConfigError(
            f"--truth {truth}: {path} is one file", "give the folder of the take, or leave it out"
        )
    facts = {"kind": "livelink_csv", "clock": "timecode"}
    return _write(path, read_livelink_csv(path, swap_sideways), facts, out_dir)


def _write(csv: Path, recording: LiveLinkRecording, facts: dict[str, Any], out_dir: Path) -> Take:
    if not recording.tracked.any():
        raise DataError(
            f"{csv}: none of its {len(recording.time_s)} rows has a face",
            "give a recording that saw one",
        )
    origin = {
        **facts,
        "file": known_name(csv),
        "source_sha256": recording.sha256,
        "one_clock": True,
        "time_zero_s": 0.0,
        "rate_hz": recording.rate_hz,
        "sideways_swapped": recording.sideways_swapped,
        "notes": list(recording.notes),
    }
    host_ns = host_ns_of(recording.time_s, 0.0)
    with whole_take(out_dir, new_take(known_name(out_dir), FACE_12, origin)) as writer:
        writer.faces(
            host_ns,
            host_ns,
            recording.weights,
            recording.tracked,
            recording.head_yaw_pitch_roll,
            recording.eyes_yaw_pitch_roll,
        )
        return writer.close()
