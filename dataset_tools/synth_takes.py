"""Synthetic performances as raw takes, as if a virtual wearer had been recorded."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from capture.importers import write_samples
from capture.take import Segment, new_take
from capture.take_writer import TakeWriter
from dataset_tools.performance import REST_S, ROUTINE_S
from dataset_tools.synth import Studio
from firmware_host.errors import ConfigError

TAKE_HZ = 200.0
_SEGMENTS = (Segment("rest", 0.0, REST_S), Segment("routine", REST_S, REST_S + ROUTINE_S))


def write_takes(studio: Studio, count: int, out: Path) -> Iterator[Path]:
    """Write sequences 0 … count − 1 of a plan as takes `take-00000` … under `out`, one by one.

    A take that is complete already is left alone; one that a kill cut off is made again.

    Raises:
        ConfigError: a folder with such a name is no take of this plan.
    """
    for number in range(count):
        folder = out / f"take-{number:05d}"
        if not folder.exists():
            _write_take(studio, number, folder)
        elif not (folder / "take.toml").exists():
            raise ConfigError(f"{folder} exists and is no take", "choose another --out")
        yield folder


def _write_take(studio: Studio, number: int, folder: Path) -> None:
    facts, performance, felt = studio.samples(number, TAKE_HZ)
    origin = {"kind": "synth", "one_clock": True, "time_zero_s": 0.0, **facts}
    origin["seed"] = studio.plan.seed
    take = new_take(
        folder.name,
        studio.layout,
        origin,
        _SEGMENTS,
        simulated=True,
        subject=f"virtual-{facts['wearer']}",
    )
    # Under another name until it is whole: a kill leaves no half take behind a whole one's name.
    unfinished = folder.with_name(f".{folder.name}.part")
    _remove(unfinished)
    unfinished.mkdir(parents=True)
    writer = TakeWriter(unfinished, take)
    write_samples(writer, _ns(felt.time_s), felt.accel_m_s2, felt.gyro_rad_s)
    seen_ns = _ns(performance.time_s)
    writer.faces(seen_ns, seen_ns, performance.weights, performance.tracked)
    writer.close()
    unfinished.rename(folder)


def _ns(time_s: np.ndarray) -> np.ndarray:
    return np.rint(time_s * 1e9).astype(np.int64)


def _remove(folder: Path) -> None:
    import shutil

    if folder.exists():
        shutil.rmtree(folder)
