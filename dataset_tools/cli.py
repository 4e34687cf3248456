"""Verbs of dataset_tools: performances, synth."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firmware_host.errors import ConfigError

if TYPE_CHECKING:
    from dataset_tools.manifest import Manifest

app = typer.Typer(rich_markup_mode=None)
performances_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(performances_app, name="performances", help="Make faces that move, and compare them.")

Language = Annotated[
    str, typer.Option(help="english, spanish, or the path of a language table (.toml).")
]


@performances_app.command()
def make(
    out: Annotated[Path, typer.Option(help="The .npz to write.")],
    text: Annotated[str | None, typer.Option(help="What to say; default: this and that.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Length where no text is given.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Who performs, and how.")] = 1,
    language: Language = "english",
) -> None:
    """Make one performance, to be drawn with `imusic render`.

    Example: imusic performances make --text "Hello, my friend." --out hello.npz
    """
    from dataset_tools.performance import generate_performance, say, write_performance

    _check_new(out, ".npz")
    made = (
        generate_performance(seed, seconds, language) if text is None else say(text, seed, language)
    )
    write_performance(out, made)
    typer.echo(out)


@performances_app.command()
def report(
    out: Annotated[Path, typer.Option(help="Folder for the report, new.")],
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings to compare with; default: the tracked ones of --data."),
    ] = None,
    data: Annotated[
        Path, typer.Option("--data", envvar="IMUSIC_DATA", help="Folder of recordings.")
    ] = Path("../shared/data"),
    seeds: Annotated[int, typer.Option(min=1, help="How many performances to generate.")] = 40,
    seconds: Annotated[float, typer.Option(min=10, help="Length of each.")] = 30.0,
) -> None:
    """Compare the statistics of generated performances with those of recordings, with plots.

    Example: imusic performances report --out report
    """
    from dataset_tools.performance_report import compare, tracked_files, write_report

    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another --out; nothing is overwritten")
    for path in write_report(compare(recordings or tracked_files(data), seeds, seconds), out):
        typer.echo(path)


def _check_new(path: Path, suffix: str) -> None:
    if path.suffix.lower() != suffix:
        raise ConfigError(f"{path}: expected a name ending in {suffix}")
    if path.exists():
        raise ConfigError(f"{path} exists already", "choose another --out; nothing is overwritten")


@app.command()
def synth(
    out: Annotated[Path, typer.Option(help="Folder that becomes the data set.")],
    hours: Annotated[float, typer.Option(help="Hours of performances.", min=0.001)] = 1.0,
    wearers: Annotated[int, typer.Option(help="How many virtual wearers.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.", min=0)] = 0,
    recipe: Annotated[
        Path | None,
        typer.Option(help="Recipe whose [data] is performed; default: only generated."),
    ] = None,
    data: Annotated[
        Path, typer.Option("--data", envvar="IMUSIC_DATA", help="Folder of recordings.")
    ] = Path("../shared/data"),
    takes: Annotated[int, typer.Option(help="Also write so many as raw takes.", min=0)] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes; default: one per core.", min=1)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let virtual wearers perform, and stream what their sensors feel into a data set.

    Goes on where an earlier run into the same folder stopped. All of it is simulated, and the
    manifest says so.

    Example: imusic synth --wearers 100 --hours 1 --out datasets/synth
    """
    from dataset_tools.synth import open_studio, synthesise
    from dataset_tools.synth_plan import encode_plan, plan_of
    from dataset_tools.synth_takes import write_takes

    plan = plan_of(recipe, hours=hours, wearers=wearers, seed=seed)
    with _bar() as bar:
        manifest = synthesise(plan, data, out, bar("sequences"), workers)
        report = bar("takes")
        studio = open_studio(encode_plan(plan), data) if takes else None
        for number, _ in enumerate(write_takes(studio, takes, out / "takes") if studio else (), 1):
            report(number / takes)
    _tell(manifest, out, takes, as_json)


@contextmanager
def _bar() -> Iterator[Callable[[str], Callable[[float], None]]]:
    """Progress bars on stderr: call with a label, get `report(share)`."""
    from rich.console import Console
    from rich.progress import Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def bar(label: str) -> Callable[[float], None]:
            task = progress.add_task(label, total=1.0)
            return lambda share: progress.update(task, completed=share)

        yield bar


def _tell(manifest: "Manifest", out: Path, takes: int, as_json: bool) -> None:
    facts = {
        "out": str(out),
        "hours": round(manifest.seconds / 3600, 4),
        "sequences": sum(shard.sequences for shard in manifest.shards),
        "shards": len(manifest.shards),
        "takes": takes,
        "simulated": manifest.simulated,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(
        f"{out}: {facts['hours']:.2f} h in {facts['sequences']} sequences, "
        f"{facts['shards']} shards, {takes} takes (simulated IMUs)"
    )
