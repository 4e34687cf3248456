"""How well the phone's latency is found, over seeded scenarios whose truth is known. Simulated.

    python benchmarks/sync.py --scenarios 50 --seconds 600

A virtual wearer performs (speech, feelings, head motion; `dataset_tools.composition`), with a
sync gesture of the script `dataset` at the start and at the end, or without any. Only the sensors
on bone and chin are worn. Hub and phone have clocks of their own (drift up to ±50 ppm), messages
wait for 5 to 40 ms at random (an exponential wait whose 95th percentile is drawn), 2 % of them are
lost, and the phone tells of a face 20 to 120 ms after it was true. What else a phone does to a
face, such as smoothing it, is not simulated. Errors are those of the times of faces on the take's
timeline, as medians over a take, less those of the samples. One JSON line per way.
"""

import argparse
import json
from dataclasses import replace
from typing import Any

import numpy as np

from capture import sync
from capture.blendshapes import ARKIT_NAMES
from capture.guided import Performed, Script, read_script
from capture.head import standard_head
from capture.livelink import head_angles_from_quat, quat_from_head_angles
from capture.recording import DeviceTrack, FaceTrack, Recording
from capture.take import Segment, new_take
from dataset_tools.followers import follow
from dataset_tools.performance import Performance, generate_performance
from dataset_tools.virtual_imu import feel
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12, select

LAYOUT = select(FACE_12, ("mentalis", "head_reference"))
SEED = 91_000
NS = 1_000_000_000
HOST_EPOCH_NS = 5_000 * NS
RATE_HZ, PER_BLOCK, LOSS = 200.0, 3, 0.02
NEVER_FASTER_S = 0.001
Row = dict[str, Any]


def main() -> None:
    """Judge every scenario with and without a gesture."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--scenarios", type=int, default=50)
    options.add_argument("--seconds", type=float, default=600.0)
    options.add_argument("--each", action="store_true", help="print every scenario as well")
    asked = options.parse_args()
    for gesture in (True, False):
        rows = [scenario(SEED + k, asked.seconds, gesture) for k in range(asked.scenarios)]
        for row in rows if asked.each else ():
            print(json.dumps(row), flush=True)
        print(json.dumps({"gesture": gesture, "seconds": asked.seconds, **summary(rows)}))


def summary(rows: list[Row]) -> Row:
    """Percentiles of the error, and how often it lies within what was stated."""
    error = np.array([row["error_ms"] for row in rows])
    stated = np.array([row["stated_ms"] for row in rows])
    verdicts = [row["verdict"] for row in rows]
    return {
        "scenarios": len(rows),
        "error_p50_ms": round(float(np.median(np.abs(error))), 3),
        "error_p95_ms": round(float(np.percentile(np.abs(error), 95)), 3),
        "bias_ms": round(float(np.mean(error)), 3),
        "stated_p50_ms": round(float(np.median(stated)), 3),
        "covered": round(float(np.mean(np.abs(error) <= stated)), 3),
        **{verdict: verdicts.count(verdict) for verdict in ("good", "doubtful", "bad")},
    }


def scenario(seed: int, seconds: float, gesture: bool) -> Row:
    """One take, and how far off its faces are."""
    performance, segments = performed(seed, seconds, gesture)
    rng = np.random.default_rng((seed, 1))
    wearer = draw_wearer(standard_head(), LAYOUT, rng)
    felt = feel(performance, wearer, RATE_HZ, rng)
    track, true_samples = hub(felt.time_s, felt.accel_m_s2, felt.gyro_rad_s, rng)
    faces, true_faces = phone(performance, rng)
    take = new_take("made", LAYOUT, {}, segments, simulated=True)
    recording = Recording(take=take, tracks=(track,), faces=faces)
    alignment = sync.align(recording)
    sample_s = sync.sample_times_s(recording, alignment)
    face_s, *_ = sync.aligned_faces(recording, alignment)
    late = float(np.median(face_s - true_faces) - np.median(sample_s - true_samples))
    return {
        "seed": seed,
        "error_ms": round(1000 * late, 3),
        "stated_ms": round(1000 * alignment.phone_latency_uncertainty_s, 3),
        "head_ms": _ms(alignment.head_s),
        "jaw_ms": _ms(alignment.jaw_s),
        "verdict": alignment.verdict,
        "notes": alignment.notes,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 2)


def performed(seed: int, seconds: float, gesture: bool) -> tuple[Performance, tuple[Segment, ...]]:
    """A performance of so long, between two gestures or without."""
    made = generate_performance(seed, seconds)
    made = replace(made, head_position_m=None)
    if not gesture:
        return made, ()
    step = read_script("dataset").step("sync start")
    assert step is not None
    script = Script(name="sync", steps=(step,))
    parts, segments, now = [], [], 0.0
    for label, part in (("sync start", None), ("", made), ("sync end", None)):
        if part is None:
            part = follow(script, seed + len(parts), steps=(Performed(step, 0.0),)).performance
            segments.append(Segment(label, now, now + step.length_s))
        parts.append((now, part))
        now += part.duration_s + 1 / 60
    return (
        Performance(
            np.concatenate([start + p.time_s - p.time_s[0] for start, p in parts]),
            np.concatenate([p.weights for _, p in parts]),
            np.concatenate([p.quat_world_from_head for _, p in parts]),
            np.concatenate([p.tracked for _, p in parts]),
        ),
        tuple(segments),
    )


def _waits(count: int, rng: np.random.Generator) -> np.ndarray:
    """(N,) how long messages take, never less than NEVER_FASTER_S."""
    jitter_s = rng.uniform(0.005, 0.040) / 3.0  # an exponential's 95th percentile is 3 means
    return np.asarray(NEVER_FASTER_S + rng.exponential(jitter_s, count))


def hub(
    time_s: np.ndarray, accel: np.ndarray, gyro: np.ndarray, rng: np.random.Generator
) -> tuple[DeviceTrack, np.ndarray]:
    """What a hub gave of samples, and when each was true."""
    ppm, epoch_s = rng.uniform(-50, 50), rng.uniform(1, 1000)
    tick_us = np.rint(1e6 * (epoch_s + time_s * (1 + ppm * 1e-6))).astype(np.int64)
    count = len(time_s)
    block = np.arange(count) // PER_BLOCK
    last = np.minimum(block * PER_BLOCK + PER_BLOCK, count) - 1
    waits = _waits(int(block[-1]) + 1, rng)[block]
    arrival_s = np.maximum.accumulate(time_s[last] + waits)
    kept = (rng.random(int(block[-1]) + 1) >= LOSS)[block]
    starts = np.flatnonzero(np.diff(block[kept], prepend=-1))
    return (
        DeviceTrack(
            name="hub",
            slots=(0, 1),
            tick_us=tick_us[kept],
            sequence=np.arange(count)[kept],
            arrival_ns=HOST_EPOCH_NS + np.rint(NS * arrival_s[kept]).astype(np.int64),
            accel_m_s2=accel[kept].astype(np.float32),
            gyro_rad_s=gyro[kept].astype(np.float32),
            block_starts=np.append(starts, int(kept.sum())),
        ),
        time_s[kept],
    )


def phone(performance: Performance, rng: np.random.Generator) -> tuple[FaceTrack, np.ndarray]:
    """What a phone told of the performance, and when each face was true."""
    time_s, latency_s = performance.time_s, rng.uniform(0.020, 0.120)
    ppm, epoch_s = rng.uniform(-50, 50), rng.uniform(0, 80_000)
    angles = head_angles_from_quat(performance.quat_world_from_head)
    angles = angles + rng.normal(0, 0.001, angles.shape).astype(np.float32)
    weights = performance.weights + rng.normal(0, 0.003, (len(time_s), len(ARKIT_NAMES)))
    arrival_s = time_s + latency_s + _waits(len(time_s), rng)
    kept = rng.random(len(time_s)) >= LOSS
    device_s = epoch_s + time_s * (1 + ppm * 1e-6)
    return (
        FaceTrack(
            device_ns=np.rint(NS * device_s[kept]).astype(np.int64),
            arrival_ns=HOST_EPOCH_NS + np.rint(NS * arrival_s[kept]).astype(np.int64),
            weights=weights[kept].astype(np.float32),
            quat_world_from_head=quat_from_head_angles(angles[kept]),
            head_yaw_pitch_roll=angles[kept],
            tracked=performance.tracked[kept],
        ),
        time_s[kept],
    )


if __name__ == "__main__":
    main()
