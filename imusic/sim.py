"""`imusic sim`: a virtual wearer, a virtual hub (on a pty or in the network) and a virtual phone.

The one place that knows the truth. Everything downstream hears only bytes and datagrams, each
stamped by its own clock: random epoch, drift up to ±50 ppm, delay and jitter.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray

from firmware_host.errors import ConfigError, DataError

if TYPE_CHECKING:
    from firmware_host.transports.pty import Pty

app = typer.Typer()

# What follows settles for a second, and judging takes a second at least (`model.evaluate`).
MIN_SECONDS, MAX_SECONDS = 3.0, 86_400.0
MAX_SEED = 2**63  # the rig file holds no larger number
_SPARE_S = 60.0  # of rest after a script: who guides may show a step once more
_SLACK_S = 0.25  # the last frame of a stretch comes up to a few frames before its end
MAX_DRIFT_PPM = 50.0
HUB_RATE_HZ = 200.0
# A phone shows what it saw a camera frame and a network hop ago.
PHONE_LATENCY_S = 0.035
PHONE_JITTER_S = 0.002
_PHONE_DAY_S = 86_400.0
PTY = "pty"
# How long a reader may take nothing from a line, or stay on it, once the hub has ended.
_READ_WITHIN_S, _HANG_UP_WITHIN_S = 10.0, 5.0


class SimOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to play. arkit: a recording, or None for the built-in generator; text: what it says.

    script: of a guided exercise that the wearer follows instead, as `imusic enrol` shows it. phone:
    whether one watches. hub: pty, or where in the network it is served
    (`firmware_host.simulated_links.parse_serving`).
    loss: probability that a hub frame or a phone datagram vanishes.
    swap_sideways: exchange left and right of jaw and mouth in a CSV; None decides by its header.
    """

    arkit: Path | None = None
    text: str | None = None
    script: str | None = None
    phone: bool = True
    seconds: float | None = None
    seed: int = 1
    hub: str = PTY
    loss: float = 0.0
    swap_sideways: bool | None = None
    phone_host: str = "127.0.0.1"
    phone_port: int = 11111
    faces: str = "tcp://127.0.0.1:5570"

    def __post_init__(self) -> None:
        """Raise ConfigError where a value cannot be performed."""
        if self.seconds is not None and not MIN_SECONDS <= self.seconds <= MAX_SECONDS:
            raise ConfigError(
                f"--seconds: expected {MIN_SECONDS:g} to {MAX_SECONDS:g}, got {self.seconds:g}"
            )
        if not 0.0 <= self.loss < 1.0:
            raise ConfigError(f"--loss: expected a share in [0, 1), got {self.loss:g}")
        if not 0 <= self.seed < MAX_SEED:
            raise ConfigError(f"--seed: expected 0 to {MAX_SEED - 1}, got {self.seed}")
        if not 0 < self.phone_port < 65_536:
            raise ConfigError(f"--phone-port: expected 1 to 65535, got {self.phone_port}")
        if self.hub != PTY:
            from firmware_host.simulated_links import parse_serving

            parse_serving(self.hub)


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What truly happened, for judging only.

    start_ns: host monotonic time at which the performance began, for hub and phone alike; None
    where nobody ever listened. phone_epoch_s, phone_rate: the phone's clock at the start, and phone
    seconds per host second.
    """

    samples_sent: int
    samples_dropped: int
    datagrams_sent: int
    datagrams_dropped: int
    start_ns: int | None
    hub_start_tick_us: int
    hub_rate: float
    phone_epoch_s: float
    phone_rate: float
    phone_latency_s: float
    rest_s: float
    routine_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Phone:
    """Frames a phone would send, and when."""

    time_s: NDArray[np.float64]
    leave_s: NDArray[np.float64]
    dropped: NDArray[np.bool_]
    packets: list[Any]
    epoch_s: float
    rate: float


@app.command()
def sim(
    rig: Annotated[Path, typer.Option(help="Where to write the rig that finds this wearer.")],
    truth: Annotated[Path | None, typer.Option(help="Where to write the truth (JSON).")] = None,
    arkit: Annotated[Path | None, typer.Option(help="Recording to perform (CSV, NPZ).")] = None,
    text: Annotated[
        str | None, typer.Option(help="English to say; default: this and that.")
    ] = None,
    script: Annotated[
        str | None, typer.Option(help="Guided exercise to follow, as `imusic enrol` shows it.")
    ] = None,
    phone: Annotated[bool, typer.Option("--phone/--no-phone", help="A phone watches.")] = True,
    seconds: Annotated[
        float | None, typer.Option(help="Length without rest and routine, from 3.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Who wears it, and how the clocks drift.")] = 1,
    hub: Annotated[
        str, typer.Option(help="Where the hub is: pty, udp:PORT or tcp:PORT (0: a free one).")
    ] = PTY,
    loss: Annotated[float, typer.Option(help="Share of frames lost on the way.")] = 0.0,
    phone_port: Annotated[
        int, typer.Option(help="UDP port to send the phone's frames to.")
    ] = 11111,
    faces: Annotated[str, typer.Option(help="Publishing address put in the rig.")] = (
        "tcp://127.0.0.1:5570"
    ),
    swap_sideways: Annotated[
        bool | None,
        typer.Option(
            "--swap-sideways/--keep-sideways",
            help="Exchange left and right of jaw and mouth; default: as the header tells.",
        ),
    ] = None,
) -> None:
    """Play a virtual wearer once: wait for a listener, perform, end.

    Example: imusic sim --rig sim.toml   (then: imusic record --rig sim.toml --out takes)
    """
    for option, path in (("--rig", rig), ("--truth", truth)):
        if path is not None:
            _check_output(option, path)
    if truth is not None and truth.absolute() == rig.absolute():
        raise ConfigError(f"--rig and --truth: both are {rig}", "give them two names")
    options = SimOptions(
        arkit=arkit,
        text=text,
        script=script,
        phone=phone,
        seconds=seconds,
        seed=seed,
        hub=hub,
        loss=loss,
        swap_sideways=swap_sideways,
        phone_port=phone_port,
        faces=faces,
    )
    told = asyncio.run(run_sim(options, rig))
    if truth is not None:
        truth.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")


def _check_output(option: str, path: Path) -> None:
    if path.exists():
        raise ConfigError(
            f"{path} exists already", f"choose another {option}; nothing is overwritten"
        )
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}", "make it first")


async def run_sim(options: SimOptions, rig_path: Path) -> Truth:
    """Open the hub's end, write the rig, perform once, and tell the truth.

    Raises:
        DataError, ConfigError: the recording or the options are not usable.
        EnvironmentMissing: no pseudo-terminals here.
        TransportError: the hub's port in the network is taken.
    """
    from capture.head import standard_head
    from dataset_tools.performance import REST_S, ROUTINE_S
    from dataset_tools.virtual_imu import feel
    from dataset_tools.wearers import draw_wearer
    from firmware_host.layout import FACE_12
    from firmware_host.simulator import HubOptions, SimulatedHub

    rng = np.random.default_rng(options.seed)
    performance = opened_performance(options)
    wearer = draw_wearer(standard_head(), FACE_12, rng)
    felt = feel(performance, wearer, HUB_RATE_HZ, rng)
    hub_options = HubOptions(
        seed=options.seed,
        accel_range_m_s2=wearer.chip.accel_range_m_s2,
        gyro_range_rad_s=wearer.chip.gyro_range_rad_s,
        loss=options.loss,
    )
    hub = SimulatedHub(felt.time_s, felt.accel_m_s2, felt.gyro_rad_s, FACE_12.names, hub_options)
    phone = _phone(performance, rng, options.loss)
    playing: list[asyncio.Task[None]] = []

    def on_start(start_ns: int) -> None:
        if options.phone:
            playing.append(asyncio.create_task(_play(phone, start_ns, options)))

    def on_ready(url: str) -> None:
        write_sim_rig(options, url, rig_path, REST_S, ROUTINE_S)

    perform = _on_pty if options.hub == PTY else _in_network
    summary = await perform(hub, options, on_ready, on_start)
    await asyncio.gather(*playing)
    return Truth(
        samples_sent=summary.samples_sent,
        samples_dropped=summary.dropped,
        datagrams_sent=len(phone.packets) if playing else 0,
        datagrams_dropped=int(phone.dropped.sum()) if options.phone else 0,
        start_ns=summary.start_ns,
        hub_start_tick_us=summary.start_tick_us,
        hub_rate=summary.rate,
        phone_epoch_s=phone.epoch_s,
        phone_rate=phone.rate,
        phone_latency_s=PHONE_LATENCY_S,
        rest_s=REST_S,
        routine_s=ROUTINE_S,
    )


async def _on_pty(
    hub: Any,
    options: SimOptions,  # noqa: ARG001
    on_ready: Callable[[str], None],
    on_start: Callable[[int], None],
) -> Any:
    """Let the hub perform on a serial line without a cable."""
    from firmware_host.simulator import run_hub
    from firmware_host.transports.pty import open_pty

    with open_pty() as line:
        on_ready(f"serial:{line.path}")
        summary = await run_hub(hub, line.ours, on_start=on_start)
        await _until_read(line)
    return summary


async def _in_network(
    hub: Any,
    options: SimOptions,
    on_ready: Callable[[str], None],
    on_start: Callable[[int], None],
) -> Any:
    """Let the hub perform behind a port; the rig finds it from this computer."""
    from firmware_host.simulated_links import LOOPBACK, parse_serving, serve_hub

    serving = parse_serving(options.hub)
    here = LOOPBACK if serving.bind == "0.0.0.0" else serving.bind
    host = f"[{here}]" if ":" in here else here
    scheme = serving.link.name.lower()
    serving = replace(
        serving,
        boot=secrets.randbits(32),
        on_start=on_start,
        on_ready=lambda port: on_ready(f"{scheme}:{host}:{port}"),
    )
    return await serve_hub(hub, serving)


def opened_performance(options: SimOptions) -> Any:
    """The performance with its opening, or that of a script. Raises DataError or ConfigError."""
    from capture.guided import Performed, read_script
    from capture.guided_session import GET_READY_S
    from dataset_tools.followers import follow
    from dataset_tools.performance import with_routine

    if options.script is None:
        return with_routine(load_performance(options), options.seed)
    if options.text is not None or options.arkit is not None or options.seconds is not None:
        raise ConfigError("--script: has its own time; leave out --arkit, --text and --seconds")
    script = read_script(options.script)
    # The guide counts from the first sample as well.
    steps = [Performed(one.step, one.start_s + GET_READY_S) for one in script.in_sequence()]
    return follow(script, options.seed, steps=steps, after_s=_SPARE_S).performance


def load_performance(options: SimOptions) -> Any:
    """The performance without its opening. Raises DataError or ConfigError."""
    from dataset_tools.performance import generate_performance, say, trimmed
    from dataset_tools.recordings import read_performance

    if options.text is not None and (options.arkit is not None or options.seconds is not None):
        raise ConfigError(
            "--text: says its own thing for its own time; leave out --arkit, --seconds"
        )
    if options.text is not None:
        return say(options.text, options.seed)
    if options.arkit is None:
        return generate_performance(options.seed, options.seconds or 20.0)
    performance = read_performance(options.arkit, options.swap_sideways, options.seed)
    if options.seconds is not None:
        performance = trimmed(performance, performance.time_s[0], options.seconds)
    if (seen_s := _seen_s(performance)) < MIN_SECONDS - _SLACK_S:
        raise DataError(
            f"{options.arkit}: {seen_s:.3g} s with a face in what is to be performed, expected at "
            f"least {MIN_SECONDS:g} s",
            "give a longer recording" if options.seconds is None else "give more --seconds",
        )
    return performance


def _seen_s(performance: Any) -> float:
    """Seconds between frames with a face, a frame standing for a second at most."""
    both = performance.tracked[:-1] & performance.tracked[1:]
    return float(np.minimum(np.diff(performance.time_s), 1.0)[both].sum())


def performed(options: SimOptions) -> dict[str, str | int | float | bool]:
    """What is performed, for the take: file and hash, and whether sideways pairs were exchanged."""
    from capture.livelink_csv import read_livelink_csv
    from capture.provenance import file_sha256

    if options.script is not None:
        return {"performance": "followed", "script": options.script, "seed": options.seed}
    if options.text is not None:
        return {"performance": "said", "text": options.text, "seed": options.seed}
    if options.arkit is None:
        return {"performance": "generated", "seed": options.seed}
    facts: dict[str, str | int | float | bool] = {
        "performance": options.arkit.name,
        "source_sha256": file_sha256(options.arkit),
        "seed": options.seed,
    }
    if options.arkit.suffix.lower() == ".csv":
        recording = read_livelink_csv(options.arkit, options.swap_sideways)
        facts["sideways_swapped"] = recording.sideways_swapped
    return facts


def write_sim_rig(
    options: SimOptions, hub_url: str, path: Path, rest_s: float, routine_s: float
) -> None:
    """Write the rig under a temporary name first: whoever waits for the file gets all of it."""
    from firmware_host.rig import (
        HubConfig,
        PhoneConfig,
        PublishConfig,
        Rig,
        SessionConfig,
        write_rig,
    )

    rig = Rig(
        name="sim",
        hub=HubConfig(url=hub_url),
        phone=PhoneConfig(bind=options.phone_host, port=options.phone_port)
        if options.phone
        else None,
        session=SessionConfig(
            subject="virtual",
            rest_s=rest_s,
            routine_s=routine_s,
            simulated=True,
            origin=performed(options),
        ),
        publish=PublishConfig(faces=options.faces),
    )
    temporary = path.with_name(path.name + ".part")
    write_rig(rig, temporary)
    temporary.replace(path)


def _phone(performance: Any, rng: np.random.Generator, loss: float) -> _Phone:
    from capture.livelink import head_angles_from_quat, packet_at

    epoch_s = float(rng.uniform(0.0, _PHONE_DAY_S))
    rate = 1.0 + float(rng.uniform(-MAX_DRIFT_PPM, MAX_DRIFT_PPM)) * 1e-6
    time_s = performance.time_s
    angles = head_angles_from_quat(performance.quat_world_from_head)
    packets = [
        packet_at(
            epoch_s + rate * float(t),
            weights.astype(np.float32) if seen else None,
            angle if seen else None,
        )
        for t, weights, angle, seen in zip(
            time_s, performance.weights, angles, performance.tracked, strict=True
        )
    ]
    delay = PHONE_LATENCY_S + rng.exponential(PHONE_JITTER_S, len(time_s))
    return _Phone(
        time_s=time_s,
        leave_s=np.maximum.accumulate(time_s + delay),
        dropped=rng.random(len(time_s)) < loss,
        packets=packets,
        epoch_s=epoch_s,
        rate=rate,
    )


async def _play(phone: _Phone, start_ns: int, options: SimOptions) -> None:
    """Send every frame at its time; what is dropped was lost on the way."""
    from capture.arkit_source import LiveLinkSender

    with LiveLinkSender(options.phone_host, options.phone_port) as sender:
        for leave_s, dropped, packet in zip(
            phone.leave_s, phone.dropped, phone.packets, strict=True
        ):
            wait_s = leave_s - (time.monotonic_ns() - start_ns) * 1e-9
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if not dropped:
                sender.send(packet)


async def _until_read(line: "Pty") -> None:
    """Wait until the reader has taken what lies in the line, and hung up as after every END.

    One that reads nothing for a while, or stays, is not waited for.
    """
    unread = line.unread()
    deadline_s = time.monotonic() + _READ_WITHIN_S
    while unread and time.monotonic() < deadline_s:
        await asyncio.sleep(0.02)
        if (left := line.unread()) != unread:
            unread, deadline_s = left, time.monotonic() + _READ_WITHIN_S
    line.let_go()
    deadline_s = time.monotonic() + _HANG_UP_WITHIN_S
    while not line.hung_up() and time.monotonic() < deadline_s:
        await asyncio.sleep(0.02)
