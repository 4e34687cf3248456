"""Small takes, quickly made: a head that rests and turns a little, a face that moves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.importers import write_samples
from capture.take import Segment, Take, new_take
from capture.take_writer import TakeWriter
from firmware_host.layout import FACE_12

MakeTake = Callable[..., Path]


def write_small_take(folder: Path, seed: int, seconds: float = 3.0, **facts: Any) -> Path:
    """A take of 100 Hz and 60 faces a second on one clock; `facts` are further fields of Take."""
    rng = np.random.default_rng(seed)
    origin = {"kind": "test", "one_clock": True, "time_zero_s": 0.0, **facts.pop("origin", {})}
    segments = facts.pop("segments", (Segment("rest", 0.0, 1.0),))
    layout = facts.pop("layout", FACE_12)
    take: Take = new_take(folder.name, layout, origin, segments, **facts)
    # What decides bytes must not be when the test ran.
    take = type(take)(**{f: getattr(take, f) for f in take.__struct_fields__} | CREATED)
    folder.mkdir(parents=True)
    writer = TakeWriter(folder, take)
    slots = len(layout.slots)
    time_s = np.arange(0.0, seconds, 0.01)
    accel = rng.normal((0.0, 9.81, 0.0), 0.02, (len(time_s), slots, 3))
    gyro = rng.normal(0.0, 0.002, (len(time_s), slots, 3))
    write_samples(writer, ns(time_s), accel.astype(np.float32), gyro.astype(np.float32))
    seen_s = np.arange(0.0, seconds, 1 / 60)
    phase = rng.uniform(0, 6, 52)
    weights = 0.4 + 0.3 * np.sin(seen_s[:, None] * rng.uniform(2, 5, 52) + phase)
    weights += rng.normal(0, 0.003, weights.shape)
    writer.faces(ns(seen_s), ns(seen_s), weights.astype(np.float32), np.ones(len(seen_s), bool))
    writer.close()
    return folder


CREATED = {"created_utc": "2026-03-01T10:00:00+00:00", "software": "imusic test"}


def ns(time_s: np.ndarray) -> np.ndarray:
    return np.rint(time_s * 1e9).astype(np.int64)


@pytest.fixture
def make_take(tmp_path: Path) -> MakeTake:
    """Call with a name and a seed; gives the folder of a take under tmp_path/takes."""

    def make(name: str, seed: int, **facts: Any) -> Path:
        return write_small_take(tmp_path / "takes" / name, seed, **facts)

    return make
