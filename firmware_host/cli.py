"""Verbs about hardware: `imusic devices`."""

import json
from typing import Annotated, Any

import typer

from firmware_host.errors import EnvironmentMissing

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
