"""Verbs about faces that leave: drive, keys."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capture.options import seconds_option

if TYPE_CHECKING:
    from capture.drive import DriveCounts

app = typer.Typer(rich_markup_mode=None)


@app.command()
def drive(
    source: Annotated[
        str,
        typer.Argument(help="A publisher's address, or faces: .npz, Live Link Face .csv, take."),
    ] = "tcp://127.0.0.1:5570",
    sink: Annotated[
        list[str] | None,
        typer.Option(help="What to drive, as vmc://127.0.0.1:39539; may be repeated."),
    ] = None,
    rig: Annotated[Path | None, typer.Option(help="Also drive the sinks of this rig.")] = None,
    seconds: Annotated[float | None, seconds_option("Stop after so long.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Play a file again and again.")] = False,
    publisher_key: Annotated[
        str, typer.Option(help="Public key of a publisher on another computer.")
    ] = "",
    key_file: Annotated[
        Path | None, typer.Option(help="Our own keys for it; see `imusic keys`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Drive avatars and files with faces that somebody publishes, or that a file holds.

    Needs neither sensors nor the network: what runs here cannot hold up who predicts. What to click
    in each program is in docs/avatars.md.

    Example: imusic drive --sink vmc://127.0.0.1:39539
    """
    import msgspec
    from rich.console import Console

    from capture.drive import drive as run
    from capture.keys import ticket_of
    from capture.sinks.config import sinks_from
    from capture.wire_status import sink_facts, sink_lines
    from firmware_host.rig import read_rig

    console = Console(stderr=True)

    def tell(counts: "DriveCounts") -> None:
        if console.is_terminal:
            console.print(f"{counts.faces} faces, {counts.missed} missed", end="\r")

    def warn(doubt: str) -> None:
        typer.echo(f"imusic: {doubt}", err=True)

    sinks = sinks_from(sink or (), () if rig is None else read_rig(rig).sinks)
    ticket = ticket_of(publisher_key, key_file, "--publisher-key")
    result = run(source, sinks, seconds, loop=loop, ticket=ticket, on_counts=tell, on_doubt=warn)
    facts = {**msgspec.to_builtins(result.counts), "sinks": sink_facts(result.sinks)}
    if as_json:
        typer.echo(msgspec.json.encode(facts).decode())
    else:
        typer.echo(f"{result.counts.faces} faces, {result.counts.missed} missed")
        for line in sink_lines(result.sinks):
            typer.echo(line)


@app.command()
def keys(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The key file to make.")],
) -> None:
    """Make keys in FILE, for its owner's eyes only, and print the public one.

    Beyond this computer faces are published only encrypted, to keys on a list (docs/wire.md).

    Example: imusic keys desk.key
    """
    from capture.keys import new_keys, write_keys

    made = new_keys()
    write_keys(file, made)
    typer.echo(made.public)
