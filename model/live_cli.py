"""`imusic live`: the verb."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model.console import CheckpointOption, JsonOption, WearerOption, load, say

if TYPE_CHECKING:
    from model.live import LiveResult

app = typer.Typer()
LOST = 3


def _finite(seconds: float | None) -> float | None:
    """Refuse nan, which passes every comparison with a bound, and a limit that never comes."""
    if seconds is not None and not math.isfinite(seconds):
        raise typer.BadParameter(f"expected a finite number of seconds, got {seconds}")
    return seconds


@app.command()
def live(
    rig: Annotated[Path, typer.Option(help="The rig (TOML).")],
    checkpoint: CheckpointOption = None,
    wearer: WearerOption = None,
    record: Annotated[
        Path | None, typer.Option(help="Also record into the next take under this folder.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, callback=_finite, help="Stop after so long.")
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(help="Also drive this, as vmc://127.0.0.1:39539; may be repeated."),
    ] = None,
    hybrid: Annotated[
        bool, typer.Option("--hybrid", help="The phone's face while it sees one.")
    ] = False,
    phone_latency_of: Annotated[
        Path | None,
        typer.Option(help="Of --hybrid: an aligned take whose report says how late the phone is."),
    ] = None,
    control: Annotated[
        str, typer.Option(help="Also obey `imusic ctl` here, as tcp://127.0.0.1:5575.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Publish the face of a rig over ZeroMQ at 60 Hz, and drive avatars with it, until Ctrl-C.

    The take begins with rest and a routine of head nods, side tilts and turns (`session` in the
    rig); until they are over the published face rests with confidence 0. Keys: z the face is at
    rest now, wherever its sensors sit; u undo that; q the end. A program writes lines instead
    (rezero, undo, wearer NAME, stop).

    Example: imusic live --rig rig.toml --record takes
    """
    from capture.sinks.config import sinks_from
    from firmware_host.rig import read_rig
    from model.live_verb import LiveWishes, live_on_terminal

    loaded = load(checkpoint)
    worn = read_rig(rig)
    wishes = LiveWishes(
        record_to=record,
        seconds=seconds,
        wearer=wearer,
        sinks=tuple(sinks_from(sink or (), worn.sinks)),
        hybrid=hybrid,
        phone_latency_of=phone_latency_of,
        control=control,
    )
    _say_live(live_on_terminal(worn, loaded, wishes), as_json)


def _say_live(result: "LiveResult", as_json: bool) -> None:
    from dataclasses import asdict

    from capture.wire_status import sink_facts, sink_lines

    facts: dict[str, Any] = asdict(result.counts)
    if result.sinks and as_json:
        facts["sinks"] = sink_facts(result.sinks)
    if result.take is not None:
        facts |= {"take": str(result.take.folder), "reason": result.take.reason}
    say(facts, as_json)
    for line in () if as_json else sink_lines(result.sinks):
        sys.stdout.write(f"{line}\n")
    if result.take is not None and result.take.lost:
        lost = result.take.lost
        typer.echo(f"imusic: the {lost} was lost; the take is complete until then", err=True)
        raise typer.Exit(LOST)
