"""Which way a phone app's angles turn, by recordings of it: a table.

    python benchmarks/phone_axes.py                       # recordings from IMUSIC_DATA

Two facts tell, and need no phone. The shapes eyeLookLeft and eyeLookDown, which are the subject's
own by Apple's documents, give the signs of the eyes. And who moves the head before a phone goes on
looking at it: of the eight choices of signs of the head's yaw, pitch and roll, the true one holds
the gaze (head times eyes) the stillest. The spread is the r.m.s. angle of the gaze from its mean.

Measured: Live Link Face, CSV (sentien, 27 s) 3.2 degrees for (+, -, -), 3.3 with the other roll,
6.0 with the other pitch; packets (llv/dao, 3 s) 4.0 for (+, -, -), 4.9 and 5.6 for the next two.
"""

import argparse
import os
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.blendshapes import INDEX
from capture.livelink import EYE_SIGNS, HEAD_SIGNS, quat_from_head_angles, read_gesichter
from capture.livelink_csv import read_livelink_csv

Array = NDArray[np.float64]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    data = Path(os.environ.get("IMUSIC_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data)
    folder = parser.parse_args().data / "arkit"
    for name, head, eyes, weights in recordings(folder):
        signs = eye_signs(eyes, weights)
        print(f"{name}: {len(head)} faces, eyes yaw {signs[0]:+.2f}, pitch {signs[1]:+.2f}")
        ranked = sorted(
            (gaze_spread_deg(head, eyes, np.array(s)), s) for s in product((1, -1), repeat=3)
        )
        for spread, head_signs in ranked[:4]:
            print(f"  head (yaw, pitch, roll) {head_signs}: the gaze spreads {spread:.2f} deg")


def recordings(folder: Path) -> list[tuple[str, Array, Array, Array]]:
    """(name, head (M, 3), eyes (M, 2, 3), weights (M, 52)) as the app wrote them."""
    found = []
    csv = read_livelink_csv(folder / "sentien/recording.csv")
    assert csv.head_yaw_pitch_roll is not None
    assert csv.eyes_yaw_pitch_roll is not None
    seen = csv.tracked
    head, eyes = csv.head_yaw_pitch_roll[seen], csv.eyes_yaw_pitch_roll[seen]
    found.append(("sentien/recording.csv", head * HEAD_SIGNS, eyes * EYE_SIGNS, csv.weights[seen]))
    packets = read_gesichter(folder / "llv/dao.gesichter")
    head = np.array([p.head_yaw_pitch_roll for p in packets])
    eyes = np.array([p.eyes_yaw_pitch_roll for p in packets])
    weights = np.array([p.weights for p in packets])
    found.append(("llv/dao.gesichter", head * HEAD_SIGNS, eyes * EYE_SIGNS, weights))
    return found


def eye_signs(eyes: Array, weights: Array) -> tuple[float, float]:
    """Correlations of the eyes' yaw with looking left, and of their pitch with looking down."""

    def shape(*names: str) -> Array:
        return np.asarray(weights[:, [INDEX[name] for name in names]].sum(axis=1))

    left = shape("eyeLookOutLeft", "eyeLookInRight") - shape("eyeLookInLeft", "eyeLookOutRight")
    down = shape("eyeLookDownLeft", "eyeLookDownRight") - shape("eyeLookUpLeft", "eyeLookUpRight")
    yaw, pitch, _ = eyes.mean(axis=1).T
    return float(np.corrcoef(yaw, left)[0, 1]), float(np.corrcoef(pitch, down)[0, 1])


def gaze_spread_deg(head: Array, eyes: Array, signs: Array) -> float:
    """R.m.s. angle of the gaze from its mean, with these signs of the head's angles."""
    turned = eyes.mean(axis=1) * EYE_SIGNS * [1, 1, 0]
    quat = rotations.multiply(quat_from_head_angles(head * signs), quat_from_head_angles(turned))
    gaze = rotations.rotate(quat, np.array([0.0, 0.0, 1.0]))
    return float(np.degrees(np.sqrt(((gaze - gaze.mean(axis=0)) ** 2).sum(axis=1).mean())))


if __name__ == "__main__":
    main()
