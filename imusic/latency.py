"""`imusic latency`: the whole chain, from a virtual hub's last byte to a subscriber, measured.

A virtual wearer performs on a pseudo-terminal, `imusic live` drives a face from it in a process of
its own, and this process subscribes. Beside them a loop only sleeps, sixty times a second: what the
machine itself is late by.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firmware_host.errors import EnvironmentMissing, TransportError

if TYPE_CHECKING:
    from imusic.latency_figures import Heard, Performed

app = typer.Typer()

FOUND_PROBLEMS = 1
_RIG_S, _FACE_S, _END_S = 60.0, 60.0, 30.0
_SETTLE_S = 1.0  # faces of the first second after the opening do not count
_BARE = """
import json, sys, time
end, late = time.monotonic() + float(sys.argv[1]), []
tick = time.monotonic_ns() * 60 // 10**9 + 1
while time.monotonic() < end:
    due = tick * 10**9 // 60
    time.sleep(max(0.0, (due - time.monotonic_ns()) / 1e9))
    late.append((time.monotonic_ns() - due) / 1e6)
    tick += 1
print(json.dumps(late))
"""
_BURN = "while True: pass"
_WRITE = """
import os, sys
while True:
    with open(sys.argv[1], "wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20)); file.flush(); os.fsync(file.fileno())
"""


@app.command()
def latency(
    seconds: Annotated[float, typer.Option(min=5.0, max=3600.0, help="How long.")] = 20.0,
    load: Annotated[
        bool, typer.Option("--load", help="With another core and the disk kept busy.")
    ] = False,
    sink: Annotated[
        list[str] | None, typer.Option(help="Also drive this meanwhile; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Who wears it, and what is performed.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how late a face is: byte to subscriber, jitter, motion lag, memory, processor.

    Example: imusic latency --seconds 60
    """
    from imusic.latency_figures import lines

    told = measured(seconds, load, sink or (), seed)
    if as_json:
        sys.stdout.write(json.dumps(told) + "\n")
        return
    for line in lines(told):
        sys.stdout.write(line + "\n")


def measured(seconds: float, load: bool, sinks: Sequence[str], seed: int) -> dict[str, Any]:
    """Run it once; figures by name.

    Raises:
        EnvironmentMissing: no pseudo-terminals here.
        TransportError: one of the programs did not come up.
    """
    if os.name != "posix":
        raise EnvironmentMissing("this needs a pseudo-terminal, which this system has not")
    from imusic.latency_figures import figures

    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        faces = f"tcp://127.0.0.1:{free_port()}"
        rig, truth = folder / "sim.toml", folder / "truth.json"
        sim = ["sim", "--rig", str(rig), "--truth", str(truth), "--no-phone"]
        sim += ["--seconds", str(seconds), "--seed", str(seed), "--faces", faces]
        wearer = stack.enter_context(running(imusic_command(*sim)))
        wait_for(rig.is_file, wearer, _RIG_S, "the virtual wearer")
        if load:
            stack.enter_context(running([sys.executable, "-c", _BURN]))
            stack.enter_context(running([sys.executable, "-c", _WRITE, str(folder / "load")]))
        wanted = [part for url in sinks for part in ("--sink", url)]
        started_s = time.monotonic()
        live = stack.enter_context(
            running(imusic_command("live", "--rig", str(rig), "--json", *wanted))
        )
        bare = stack.enter_context(running([sys.executable, "-c", _BARE, str(seconds)], True))
        unix_ahead_ns = time.time_ns() - time.monotonic_ns()
        heard, first_s, used = _subscribed(faces, live.pid, wearer)
        ended = live.communicate(timeout=_END_S)
        if live.returncode:
            raise TransportError(f"imusic live ended with {live.returncode}: {ended[1].strip()}")
        wearer.wait(_END_S)
        performed = _performed(truth, seconds, seed)
        late = json.loads(bare.communicate(timeout=seconds + _END_S)[0])
        told = figures(heard, late, unix_ahead_ns, performed)
    return told | {"first_face_s": first_s - started_s, "load": load, "sinks": list(sinks)} | used


def _subscribed(
    faces: str, live_pid: int, wearer: "subprocess.Popen[str]"
) -> tuple["Heard", float, dict[str, Any]]:
    """What was heard while the face moved, when the first came, and what live took meanwhile."""
    import numpy as np

    from capture.publisher import subscribe
    from capture.wire import decode
    from imusic.latency_figures import Heard

    rows: list[tuple[int, Any]] = []
    first_s, began, ended = None, None, None
    for data in subscribe(faces, _FACE_S):
        received_ns, message = time.monotonic_ns(), decode(data)
        first_s = first_s or time.monotonic()
        if message.confidence > 0:
            rows.append((received_ns, message))
            began = began or _used(live_pid)
            ended = _used(live_pid) if len(rows) % 60 == 0 else ended
        if rows and wearer.poll() is not None:
            break
        if rows and received_ns - message.newest_ns > 2_000_000_000:
            break  # the performance is over
    settled = [row for row in rows if row[0] - rows[0][0] > _SETTLE_S * 1e9]
    # What came when no more samples did is no latency of ours.
    settled = [row for row in settled if row[1].newest_ns > row[1].time_ns - 50_000_000]
    if first_s is None or len(settled) < 2:
        raise TransportError("no face that moves was published", "try `imusic demo`")
    columns = {
        field: np.array([getattr(m, field) for _, m in settled], np.int64)
        for field in ("time_ns", "unix_ns", "newest_ns", "sequence")
    }
    weights = np.stack([np.frombuffer(m.weights, "<f4") for _, m in settled])
    received = np.array([at for at, _ in settled], np.int64)
    return Heard(received_ns=received, weights=weights, **columns), first_s, _shares(began, ended)


def _used(pid: int) -> tuple[float, float, float] | None:
    """(time s, processor s, most resident MB) of a process, where the system tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    ticks = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    most = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return time.monotonic(), ticks, int(most.split()[1]) / 1024


def _shares(
    began: tuple[float, float, float] | None, ended: tuple[float, float, float] | None
) -> dict[str, Any]:
    if began is None or ended is None or ended[0] <= began[0]:
        return {"core_share": None, "resident_mb": None}
    share = (ended[1] - began[1]) / (ended[0] - began[0])
    return {"core_share": share, "resident_mb": ended[2]}


def _performed(path: Path, seconds: float, seed: int) -> "Performed":
    """What the wearer did, on the host's clock."""
    import msgspec
    import numpy as np

    from imusic.latency_figures import Performed
    from imusic.sim import SimOptions, Truth, opened_performance

    truth = msgspec.json.decode(path.read_bytes(), type=Truth)
    performance = opened_performance(SimOptions(seconds=seconds, seed=seed, phone=False))
    time_s = (performance.time_s - performance.time_s[0]) / truth.hub_rate
    start_ns = truth.start_ns or 0
    return Performed(start_ns + np.rint(time_s * 1e9).astype(np.int64), performance.weights)


def imusic_command(*arguments: str) -> list[str]:
    """How this program is run again."""
    return [sys.executable, "-m", "imusic", *arguments]


@contextlib.contextmanager
def running(command: list[str], keep: bool = False) -> Iterator["subprocess.Popen[str]"]:
    """A program beside the block, ended with it."""
    out = subprocess.PIPE if keep or "live" in command else subprocess.DEVNULL
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def wait_for(there: Any, child: "subprocess.Popen[str]", timeout_s: float, what: str) -> None:
    """Until `there()`. Raises TransportError where the child ends, or takes too long."""
    deadline = time.monotonic() + timeout_s
    while not there():
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            raise TransportError(f"{what} did not come up: {child.communicate()[1].strip()}")
        time.sleep(0.02)


def free_port() -> int:
    """A TCP port of this computer that nobody has."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
