"""`imusic demo`: the whole road on one computer, and how well it went.

    imusic sim ──pty, UDP──► imusic live --record ──ZeroMQ──► this process
                                      └──► take ──► align, judge, render

Three processes, as in real life; only this one may compare what arrived with the simulator's truth.
"""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firmware_host.errors import ConfigError, ImusicError

if TYPE_CHECKING:
    from capture.recording import Recording
    from capture.sync import Alignment
    from imusic.sim import SimOptions, Truth
    from model.checkpoint import Checkpoint
    from model.predict import Prediction

app = typer.Typer()

_READY_TIMEOUT_S = 180.0  # the first head is built, the first performance is computed
_END_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Received:
    """What the subscriber got: encoded messages and when."""

    messages: list[bytes] = field(default_factory=list)
    received_ns: list[int] = field(default_factory=list)


@app.command()
def demo(
    arkit: Annotated[
        Path | None, typer.Option(help="Recording to perform: Live Link CSV or NPZ.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length; default: the whole recording, or 20 s.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Who wears it, and how the clocks drift.")] = 1,
    loss: Annotated[float, typer.Option(help="Share of frames lost on the way.")] = 0.0,
    out: Annotated[Path, typer.Option(help="Folder for this and later runs.")] = Path("demo"),
    checkpoint: Annotated[Path | None, typer.Option(help="Checkpoint; default: shipped.")] = None,
    swap_sideways: Annotated[
        bool | None,
        typer.Option(
            "--swap-sideways/--keep-sideways",
            help="Exchange left and right of jaw and mouth; default: as the header tells.",
        ),
    ] = None,
    headless: Annotated[bool, typer.Option(help="Open no window.")] = False,
    render: Annotated[bool, typer.Option("--render/--no-render", help="Draw the video.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Drive a face with virtual sensors through the whole road, and show how well it went.

    Example: imusic demo --seconds 10 --headless
    """
    from imusic.sim import SimOptions

    options = SimOptions(
        arkit=arkit, seconds=seconds, seed=seed, loss=loss, swap_sideways=swap_sideways
    )
    told = run_demo(out, options, checkpoint, headless, render)
    if as_json:
        sys.stdout.write(_json(told))
    else:
        _show(told)


def run_demo(
    out: Path, options: "SimOptions", checkpoint: Path | None, headless: bool, render: bool
) -> dict[str, Any]:
    """Run all stretches of the road in the next run folder of `out`; return the summary."""
    from capture.recording import read_recording
    from capture.sync import align, write_alignment
    from imusic.sim import load_performance
    from model.checkpoint import SHIPPED, load_checkpoint
    from model.predict import write_prediction

    loaded = load_checkpoint(checkpoint or SHIPPED)
    length_s = load_performance(options).duration_s  # complains before anything is started
    folder = _new_run(out)
    _tell(f"performing {length_s:.0f} s plus rest and head routine, live")
    truth, facts, received = _perform(folder, options, checkpoint, headless, length_s)
    take = Path(facts["take"])
    recording = read_recording(take)
    alignment = align(recording)
    write_alignment(alignment, take)
    live = prediction_of(received, recording, alignment)
    write_prediction(live, folder / "prediction.npz")
    outputs = {
        "take": str(take),
        "prediction": str(folder / "prediction.npz"),
        "summary": str(folder / "summary.json"),
    }
    if render:
        outputs |= _render(folder, recording, alignment, live)
    told = {
        "samples_sent": truth.samples_sent,
        "samples_received": len(recording),
        "samples_lost": recording.samples_lost,
        "samples_dropped_by_simulator": truth.samples_dropped,
        "frames_published": facts["published"],
        "frames_received": len(received.messages),
        "sync_error_ms": sync_error_ms(recording, alignment, truth),
        "sync_verdict": alignment.verdict,
        "latency_ms": latency_ms(received),
        **_judged(options.arkit, recording, alignment, live, loaded),
        "outputs": outputs,
    }
    (folder / "summary.json").write_text(_json(told, indent=2))
    return told


def _judged(
    arkit: Path | None,
    recording: "Recording",
    alignment: "Alignment",
    live: "Prediction",
    checkpoint: "Checkpoint",
) -> dict[str, Any]:
    """How good the published faces were, and what that may be compared with."""
    from capture.provenance import file_sha256
    from model.evaluate import judge_take

    return {
        "live_equals_offline": _same_offline(recording, live, checkpoint),
        **judge_take(recording, checkpoint, live, alignment).figures(),
        "simulated": True,
        "recording": "built-in performance" if arkit is None else arkit.name,
        "recording_in_training": arkit is not None and checkpoint.saw(file_sha256(arkit)),
        "checkpoint": checkpoint.facts.name,
    }


def _new_run(out: Path) -> Path:
    """Make the next `run-NNN` under `out`."""
    number = 1
    while True:
        folder = out / f"run-{number:03d}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise ConfigError(f"cannot write to {out}: {error.strerror}", "choose --out") from error
        else:
            return folder


def _perform(
    folder: Path, options: "SimOptions", checkpoint: Path | None, headless: bool, length_s: float
) -> tuple["Truth", dict[str, Any], Received]:
    """Run wearer, driver and subscriber to the end; return truth, driver's counts, messages."""
    import msgspec

    from imusic.sim import Truth

    phone_port, faces_port = _free_port(socket.SOCK_DGRAM), _free_port(socket.SOCK_STREAM)
    faces = f"tcp://127.0.0.1:{faces_port}"
    rig, truth = folder / "rig.toml", folder / "truth.json"
    wearer = ["sim", "--rig", rig, "--truth", truth, "--seed", options.seed]
    wearer += ["--loss", options.loss, "--phone-port", phone_port, "--faces", faces]
    wearer += ["--arkit", options.arkit] if options.arkit else []
    wearer += ["--seconds", options.seconds] if options.seconds else []
    if options.swap_sideways is not None:
        wearer += ["--swap-sideways" if options.swap_sideways else "--keep-sideways"]
    driver = ["live", "--rig", rig, "--record", folder, "--json"]
    driver += ["--checkpoint", checkpoint] if checkpoint else []
    with _running(wearer, folder / "sim.log") as sim:
        _wait_for(rig, sim, folder / "sim.log")
        with _subscribed(faces) as received, _viewer(faces, headless, folder):
            with _running(driver, folder / "live.log") as live:
                _wait(live, length_s + 60.0 + _END_TIMEOUT_S, folder / "live.log")
            time.sleep(0.3)  # what was published last is still on its way
        _wait(sim, _END_TIMEOUT_S, folder / "sim.log")
    facts = json.loads((folder / "live.log").read_text().splitlines()[-1])
    return msgspec.json.decode(truth.read_bytes(), type=Truth), facts, received


@contextmanager
def _running(arguments: list[Any], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A verb of ours in a process of its own; its words go to `log`."""
    with log.open("wb") as words:
        process = subprocess.Popen(
            [sys.executable, "-m", "imusic", *map(str, arguments)],
            stdout=words,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()


def _wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise _failed("imusic sim", process, log)
        time.sleep(0.05)


def _wait(process: subprocess.Popen[bytes], timeout_s: float, log: Path) -> None:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise _failed("the demo", process, log) from None
    if process.returncode != 0:
        raise _failed("the demo", process, log)


def _failed(what: str, process: subprocess.Popen[bytes], log: Path) -> ImusicError:
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    said = next((line for line in reversed(lines) if line.startswith("imusic:")), lines[-1])
    error = ImusicError(f"{what} ended early: {said.removeprefix('imusic: ')}", f"see {log}")
    if process.returncode == ConfigError.exit_code:
        error.exit_code = ConfigError.exit_code
    return error


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _subscribed(address: str) -> Iterator[Received]:
    """Collect every published face in a thread until the block ends."""
    import zmq

    from capture.wire import TOPIC

    received, stop = Received(), threading.Event()

    def collect() -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as sub:
            sub.set(zmq.SUBSCRIBE, TOPIC)
            sub.set(zmq.RCVHWM, 100_000)
            sub.set(zmq.LINGER, 0)
            sub.connect(address)
            while not stop.is_set():
                if sub.poll(50):
                    received.messages.append(sub.recv())
                    received.received_ns.append(time.monotonic_ns())

    thread = threading.Thread(target=collect, name="subscriber")
    thread.start()
    try:
        yield received
    finally:
        stop.set()
        thread.join()


@contextmanager
def _viewer(address: str, headless: bool, folder: Path) -> Iterator[None]:
    """Show the live head in a window meanwhile, where there is a screen."""
    import os
    from importlib.util import find_spec

    screen = sys.platform != "linux" or os.environ.get("DISPLAY")
    if headless or not screen or find_spec("open3d") is None:
        yield
        return
    with _running(["view", "--address", address], folder / "view.log"):
        yield


def prediction_of(
    received: Received, recording: "Recording", alignment: "Alignment"
) -> "Prediction":
    """The published faces as a track. Raises ImusicError where none arrived."""
    import numpy as np

    from capture.wire import decode, frame_from_message
    from model.predict import Prediction

    frames = [frame_from_message(decode(data)) for data in received.messages]
    if not frames:
        raise ImusicError("no face was published", f"take {recording.take.name} was recorded")
    host_ns = np.array([frame.time_ns for frame in frames], np.int64)
    return Prediction(
        host_ns=host_ns,
        time_s=(host_ns - alignment.origin_ns) / 1e9,
        weights=np.stack([frame.weights for frame in frames]),
        quat_world_from_head=np.stack(
            [f.quat_world_from_head for f in frames if f.quat_world_from_head is not None]
        ),
        confidence=np.array([frame.confidence for frame in frames], np.float32),
    )


def latency_ms(received: Received) -> dict[str, float]:
    """From the arrival of the newest sample used to the subscriber, in another process."""
    import numpy as np

    from capture.wire import decode

    decoded = [decode(data) for data in received.messages]
    late = [
        (at - message.newest_ns) / 1e6
        for at, message in zip(received.received_ns, decoded, strict=True)
        if message.newest_ns and message.confidence > 0
    ]
    if not late:
        return {"p50": float("nan"), "p99": float("nan")}
    return {"p50": float(np.percentile(late, 50)), "p99": float(np.percentile(late, 99))}


def sync_error_ms(recording: "Recording", alignment: "Alignment", truth: "Truth") -> float:
    """Median |error| of the time between a face and a sample of the same moment."""
    import numpy as np

    from capture.sync import DAY_NS, aligned_faces, phone_time_ns, sample_times_s

    ticks = (recording.tick_us - recording.tick_us[0]) * 1e-6
    first = (recording.tick_us[0] - truth.hub_start_tick_us) % (1 << 32) * 1e-6
    true_sample_s = (first + ticks) * truth.hub_rate
    sample_error = sample_times_s(recording, alignment) - true_sample_s
    face_s, _, _, tracked = aligned_faces(recording, alignment)
    device_s = np.unique(phone_time_ns(recording.faces)) * 1e-9 - truth.phone_epoch_s
    if len(device_s) != len(face_s) or not tracked.any():
        return float("nan")
    device_s -= np.rint(device_s[0] * 1e9 / DAY_NS) * DAY_NS * 1e-9  # midnight before the first
    true_face_s = device_s / truth.phone_rate
    face_error = face_s - true_face_s
    at_faces = np.interp(true_face_s, true_sample_s, sample_error)
    return float(np.median(np.abs(face_error - at_faces)) * 1e3)


def _same_offline(recording: "Recording", live: "Prediction", checkpoint: "Checkpoint") -> float:
    """Share of published faces that `imusic predict` gives again to within 1e-5."""
    import numpy as np

    from model.predict import predict_recording

    offline = predict_recording(recording, checkpoint)
    _, at_live, at_offline = np.intersect1d(live.host_ns, offline.host_ns, return_indices=True)
    if len(at_live) == 0:
        return 0.0
    worst = np.abs(live.weights[at_live] - offline.weights[at_offline]).max(axis=1)
    return float((worst < 1e-5).mean())


def _render(
    folder: Path, recording: "Recording", alignment: "Alignment", live: "Prediction"
) -> dict[str, str]:
    import numpy as np

    from capture.sync import aligned_faces
    from capture.tracks import Track
    from model.predict import opening_of
    from viz.film import render_comparison

    _tell("rendering truth and prediction side by side")
    time_s, weights, quats, tracked = aligned_faces(recording, alignment)
    held = np.maximum.accumulate(np.where(tracked, np.arange(len(time_s)), 0))
    truth = Track("ARKit", time_s, np.nan_to_num(weights[held]), quats[held], tracked)
    predicted = Track("IMU", live.time_s, live.weights, live.quat_world_from_head, None)
    video, png = folder / "face.webm", folder / "face.png"
    render_comparison(
        truth,
        predicted,
        ("ARKit truth", "IMU prediction (simulated IMUs)"),
        video,
        png,
        start_s=opening_of(recording.take).end_s,
    )
    return {"video": str(video), "picture": str(png)}


def _json(told: dict[str, Any], indent: int = -1) -> str:
    """One line, or pretty; what is not a number (a still face has no correlation) becomes null."""
    import msgspec

    encoded = msgspec.json.encode(told)
    return msgspec.json.format(encoded, indent=indent).decode() + "\n"


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def _show(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(markup=False, emoji=False)  # names of files are no markup
    latency = told["latency_ms"]
    console.print(
        f"{told['samples_sent']} samples sent, {told['samples_received']} received, "
        f"{told['samples_lost']} lost; {told['frames_published']} faces published; "
        f"sync error {told['sync_error_ms']:.1f} ms; latency p50 {latency['p50']:.1f} ms, "
        f"p99 {latency['p99']:.1f} ms"
    )
    table = Table("simulated IMUs", "network", "ridge", "mean face", title=Text(told["recording"]))
    rows = [("correlation", told["correlation"]), ("offset-free MAE", told["mae_offset_free"])]
    regions = told["mae_offset_free_by_region"]
    rows += [
        (f"  {region}", {track: values[region] for track, values in regions.items()})
        for region in regions["model"]
    ]
    for name, row in [*rows, ("MAE", told["mae"])]:
        cells = [row.get(track) for track in ("model", "ridge", "mean_face")]
        table.add_row(name, *("-" if v is None else f"{v:.4f}" for v in cells))
    console.print(table)
    for what, path in told["outputs"].items():
        console.print(f"{what}: {path}", width=shutil.get_terminal_size().columns)
