"""Verbs about one wearer: enrol, adapt."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.console import CheckpointOption, JsonOption, bar, load, say, say_doubt
from viz.guide_cli import MissingOption, OutOption, RigOption, TimeoutOption, WindowOption

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint
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
    from model.wearer import check_wearer_output

    check_wearer_output(out)
    _learn(take, out, name, load(checkpoint), follow, as_json)


@app.command()
def enrol(
    rig: RigOption,
    out: OutOption,
    name: Annotated[str, typer.Option(help="Of the wearer; default: the rig's subject.")] = "",
    profile: Annotated[
        Path | None, typer.Option(help="FILE.safetensors; default: beside the take, by its name.")
    ] = None,
    script: Annotated[str, typer.Option(help="What to follow: a name or a file (TOML).")] = "enrol",
    window: WindowOption = None,
    allow_missing: MissingOption = None,
    start_timeout: TimeoutOption = 10.0,
    checkpoint: CheckpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Guide a new wearer through an exercise, record it, and learn this face. No camera is needed.

    The wearer follows an animated face for less than three minutes. Keys: r shows a step once more,
    s skips it, space holds, q ends. The take is kept whatever comes of it; where the profile would
    make the network worse, none is written and the exit code is 1. A phone in the rig is recorded
    too, and what it saw teaches better than what was shown.

    Example: imusic sim --rig sim.toml --script enrol --no-phone &
             imusic enrol --rig sim.toml --out takes
    """
    from capture.guided import read_script
    from capture.outputs import require_writable_folder
    from firmware_host.rig import read_rig
    from model.wearer import check_wearer_output
    from viz.guide_cli import guided_take

    asked, recorded = read_script(script), read_rig(rig)
    loaded = load(checkpoint)
    if profile is not None:
        check_wearer_output(profile)
    require_writable_folder(out)
    take = guided_take(recorded, out, asked, "", window, allow_missing or (), start_timeout)
    typer.echo(f"imusic: recorded {take}", err=True)
    target = profile or take.with_name(take.name + ".safetensors")
    _learn(take, target, name, loaded, False, as_json)


def _learn(
    take: Path, out: Path, name: str, checkpoint: "Checkpoint", follow: bool, as_json: bool
) -> None:
    """Make the profile of a take, and tell what it is worth."""
    from capture.provenance import file_sha256
    from capture.recording import read_recording
    from capture.take import DATA_FILE
    from model.adapt import adapt_take
    from model.wearer import save_wearer

    recording = read_recording(take)
    say_doubt(recording)
    with bar("adapt") as report:
        called = name or recording.take.subject
        sha256 = file_sha256(take / DATA_FILE)
        adapted = adapt_take(recording, checkpoint, called, sha256, report, follow)
    facts = adapted.wearer.facts
    if adapted.better:
        save_wearer(adapted.wearer, out)
    say(
        {
            "take": str(take),
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
