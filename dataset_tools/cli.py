"""Verbs of dataset_tools: performances."""

from pathlib import Path
from typing import Annotated

import typer

from firmware_host.errors import ConfigError

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
