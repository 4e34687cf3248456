"""What every speed-up costs in accuracy, against the network as slow as it can be. Simulated IMUs.

    python benchmarks/speedups.py [--wearers 2] [--seconds 10] [--steps 8] [--json]

`full` samples in many steps in float32. Fewer steps; int8 weights (ONNX Runtime, dynamic); one
step that starts from the last frame's answer instead of nothing (`warm`); and the gains together.
r, error and jitter as in docs/sensing.md, over wearers and people that no training saw, without
enrolment. Time is the processor's, of the network alone, for one output frame.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from strangers import STRANGERS
from takes import RATE_HZ, SEED

from capture.head import standard_head
from dataset_tools.performance import baseline, trimmed, with_routine
from dataset_tools.recordings import read_performance
from dataset_tools.virtual_imu import feel
from dataset_tools.wearers import draw_donnings
from firmware_host.layout import FACE_12
from model import metrics
from model.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from model.data import OPENING_ROWS, noticed, weights_at
from model.diffusion import cosine_alphas_cumprod, inference_timesteps, sample_ddim
from model.kalman import WeightFilter, filtered
from model.network import open_network
from model.predictor import Denoise

TICK_HZ = 60
_WARM_FROM = 0.3  # of the noise: where a warm start begins


def int8_of(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """The same network with int8 weights, in a folder of its own."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        checkpoint.onnx_path, folder / checkpoint.onnx_path.name, weight_type=QuantType.QInt8
    )
    return replace(checkpoint, folder=folder)


class Sampler:
    """One way to sample, tick by tick; counts the processor's time."""

    def __init__(
        self, denoise: Denoise, checkpoint: Checkpoint, steps: int, warm: bool = False
    ) -> None:
        of = checkpoint.facts.diffusion
        self._denoise, self._warm = denoise, warm
        self._signal = cosine_alphas_cumprod(of.num_train_timesteps)
        self._timesteps = inference_timesteps(of.num_train_timesteps, steps)
        self._late = round(_WARM_FROM * (of.num_train_timesteps - 1))
        self._last: np.ndarray | None = None
        self.used_s, self.frames = 0.0, 0

    def last_row(self, inputs: np.ndarray) -> np.ndarray:
        """(52,) of the newest of (1, W, F) rows."""
        began = time.thread_time()
        xt = np.zeros((1, inputs.shape[1], 52), np.float32)
        timesteps = self._timesteps
        if self._warm and self._last is not None:
            moved = np.concatenate((self._last[:, 1:], self._last[:, -1:]), axis=1)
            xt = np.float32(np.sqrt(self._signal[self._late])) * moved
            timesteps = np.array([self._late])
        x0 = sample_ddim(
            lambda x, t: self._denoise(x, t, inputs), xt.astype(np.float32), self._signal, timesteps
        )
        self._last = np.asarray(x0, np.float32)
        self.used_s += time.thread_time() - began
        self.frames += 1
        return self._last[0, -1]


def heard(
    root: Path, seed: int, number: int, seconds: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """(features, truth) of a stranger's recording on a wearer, after rest and routine."""
    paths = sorted(root.glob(STRANGERS[number].files))
    if not paths:
        return None
    whole = read_performance(paths[0])
    part = trimmed(whole, whole.time_s[0], seconds + 1.0)
    take = with_routine(part, seed, rest_weights=baseline(whole))
    wearer, _ = draw_donnings(standard_head(), FACE_12, np.random.default_rng(seed), 0.0, 0.0)
    felt = feel(take, wearer, RATE_HZ, np.random.default_rng((seed, 2)))
    features = noticed(felt, FACE_12)[OPENING_ROWS:]
    ticks = np.arange(OPENING_ROWS + 1, OPENING_ROWS + len(features) + 1)
    return features, weights_at(ticks / TICK_HZ, take)


def weights(sampler: Sampler, checkpoint: Checkpoint, inputs: np.ndarray) -> np.ndarray:
    """(T, 52) of a stretch (T, F); rows before the first whole window rest."""
    window = checkpoint.facts.window
    change = np.zeros((len(inputs), 52))
    for end in range(window, len(inputs) + 1):
        change[end - 1] = sampler.last_row(inputs[None, end - window : end])
    return np.clip(checkpoint.rest_weights + change * checkpoint.target_scale, 0.0, 1.0)


def main() -> None:
    """Sample in every way, print a table."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--wearers", type=int, default=2)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--checkpoint", type=Path, default=SHIPPED)
    options.add_argument(
        "--data", type=Path, default=Path(os.environ.get("IMUSIC_DATA", "../shared/data"))
    )
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    checkpoint = load_checkpoint(asked.checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        plain = open_network(checkpoint)
        small = open_network(int8_of(checkpoint, Path(folder)))
    ways: dict[str, Callable[[], Sampler]] = {
        f"full: {asked.steps} steps, float32": lambda: Sampler(plain, checkpoint, asked.steps),
        "2 steps": lambda: Sampler(plain, checkpoint, 2),
        "1 step (shipped)": lambda: Sampler(plain, checkpoint, 1),
        "1 step, warm": lambda: Sampler(plain, checkpoint, 1, warm=True),
        f"{asked.steps} steps, int8": lambda: Sampler(small, checkpoint, asked.steps),
        "1 step, int8": lambda: Sampler(small, checkpoint, 1),
    }
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    for number in range(len(STRANGERS)):
        for wearer in range(asked.wearers):
            found = heard(asked.data, SEED + wearer, number, asked.seconds)
            if found is None:
                continue
            features, truth = found
            belief = checkpoint.belief
            estimates = filtered(WeightFilter(belief.responses, belief.dynamics), features)
            inputs = np.concatenate((features, estimates), axis=1)
            for name, make in ways.items():
                sampler = make()
                told = weights(sampler, checkpoint, inputs)[TICK_HZ:]
                judged = truth[TICK_HZ:]
                still = metrics.mae(metrics.without_offset(judged), np.zeros_like(judged))
                rows[name].append(
                    (
                        metrics.correlation(told, judged),
                        metrics.mae_offset_free(told, judged) / still,
                        metrics.jitter(told) / max(metrics.jitter(judged), 1e-9),
                        1000 * sampler.used_s / sampler.frames,
                    )
                )
    table = {name: np.nanmean(np.array(values), axis=0).tolist() for name, values in rows.items()}
    if asked.json:
        print(json.dumps(table))
        return
    full = next(iter(table.values()))
    print("| way | r | error / still face | jitter | CPU a frame | difference in r |")
    print("|---|---|---|---|---|---|")
    for name, (r, error, jitter, ms) in table.items():
        print(
            f"| {name} | {r:.3f} | {error:.3f} | {jitter:.2f} | {ms:.2f} ms | {r - full[0]:+.3f} |"
        )


if __name__ == "__main__":
    main()
