"""Synthetic performances as raw takes, as if a virtual wearer had been recorded. Simulated IMUs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from capture.guided import BEGINS, ENDS, Script, mark, script_to_dict, segments_of
from capture.importers import write_samples
from capture.take import Segment, Take, new_take
from capture.take_writer import TakeWriter
from dataset_tools.followers import Followed
from dataset_tools.performance import REST_S, ROUTINE_S
from dataset_tools.synth import Studio
from dataset_tools.virtual_imu import VirtualWearer, feel
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


def write_followed(
    followed: Followed,
    script: Script,
    wearer: VirtualWearer,
    rng: np.random.Generator,
    folder: Path,
    watched: bool = False,
) -> Take:
    """Write a take of somebody who followed a script with sensors on, as `imusic enrol` would.

    Args:
        rng: of the sensors' noise. folder: new. watched: whether a phone saw the face as well.
    """
    performance = followed.performance
    felt = feel(performance, wearer, TAKE_HZ, rng)
    take = new_take(
        folder.name,
        wearer.layout,
        {"kind": "synth", "one_clock": True, "time_zero_s": 0.0, "script": script.name},
        segments_of(followed.performed),
        simulated=True,
        subject="virtual",
        guide=script_to_dict(script),
    )
    folder.mkdir(parents=True)
    writer = TakeWriter(folder, take)
    write_samples(writer, _ns(felt.time_s), felt.accel_m_s2, felt.gyro_rad_s)
    for one in followed.performed:
        for what, at_s in ((BEGINS, one.start_s), (ENDS, one.end_s)):
            writer.marker(mark(one.step.label, what), round(at_s * 1e9))
    if watched:
        seen_ns = _ns(performance.time_s)
        writer.faces(seen_ns, seen_ns, performance.weights, performance.tracked)
    return writer.close()


def _ns(time_s: np.ndarray) -> np.ndarray:
    return np.rint(time_s * 1e9).astype(np.int64)


def _remove(folder: Path) -> None:
    import shutil

    if folder.exists():
        shutil.rmtree(folder)
