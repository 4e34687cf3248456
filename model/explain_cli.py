"""The verb `explain`: which sensors mattered for which expression."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firmware_host.errors import ConfigError
from model.console import JsonOption, bar, json_line, load, say_doubt

if TYPE_CHECKING:
    from capture.recording import Recording
    from model.checkpoint import Checkpoint
    from model.explain import Attribution, Stretch
    from model.explain_report import Explanation

app = typer.Typer()


@app.command()
def explain(
    takes: Annotated[list[Path], typer.Argument(help="Take folders.")],
    out: Annotated[
        Path | None,
        typer.Option(help="FILE.html or .md: all of it; .png or .webp: the painted heads."),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="Checkpoint folder; default: the shipped one; repeats."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1.0, max=3600.0, help="Explain so much of each take at most.")
    ] = 30.0,
    gradients: Annotated[
        bool, typer.Option("--gradients/--no-gradients", help="Also by gradients, where torch is.")
    ] = True,
    sets: Annotated[bool, typer.Option("--sets/--no-sets", help="Also with fewer sensors.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Which sensors mattered for which expression: by taking slots away, and by gradients.

    Compared with the muscles under the sensors, beside a control in which slots are shuffled.

    Example: imusic explain takes/take-001 --out explained.html
    """
    from model.explain_report import check_explanation, told, write_explanation

    if out is not None:
        check_explanation(out)
    loaded = [load(folder) for folder in checkpoint] if checkpoint else [load(None)]
    _require_one_layout(loaded)
    if gradients and not _has_torch():
        typer.echo("imusic: note: without torch there are no gradients, only occlusion", err=True)
        gradients = False
    explanation = _explained(takes, loaded, seconds, gradients, sets)
    if out is not None:
        write_explanation(explanation, out)
    if as_json:
        sys.stdout.write(json_line(told(explanation)))
        return
    _print(explanation)
    if out is not None:
        sys.stdout.write(f"{out}\n")


def _has_torch() -> bool:
    from importlib.util import find_spec

    return find_spec("torch") is not None


def _require_one_layout(checkpoints: "Sequence[Checkpoint]") -> None:
    first = checkpoints[0].layout.names
    for other in checkpoints[1:]:
        if other.layout.names != first:
            raise ConfigError(
                f"--checkpoint: {other.folder} has other slots than {checkpoints[0].folder}",
                "only networks of one layout can be compared",
            )


def _explained(
    takes: Sequence[Path],
    checkpoints: "Sequence[Checkpoint]",
    seconds: float,
    gradients: bool,
    fewer: bool,
) -> "Explanation":
    from capture.recording import read_recording
    from model.explain import over_takes
    from model.explain_report import Explanation

    recordings: list[Recording] = []
    rows, total_s = [], 0.0
    for number, take in enumerate(takes, 1):
        recording = read_recording(take)
        say_doubt(recording)
        recordings.append(recording)
        with bar(f"explain {take.name} ({number} of {len(takes)})") as report:
            found, lasted_s = _of_take(recording, checkpoints, seconds, gradients, fewer, report)
        rows.append(found)
        total_s += lasted_s
    merged = over_takes(rows)
    return Explanation(
        layout=checkpoints[0].layout,
        takes=tuple(recording.take.name for recording in recordings),
        simulated=any(recording.take.simulated for recording in recordings),
        seconds=total_s,
        attributions=tuple(merged),
    )


def _of_take(
    recording: "Recording",
    checkpoints: "Sequence[Checkpoint]",
    seconds: float,
    gradients: bool,
    fewer: bool,
    report: Callable[[float], None],
) -> "tuple[list[Attribution], float]":
    from model.explain import occlusions, seconds_explained, stretch_of
    from model.network import open_network

    found: list[Attribution] = []
    for k, checkpoint in enumerate(checkpoints):
        stretch = stretch_of(recording, checkpoint, seconds)
        sets = _sets(stretch, fewer)

        def tell(share: float, k: int = k) -> None:
            report((k + 0.8 * share) / len(checkpoints))

        own = occlusions(stretch, open_network(checkpoint), sets, tell)
        if gradients:
            from model.gradients import integrated_gradients

            own.insert(1, integrated_gradients(stretch, next(iter(sets))))
        report((k + 1) / len(checkpoints))
        if len(checkpoints) > 1:
            own = [replace(one, model=f"{one.model} {checkpoint.facts.name}") for one in own]
        found += own
    return found, seconds_explained(stretch)


def _sets(stretch: "Stretch", fewer: bool) -> dict[str, tuple[str, ...]]:
    """All that is worn, and those smaller sets that `capture.observability` knows."""
    import numpy as np

    from capture.observability import measured_sets

    layout = stretch.checkpoint.layout
    names = [layout.slots[i].name for i in layout.face_indices]
    worn = tuple(names[i] for i in np.flatnonzero(stretch.worn))
    sets = {f"{len(worn)} sensors": worn}
    if fewer:
        for name, slots in measured_sets().items():
            if set(slots) < set(worn) and len(slots) > 1:
                sets[f"{name} sensors" if name.isdecimal() else name] = slots
    return sets


def _print(explanation: "Explanation") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from model.explain_report import table_of

    plain = table_of(explanation)
    note = " (simulated IMUs)" if explanation.simulated else ""
    title = f"agreement with the muscles under the sensors{note}"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, word in enumerate(plain.head):
        table.add_column(word, justify="left" if number < 2 else "right")
    for row in plain.rows:
        table.add_row(*row)
    Console().print(table)
