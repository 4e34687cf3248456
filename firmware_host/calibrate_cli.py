"""The verb calibrate-sensors: guided, with or without somebody at the keyboard."""

import asyncio
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from firmware_host.calibrating import DeviceTurning, Step
    from firmware_host.rig import Rig

app = typer.Typer(help="Calibrate sensors.")

INCOMPLETE = 1
_LONGEST_S = 3600.0
_HOW = (
    "Lay the sensors down so that one face after the other is up: all in one box, or each by "
    "itself. Do not touch them until they are told. The order is free; Ctrl-C saves nothing."
)


@app.command("calibrate-sensors")
def calibrate_sensors(
    rig: Annotated[Path, typer.Option(help="The rig whose sensors are turned, as TOML.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the profiles; by default `sensors` by the rig.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Only this device of the rig; may be repeated.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave out this slot; may be repeated.")
    ] = None,
    misalignment: Annotated[
        bool, typer.Option(help="Also find how far the axes are from right angles: 12 positions.")
    ] = False,
    rest: Annotated[
        float, typer.Option(min=1.0, max=60.0, help="How long each must be still, in seconds.")
    ] = 2.0,
    timeout: Annotated[
        float, typer.Option(min=5.0, max=_LONGEST_S, help="For all of it, in seconds.")
    ] = 900.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end.")
    ] = False,
) -> None:
    """Find offset and scale of every accelerometer, and the bias of every gyroscope, at rest.

    Exit code 1 where a sensor did not rest in every position, or cannot be what it reads like.

    Example: imusic calibrate-sensors --rig rig.toml
    """
    from firmware_host.calibrating import DeviceTurning, calibrate
    from firmware_host.rig import read_rig

    read = read_rig(rig)
    sources = _chosen(read, device or ())
    _check_skipped(read, skip or ())
    devices = [DeviceTurning(s.name, rest, misalignment, tuple(skip or ())) for s in sources]
    typer.echo(_HOW, err=True)
    teller = _Teller(devices)
    try:
        asyncio.run(
            calibrate(
                sources, devices, teller.step, timeout, read.session.lost_after_s, teller.tick
            )
        )
    except KeyboardInterrupt:
        typer.echo(f"stopped: nothing was saved, {_progress(devices)}", err=True)
        raise
    told, good = _save(devices, out or rig.parent / "sensors", rig.parent)
    if as_json:
        typer.echo(json.dumps(told, allow_nan=False))
    if not good:
        raise typer.Exit(INCOMPLETE)


def _chosen(rig: "Rig", names: Sequence[str]) -> "list[Any]":
    from firmware_host.errors import ConfigError

    known = [source.name for source in rig.sources]
    for name in names:
        if name not in known:
            raise ConfigError(f"--device: the rig has no {name!r}", f"it has {', '.join(known)}")
    return [source for source in rig.sources if not names or source.name in names]


def _check_skipped(rig: "Rig", slots: Sequence[str]) -> None:
    from firmware_host.errors import ConfigError

    for slot in slots:
        if slot not in rig.sensor_layout.names:
            names = ", ".join(rig.sensor_layout.names)
            raise ConfigError(f"--skip: {slot!r} is no slot of the rig", f"its slots are {names}")


class _Teller:
    """Says what happened, and what comes next when that changes."""

    def __init__(self, devices: "Sequence[DeviceTurning]") -> None:
        self._devices = devices
        self._said = ""

    def step(self, step: "Step") -> None:
        who = f"{step.slot}: " if step.slot else f"{step.device}: "
        if step.is_progress:
            typer.echo(f"  {who}{step.text} done", err=True)
        else:
            typer.secho(f"  {who}{step.text}", err=True, fg="yellow")

    def tick(self) -> None:
        line = next((_next(device) for device in self._devices if not device.is_done), "")
        if line and line != self._said:
            self._said = line
            typer.echo(f"{line} ({_progress(self._devices)})", err=True)


def _next(device: "DeviceTurning") -> str:
    if device.positions is None:
        return f"waiting for the {device.name}"
    position, slots = device.positions.next
    all_of_them = len(slots) == len(device.positions.slots)
    who = f"all {len(slots)} sensors" if all_of_them and len(slots) > 1 else ", ".join(slots)
    if position == "between":
        return f"lay {who} in a position between the faces, each time another one"
    return f"lay {who} with {position} up"


def _progress(devices: "Sequence[DeviceTurning]") -> str:
    known = [d.positions for d in devices if d.positions is not None]
    done = sum(min(len(p.done(slot)), p.wanted) for p in known for slot in p.slots)
    wanted = sum(p.wanted * len(p.slots) for p in known)
    return f"{done} of {wanted} rests"


def _save(
    devices: "Sequence[DeviceTurning]", folder: Path, beside: Path
) -> tuple[dict[str, Any], bool]:
    """Write the profiles; return what was found, and whether all of it is good."""
    import msgspec

    from firmware_host.sensor_profile import write_profile

    told: dict[str, Any] = {}
    good = True
    for device in devices:
        profile, objections = device.profile()
        path = None if profile is None else write_profile(profile, folder)
        good &= path is not None and not objections
        sensors = {} if profile is None else profile.sensors
        told[device.name] = {
            "profile": None if path is None else str(path),
            "sensors": {name: msgspec.structs.asdict(s) for name, s in sensors.items()},
            "missing": _missing(device),
            "objections": objections,
        }
        for line in _lines(device, told[device.name]):
            typer.echo(line, err=True)
        if path is not None:
            named = Path(os.path.relpath(path, beside)).as_posix()
            typer.echo(f"wrote {path}", err=True)
            typer.echo(
                f'to use it, under the {device.name} in rig.toml: sensor_profile = "{named}"',
                err=True,
            )
    return told, good


def _missing(device: "DeviceTurning") -> dict[str, list[str]]:
    if device.positions is None:
        return {}
    missing = {slot: list(device.positions.missing(slot)) for slot in device.positions.slots}
    return {slot: faces for slot, faces in missing.items() if faces}


def _lines(device: "DeviceTurning", told: dict[str, Any]) -> list[str]:
    lines = [
        f"  {name}: gravity was off by {1000 * s['before_m_s2']:.0f} mm/s², the gyroscope by "
        f"{math.degrees(math.hypot(*s['gyro_bias_rad_s'])):.2f} degrees a second"
        for name, s in told["sensors"].items()
    ]
    for slot, reason in told["objections"].items():
        lines.append(f"  {slot}: not calibrated: {reason}")
    for slot, faces in told["missing"].items():
        lines.append(f"  {slot}: never rested with {', '.join(faces)} up")
    if told["profile"] is None:
        lines.append(f"nothing was saved of the {device.name}")
    return lines
