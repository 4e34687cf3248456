"""Verbs of `imusic dataset tracks`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dataset_tools.sets.edit_cli import DryRun, Json, Set, tell_edit

if TYPE_CHECKING:
    from dataset_tools.sets.tracks import Gold

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Track = Annotated[str, typer.Argument(metavar="TRACK", help="Such as valence, or AU12L.")]


@app.command()
def add(
    dataset: Set,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=".csv or .eaf (ELAN).")],
    take: Annotated[str, typer.Option(help="The take, where files do not name it.")] = "",
    rater: Annotated[str, typer.Option(help="Who said it, where files do not tell.")] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a version with what raters said of takes; what they said before is replaced.

    Example: imusic dataset tracks add sets/faces ratings.csv --rater anna
    """
    from dataset_tools.sets import tracks

    tell_edit(tracks.add(dataset, files, take, rater, dry_run), as_json)


@app.command("list")
def list_tracks(dataset: Set, as_json: Json = False) -> None:
    """Tell which tracks there are, by whom, and of how many seconds.

    Example: imusic dataset tracks list sets/faces
    """
    from dataset_tools.sets.tracks import told

    said = told(dataset)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for number, marks in said.marks.items():
        for mark in marks:
            row = rows.setdefault(
                (mark.track, mark.rater),
                {"track": mark.track, "rater": mark.rater, "marks": 0, "takes": set()},
            )
            row["marks"] += 1
            row["takes"].add(number)
    found = [{**row, "takes": len(row["takes"])} for _, row in sorted(rows.items())]
    if as_json:
        typer.echo(json.dumps(found))
        return
    for row in found:
        typer.echo(
            f"{row['track']} by {row['rater']}: {row['marks']} marks on {row['takes']} takes"
        )


@app.command()
def export(
    dataset: Set,
    out: Annotated[Path, typer.Option(help="FILE.csv, or for ELAN a folder; new.")],
    kind: Annotated[Literal["csv", "elan"], typer.Option("--format", help="Of which kind.")],
) -> None:
    """Write all tracks as one CSV, or as one file of ELAN per take.

    Example: imusic dataset tracks export sets/faces --format elan --out elan
    """
    from dataset_tools.sets.tracks import export_tracks

    typer.echo(f"{out}: {export_tracks(dataset, out, kind)} marks")


@app.command()
def remove(
    dataset: Set,
    track: Track,
    rater: Annotated[str | None, typer.Option(help="Only this rater's part.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a version without a track.

    Example: imusic dataset tracks remove sets/faces liking --rater ben
    """
    from dataset_tools.sets import tracks

    tell_edit(tracks.remove(dataset, track, rater, dry_run), as_json)


@app.command()
def agreement(dataset: Set, track: Track, as_json: Json = False) -> None:
    """Tell how far raters agree: ICC and CCC of curves, kappa of intervals.

    Example: imusic dataset tracks agreement sets/faces valence
    """
    from dataset_tools.sets.tracks import agreement_of

    found = agreement_of(dataset, track)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            typer.echo(f"{name}:")
            for key, each in value.items():
                typer.echo(f"  {key}: {each}")
        else:
            typer.echo(f"{name}: {value}")


@app.command()
def fuse(
    dataset: Set,
    track: Track,
    rater: Annotated[str, typer.Option(help="What the fused track's rater is called.")] = "gold",
    delays: Annotated[
        Literal["faces", "raters", "none"],
        typer.Option(help="How late raters are, by what they saw or by one another."),
    ] = "faces",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a version with one curve out of all raters', each as late as they were found to be.

    Intervals are voted on.

    Example: imusic dataset tracks fuse sets/faces valence
    """
    from dataset_tools.sets.tracks import fuse_track

    gold = fuse_track(dataset, track, rater, delays, dry_run)
    if as_json:
        typer.echo(json.dumps(_gold(gold)))
        return
    for name, weight in gold.weights.items():
        typer.echo(f"{name}: {gold.delays[name].delay_s:.2f} s late, weight {weight:.2f}")
    tell_edit(gold.edited, as_json)


def _gold(gold: "Gold") -> dict[str, Any]:
    version = gold.edited.version
    return {
        "version": None if version is None else str(version),
        "changes": list(gold.edited.lines),
        "delays_s": {name: _plain(d.delay_s) for name, d in gold.delays.items()},
        "weights": {name: round(weight, 4) for name, weight in gold.weights.items()},
    }


def _plain(value: float) -> float | None:
    return round(value, 3) if value == value else None


@app.command()
def facs(dataset: Set, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Make a version with tracks of FACS action units, as the ARKit faces show them.

    Example: imusic dataset tracks facs sets/faces
    """
    from dataset_tools.annotations.units import unit_marks
    from dataset_tools.sets.tracks import add_rated

    edited = add_rated(
        dataset, lambda _, weights, first: unit_marks(weights, first), "tracks-facs", dry_run
    )
    tell_edit(edited, as_json)
