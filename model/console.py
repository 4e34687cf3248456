"""What the verbs of the model share: options, a progress bar, results on stdout."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from capture.recording import Recording
    from capture.sync import Alignment
    from model.checkpoint import Checkpoint

CheckpointOption = Annotated[
    Path | None, typer.Option("--checkpoint", help="Checkpoint folder; default: the shipped one.")
]
WearerOption = Annotated[
    str | None,
    typer.Option("--wearer", help="Who wears the sensors: a name or a file of `imusic enrol`."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def load(folder: Path | None) -> "Checkpoint":
    """The checkpoint in `folder`, or the shipped one. Raises as `load_checkpoint`."""
    from model.checkpoint import SHIPPED, load_checkpoint

    return load_checkpoint(folder or SHIPPED)


@contextmanager
def bar(text: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr; gives `report(share)`."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    # Elsewhere than on a terminal even a bar that vanishes leaves an empty line.
    hidden = not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task(text, total=1.0)
        yield lambda share: progress.update(task, completed=share)


def json_line(facts: dict[str, Any]) -> str:
    """One line; what is not a number becomes null, which every reader of JSON knows."""
    import msgspec

    return msgspec.json.encode(facts).decode() + "\n"


def say_doubt(recording: "Recording") -> "Alignment":
    """Say on stderr where the timeline of a take is not to be trusted; its alignment."""
    from capture.doubt import doubt_of
    from capture.sync import align

    alignment = align(recording)
    if doubt := doubt_of(alignment):
        typer.echo(f"imusic: {doubt}", err=True)
    return alignment


def say(facts: dict[str, Any], as_json: bool) -> None:
    """Results on stdout, for machines or for people."""
    if as_json:
        sys.stdout.write(json_line(facts))
        return
    for key, value in facts.items():
        sys.stdout.write(f"{key.replace('_', ' ')}: {value}\n")
