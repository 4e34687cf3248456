"""Writers killed at random moments, and what else may befall the end of a take.

The clock of the writers runs free, so what is lost does not depend on how busy this computer is;
`benchmarks/crash.py` does the same by the hundred, and in real time.
"""

import errno
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from capture.disk import DiskThread, Overrun, disk_error
from capture.recording import read_recording
from capture.recover import Outcome, recover
from capture.take import DATA_FILE, new_take, read_take
from capture.take_writer import TakeWriter
from firmware_host.layout import FACE_12, select
from firmware_host.rig import HubConfig, Rig, SessionConfig, write_rig
from firmware_host.samples import ImuBlock

ROOT = Path(__file__).parents[2]
TWO = select(FACE_12, ("mentalis", "head_reference"))
PATIENCE_S = 60.0


@pytest.fixture
def crash(monkeypatch):
    """The benchmark, as its own script imports it."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("crash")


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="forks, and kills by a signal")
def test_twenty_kills_and_power_cuts_lose_no_more_than_is_promised(crash, tmp_path):
    with crash.Nursery(is_virtual=True) as writers:
        rows = [
            crash.trial(seed, True, tmp_path / f"take-{seed}", writers)
            for seed in range(1000, 1020)
        ]
    told = crash.summary(rows)
    print(told)
    for name in ("kill", "power"):
        assert told[name]["errors"] == 0, [row[name] for row in rows]
        assert told[name]["beyond"] == 0, [row[name] for row in rows]
        assert all(row[name]["kept"] > 0 for row in rows)


def block(number: int) -> ImuBlock:
    ticks = np.arange(3 * number, 3 * number + 3)
    readings = np.random.default_rng(number).normal(size=(2, 3, 2, 3)).astype(np.float32)
    return ImuBlock(ticks * 5000, ticks, readings[0], readings[1], (number + 1) * 15_000_000)


def assert_as_sent(folder: Path) -> int:
    """How many samples came back, each as it was sent, none twice."""
    recording = read_recording(folder)
    assert np.all(np.diff(recording.sequence) > 0)
    for found in recording.blocks():
        sent = block(int(found.sequence[0]) // 3)
        kept = found.sequence - sent.sequence[0]
        assert np.array_equal(found.gyro_rad_s, sent.gyro_rad_s[kept])
    return len(recording)


def unfinished(folder: Path, chunks: int, per_chunk: int = 1) -> bytes:
    """The data of a take whose process is gone after so many chunks."""
    folder.mkdir()
    writer = TakeWriter(folder, new_take(folder.name, TWO, {}, simulated=True))
    for number in range(chunks * per_chunk):
        writer.hub_event(block(number), 1)
        if number % per_chunk == per_chunk - 1:
            writer._writer.flush()
    writer.abandon()
    return (folder / DATA_FILE).read_bytes()


def test_cut_at_every_byte_of_the_last_three_records(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a thousand rescues, and no power to lose
    folder = tmp_path / "take"
    data = unfinished(folder, 6)
    toml = (folder / "take.toml").read_bytes()
    starts, at = [], 8
    while at < len(data):
        starts.append(at)
        at += 9 + int.from_bytes(data[at + 1 : at + 9], "little")
    chunks = [start for start in starts if data[start] == 6]
    # A chunk and the indexes behind it belong together: the last three of these, byte by byte.
    before = None
    for cut in range(chunks[-3], len(data) + 1):
        for path in folder.iterdir():
            path.unlink()
        (folder / DATA_FILE).write_bytes(data[:cut])
        (folder / "take.toml").write_bytes(toml)
        report = recover(folder)
        whole = sum(
            start + 9 + int.from_bytes(data[start + 1 : start + 9], "little") <= cut
            for start in chunks
        )
        assert assert_as_sent(folder) == report.samples == 3 * whole, cut
        assert report.outcome is Outcome.LOSSY
        assert report.lost_s
        assert before is None or report.samples >= before
        before = report.samples
    assert before == 18


def test_random_flips_never_raise_never_lie_and_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    folder = tmp_path / "take"
    data = unfinished(folder, 8, per_chunk=5)
    toml = (folder / "take.toml").read_bytes()
    rng = np.random.default_rng(11)
    for _ in range(150):
        flipped = bytearray(data)
        for at in rng.choice(len(data), int(rng.integers(1, 6)), replace=False):
            flipped[at] ^= 1 << int(rng.integers(8))
        for path in folder.iterdir():
            path.unlink()
        (folder / DATA_FILE).write_bytes(flipped)
        (folder / "take.toml").write_bytes(toml)
        report = recover(folder)
        if report.outcome is Outcome.NOTHING:
            continue
        assert assert_as_sent(folder) == report.samples
        assert report.outcome is Outcome.LOSSY  # it was never finished, and says so


class FailingFile:
    """A file whose disk gives `code` from some byte on, or when it is to be synced."""

    def __init__(self, path: Path, code: int, after: int) -> None:
        self._file = path.open("xb")
        self._code, self._after = code, after

    def write(self, data: bytes) -> int:
        if self._file.tell() + len(data) > self._after:
            raise OSError(self._code, os.strerror(self._code))
        return self._file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("after", [0, 9_000, 12_345])
def test_a_disk_that_refuses_is_told_with_what_to_do(tmp_path, code, after):
    def opened() -> TakeWriter:
        take = new_take("failing", TWO, {}, simulated=True)
        return TakeWriter(tmp_path, take, 1000, lambda path: FailingFile(path, code, after))

    if not after:  # not even the header
        with pytest.raises(OSError, match=os.strerror(code)):
            opened()
        return
    disk = DiskThread(opened())
    for number in range(400):
        disk.put("hub_event", block(number), 1)
    disk._thread.join(timeout=PATIENCE_S)
    assert disk.failed
    told = disk_error(disk)
    assert os.strerror(code) in str(told)
    assert "imusic recover" in told.hint
    disk.writer.abandon()
    assert recover(tmp_path).outcome is Outcome.LOSSY
    assert assert_as_sent(tmp_path) >= 6


def test_a_disk_that_cannot_sync_is_told(tmp_path, monkeypatch):
    writer = TakeWriter(tmp_path, new_take("failing", TWO, {}, simulated=True))

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        disk = DiskThread(writer)
        disk.put("hub_event", block(0), 1)
        disk._thread.join(timeout=PATIENCE_S)
    writer.abandon()
    assert disk.error is not None
    assert disk.error.errno == errno.EIO


def test_a_source_that_floods_a_slow_disk_ends_the_take_loudly_and_loses_nothing_before(tmp_path):
    class Slow(FailingFile):
        def write(self, data: bytes) -> int:
            time.sleep(0.005)
            return self._file.write(data)

    take = new_take("flooded", TWO, {}, simulated=True)
    writer = TakeWriter(tmp_path, take, 1000, lambda path: Slow(path, 0, 0))
    disk = DiskThread(writer, limit=100)
    taken: list[int] = []

    def flood() -> None:
        for number in range(100_000):
            disk.put("hub_event", block(number), 1)
            taken.append(number)

    with pytest.raises(Overrun, match="too slow: 100 writes are waiting") as caught:
        flood()
    assert "imusic recover" in caught.value.hint
    disk.finish()  # what had been taken is written all the same
    writer.close()
    assert assert_as_sent(tmp_path) == 3 * len(taken)


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


HUB = """
import asyncio, sys
import numpy as np
from firmware_host.layout import FACE_12
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
time_s = np.arange(200 * 300) / 200
accel = np.zeros((len(time_s), 12, 3)); accel[..., 1] = 9.81
hub = SimulatedHub(time_s, accel, accel * 0, FACE_12.names, HubOptions(seed=2))
asyncio.run(run_hub(hub, int(sys.argv[1])))
"""


@pytest.mark.integration
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_sigterm_while_a_take_is_finished_changes_nothing(cable, tmp_path, first):
    master, path = cable
    session = SessionConfig(simulated=True)
    write_rig(Rig(hub=HubConfig(url=f"serial:{path}"), session=session), tmp_path / "rig.toml")
    hub = subprocess.Popen([sys.executable, "-c", HUB, str(master)], pass_fds=[master], cwd=ROOT)
    command = [sys.executable, "-m", "imusic", "record", "--rig", str(tmp_path / "rig.toml")]
    recorder = subprocess.Popen(
        [*command, "--out", str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    data = tmp_path / "take-001" / DATA_FILE
    try:
        wait_until(lambda: data.is_file() and data.stat().st_size > 20_000, "no take")
        recorder.send_signal(first)
        while recorder.poll() is None:  # as often as it takes it
            recorder.send_signal(signal.SIGTERM)
            time.sleep(0.01)
        _, said = recorder.communicate(timeout=PATIENCE_S)
    finally:
        for child in (recorder, hub):
            child.kill()
            child.wait()
    take = read_take(data.parent)
    # Once the event loop is over, python itself may end by the last of them; the take is whole.
    assert recorder.returncode in (0, -signal.SIGTERM), said
    assert take.state == "complete"
    assert len(read_recording(data.parent)) == take.counts["samples"] > 50
