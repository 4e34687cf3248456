"""Verbs about one wearer: adapt."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.console import CheckpointOption, JsonOption, bar, load, say

if TYPE_CHECKING:
    from model.wearer import WearerFacts

app = typer.Typer()
FOUND_PROBLEMS = 1


@app.command()
def adapt(
    take: Annotated[
        Path, typer.Argument(help="Take folder, with the phone in view or of `imusic enrol`.")
    ],
    out: Annotated[Path, typer.Option(help="FILE.safetensors: the wearer's profile.")],
    name: Annotated[str, typer.Option(help="Of the wearer; default: the take's subject.")] = "",
    checkpoint: CheckpointOption = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Learn by the face that was shown, even if ARKit watched."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Learn one wearer from an enrolment take: how this face moves these sensors.

    The last 30 % of the take judge what the rest has taught; where the wearer followed an animated
    face and no phone watched, what was shown for a second time judges. Where the profile worsens
    it, none is written and the exit code is 1. A profile is good for as long as the sensors stay
    where they are.

    Example: imusic adapt takes/enrol-001 --out anna.safetensors
    """
    from capture.provenance import file_sha256
    from capture.recording import read_recording
    from capture.take import DATA_FILE
    from model.adapt import adapt_take
    from model.wearer import check_wearer_output, save_wearer

    check_wearer_output(out)
    loaded = load(checkpoint)
    recording = read_recording(take)
    with bar("adapt") as report:
        called = name or recording.take.subject
        sha256 = file_sha256(take / DATA_FILE)
        adapted = adapt_take(recording, loaded, called, sha256, report, follow)
    facts = adapted.wearer.facts
    if adapted.better:
        save_wearer(adapted.wearer, out)
    say(
        {
            "out": str(out) if adapted.better else None,
            "wearer": facts.name,
            "seconds": facts.seconds,
            "simulated": facts.simulated,
            **facts.following,
            **_gained(facts),
        },
        as_json,
    )
    if not adapted.better:
        typer.echo(
            "imusic: the profile would have made the judged part of this take worse; none was "
            "written, the network without it stays the better one",
            err=True,
        )
        raise typer.Exit(FOUND_PROBLEMS)


def _gained(facts: "WearerFacts") -> dict[str, float]:
    """The figures of the judged part, before and after."""
    return {
        f"{key}_{when}": round(value, 4)
        for key in ("correlation", "mae_offset_free", "mae")
        for when, value in (("before", facts.before[key]), ("after", facts.after[key]))
    }
