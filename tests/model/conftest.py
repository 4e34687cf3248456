"""A checkpoint small enough to reason about, and samples of a still head."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES
from capture.calibration import GRAVITY_M_S2
from firmware_host.layout import FACE_12, layout_to_dict
from firmware_host.samples import ImuBlock
from model.baselines import LAGS, Ridge
from model.checkpoint import Checkpoint, CheckpointFacts
from model.config import DiffusionConfig
from model.features import feature_count
from model.kalman import Belief, Dynamics
from model.responses import FELT, responses_prior

WINDOW = 8


def checkpoint_with(**diffusion: float) -> Checkpoint:
    facts = CheckpointFacts(
        name="test",
        layout=layout_to_dict(FACE_12),
        names=ARKIT_NAMES,
        window=WINDOW,
        diffusion=DiffusionConfig(**diffusion),  # type: ignore[arg-type]
        target_scale=(0.1,) * 52,
        rest_weights=(0.05,) * 52,
        data=(),
        onnx_sha256="",
        recipe={},
    )
    ridge = Ridge(
        np.zeros((len(LAGS) * feature_count(FACE_12), 52), np.float32),
        np.zeros(52, np.float32),
        1.0,
    )
    return Checkpoint(
        folder=Path(),
        facts=facts,
        layout=FACE_12,
        target_scale=np.full(52, 0.1, np.float32),
        rest_weights=np.full(52, 0.05, np.float32),
        mean_change=np.zeros(52, np.float32),
        ridge=ridge,
        belief=belief_about_anybody(),
    )


def belief_about_anybody() -> Belief:
    rng = np.random.default_rng(1)
    mean = rng.normal(0.0, 0.1, (len(FACE_12.face_indices), 3, 52))
    drawn = mean * np.exp(rng.normal(0.0, 0.3, (200, *mean.shape)))
    return Belief(responses_prior(drawn), Dynamics(0.9, 0.6, 0.01 * np.eye(len(FELT))))


@pytest.fixture(scope="session")
def make_checkpoint() -> Callable[..., Checkpoint]:
    return checkpoint_with


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    return checkpoint_with()


@pytest.fixture(scope="session")
def blocks() -> Callable[..., list[ImuBlock]]:
    return restless_blocks


def restless_blocks(
    seconds: float, seed: int = 0, rate_hz: float = 200.0, size: int = 3
) -> list[ImuBlock]:
    """Blocks of a restless, noisy head; arrivals a few ms late, device clock with its own epoch."""
    rng = np.random.default_rng(seed)
    count, slots = round(seconds * rate_hz), len(FACE_12.slots)
    time_s = np.arange(count) / rate_hz
    accel = rng.normal(0, 0.2, (count, slots, 3)) + np.array([0.0, GRAVITY_M_S2, 0.0])
    gyro = rng.normal(0, 0.1, (count, slots, 3))
    ticks = np.rint(time_s * 1e6).astype(np.int64) + 7_000_000
    late = rng.exponential(0.002, count)
    arrival = np.maximum.accumulate(np.rint((time_s + 100.0 + late) * 1e9).astype(np.int64))
    found = []
    for start in range(0, count, size):
        end = min(start + size, count)
        found.append(
            ImuBlock(
                ticks[start:end],
                np.arange(start, end),
                accel[start:end].astype(np.float32),
                gyro[start:end].astype(np.float32),
                int(arrival[end - 1]),
            )
        )
    return found
