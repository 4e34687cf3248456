"""Recorders killed and computers switched off at random moments, by the hundred: what is lost.

    python benchmarks/crash.py --trials 200 --log crash.jsonl

Every trial is a process of its own that writes a take as the daemon does (12 slots at 200 Hz in
blocks of three with their raw bytes, 60 faces a second; `DiskThread` and `TakeWriter`, real time)
and is killed with SIGKILL at a random moment. What it left is recovered twice: as it is, for the
memory of a living system outlasts a process, and cut back to what the last fsync had covered, as
after a power cut. Every sample that comes back is compared with what was given. `lost_s` is the
age, at the moment of the kill, of the newest sample that came back.

Goals: nothing older than 0.3 s is lost by a kill, nothing older than 1 s by a power cut. Exit code
1 where a trial misses one, where a sample is wrong, or where a rescue fails. Trials that are in the
log are not run again: stop it and start it again as you like. `--virtual` lets the clock of the
writer run free: many moments in little time, whatever else the computer does.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from capture.disk import DiskThread
from capture.recording import read_recording
from capture.recover import recover
from capture.take import DATA_FILE, new_take
from capture.take_writer import TakeWriter
from firmware_host.layout import FACE_12
from firmware_host.samples import ImuBlock

NS = 1_000_000_000
TICKS, TICK_NS = 3, 5_000_000
BLOCK_NS = TICKS * TICK_NS
KILL_S, POWER_S = 0.3, 1.0
PS = (50, 95, 100)
GONE = "gone\n"
SLOTS = len(FACE_12.names)
Row = dict[str, Any]


def block(number: int, time_ns: int) -> ImuBlock:
    """The same readings whenever the same number is asked for."""
    rng = np.random.default_rng(number)
    ticks = np.arange(number * TICKS, (number + 1) * TICKS)
    readings = rng.normal(size=(2, TICKS, SLOTS, 3)).astype(np.float32)
    return ImuBlock(ticks * (TICK_NS // 1000), ticks, readings[0], readings[1], time_ns)


def write_for_ever(folder: Path, is_virtual: bool) -> None:
    """`b NUMBER TIME` after each block, `s SIZE TIME` after each fsync, on stdout."""
    now_ns = 0
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        real_fsync(descriptor)
        if started:
            print("s", size, now_ns if is_virtual else time.monotonic_ns(), flush=True)

    started = False
    os.fsync = fsync  # the one place where a test can see what has reached the disk
    writer = TakeWriter(folder, new_take(folder.name, FACE_12, {}, simulated=True))
    started = True
    disk = None if is_virtual else DiskThread(writer)
    begun_ns = time.monotonic_ns()
    unknown = np.zeros((1, 52), np.float32)
    number = 0
    while True:
        now_ns = (0 if is_virtual else begun_ns) + number * BLOCK_NS
        if disk is not None:
            time.sleep(max(0.0, (now_ns - time.monotonic_ns()) / NS))
            now_ns = time.monotonic_ns()
        sent = block(number, now_ns)
        calls = [("hub_bytes", (b"raw %d" % number * 8, now_ns)), ("hub_event", (sent, now_ns))]
        at = np.array([now_ns])
        calls.append(("faces", (at, at, unknown, np.ones(1, bool))))
        for method, args in calls:
            if disk is not None:
                disk.put(method, *args)
            else:
                getattr(writer, method)(*args)
        if disk is None:
            writer.service(now_ns)
        print("b", number, now_ns, flush=True)
        number += 1


class Nursery:
    """A process that forks a writer for every folder it is told: nothing is imported twice."""

    def __init__(self, is_virtual: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--nursery", *(["--virtual"] if is_virtual else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )
        self._virtual = is_virtual

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def killed(self, folder: Path, rng: np.random.Generator) -> tuple[list[list[int]], int]:
        """Write, kill; the blocks that were given (number, time), and the size that was synced."""
        told, heard = self._process.stdin, self._process.stdout
        assert told is not None
        assert heard is not None
        print(folder, file=told, flush=True)
        pid = int(heard.readline())
        lines = [heard.readline()]
        if self._virtual:
            lines += [heard.readline() for _ in range(int(rng.integers(80, 330)))]
        else:
            time.sleep(float(rng.uniform(1.2, 3.5)))
        os.kill(pid, signal.SIGKILL)
        lines += iter(heard.readline, GONE)
        words = [line.split() for line in lines]
        whole = [parts for parts in words if len(parts) == 3]  # the kill may have cut the last
        blocks = [[int(b), int(at)] for kind, b, at in whole if kind == "b"]
        sizes = [int(size) for kind, size, _ in whole if kind == "s"]
        return blocks, sizes[-1] if sizes else 0


def nursery(is_virtual: bool) -> None:
    """The other side of it."""
    for line in sys.stdin:
        if not (pid := os.fork()):
            print(os.getpid(), flush=True)
            write_for_ever(Path(line.strip()), is_virtual)
        os.waitpid(pid, 0)
        print("\n" + GONE, end="", flush=True)


def came_back(folder: Path) -> int:
    """How many blocks a rescue gave back, all of them as they were given, in order from the first.

    Raises:
        AssertionError: a sample that nobody gave, or a hole.
    """
    recover(folder)
    recording = read_recording(folder)
    last = -1
    for found in recording.blocks():
        number = int(found.sequence[0]) // TICKS
        sent = block(number, found.arrival_ns)
        assert number == last + 1, f"block {number} after {last}"
        kept = found.sequence - sent.sequence[0]
        assert np.array_equal(found.accel_m_s2, sent.accel_m_s2[kept])
        assert np.array_equal(found.gyro_rad_s, sent.gyro_rad_s[kept])
        last = number
        if len(found) < TICKS:  # a chunk ended inside the block: the rest of it is gone
            last -= 1
    return last + 1


def trial(seed: int, is_virtual: bool, folder: Path, writers: Nursery) -> Row:
    """One kill, and what came back of it."""
    folder.mkdir(parents=True)
    blocks, synced = writers.killed(folder, np.random.default_rng(seed))
    dark = folder.with_name(folder.name + "-dark")
    shutil.copytree(folder, dark)
    with (dark / DATA_FILE).open("r+b") as file:
        file.truncate(synced)
    end_ns = blocks[-1][1]
    row: Row = {"seed": seed, "virtual": is_virtual, "blocks": len(blocks)}
    for name, left in (("kill", folder), ("power", dark)):
        try:
            kept = came_back(left)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told as this trial's end
            row[name] = {"error": f"{type(error).__name__}: {error}"}
            continue
        kept = min(kept, len(blocks))  # the last may have been killed before it was told
        newest_ns = blocks[kept - 1][1] if kept else blocks[0][1] - BLOCK_NS
        row[name] = {"kept": kept, "lost_s": round((end_ns - newest_ns) / NS, 4)}
    return row


def summary(rows: list[Row]) -> dict[str, Any]:
    """Percentiles of what was lost, and how often a goal was missed."""
    told: dict[str, Any] = {"trials": len(rows)}
    for name, limit in (("kill", KILL_S), ("power", POWER_S)):
        lost = np.array([row[name].get("lost_s", np.inf) for row in rows])
        finite = lost[np.isfinite(lost)]
        told[name] = {
            **{f"p{p}_s": round(float(np.percentile(finite, p)), 3) for p in PS if len(finite)},
            "limit_s": limit,
            "beyond": int((lost > limit).sum()),
            "errors": int((~np.isfinite(lost)).sum()),
        }
    return told


def histogram(rows: list[Row], name: str, limit: float) -> str:
    """What was lost, a line per twentieth of a second."""
    lost = [row[name]["lost_s"] for row in rows if "lost_s" in row[name]]
    edges = np.arange(0, limit + 0.101, 0.05)
    counts, _ = np.histogram(np.clip(lost, 0, edges[-1] - 1e-9), edges)
    width = max(int(counts.max()), 1)
    rest = [
        f"  {a:4.2f} s {'#' * round(50 * n / width):50s} {n}"
        for a, n in zip(edges, counts, strict=False)
    ]
    return "\n".join([f"{name}: seconds lost", *rest])


def main() -> int:
    """Run the trials that the log lacks; tell what all of them found."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--trials", type=int, default=200)
    options.add_argument("--log", type=Path, help="JSON lines; what is in it is not done again")
    options.add_argument("--virtual", action="store_true", help="let the writer's clock run free")
    options.add_argument("--nursery", action="store_true", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.nursery:
        nursery(asked.virtual)
        return 0
    rows: list[Row] = []
    if asked.log is not None and asked.log.exists():
        rows = [json.loads(line) for line in asked.log.read_text("utf-8").splitlines()]
        rows = [row for row in rows if row["virtual"] == asked.virtual]
    done = {row["seed"] for row in rows}
    with Nursery(asked.virtual) as writers:
        for seed in (s for s in range(asked.trials) if s not in done):
            with tempfile.TemporaryDirectory(prefix="crash-") as folder:
                row = trial(seed, asked.virtual, Path(folder) / "take", writers)
            rows.append(row)
            if asked.log is not None:
                with asked.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(row) + "\n")
            print(f"{len(rows)}/{asked.trials}", end="\r", file=sys.stderr, flush=True)
    told = summary(rows)
    print(histogram(rows, "kill", KILL_S), histogram(rows, "power", POWER_S), sep="\n")
    print(json.dumps(told))
    return int(any(told[name]["beyond"] or told[name]["errors"] for name in ("kill", "power")))


if __name__ == "__main__":
    sys.exit(main())
