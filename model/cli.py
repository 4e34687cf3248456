"""Verbs of the model: train, export, join, card, evaluate, predict."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firmware_host.errors import ConfigError, EnvironmentMissing
from model.console import (
    CheckpointOption,
    JsonOption,
    WearerOption,
    bar,
    json_line,
    load,
    say,
    say_doubt,
)

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint
    from model.evaluation_report import JudgedTake
    from model.run_logs import EpochDone
    from model.wearer import Wearer

app = typer.Typer()
FOUND_PROBLEMS = 1

DataOption = Annotated[
    Path, typer.Option("--data", envvar="IMUSIC_DATA", help="Folder of recordings.")
]


@app.command()
def train(
    recipe: Annotated[Path, typer.Option(help="Recipe (TOML); see recipes/.")],
    out: Annotated[Path, typer.Option(help="Working folder; ends with OUT/checkpoint.")],
    data: DataOption = Path("../shared/data"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Train both stages, pretrain and refine; goes on where an earlier run in OUT stopped.

    Several processes or GPUs share the work under `torchrun --nproc_per_node N -m imusic train`.

    Example: imusic train --recipe recipes/tiny.toml --out runs/tiny
    """
    _need_torch()
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn

    from capture.take import software
    from model.config import read_recipe
    from model.export import write_checkpoint
    from model.ranks import is_first
    from model.train import train as run

    plan = read_recipe(recipe)
    target = out / "checkpoint"
    if target.exists():
        raise ConfigError(f"{target} already holds a checkpoint", "choose another --out")
    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not is_first()) as progress:
        bars = {
            "pretrain": progress.add_task("pretrain", total=plan.pretrain.epochs),
            "refine": progress.add_task("refine", total=plan.refine.epochs),
        }

        def report(done: "EpochDone") -> None:
            text = f"{done.stage} {done.epoch}/{done.epochs}, loss {done.loss:.4f}"
            left = f"{done.seconds_left / 60:.0f} min left"
            progress.update(bars[done.stage], completed=done.epoch, description=f"{text}, {left}")

        trained = run(plan, data, out, report, device)
    if trained is None:  # the first process writes
        return
    write_checkpoint(trained, plan, target, software())
    sys.stdout.write(f"{target}\n")


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint folder with its safetensors.")],
    out: Annotated[Path, typer.Option(help="ONNX file to write.")],
) -> None:
    """Write a checkpoint's network as ONNX again, from its safetensors.

    Example: imusic export runs/tiny/checkpoint --out denoiser.onnx
    """
    _need_torch()
    from model.export import export_onnx, load_denoiser

    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another name; nothing is overwritten")
    export_onnx(load_denoiser(checkpoint), out)
    sys.stdout.write(f"{out}\n")


@app.command()
def join(
    checkpoints: Annotated[list[Path], typer.Argument(help="Checkpoint folders, two or more.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    name: Annotated[str, typer.Option(help="What to call it.")] = "joined",
    data: DataOption = Path("../shared/data"),
) -> None:
    """Let checkpoints that were trained apart answer together: their mean errs less than each.

    Example: imusic join runs/a/checkpoint runs/b/checkpoint --out runs/both
    """
    _need_torch()
    from capture.take import software
    from model.export import write_checkpoint
    from model.join import join as joined
    from model.join import recipes_of

    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another name; nothing is overwritten")
    trained, recipe = joined(checkpoints, name, data)
    write_checkpoint(trained, recipe, out, software(), recipes_of(checkpoints))
    sys.stdout.write(f"{out}\n")


@app.command()
def card(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
    figures: Annotated[Path, typer.Option(help="What benchmarks/figures.py --json printed of it.")],
) -> None:
    """Write figures into a checkpoint's model card, which is replaced; other networks' are refused.

    Example: imusic card runs/tiny/checkpoint --figures figures.json
    """
    from model.card import CARD_FILE, write_figures

    write_figures(checkpoint, figures)
    sys.stdout.write(f"{checkpoint / CARD_FILE}\n")


@app.command()
def predict(
    takes: Annotated[list[Path], typer.Argument(metavar="TAKE...", help="Take folders.")],
    out: Annotated[
        Path, typer.Option(help="FILE.npz or FILE.csv (Live Link); a folder, of several takes.")
    ],
    checkpoint: CheckpointOption = None,
    wearer: WearerOption = None,
    hybrid: Annotated[
        bool, typer.Option("--hybrid", help="The phone's face, and this one in its gaps.")
    ] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="Much faster, and not quite what live would give.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Takes at the same time; default: one per core.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the faces of recorded takes, as they would have been predicted live.

    With --batch a take is predicted at once, in overlapping windows; docs/live.md says how far that
    is from live.

    Example: imusic predict takes/take-001 --out face.npz
    """
    from model.checkpoint import SHIPPED
    from model.predict_many import plan, predict_many
    from model.wearer import find_wearer

    profile = None if wearer is None else find_wearer(wearer)
    wanted = plan(takes, out, checkpoint or SHIPPED, profile, hybrid, batch)
    with bar("predict") as report:
        written = predict_many(wanted, jobs, report)
    for one in written:
        if one.doubt:
            typer.echo(f"imusic: {one.doubt}", err=True)
        if one.note:
            which = f"{one.out.name}: " if len(written) > 1 else ""
            typer.echo(f"imusic: note: {which}{one.note}", err=True)
    if len(written) == 1:
        say({"out": str(written[0].out), "frames": written[0].frames}, as_json)
        return
    frames = {str(one.out): one.frames for one in written}
    say({"out": str(out), "takes": len(written), "frames": frames}, as_json)


@app.command()
def evaluate(
    takes: Annotated[
        list[Path], typer.Argument(help="Takes with a face stream, or folders of takes.")
    ],
    checkpoint: CheckpointOption = None,
    wearer: WearerOption = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Also write FILE.html, or FILE.md and its pictures, with plots."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the network with ARKit and with baselines: ridge, the Kalman filter, faces that stay.

    A take that cannot be judged ends it; what was found before is told, but not reported.

    Example: imusic evaluate takes/take-001 --report accuracy.html
    """
    from model.judging import over_takes
    from viz.pages import check_page

    if report is not None:
        check_page(report)
    loaded = load(checkpoint)
    known = _wearer(wearer, loaded)
    found: dict[str, JudgedTake] = {}
    told: dict[str, Any] = {}
    try:
        for take in _takes_in(takes):
            found[str(take)] = _judged(take, loaded, known)
    finally:  # minutes of work, whatever became of the next take
        who = {"checkpoint": loaded.facts.name, "wearer": known.facts.name if known else None}
        told = {name: {**judged.told(), **who} for name, judged in found.items()}
        if len(told) > 1:
            simulated = any(t.simulated for t in found.values())
            over = over_takes([t.figures for t in found.values()])
            told["over_takes"] = {"simulated": simulated, **over}
        if told and as_json:
            sys.stdout.write(json_line(told))
        elif told:
            _table(told)
    if report is not None:
        _report(list(found.values()), told.get("over_takes"), loaded, known, report)
        if not as_json:
            sys.stdout.write(f"{report}\n")


def _takes_in(paths: list[Path]) -> list[Path]:
    """Each take once, in order; a folder that is no take stands for those directly in it."""
    from capture.take import TAKE_FILE

    found: list[Path] = []
    for path in paths:
        inside = sorted(file.parent for file in path.glob(f"*/{TAKE_FILE}"))
        found += inside if inside and not (path / TAKE_FILE).exists() else [path]
    return list(dict.fromkeys(found))


def _judged(take: Path, checkpoint: "Checkpoint", wearer: "Wearer | None") -> "JudgedTake":
    from capture.recording import read_recording
    from model.evaluate import judge_take
    from model.evaluation_report import JudgedTake
    from model.predict import predict_recording

    recording = read_recording(take)
    with bar(f"predict {take.name}") as report:
        prediction = predict_recording(recording, checkpoint, report, wearer)
    sync = say_doubt(recording).verdict
    judged = judge_take(recording, checkpoint, prediction, wearer=wearer)
    facts, layout = recording.take, recording.take.sensor_layout
    return JudgedTake(str(take), layout, facts.simulated, judged, judged.figures(), sync)


def _report(
    takes: "list[JudgedTake]",
    together: dict[str, Any] | None,
    checkpoint: "Checkpoint",
    wearer: "Wearer | None",
    out: Path,
) -> None:
    from capture.take import software
    from model.evaluation_report import write_report

    who = "nobody was enrolled" if wearer is None else f"worn by {wearer.facts.name}, enrolled"
    if wearer is not None and wearer.facts.simulated:
        who += " on simulated IMUs"
    about = f"Network {checkpoint.facts.name!r}, {who}; {software()}."
    write_report(takes, together, about, out)


def _wearer(name: str | None, checkpoint: "Checkpoint") -> "Wearer | None":
    from model.wearer import find_wearer, load_wearer

    return None if name is None else load_wearer(find_wearer(name), checkpoint.layout)


def _need_torch() -> None:
    from importlib.util import find_spec

    for name in ("torch", "onnx", "onnxscript"):
        if find_spec(name) is None:
            raise EnvironmentMissing(
                f"this needs {name}, which is not installed",
                'pip install "imusic[train]" (the CPU build of torch is enough)',
            )


def _table(found: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from model.evaluation_report import SIMULATED, regions_of, table_of

    for take, figures in found.items():
        note = f" ({SIMULATED})" if figures["simulated"] else ""
        if figures.get("sync", "good") != "good":
            note += f" (SYNC {figures['sync'].upper()})"
        title = f"mean of {figures['takes']} takes" if "takes" in figures else take
        plain = table_of(figures, intervals=False)
        table = Table(title=Text(f"{title}{note}"), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column(min_width=17)  # eight columns stand on a terminal 80 wide
        for track in plain.head[1:]:
            table.add_column(track.replace(" ", "\n"), justify="right")
        for row in plain.rows:
            table.add_row(*row)
        if "mae_offset_free_by_region" in figures:
            for name, *cells in regions_of(figures).rows:
                table.add_row(f"  {name}", *cells)
        Console().print(table)
