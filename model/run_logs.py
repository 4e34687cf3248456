"""What a training run tells while it lasts: lines of JSON, TensorBoard, and how long it will take.

OUT/log.jsonl      one object per epoch
OUT/tensorboard/   the same figures, where the package `tensorboard` is installed
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

LOG_FILE = "log.jsonl"
TENSORBOARD_FOLDER = "tensorboard"


@dataclass(frozen=True, slots=True)
class EpochDone:
    """One epoch of training.

    epoch, epochs: in its stage, from 1. loss: mean over steps and processes. learning_rate: of its
    last step. seconds: of the steps alone. samples_per_second: windows, of all processes.
    seconds_left: until both stages are done, at the pace so far. scores: on the people held out.
    """

    stage: str
    epoch: int
    epochs: int
    loss: float
    learning_rate: float
    seconds: float
    samples_per_second: float
    seconds_left: float
    scores: dict[str, float]

    def row(self) -> dict[str, Any]:
        """Flat, as it is logged."""
        facts = asdict(self)
        scores: dict[str, float] = facts.pop("scores")
        return {**facts, **scores}


class Pace:
    """How long the rest takes if it goes on like this, waiting for data and judging included."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._started_s, self._done = clock_s(), 0

    def seconds_left(self, epochs_left: int) -> float:
        """Call once after every epoch of this run."""
        self._done += 1
        return epochs_left * (self._clock_s() - self._started_s) / self._done


class RunLogs:
    """Logs of a run in `folder`, of which `epochs_done` epochs count.

    An epoch is logged before its state is saved. One that was logged and then lost to a kill is
    trained again and logged again, so what lies beyond `epochs_done` is dropped here.
    """

    def __init__(self, folder: Path, epochs_done: int) -> None:
        self._path = folder / LOG_FILE
        _shorten(self._path, epochs_done)
        self._writer = _tensorboard(folder / TENSORBOARD_FOLDER, epochs_done)

    def add(self, number: int, done: EpochDone) -> None:
        """Log epoch `number`, counted over both stages from 0."""
        row = done.row()
        with self._path.open("ab") as log:
            log.write(msgspec.json.encode(row) + b"\n")
        if self._writer is None:
            return
        for key, value in row.items():
            if key not in ("stage", "epoch", "epochs"):
                self._writer.add_scalar(key, value, number)
        self._writer.flush()

    def close(self) -> None:
        """End the logs; they are whole after every `add` as well."""
        if self._writer is not None:
            self._writer.close()


def _shorten(path: Path, lines: int) -> None:
    if not path.exists():
        return
    kept = path.read_bytes().splitlines(keepends=True)[:lines]
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(b"".join(kept))
    temporary.replace(path)


def _tensorboard(folder: Path, epochs_done: int) -> Any:
    """A writer, or None without the package: the lines of JSON hold the same."""
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder, purge_step=epochs_done)
