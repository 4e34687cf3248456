"""Verbs about hardware: `imusic devices`, `imusic hub`."""

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firmware_host.errors import ConfigError, EnvironmentMissing

if TYPE_CHECKING:
    from firmware_host.commands import Request
    from firmware_host.conversation import Talk
    from firmware_host.samples import HubInfo

app = typer.Typer(help="Sensor hubs and the ports they are on.")

# USB vendor ids (usb.org) of what sensor hubs are usually built on.
_LOOKS_LIKE = {
    0x0403: "FTDI USB serial adapter",
    0x10C4: "Silicon Labs CP210x adapter",
    0x1A86: "WCH CH34x adapter",
    0x067B: "Prolific USB serial adapter",
    0x303A: "Espressif board",
    0x2E8A: "Raspberry Pi Pico",
    0x16C0: "Teensy or other small USB board",
    0x1FC9: "NXP board",
    0x0483: "STMicroelectronics board",
    0x1915: "Nordic Semiconductor board",
    0x239A: "Adafruit board",
    0x2341: "Arduino board",
}


@app.command()
def devices(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list instead.")] = False,
) -> None:
    """List the serial ports of this computer and what each looks like.

    Example: imusic devices --json
    """
    found = _serial_ports()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo("no serial port found (no hub plugged in?); the simulator needs none", err=True)
    for port in found:
        typer.echo(f"{port['address']:<32} {port['looks_like']}")


def _serial_ports() -> list[dict[str, Any]]:
    try:
        from serial.tools import list_ports
    except ImportError as error:
        raise EnvironmentMissing(
            "listing serial ports needs pyserial, which is not installed",
            'pip install "imusic[serial]"',
        ) from error
    return [
        {
            "address": f"serial:{port.device}",
            "looks_like": _LOOKS_LIKE.get(port.vid, _plain(port.description)),
            "vendor_id": port.vid,
            "product_id": port.pid,
            "serial_number": port.serial_number,
        }
        for port in sorted(list_ports.comports())
    ]


def _plain(description: str) -> str:
    """pyserial says "n/a" where the system tells nothing, such as for a UART on the board."""
    return "serial port" if description in ("", "n/a") else description


@app.command()
def hub(
    url: Annotated[str, typer.Argument(help="Such as serial:/dev/ttyACM0.", metavar="URL")],
    rate_hz: Annotated[float | None, typer.Option(help="Sample at about this rate.")] = None,
    accel_range: Annotated[float | None, typer.Option(help="Reach of accel, m/s².")] = None,
    gyro_range: Annotated[float | None, typer.Option(help="Reach of gyro, rad/s.")] = None,
    mode: Annotated[str | None, typer.Option(help="raw or fused.")] = None,
    identify: Annotated[
        str | None, typer.Option(help="Blink or buzz at this slot, or `hub`.", metavar="SLOT")
    ] = None,
    seconds: Annotated[float, typer.Option(help="For how long to blink or buzz.")] = 3.0,
    sync_pulse_us: Annotated[int | None, typer.Option(help="Raise the sync line, µs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Tell what a hub is, and ask it for something. What is set lasts until it is switched off.

    Example: imusic hub serial:/dev/ttyACM0 --rate-hz 400 --identify mentalis
    """
    from firmware_host import conversation
    from firmware_host.commands import SetRate, SyncPulse
    from firmware_host.transports.base import open_transport

    def wanted(info: "HubInfo") -> "list[Request]":
        asked: list[Request] = [] if rate_hz is None else [SetRate(rate_hz)]
        if accel_range is not None or gyro_range is not None:
            asked.append(_ranges(info, accel_range, gyro_range))
        if mode is not None:
            asked.append(_mode(mode))
        if identify is not None:
            asked.append(_identify(info, identify, seconds))
        return asked if sync_pulse_us is None else [*asked, SyncPulse(sync_pulse_us)]

    talk = asyncio.run(conversation.ask(open_transport(url), wanted))
    _tell(talk, as_json)
    if talk.refused:
        raise typer.Exit(1)


def _ranges(info: "HubInfo", accel: float | None, gyro: float | None) -> "Request":
    from firmware_host.commands import SetRange

    return SetRange(
        info.accel_range_m_s2 if accel is None else accel,
        info.gyro_range_rad_s if gyro is None else gyro,
    )


def _mode(name: str) -> "Request":
    from firmware_host.commands import SetMode
    from firmware_host.samples import HubMode

    if name.upper() not in HubMode.__members__:
        raise ConfigError(f"--mode: expected raw or fused, got {name!r}")
    return SetMode(HubMode[name.upper()])


def _identify(info: "HubInfo", name: str, seconds: float) -> "Request":
    from firmware_host.commands import WHOLE_HUB, Identify

    if name != "hub" and name not in info.slots:
        raise ConfigError(
            f"the hub {info.device_id!r} has no slot {name!r}",
            f"its slots are {', '.join(info.slots)}; `hub` is the hub itself",
        )
    slot = WHOLE_HUB if name == "hub" else info.slots.index(name)
    return Identify(slot, round(1000 * seconds))


def _tell(talk: "Talk", as_json: bool) -> None:
    facts = dataclasses.asdict(talk.info)
    facts["features"] = [feature.name for feature in talk.info.features]
    facts["mode"] = talk.info.mode.name.lower()
    facts["sync_ticks_us"] = list(talk.sync_ticks_us)
    facts["refused"] = {
        type(request).__name__: result.name for request, result in talk.refused.items()
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    refused = facts.pop("refused")
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        typer.echo(f"{name:<18} {shown}")
    for name, result in refused.items():
        typer.echo(f"the hub refused {name}: {result.lower().replace('_', ' ')}", err=True)
