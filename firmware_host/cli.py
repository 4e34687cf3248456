"""Verbs about hardware: devices, stream, identify, hub."""

import asyncio
import dataclasses
import functools
import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firmware_host.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_host.commands import Request
    from firmware_host.conversation import Talk
    from firmware_host.rig import DeviceConfig
    from firmware_host.samples import HubEvent, HubInfo
    from firmware_host.slot_health import StreamWatch
    from firmware_host.transports.base import Transport

app = typer.Typer(help="Sensor hubs and the ports they are on.")

_LONGEST_LOOK_S = 60.0
_LONGEST_STREAM_S = 7 * 24 * 3600.0  # a week, as for a recording
_NOTHING = (
    "nothing here looks like a hub: plug one in by USB, or switch it on in this network; "
    "`imusic sim --rig sim.toml --hub udp:19711` plays one without hardware"
)


@app.command()
def devices(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list instead.")] = False,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=_LONGEST_LOOK_S, help="How long to listen.")
    ] = 2.0,
) -> None:
    """List what may be a sensor hub: serial ports, announcements in the network, Bluetooth LE.

    Example: imusic devices --seconds 5
    """
    from firmware_host.devices import find_devices

    found = asyncio.run(find_devices(seconds))
    for note in found.notes:
        typer.echo(f"imusic: note: {note}", err=True)
    if as_json:
        typer.echo(json.dumps([device.to_json() for device in found.devices], indent=2))
        return
    if not any(device.may_be_hub for device in found.devices):
        typer.echo(_NOTHING, err=True)
    for device in found.devices:
        typer.echo(f"{device.address:<32} {device.looks_like}")


RigOption = Annotated[Path | None, typer.Option(help="All devices of this rig, instead of URL.")]


@app.command()
def stream(
    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="A device, such as serial:/dev/ttyACM0.")
    ] = None,
    rig: RigOption = None,
    kind: Annotated[str, typer.Option(help="What is at URL, as in rig.toml.")] = "hub",
    device_id: Annotated[
        str, typer.Option("--id", help="Of a SlimeVR tracker: its MAC; without, who asks is told.")
    ] = "",
    baud: Annotated[int | None, typer.Option(min=1, help="Of a serial port.")] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, max=_LONGEST_STREAM_S, help="How long; without it, until Ctrl-C."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a second instead.")
    ] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw what each slot felt in the last ten seconds.")
    ] = False,
) -> None:
    """Watch a device or a rig, slot by slot: rate, loss, age, clipping, stuck sensors.

    Records nothing. Ctrl-C is the normal end. Exit code 3 where the link to a hub was lost; devices
    of a rig, and those of other makers, are looked for again.

    Example: imusic stream udp:192.168.1.40:19711 --seconds 10
    """
    if (url is None) == (rig is None):
        raise ConfigError("expected either a URL or --rig", "see `imusic stream --help`")
    if plot and as_json:
        raise ConfigError("--plot is for people, --json for machines", "leave one of them out")
    if url is None or kind != "hub":
        _stream_devices(_devices(url, rig, kind, device_id, baud), seconds, as_json, plot)
    else:
        _stream_hub(url, baud, seconds, as_json, plot)


def _stream_hub(
    url: str, baud: int | None, seconds: float | None, as_json: bool, plot: bool
) -> None:
    from firmware_host.rig import DEFAULT_BAUD
    from firmware_host.slot_health import StreamWatch
    from firmware_host.transports.base import open_transport
    from firmware_host.watching import watch_stream

    transport, watch = open_transport(url, baud or DEFAULT_BAUD), StreamWatch()
    try:
        if as_json:
            echo = functools.partial(_echo_json, watch)
            asyncio.run(watch_stream(transport, watch.take, seconds, 1.0, echo))
        else:
            _watch_in_table(transport, watch, seconds, plot)
    except KeyboardInterrupt:
        pass  # the normal end
    finally:
        if watch.info is not None:
            counts = _counts(watch, transport)
            typer.echo(json.dumps({"summary": counts}) if as_json else _told(counts))


def _devices(
    url: str | None, rig: Path | None, kind: str, device_id: str, baud: int | None
) -> "Sequence[DeviceConfig]":
    """Those of a rig, or the one that the arguments describe. Raises ConfigError."""
    from firmware_host.rig import DeviceConfig, Rig, read_rig
    from firmware_host.transports.slime import NOBODY

    if rig is not None:
        return read_rig(rig).sources
    try:
        its_id = device_id or (NOBODY if kind == "slimevr" else "")
        device = DeviceConfig(name="device", url=url or "", kind=kind, id=its_id, baud=baud)
        return Rig(devices=(device,)).devices
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _stream_devices(
    devices: "Sequence[DeviceConfig]", seconds: float | None, as_json: bool, plot: bool
) -> None:
    from rich.console import Console
    from rich.live import Live

    from firmware_host.rig_stream import RigWatch
    from firmware_host.slot_table import Screen

    console = Console(stderr=True)
    screen = Screen(console.width, console.height, with_device=True)

    def notice(name: str, line: str, hint: str) -> None:
        for text in [f"imusic: {name}: {line}", *([f"  hint: {hint}"] if hint else [])]:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

    watch = RigWatch(devices, notice, screen if plot else None)

    def echo(now_ns: int) -> None:
        typer.echo(json.dumps(_without_nan({"devices": watch.to_json(now_ns)}), allow_nan=False))

    try:
        if as_json:
            asyncio.run(watch.run(seconds, 1.0, echo))
            return
        with Live(console=console, transient=True, auto_refresh=False) as live:

            def show(now_ns: int) -> None:
                live.update(watch.table(now_ns, screen), refresh=True)

            asyncio.run(watch.run(seconds, 0.25, show))
    except KeyboardInterrupt:
        pass  # the normal end
    finally:
        if as_json:
            echo(time.monotonic_ns())
        else:
            for line in watch.accounts():
                typer.echo(line)


@app.command()
def identify(
    rig: Annotated[Path, typer.Option(help="The rig; slots that it names are not used.")],
    slot: Annotated[
        list[str] | None,
        typer.Option(help="A slot to ask for, may be repeated; default: all of the layout."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the rig with its slots here; never overwrites.")
    ] = None,
    wait: Annotated[
        float, typer.Option(min=1.0, max=600.0, help="How long to wait for each tap, in seconds.")
    ] = 10.0,
) -> None:
    """Find which sensor sits where: you are asked to tap each slot, the sensor that feels it is it.

    Prints the rig with its slots, or writes it to --out. Exit code 1 where a slot was not found.

    Example: imusic identify --rig rig.toml --slot zygomaticus_left --slot head_reference
    """
    from firmware_host import identifying
    from firmware_host.rig import read_rig, rig_to_toml, write_rig

    known = read_rig(rig)
    slots = tuple(slot or known.sensor_layout.names)
    unknown = [name for name in slots if name not in known.sensor_layout.names]
    if unknown:
        raise ConfigError(
            f"--slot: {unknown[0]!r} is no slot of layout {known.layout!r}",
            f"expected one of: {', '.join(known.sensor_layout.names)}",
        )
    if out is not None and out.exists():
        raise ConfigError(f"{out} exists already", "choose another name; nothing is overwritten")
    found = asyncio.run(
        identifying.identify(known, slots, lambda line: typer.echo(line, err=True), wait)
    )
    named = identifying.with_slots(known, found)
    if out is None:
        typer.echo(rig_to_toml(named), nl=False)
    else:
        write_rig(named, out)
        typer.echo(f"wrote {out}", err=True)
    if found.skipped:
        raise typer.Exit(1)


def _watch_in_table(
    transport: "Transport", watch: "StreamWatch", seconds: float | None, plot: bool
) -> None:
    from rich.console import Console
    from rich.live import Live

    from firmware_host.samples import ImuBlock
    from firmware_host.slot_table import Screen, hub_table
    from firmware_host.traces import Traces
    from firmware_host.watching import watch_stream

    console = Console(stderr=True)
    screen = Screen(console.width, console.height)
    traces = Traces(screen.strip_columns) if plot else None

    def take(event: "HubEvent") -> None:
        watch.take(event)
        if traces is not None and isinstance(event, ImuBlock):
            traces.take(event)

    with Live(console=console, transient=True, auto_refresh=False) as live:

        def show(now_ns: int) -> None:
            told = _told(_counts(watch, transport))
            table = hub_table(watch, transport.address, told, now_ns, screen, traces)
            live.update(table, refresh=True)

        asyncio.run(watch_stream(transport, take, seconds, 0.25, show))


def _echo_json(watch: "StreamWatch", now_ns: int) -> None:
    from dataclasses import asdict

    slots = [asdict(slot) | {"verdict": slot.verdict} for slot in watch.slots(now_ns)]
    line = {"rate_hz": watch.rate_hz(now_ns), **asdict(watch.counts), "slots": slots}
    typer.echo(json.dumps(_without_nan(line), allow_nan=False))


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN: what is not a number becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _counts(watch: "StreamWatch", transport: "Transport") -> dict[str, int]:
    """What happened to the stream, and to the link where it counts that."""
    from firmware_host.transports.tcp import TcpTransport
    from firmware_host.transports.udp import UdpTransport

    counts = watch.counts
    told = {
        "samples": counts.samples,
        "lost": counts.lost,
        "duplicates": counts.duplicates,
        "garbage_bytes": counts.garbage_bytes,
    }
    if isinstance(transport, UdpTransport):
        told |= {
            "datagrams_missing": transport.counts.missing,
            "datagrams_late": transport.counts.late,
            "hub_restarts": transport.counts.boots,
        }
    elif isinstance(transport, TcpTransport):
        told |= {"reconnects": transport.reconnects}
    return told


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


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
