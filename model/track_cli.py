"""Verb of model: baselines for tracks of raters."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def baselines(
    dataset: Annotated[Path, typer.Argument(metavar="SET", help="A data set with tracks.")],
    track: Annotated[str, typer.Argument(metavar="TRACK", help="Such as valence.")],
    rater: Annotated[str, typer.Option(help="Whose curve; `tracks fuse` makes gold.")] = "gold",
    features: Annotated[
        Literal["face", "imu"], typer.Option(help="What is gone by: ARKit weights, or sensors.")
    ] = "face",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same folds and fits.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell how well a track follows from faces or sensors, on people that were not seen.

    Ridge, random forest (pip install "imusic[tracks]") and LSTM, by concordance (CCC) on folds that
    share no subject.

    Example: imusic baselines sets/faces valence
    """
    from model.track_baselines import REGRESSORS, read_rated, scored

    rated = read_rated(dataset, track, rater, features)
    found: dict[str, Any] = {}
    for name, regressor in REGRESSORS.items():
        try:
            scores = scored(rated, regressor, seed)
        except ImportError as error:
            typer.echo(f"imusic: note: {name} is left out, no {error.name}", err=True)
            continue
        found[name] = {
            "ccc": round(scores.pooled, 4),
            "folds": [round(fold, 4) for fold in scores.folds],
        }
    facts = {
        "track": track,
        "rater": rater,
        "features": features,
        "subjects": len({each.subject for each in rated}),
        "sequences": len(rated),
        "baselines": found,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{track} by {rater}: {facts['sequences']} sequences, {facts['subjects']} subjects")
    for name, row in found.items():
        folds = ", ".join(f"{fold:.2f}" for fold in row["folds"])
        typer.echo(f"{name}: CCC {row['ccc']:.3f} (folds {folds})")
