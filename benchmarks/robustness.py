"""What disturbances cost in accuracy, as ratios within one run. Simulated IMUs.

    python benchmarks/robustness.py --wearers 2

Every wearer performs every recording under each condition with the same noise; figures are the
offset-free MAE over that of the same wearers undisturbed. The conditions: three random face slots
dead; 5 % of samples lost and times that are off by 2 ms; the head held still against shaken and
against walking.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import PUBLIC_TEST, SEED, head_of, worn

from capture import rotations
from capture.recording import read_recording
from dataset_tools.motion import swaying, walking
from dataset_tools.performance import Performance, with_routine
from dataset_tools.recordings import read_performance
from dataset_tools.virtual_imu import VirtualSamples
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from model.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from model.evaluate import judge_take
from model.predict import predict_recording

Change = Callable[[VirtualSamples, np.random.Generator], VirtualSamples]
_DEAD, _LOST, _LATE_S = 3, 0.05, 0.002


def main() -> None:
    """Judge every condition and print ratios."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--files", nargs="*", default=PUBLIC_TEST)
    options.add_argument("--wearers", type=int, default=2)
    options.add_argument("--head", default="ours")
    options.add_argument("--checkpoint", type=Path, default=SHIPPED)
    asked = options.parse_args()
    root, checkpoint = Path(asked.data), load_checkpoint(asked.checkpoint)
    paths = [path for pattern in asked.files for path in sorted(root.glob(pattern))]
    found: dict[str, list[float]] = {}
    for path in paths:
        for seed in range(SEED, SEED + asked.wearers):
            for name, error in errors(path, seed, asked.head, root, checkpoint).items():
                found.setdefault(name, []).append(error)
    means = {name: float(np.mean(values)) for name, values in found.items()}
    print("| condition | offset-free MAE | ratio | to |\n|---|---|---|---|")
    for name, (_, _, base) in CONDITIONS.items():
        print(f"| {name} | {means[name]:.4f} | {means[name] / means[base]:.3f} | {base} |")


def dead(samples: VirtualSamples, rng: np.random.Generator) -> VirtualSamples:
    """Three random face slots say nothing."""
    slots = rng.choice(FACE_12.face_indices, _DEAD, replace=False)
    accel, gyro = samples.accel_m_s2.copy(), samples.gyro_rad_s.copy()
    accel[:, slots], gyro[:, slots] = np.nan, np.nan
    return VirtualSamples(samples.time_s, accel, gyro)


def lossy(samples: VirtualSamples, rng: np.random.Generator) -> VirtualSamples:
    """5 % of the samples are gone, the others are stamped some 2 ms off."""
    kept = rng.random(len(samples.time_s)) >= _LOST
    kept[0] = True
    time_s = np.sort(samples.time_s[kept] + rng.normal(0.0, _LATE_S, int(kept.sum())))
    return VirtualSamples(
        np.maximum.accumulate(time_s + 1e-6 * np.arange(len(time_s))),
        samples.accel_m_s2[kept],
        samples.gyro_rad_s[kept],
    )


def untouched(samples: VirtualSamples, _: np.random.Generator) -> VirtualSamples:
    """As they are."""
    return samples


def as_recorded(performance: Performance, _: np.random.Generator) -> Performance:
    """The recording's own head motion, or a generated one where it has none."""
    return performance


def held_still(performance: Performance, _: np.random.Generator) -> Performance:
    """A head in a vice."""
    return _with_head(performance, np.zeros((len(performance.time_s), 3)), None)


def shaken(performance: Performance, rng: np.random.Generator) -> Performance:
    """A head that says no, with 20 degrees and 1.5 Hz, and is restless besides."""
    t = performance.time_s - performance.time_s[0]
    vectors = swaying(len(t), rng).vectors_rad
    vectors[:, 1] += np.radians(20.0) * np.sin(2 * np.pi * 1.5 * t)
    return _with_head(performance, vectors, None)


def walked(performance: Performance, rng: np.random.Generator) -> Performance:
    """The same said while walking."""
    motion = walking(len(performance.time_s), rng)
    return _with_head(performance, motion.vectors_rad, motion.position_m)


def _with_head(
    performance: Performance, vectors: np.ndarray, position_m: np.ndarray | None
) -> Performance:
    quat = rotations.from_vector(vectors)
    return replace(performance, quat_world_from_head=quat, head_position_m=position_m)


Move = Callable[[Performance, np.random.Generator], Performance]
CONDITIONS: dict[str, tuple[Move, Change, str]] = {
    "undisturbed": (as_recorded, untouched, "undisturbed"),
    "three slots dead": (as_recorded, dead, "undisturbed"),
    "5 % lost, 2 ms off": (as_recorded, lossy, "undisturbed"),
    "head still": (held_still, untouched, "head still"),
    "head shaken": (shaken, untouched, "head still"),
    "walking": (walked, untouched, "head still"),
}


def errors(
    path: Path, seed: int, head: str, root: Path, checkpoint: Checkpoint
) -> dict[str, float]:
    """Offset-free MAE of one recording on one wearer under every condition."""
    wearer = draw_wearer(head_of(head, root, seed), FACE_12, np.random.default_rng(seed))
    recorded = read_performance(path, seed=seed)
    found = {}
    for name, (move, change, _) in CONDITIONS.items():
        rng = np.random.default_rng((seed, 1))
        performance = with_routine(move(recorded, rng), seed)
        with worn(performance, wearer, np.random.default_rng(seed), change, rng) as take:
            recording = read_recording(take)
        judged = judge_take(recording, checkpoint, predict_recording(recording, checkpoint))
        found[name] = judged.figures()["mae_offset_free"]["model"]
    return found


if __name__ == "__main__":
    main()
