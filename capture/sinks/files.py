"""Faces → files: NPZ arrays, and CSV as Live Link Face records it. Pure but for the file itself."""

from pathlib import Path

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.livelink import head_angles_from_quat
from capture.livelink_csv import write_livelink_csv
from capture.sinks.poses import eye_angles
from capture.sinks.spool import Faces
from firmware_host.samples import Floats


def write_npz(path: Path, faces: Faces) -> None:
    """Arrays as `imusic predict` writes them, and which weights were made up."""
    np.savez_compressed(
        path,
        names=np.array(ARKIT_NAMES),
        time_s=faces.time_s,
        weights=faces.weights,
        quat_world_from_head=known_quats(faces.quats),
        confidence=faces.confidence,
        tracked=faces.tracked,
        made_up=faces.made_up,
        host_ns=faces.host_ns,
    )


def write_csv(path: Path, faces: Faces) -> None:
    """The CSV of the app; a CSV cannot say what was made up."""
    write_livelink_csv(
        path,
        faces.time_s,
        faces.weights,
        faces.tracked,
        head_angles_from_quat(known_quats(faces.quats)),
        np.array([eye_angles(weights) for weights in faces.weights]),
    )


def known_quats(quats: Floats) -> Floats:
    """(M, 4) with what is unknown held from before, and straight ahead at first."""
    known = np.isfinite(quats).all(axis=1)
    last = np.maximum.accumulate(np.where(known, np.arange(len(quats)), -1))
    held = quats[np.maximum(last, 0)].copy()
    held[last < 0] = (1.0, 0.0, 0.0, 0.0)
    return held
