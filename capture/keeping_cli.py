"""Verbs that look after takes: verify, note, offload."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from capture.verify import Verified

app = typer.Typer(rich_markup_mode=None)

FOUND_PROBLEMS = 1

Takes = Annotated[list[Path], typer.Argument(metavar="TAKES...", help="Takes, or folders of.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per take.")]


@app.command()
def verify(takes: Takes, as_json: Json = False) -> None:
    """Read all of takes, and tell whether they are what they were when they ended.

    Checksums of files and of every chunk, and what `take.toml` counts. Exit code 1 where something
    is wrong.

    Example: imusic verify takes
    """
    from capture.take_folders import find_takes
    from capture.verify import Verified
    from capture.verify import verify as verify_take
    from firmware_host.errors import DataError

    bad = 0
    for folder in find_takes(takes):
        try:
            found = verify_take(folder)
        except DataError as error:
            found = Verified(folder, 0, 0, False, (str(error),))
        bad += bool(found.problems)
        _tell(found, as_json)
    if bad:
        raise typer.Exit(FOUND_PROBLEMS)


def _tell(found: "Verified", as_json: bool) -> None:
    import msgspec

    if as_json:
        typer.echo(msgspec.json.encode(found, enc_hook=str).decode())
        return
    how = "" if found.proven else " (it has no checksums: it was read through)"
    good = f"in order, {found.samples} samples, {found.faces} faces{how}"
    typer.echo(f"{found.folder}: {'; '.join(found.problems) or good}")


def _move(progress: "Progress", task: "TaskID", share: float) -> None:
    progress.update(task, completed=share)


@app.command()
def note(
    take: Annotated[Path, typer.Argument(metavar="TAKE", help="Folder of the take.")],
    text: Annotated[str, typer.Argument(help="A note to add.")] = "",
    rating: Annotated[str, typer.Option(help="good, ng (no good), circle, or none.")] = "",
) -> None:
    """Rate a take, and add notes to it; without either, tell what is there.

    Example: imusic note takes/scene-004 --rating circle "the best of the day"
    """
    import msgspec

    from capture.operating import CIRCLE, GOOD, NO_GOOD
    from capture.take import read_take, write_take
    from firmware_host.errors import ConfigError

    words = {"good": GOOD, "ng": NO_GOOD, "circle": CIRCLE, "none": ""}
    if rating and rating not in words:
        raise ConfigError(f"--rating: expected {', '.join(words)}, got {rating!r}")
    kept = read_take(take)
    told: dict[str, Any] = {"rating": words[rating]} if rating else {}
    if text.strip():
        told["notes"] = (*kept.notes, " ".join(text.split()))
    if told:
        kept = msgspec.structs.replace(kept, **told)
        write_take(kept, take)
    typer.echo(f"{take}: {kept.rating or 'not rated'}")
    for line in kept.notes:
        typer.echo(f"  {line}")


@app.command()
def offload(
    takes: Takes,
    to: Annotated[Path, typer.Option(help="Folder on another disk.")],
) -> None:
    """Copy takes to another disk, read the copies back, and compare. Nothing is deleted.

    A copy has its name only once it is proven: run it again after a cable was pulled, and what is
    there already is only compared.

    Example: imusic offload takes --to /media/backup/takes
    """
    from rich.console import Console
    from rich.progress import Progress

    from capture.outputs import require_writable_folder
    from capture.take_folders import find_takes
    from capture.verify import offload as copy_take

    require_writable_folder(to)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for folder in find_takes(takes):
            task = progress.add_task(folder.name, total=1.0)
            copy, is_new = copy_take(folder, to, partial(_move, progress, task))
            typer.echo(f"{copy}: {'copied and compared' if is_new else 'there already, the same'}")
