"""`imusic minute`: movements too small for a camera, in a take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model.console import CheckpointOption, JsonOption, bar, load

if TYPE_CHECKING:
    from model.minute import MinuteEvent

app = typer.Typer()


@app.command()
def minute(
    take: Annotated[Path, typer.Argument(help="Take folder.")],
    checkpoint: CheckpointOption = None,
    visible: Annotated[
        bool, typer.Option("--visible", help="Also those that come of ordinary expressions.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List movements of the skin that are too small for a camera, as they would be told live.

    Example: imusic minute takes/take-001
    """
    import sys

    from capture.recording import read_recording
    from model.console import json_line
    from model.minute_take import minute_of

    loaded = load(checkpoint)
    recording = read_recording(take)
    with bar("look") as report:
        found, seconds = minute_of(recording, loaded, report)
    start_ns = int(recording.arrival_ns[0]) if len(recording) else 0
    shown = [event for event in found if visible or not event.visible]
    if as_json:
        events = [_facts(event, start_ns) for event in shown]
        hidden = len(found) - len(shown)
        told = {"seconds": round(seconds, 3), "events": events, "visible_left_out": hidden}
        sys.stdout.write(json_line(told))
        return
    for event in shown:
        sys.stdout.write(_line(event, start_ns) + "\n")
    left_out = len(found) - len(shown)
    ending = f"; {left_out} that belong to visible expressions are left out" if left_out else ""
    sys.stdout.write(f"{len(shown)} in {seconds:.0f} s{ending}\n")


def _facts(event: "MinuteEvent", start_ns: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {"time_s": round((event.time_ns - start_ns) / 1e9, 3), **asdict(event)}


def _line(event: "MinuteEvent", start_ns: int) -> str:
    after = (event.time_ns - start_ns) / 1e9
    band = f"{event.low_hz:g}-{event.high_hz:g} Hz"
    seen = "  visible" if event.visible else ""
    return (
        f"{after:8.2f} s  {event.slot:24s} {band:8s}  {event.strength:5.1f} x rest"
        f"  {event.duration_s:.2f} s{seen}"
    )
