"""Enrolment by following an animated face against enrolment by a camera and none. Simulated IMUs.

    python benchmarks/following.py --wearers 4

Each virtual wearer follows the script `enrol` once, late, in their own strength, and with mistakes
(`dataset_tools.followers`). From the same sitting one belief about the face is made by what was
shown and one by what a camera saw; recordings that nothing was trained on then judge both, and the
network without any. Features, filter and network are those of the live path, without its waiting
for late samples; the network is asked on every second tick. Prints one JSON line per recording and
wearer, then means in which every recording weighs the same. Wearer seeds are disjoint from those
of training.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import PUBLIC_TEST, head_of

from capture.calibration import calibrate
from capture.guided import REST, ROUTINE, read_script
from capture.resample import TICK_HZ, rows_of
from dataset_tools.followers import follow
from dataset_tools.performance import REST_S, ROUTINE_S, Performance, trimmed, with_routine
from dataset_tools.recordings import read_performance
from dataset_tools.virtual_imu import VirtualWearer, feel
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from firmware_host.samples import Floats
from model import metrics
from model.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from model.diffusion import cosine_alphas_cumprod, inference_timesteps, sample_ddim
from model.features import features, perceived
from model.followed_poses import learned
from model.following import labelled
from model.kalman import WeightFilter, filtered
from model.network import open_network
from model.predictor import Denoise
from model.responses import SiteResponses, enrolled

SEED = 83_000
WAYS = ("none", "followed", "camera")
Row = dict[str, Any]
Bounds = tuple[float, float]


def main() -> None:
    """Enrol every wearer both ways and judge all three."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--files", nargs="*", default=PUBLIC_TEST)
    options.add_argument("--wearers", type=int, default=4)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--seconds", type=float, default=30.0, help="of each recording, at most")
    options.add_argument("--head", default="people", help="ours, people, ict, or a head's file")
    options.add_argument("--checkpoint", type=Path, default=SHIPPED)
    asked = options.parse_args()
    checkpoint, root = load_checkpoint(asked.checkpoint), Path(asked.data)
    network = open_network(checkpoint)
    paths = [path for pattern in asked.files for path in sorted(root.glob(pattern))]
    rows = []
    for seed in range(asked.seed, asked.seed + asked.wearers):
        wearer = draw_wearer(head_of(asked.head, root, seed), FACE_12, np.random.default_rng(seed))
        facts, beliefs = enrolments(wearer, seed, checkpoint)
        for path in paths:
            performance = read_performance(path, seed=seed)
            performance = trimmed(performance, performance.time_s[0], asked.seconds)
            row = judge(with_routine(performance, seed), wearer, seed, beliefs, checkpoint, network)
            rows.append({"file": path.name, "wearer": seed, **facts, **row})
            print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"head": asked.head, **summary(rows)}))


def felt_rows(
    performance: Performance,
    wearer: VirtualWearer,
    rest: Bounds,
    routine: Bounds,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Floats, np.ndarray]:
    """(T,) times, (T, F) feature rows and (T, 52) true weights of a performance that is worn."""
    felt = feel(performance, wearer, 200.0, rng)
    time_ns = np.rint(felt.time_s * 1e9).astype(np.int64)
    count = int(felt.time_s[-1] * TICK_HZ)
    rows = rows_of(time_ns, felt.accel_m_s2, felt.gyro_rad_s, 1, count)
    at = np.arange(1, count + 1) / TICK_HZ
    still, moved = (rows[(at > a) & (at <= b)] for a, b in (rest, routine))
    calibration = calibrate(FACE_12, still[..., :3], still[..., 3:], moved[..., 3:])
    truth = [np.interp(at, performance.time_s, column) for column in performance.weights.T]
    return at, features(rows, FACE_12, calibration), np.stack(truth, axis=1)


def enrolments(
    wearer: VirtualWearer, seed: int, checkpoint: Checkpoint
) -> tuple[Row, dict[str, SiteResponses]]:
    """What one sitting teaches in each way, and how it was followed."""
    script = read_script("enrol")
    followed = follow(script, seed)
    bounds = {one.step.label: (one.start_s, one.end_s) for one in followed.performed}
    rng = np.random.default_rng(seed + 5)
    at, seen, truth = felt_rows(followed.performance, wearer, bounds[REST], bounds[ROUTINE], rng)
    prior = checkpoint.belief.responses
    labels = labelled(followed.performed, at, perceived(seen, len(prior.mean)), prior)
    resting = np.median(truth[at < bounds[REST][1]], axis=0)
    facts = {"delay_s": round(labels.delay_s, 3), "followed": labels.followed / labels.shown}
    return facts, {
        "none": prior,
        "followed": learned(labels.turned, prior, checkpoint.belief.dynamics.noise),
        "camera": enrolled(prior, seen, truth - resting, at > bounds[ROUTINE][1] + 1.0),
    }


def judge(
    performance: Performance,
    wearer: VirtualWearer,
    seed: int,
    beliefs: dict[str, SiteResponses],
    checkpoint: Checkpoint,
    network: Denoise,
) -> Row:
    """One recording on one wearer, by every belief: network and filter."""
    rest, routine = (0.0, REST_S), (REST_S, REST_S + ROUTINE_S)
    at, seen, truth = felt_rows(performance, wearer, rest, routine, np.random.default_rng(seed + 9))
    judged = np.flatnonzero(at > REST_S + ROUTINE_S + 1.0)[::2]
    known = truth[judged]
    still = metrics.mae_offset_free(np.tile(np.median(known, axis=0), (len(known), 1)), known)
    row: Row = {}
    for way, belief in beliefs.items():
        estimates = filtered(WeightFilter(belief, checkpoint.belief.dynamics), seen)
        inputs = np.concatenate((seen, estimates), axis=1)
        for name, change in (
            ("", predicted(inputs, judged, checkpoint, network)),
            ("kalman_", estimates[judged, : known.shape[1]]),
        ):
            weights = np.clip(checkpoint.rest_weights + change, 0.0, 1.0)
            row[f"{name}{way}_r"] = round(metrics.correlation(weights, known), 4)
            error = metrics.mae_offset_free(weights, known)
            row[f"{name}{way}_ratio"] = round(error / still, 4)
    return row


def predicted(
    inputs: Floats, at: np.ndarray, checkpoint: Checkpoint, network: Denoise
) -> np.ndarray:
    """(J, 52) change from rest at rows `at`, each from the window that ends there."""
    window, diffusion = checkpoint.facts.window, checkpoint.facts.diffusion
    signal = cosine_alphas_cumprod(diffusion.num_train_timesteps)
    steps = inference_timesteps(diffusion.num_train_timesteps, diffusion.num_inference_steps)
    start = np.zeros((1, window, len(checkpoint.target_scale)), np.float32)

    def denoise(row: int) -> Callable[[Floats, int], Floats]:
        seen = inputs[row - window + 1 : row + 1][None]
        return lambda xt, t: network(xt, t, seen)

    sampled = [sample_ddim(denoise(row), start, signal, steps)[0, -1] for row in at]
    return np.asarray(sampled) * checkpoint.target_scale


def summary(rows: list[Row]) -> Row:
    """Means over recordings of means over wearers; an interval over wearers of the difference."""
    files = sorted({row["file"] for row in rows})
    wearers = sorted({row["wearer"] for row in rows})

    def mean(value: Callable[[Row], float], kept: list[Row]) -> float:
        return float(np.mean([np.mean([value(r) for r in kept if r["file"] == f]) for f in files]))

    out: Row = {"wearers": len(wearers), "recordings": len(files)}
    for name in ("", "kalman_"):
        for way in WAYS:
            for figure in ("r", "ratio"):
                key = f"{name}{way}_{figure}"
                out[key] = round(mean(lambda row, key=key: row[key], rows), 4)  # type: ignore[misc]

    def below(kept: list[Row]) -> float:
        return mean(lambda row: row["camera_r"] - row["followed_r"], kept)

    each = np.array([below([r for r in rows if r["wearer"] == w]) for w in wearers])
    drawn = np.random.default_rng(0).choice(each, (2000, len(each))).mean(axis=1)
    out["r_below_camera"] = round(below(rows), 4)
    out["r_below_camera_95"] = [round(float(v), 4) for v in np.percentile(drawn, (2.5, 97.5))]
    return out


if __name__ == "__main__":
    main()
