"""The verb check: every slot green or red, with the reason and the fix."""

import asyncio
import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capture.check import Row
    from capture.checking import Verdict

app = typer.Typer(help="Check a rig before a session.")

PROBLEMS = 1


@app.command()
def check(
    rig: Annotated[Path, typer.Option(help="The rig to check, as TOML.")],
    routine: Annotated[
        bool, typer.Option(help="Also tell left from right, by head motion.")
    ] = True,
    start_timeout: Annotated[
        float, typer.Option(min=1.0, max=120.0, help="How long to wait for devices, in seconds.")
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Tell of each slot whether it is fit to record, and what to do where it is not.

    The wearer rests, then nods, tilts and turns the head with a still face, for as long as the rig
    says. Exit code 0: all green. 1: something is red. 3: no device is there.

    Example: imusic check --rig rig.toml
    """
    from capture.checking import check as check_rig
    from firmware_host.rig import read_rig

    verdict = asyncio.run(check_rig(read_rig(rig), routine, start_timeout, _tell_phase))
    if as_json:
        typer.echo(json.dumps(_plain(verdict), allow_nan=False))
    else:
        for row in (*verdict.devices, *verdict.slots):
            _tell(row)
        for note in verdict.notes:
            typer.echo(f"note: {note}")
        typer.echo("all green" if verdict.is_good else _count(verdict))
    if not verdict.is_good:
        raise typer.Exit(PROBLEMS)


_PHASES = {
    "rest": "hold the head and the face still for {:g} s",
    "move": "now, face still: nod, tilt to both sides, turn to both sides ({:g} s)",
}


def _tell_phase(phase: str, seconds: float) -> None:
    typer.echo(_PHASES[phase].format(seconds), err=True)


def _tell(row: "Row") -> None:
    from firmware_host.boards import printable

    name = printable(row.name)  # a hub chooses its names
    if row.is_green:
        typer.secho(f"green  {name:<26} {_figures(row)}", fg="green")
        return
    for number, problem in enumerate(row.problems):
        head = f"red    {name:<26} " if number == 0 else " " * 34
        typer.secho(f"{head}{problem.reason}", fg="red")
        typer.echo(f"{' ' * 34}fix: {problem.fix}")


def _figures(row: "Row") -> str:
    parts = [
        _figure(row.rate_hz, "{:.0f} Hz"),
        _figure(row.gravity_m_s2, "{:.2f} m/s²"),
        _figure(math.degrees(row.gyro_bias_rad_s), "{:.1f} °/s"),
        _figure(row.accel_noise_m_s2, "noise {:.3f} m/s²"),
        _figure(math.degrees(row.gyro_noise_rad_s), "{:.2f} °/s"),
    ]
    return ", ".join(part for part in parts if part)


def _figure(value: float, text: str) -> str:
    return "" if math.isnan(value) else text.format(value)


def _count(verdict: "Verdict") -> str:
    red = sum(not row.is_green for row in (*verdict.devices, *verdict.slots))
    return f"{red} red: see above for what to do"


def _plain(verdict: "Verdict") -> dict[str, Any]:
    def rows(of: "Sequence[Row]") -> list[dict[str, Any]]:
        return [_without_nan(dataclasses.asdict(row)) | {"green": row.is_green} for row in of]

    return {
        "good": verdict.is_good,
        "devices": rows(verdict.devices),
        "slots": rows(verdict.slots),
        "notes": list(verdict.notes),
    }


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN: what is unknown becomes null."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }
