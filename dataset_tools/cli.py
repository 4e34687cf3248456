"""Verbs of data sets: synth."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dataset_tools.shards import Manifest

app = typer.Typer()


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
