"""All figures of a checkpoint, over wearers × people × heads. Simulated IMUs.

    python benchmarks/figures.py --cache figures.jsonl --markdown
    python benchmarks/figures.py --cache figures.jsonl --json > figures.json

Five wearers (places, mounting, skin, chips drawn from a seed each) perform stretches of 20 s of
four people whose recordings no weight has seen, on our head and on facecap.glb, a make of head that
is in no training. Rows: baselines, the network of a stranger, after a two-minute enrolment, and
with all sensors 5 mm elsewhere since. Then, 10 s each: disturbances and fewer sensors; steps of
sampling, on one wearer. Finished trials are kept in the cache, by the hash of the network, and not
done again. `--baseline DIR` adds other checkpoints as rows.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
from conditions import CONDITIONS
from strangers import STRANGERS
from takes import SEED
from trials import PARTS, PEOPLE, STEPS, Trial, run

from capture.take import software
from dataset_tools.processes import end_with_parent
from dataset_tools.recordings import read_sources
from firmware_host.errors import ConfigError, EnvironmentMissing, ImusicError
from model.checkpoint import SHIPPED, load_checkpoint
from model.figures import Figures, Row, summarised
from model.figures_tables import ENROLLED, OURS, REDONNED, tables

# By method: what its error is told as a share of.
BASES = {name: condition.base for name, condition in CONDITIONS.items()} | {
    f"{answer}, steps {steps}": f"{answer}, steps {counts[-1]}"
    for answer, counts in STEPS.items()
    for steps in counts
}


def main() -> int:
    """Run what the cache lacks, and print."""
    asked = _options()
    refuse_seen([asked.checkpoint, *asked.baseline], asked.data)
    own = _trials(asked, asked.checkpoint, asked.parts)
    others = [trial for folder in asked.baseline for trial in _trials(asked, folder, ("accuracy",))]
    found = finished([*own, *others], asked)
    rows = [row for trial in own for row in found[trial]]
    for trial in others:
        name = load_checkpoint(Path(trial.checkpoint)).facts.name
        rows += [
            msgspec.structs.replace(row, method=row.method.replace(OURS, name, 1))
            for row in found[trial]
            if row.method in (OURS, ENROLLED, REDONNED)
        ]
    facts = load_checkpoint(asked.checkpoint).facts
    figures = Figures(
        checkpoint=facts.name,
        onnx_sha256=facts.onnx_sha256,
        command=_command(asked),
        software=software(),
        lines=summarised(rows, BASES),
    )
    if asked.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(figures)).decode() + "\n")
    else:
        sys.stdout.write(tables(figures))
    return 0


def _command(asked: argparse.Namespace) -> str:
    parts = "" if set(asked.parts) == set(PARTS) else f" --parts {' '.join(asked.parts)}"
    return f"benchmarks/figures.py --wearers {asked.wearers} --seconds {asked.seconds:g}{parts}"


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    data = Path(os.environ.get("IMUSIC_DATA", "../shared/data"))
    options.add_argument("--data", type=Path, default=data, help="folder of recordings and heads")
    options.add_argument("--checkpoint", type=Path, default=SHIPPED)
    options.add_argument("--baseline", type=Path, action="append", default=[], metavar="DIR")
    options.add_argument("--heads", nargs="+", help="ours, people, ict or files of heads")
    options.add_argument("--parts", nargs="+", choices=PARTS, default=tuple(PARTS))
    options.add_argument("--wearers", type=int, default=5)
    options.add_argument("--seconds", type=float, default=20.0, help="of every performance")
    options.add_argument("--enrolment", type=float, default=120.0, help="seconds of it")
    options.add_argument("--cache", type=Path, help="JSON lines: keeps what is finished")
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    form = options.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for `imusic card --figures`")
    form.add_argument("--markdown", action="store_true", help="tables, as without")
    asked = options.parse_args()
    asked.heads = asked.heads or ["ours", str(asked.data / "mesh/facecap.glb")]
    return asked


def refuse_seen(folders: list[Path], root: Path) -> None:
    """Nobody is judged on what they were taught. Raises ConfigError."""
    for recorded in read_sources(STRANGERS, root):
        for folder in folders:
            if load_checkpoint(folder).saw(recorded.use.sha256):
                raise ConfigError(
                    f"{folder} was trained on a recording of {recorded.person}",
                    "judge a checkpoint that has not seen the test set",
                )


def _trials(asked: argparse.Namespace, folder: Path, parts: tuple[str, ...]) -> list[Trial]:
    """What is to be done with a checkpoint, in the order of the tables."""
    facts = load_checkpoint(folder).facts
    sampled = f"{facts.diffusion.num_inference_steps} steps, noise {facts.diffusion.noise_scale:g}"
    made = []
    for part in parts:
        # The steps are compared on the same noise; one wearer resolves them.
        wearers = 1 if part == "steps" else asked.wearers
        # Wearer by wearer, so that what is there after a while is whole with fewer of them.
        for wearer in range(SEED, SEED + wearers):
            for head in asked.heads:
                for person in ("",) if part == "accuracy" else PEOPLE:
                    trial = Trial(
                        part=part,
                        head=head,
                        wearer=wearer,
                        person=person,
                        seconds=asked.seconds,
                        enrolment_s=asked.enrolment if part == "accuracy" else 0.0,
                        checkpoint=str(folder),
                        network=f"{facts.onnx_sha256} {sampled}",
                    )
                    made.append(trial)
    return made


def finished(trials: list[Trial], asked: argparse.Namespace) -> dict[Trial, list[Row]]:
    """The rows of all trials, from the cache or done now."""
    cached = dict(_read(asked.cache))
    done = {trial: cached[_key(trial)] for trial in trials if _key(trial) in cached}
    left = [trial for trial in trials if trial not in done]
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a process for each core does better
    pool = ProcessPoolExecutor(
        max(1, min(asked.workers, len(left))),
        mp_context=get_context("spawn"),
        initializer=end_with_parent,
    )
    pace = _Pace(left, asked.workers)
    try:
        futures = {pool.submit(run, trial, asked.data): trial for trial in left}
        for future in as_completed(futures):
            trial = futures[future]
            done[trial], seconds = future.result()
            _keep(asked.cache, trial, done[trial])
            sys.stderr.write(f"{pace.after(trial, seconds)}\n")
    except BrokenProcessPool as error:
        raise EnvironmentMissing(
            "a worker was killed, perhaps for want of memory",
            "run it again with the same --cache, perhaps with fewer --workers",
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return done


def _key(trial: Trial) -> str:
    """What a trial is known by: not where the checkpoint lies, nor the head's folder."""
    facts = {name: getattr(trial, name) for name in Trial.__dataclass_fields__}
    facts |= {"checkpoint": "", "head": Path(trial.head).name}
    return msgspec.json.encode(facts).decode()


def _read(cache: Path | None) -> Iterator[tuple[str, list[Row]]]:
    """Finished trials. A last line that was broken off is not finished."""
    if cache is None or not cache.exists():
        return
    for line in cache.read_bytes().splitlines():
        try:
            kept: dict[str, Any] = msgspec.json.decode(line)
            yield kept["trial"], msgspec.convert(kept["rows"], list[Row])
        except msgspec.DecodeError:
            sys.stderr.write("figures: a line of the cache is broken and is done again\n")


def _keep(cache: Path | None, trial: Trial, rows: list[Row]) -> None:
    if cache is None:
        return
    with cache.open("ab") as file:
        # A line of its own, even behind one that was broken off.
        broken = file.tell() > 0 and not cache.read_bytes().endswith(b"\n")
        file.write(
            b"\n" * broken + msgspec.json.encode({"trial": _key(trial), "rows": rows}) + b"\n"
        )


def end_with(error: ImusicError) -> int:
    """Say what is wrong and what to do about it."""
    sys.stderr.write(f"figures: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
    return 3 if isinstance(error, EnvironmentMissing) else 2


class _Pace:
    """How long it will still take, by the trials of the same part so far."""

    def __init__(self, left: list[Trial], workers: int) -> None:
        self._left, self._workers = list(left), workers
        self._count = len(left)
        self._seconds: dict[str, list[float]] = {}

    def after(self, trial: Trial, seconds: float) -> str:
        """One line when a trial is done."""
        self._left.remove(trial)
        self._seconds.setdefault(trial.part, []).append(seconds)
        known = {part: sum(x) / len(x) for part, x in self._seconds.items()}
        usual = sum(known.values()) / len(known)
        left_s = sum(known.get(trial.part, usual) for trial in self._left) / self._workers
        number = self._count - len(self._left)
        return (
            f"{number} of {self._count}: {trial.part}, {Path(trial.head).name}, wearer "
            f"{trial.wearer} {trial.person}, {seconds:.0f} s; about {left_s / 60:.0f} min left"
        )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ImusicError as error:
        sys.exit(end_with(error))
