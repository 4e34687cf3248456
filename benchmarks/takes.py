"""Heads and worn performances that several benchmarks share. Simulated IMUs."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.head import Head, identity_head, seeded_head, standard_head
from capture.head_check import read_head
from capture.importers import import_samples
from dataset_tools.performance import REST_S, ROUTINE_S, Performance
from dataset_tools.virtual_imu import VirtualWearer, feel
from firmware_host.layout import FACE_12

RATE_HZ = 200.0
SEED = 77_000  # of the first wearer; far from any seed that training draws


def head_of(kind: str, root: Path, seed: int) -> Head:
    """The head of a wearer: ours, people (of our head), ict, or that of a file."""
    if kind == "ours":
        return standard_head()
    if kind == "people":
        return seeded_head(seed)
    if kind != "ict":
        return read_head(Path(kind))
    coefficients = np.random.default_rng(seed).normal(0.0, 1.0, 40)
    return identity_head(root / "mesh/ict_face.npz", coefficients)


@contextmanager
def worn(
    performance: Performance, wearer: VirtualWearer, rng: np.random.Generator
) -> Iterator[Path]:
    """A take of a performance from `with_routine`, as `imusic import samples` makes it."""
    felt = feel(performance, wearer, RATE_HZ, rng)
    with tempfile.TemporaryDirectory() as folder:
        npz, take = Path(folder) / "samples.npz", Path(folder) / "take"
        np.savez(
            npz,
            slots=np.array(FACE_12.names),
            time_s=felt.time_s,
            accel_m_s2=felt.accel_m_s2,
            gyro_rad_s=felt.gyro_rad_s,
            weights=performance.weights[performance.tracked],
            weight_names=np.array(ARKIT_NAMES),
            weights_time_s=performance.time_s[performance.tracked],
            rest_s=np.array([0.0, REST_S]),
            routine_s=np.array([REST_S, REST_S + ROUTINE_S]),
        )
        import_samples(npz, take)
        yield take
