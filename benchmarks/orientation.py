"""How good orientations are: against an optical truth, and over real dropouts. JSON lines.

    python benchmarks/orientation.py            # reads IMUSIC_DATA

First the trials of BROAD that are there (Laidig et al., Data 6(7):72, 2021, CC BY 4.0): root mean
square errors in degrees, in movement phases only and without any alignment, as the data set defines
them; then the same with 5 % of the readings and twenty stretches of 70 ms lost. `vqf_6d` has no
heading to judge. Beside them what the makers of the data set published for the filter of Madgwick
with the one gain that is best over all their 39 trials (`results_madgwick_average_rmse.json` in
their repository). The figures that VQF's authors published trial by trial could not be read.
A port of VQF to Rust (github.com/jettify/uf-ahrs) states means over all 39 trials; they are printed
last, and the mean of six trials does not compare with them.

Then the log that comes with xioTechnologies' Fusion (MIT), which lost readings: how far orientation
moves in its longest rest, and how far its vertical is from gravity in every rest.
"""

import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from capture import rotations
from capture.orientation import Orientation, estimate_orientation, orientation_error

Array = NDArray[np.float64]
G = 9.80665

# total, heading, inclination in degrees
MADGWICK: dict[str, tuple[float, float, float]] = {
    "01_undisturbed_slow_rotation_A": (2.310, 2.174, 0.779),
    "09_undisturbed_fast_rotation_with_breaks_B": (2.484, 1.647, 1.860),
    "11_undisturbed_slow_translation_B": (4.241, 2.608, 3.345),
    "24_disturbed_tapping_A": (1.768, 1.243, 1.258),
    "28_disturbed_stationary_magnet_A": (8.329, 7.461, 3.703),
    "34_disturbed_attached_magnet_3cm": (5.374, 4.253, 3.285),
}
RUST_PORT_39 = {"total_deg": 2.078, "heading_deg": 1.921, "inclination_deg": 0.696}


def main() -> None:
    """Print everything."""
    folder = Path(os.environ.get("IMUSIC_DATA", "../shared/data")) / "imu"
    trials = sorted(folder.glob("broad/*.mat"))
    if not trials:
        raise SystemExit(f"no trials of BROAD below {folder}: set IMUSIC_DATA")
    totals = []
    for path in trials:
        line = trial(path)
        totals.append(line["vqf_9d"])
        print(json.dumps(line))
    mean = {key: round(float(np.mean([t[key] for t in totals])), 3) for key in totals[0]}
    print(json.dumps({"mean of these trials": mean, "rust port, 39 trials": RUST_PORT_39}))
    for path in folder.glob("xio_fusion/sensor_data.csv"):
        print(json.dumps(dropouts(path)))


def trial(path: Path) -> dict[str, object]:
    """One trial of BROAD."""
    log = loadmat(path)
    readings = [log[key] for key in ("imu_acc", "imu_gyr", "imu_mag")]
    rate_hz = float(log["sampling_rate"][0, 0])
    time_s = np.arange(len(readings[0])) / rate_hz
    moving = log["movement"][:, 0].astype(bool)
    lossy = kept(len(time_s), np.random.default_rng(7))
    found = {
        "vqf_9d": estimate_orientation(time_s, *readings),
        "vqf_6d": estimate_orientation(time_s, *readings[:2]),
        "vqf_9d_lossy": estimate_orientation(
            time_s[lossy], *(part[lossy] for part in readings), rate_hz=rate_hz
        ),
    }
    line: dict[str, object] = {"trial": path.stem}
    for name, orientation in found.items():
        errors = rounded(orientation, log["opt_quat"], moving)
        line[name] = {"inclination_deg": errors["inclination_deg"]} if "6d" in name else errors
    line["lossy_missing"] = round(found["vqf_9d_lossy"].missing, 5)
    names = ("total_deg", "heading_deg", "inclination_deg")
    if path.stem in MADGWICK:
        line["madgwick_published"] = dict(zip(names, MADGWICK[path.stem], strict=True))
    return line


def kept(count: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which readings a bad link would have left."""
    left = random.random(count) >= 0.05
    left[[0, -1]] = True
    for start in random.integers(1, count - 21, 20):
        left[start : start + 20] = False
    return left


def rounded(found: Orientation, truth: Array, judged: NDArray[np.bool_]) -> dict[str, float]:
    """The errors, to a thousandth of a degree."""
    count = min(len(found.time_s), len(truth))
    error = orientation_error(found.quat_world_from_sensor[:count], truth[:count], judged[:count])
    return {
        "total_deg": round(error.total_deg, 3),
        "heading_deg": round(error.heading_deg, 3),
        "inclination_deg": round(error.inclination_deg, 3),
    }


def dropouts(path: Path) -> dict[str, object]:
    """The log of xio."""
    rows = np.genfromtxt(path, delimiter=",", skip_header=1)
    time_s, gyro, accel = rows[:, 0], np.radians(rows[:, 1:4]), G * rows[:, 4:7]
    found = estimate_orientation(time_s, accel, gyro, rows[:, 7:10])
    strict = estimate_orientation(time_s, accel, gyro, rows[:, 7:10], max_gap_s=0.015)
    rests = rests_of(found)
    longest = max(rests, key=len)
    quat = found.quat_world_from_sensor
    turned = rotations.multiply(quat[longest], rotations.conjugate(quat[longest[:1]]))
    return {
        "log": "xio_fusion",
        "readings": len(rows),
        "holes": int(np.sum(np.diff(time_s) > 0.015)),
        "longest_hole_s": round(float(np.diff(time_s).max()), 3),
        "missing": found.missing,
        "missing_where_15_ms_is_a_gap": round(strict.missing, 5),
        "runs_where_15_ms_is_a_gap": int(strict.run.max()) + 1,
        "longest_rest_s": round(len(longest) * float(np.diff(found.time_s[:2])[0]), 1),
        "moved_in_it_deg": round(float(np.degrees(np.abs(angle(turned)).max())), 3),
        "tilt_against_gravity_deg": [
            round(tilt_deg(found, rest, time_s, accel), 3) for rest in rests
        ],
    }


def rests_of(found: Orientation) -> list[NDArray[np.int64]]:
    """Rows of every rest of 2 s or more."""
    cuts = np.flatnonzero(np.diff(found.at_rest.astype(int))) + 1
    pieces = np.split(np.arange(len(found.at_rest)), cuts)
    step_s = found.time_s[1] - found.time_s[0]
    return [piece for piece in pieces if found.at_rest[piece[0]] and len(piece) * step_s >= 2.0]


def angle(quat: Array) -> Array:
    """(N,) rotation angles in rad."""
    return np.asarray(np.linalg.norm(rotations.to_vector(quat), axis=1))


def tilt_deg(found: Orientation, rest: NDArray[np.int64], time_s: Array, accel: Array) -> float:
    """Between the vertical of the estimate and the mean specific force, at the end of a rest."""
    end_s = found.time_s[rest[-1]]
    force = accel[(time_s > end_s - 1.0) & (time_s <= end_s)].mean(axis=0)
    up = rotations.rotate(found.quat_world_from_sensor[rest[-1]], force / np.linalg.norm(force))
    return float(np.degrees(np.arccos(np.clip(up[2], -1, 1))))


if __name__ == "__main__":
    main()
