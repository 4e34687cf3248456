"""`imusic predict` of several takes: each in a process of its own, into one folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from capture.doubt import doubt_of
from capture.outputs import require_writable_folder
from capture.recording import read_recording
from capture.sync import align
from dataset_tools.executors import Kind, executor_of
from firmware_host.errors import ConfigError
from model.batch import predict_batch
from model.checkpoint import SHIPPED, load_checkpoint
from model.network import open_network
from model.predict import check_output, predict_recording, with_camera, write_prediction
from model.wearer import load_wearer


@dataclass(frozen=True, slots=True)
class Wanted:
    """One take to predict, as a worker is told. batch: by `model.batch`."""

    take: Path
    out: Path
    checkpoint: Path = SHIPPED
    wearer: Path | None = None
    hybrid: bool = False
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it."""

    out: Path
    frames: int
    note: str
    doubt: str


def predict_one(wanted: Wanted, report: Callable[[float], None] | None = None) -> Written:
    """Predict a take and write its face.

    Raises:
        DataError, ConfigError: as `predict_recording` and `write_prediction`.
    """
    check_output(wanted.out)
    checkpoint = load_checkpoint(wanted.checkpoint)
    wearer = None if wanted.wearer is None else load_wearer(wanted.wearer, checkpoint.layout)
    recording = read_recording(wanted.take)
    if wanted.batch:
        prediction = predict_batch(recording, checkpoint, open_network(checkpoint), wearer)
    else:
        prediction = predict_recording(recording, checkpoint, report, wearer)
    doubt = doubt_of(align(recording))
    if wanted.hybrid:
        prediction = replace(with_camera(prediction, recording), doubt=doubt)
    write_prediction(prediction, wanted.out)
    return Written(wanted.out, len(prediction.time_s), prediction.note, doubt)


def plan(
    takes: Sequence[Path],
    out: Path,
    checkpoint: Path,
    wearer: Path | None,
    hybrid: bool,
    batch: bool = False,
) -> list[Wanted]:
    """What to do: one take into a file, or each into `OUT/TAKE.npz`.

    Raises:
        ConfigError: an output exists or cannot be written; two takes have one name; or several
            were to go into one file.
    """
    if len(takes) == 1 and out.suffix:
        check_output(out)
        return [Wanted(takes[0], out, checkpoint, wearer, hybrid, batch)]
    if out.suffix:
        raise ConfigError(
            f"{out}: {len(takes)} takes do not go into one file", "name a folder: --out faces"
        )
    names = [take.resolve().name for take in takes]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"two takes are called {sorted(twice)[0]!r}", "predict them one by one")
    require_writable_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    wanted = [
        Wanted(take, out / f"{name}.npz", checkpoint, wearer, hybrid, batch)
        for take, name in zip(takes, names, strict=True)
    ]
    for one in wanted:
        check_output(one.out)
    return wanted


def predict_many(
    wanted: Sequence[Wanted], jobs: int | None, report: Callable[[float], None] | None = None
) -> list[Written]:
    """All of them, in as many processes as there are cores or `jobs` says.

    Raises:
        ImusicError: of the first take that could not be predicted; those before it are written.
    """
    if len(wanted) == 1:
        return [predict_one(wanted[0], report)]
    kind: Kind = "here" if jobs == 1 else "processes"
    found: dict[int, Written] = {}
    for index, written in executor_of(kind, jobs, len(wanted)).run(predict_one, wanted):
        found[index] = written
        if report is not None:
            report(len(found) / len(wanted))
    return [found[index] for index in range(len(wanted))]
