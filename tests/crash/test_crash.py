"""Takes cut, flipped, killed and starved of disk: what was on disk comes back, and no lie with it.

Exhaustive where that is cheap: the file is small and cutting it costs nothing.
"""

import contextlib
import errno
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from capture.disk import DiskThread
from capture.livelink import encode, packet_at
from capture.phone_apps import decoder
from capture.recording import read_recording
from capture.recover import Outcome, _intact, recover
from capture.take import DATA_FILE, TAKE_FILE, Take, new_take, read_take
from capture.take_writer import TakeWriter
from firmware_host.errors import DataError
from firmware_host.layout import FACE_12, SensorLayout, Slot, select
from firmware_host.messages import PROTOCOL_VERSION
from firmware_host.phone_rig import PhoneConfig
from firmware_host.samples import Gap, Garbage, HubEnd, HubInfo, ImuBlock
from firmware_host.simulator import HubOptions
from imusic.cli import main

TWO = select(FACE_12, ("mentalis", "head_reference"))
ROOT = Path(__file__).parents[2]
MS = 1_000_000


def take_named(name: str) -> Take:
    return new_take(name, TWO, {})


def block(number: int, ticks: int = 3) -> ImuBlock:
    rng = np.random.default_rng(number)
    at = np.arange(number * ticks, (number + 1) * ticks)
    readings = rng.normal(size=(2, ticks, 2, 3)).astype(np.float32)
    return ImuBlock(at * 5000, at, readings[0], readings[1], int(at[-1]) * 5 * MS + MS)


def write_blocks(folder: Path, count: int, every: int = 10) -> Path:
    """A take of `count` blocks in chunks of `every`; raw bytes say which block they belong to."""
    folder.mkdir()
    writer = TakeWriter(folder, take_named(folder.name))
    for number in range(count):
        sent = block(number)
        writer.hub_bytes(b"raw %d" % number, sent.arrival_ns)
        writer.hub_event(sent, sent.arrival_ns)
        if number % every == every - 1:
            writer._writer.flush()
    writer.close()
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write_blocks(tmp_path_factory.mktemp("takes") / "whole", 60)


def copy_with(whole: Path, target: Path, data: bytes) -> Path:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(whole, target)
    (target / DATA_FILE).write_bytes(data)
    return target


def assert_true_blocks(folder: Path) -> int:
    """Every sample of the take is one that was sent, unchanged and in order; their number."""
    recording = read_recording(folder)
    assert np.all(np.diff(recording.sequence) > 0)
    for found in recording.blocks():
        sent = block(int(found.sequence[0]) // 3)
        kept = found.sequence - sent.sequence[0]  # a chunk may have ended inside the block
        assert np.array_equal(found.tick_us, sent.tick_us[kept])
        assert np.array_equal(found.accel_m_s2, sent.accel_m_s2[kept])
        assert np.array_equal(found.gyro_rad_s, sent.gyro_rad_s[kept])
        assert found.arrival_ns == sent.arrival_ns
    return len(recording)


def chunk_ends(data: bytes) -> list[int]:
    """Where each chunk record ends."""
    ends, at = [], 8
    while data[at] != 15:  # DataEnd
        end = at + 9 + int.from_bytes(data[at + 1 : at + 9], "little")
        if data[at] == 6:
            ends.append(end)
        at = end
    return ends


def test_cut_at_every_byte_finds_every_chunk_before_the_cut(whole):
    data = (whole / DATA_FILE).read_bytes()
    ends = chunk_ends(data)
    contents = [chunk for chunk, _, _ in _intact(data)]
    assert len(contents) == len(ends)
    for cut in range(len(data)):
        found = [chunk for chunk, _, _ in _intact(data[:cut])]
        assert found == contents[: sum(end <= cut for end in ends)]


def test_cut_anywhere_recovery_gives_back_the_samples_before_the_cut(whole, tmp_path):
    data = (whole / DATA_FILE).read_bytes()
    ends = chunk_ends(data)
    cuts = sorted(
        {*range(0, len(data), 1499), ends[-1] - 1, ends[-1], *range(len(data) - 9, len(data))}
    )
    for cut in cuts:
        folder = copy_with(whole, tmp_path / "cut", data[:cut])
        expected = sum(end <= cut for end in ends)
        with pytest.raises(DataError, match="cut off or damaged") as caught:
            read_recording(folder)
        assert "imusic recover" in caught.value.hint
        report = recover(folder)
        if not expected:
            assert report.outcome is Outcome.NOTHING
            assert (folder / DATA_FILE).read_bytes() == data[:cut]
            continue
        assert report.samples == assert_true_blocks(folder) == 30 * expected
        assert (folder / (DATA_FILE + ".damaged")).read_bytes() == data[:cut]
        assert read_take(folder).state == "recovered"


def test_a_flipped_bit_costs_at_most_its_chunk_and_never_changes_a_sample(whole, tmp_path):
    data = (whole / DATA_FILE).read_bytes()
    rng = np.random.default_rng(7)
    for at in rng.choice(len(data), 60, replace=False):
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(rng.integers(8))
        folder = copy_with(whole, tmp_path / "flip", bytes(flipped))
        report = recover(folder)
        assert report.outcome in (Outcome.WHOLE, Outcome.LOSSY)
        assert assert_true_blocks(folder) >= 150
        assert (report.samples == 180) or report.outcome is Outcome.LOSSY


def test_damage_at_the_very_beginning_spares_the_rest(whole, tmp_path):
    data = (whole / DATA_FILE).read_bytes()
    first = chunk_ends(data)[0]
    folder = copy_with(whole, tmp_path / "head", bytes(first) + data[first:])
    report = recover(folder)
    assert report.outcome is Outcome.LOSSY
    assert assert_true_blocks(folder) == 150


def test_the_report_tells_where_records_are_missing(whole, tmp_path):
    data = bytearray((whole / DATA_FILE).read_bytes())
    data[chunk_ends(bytes(data))[2] - 20] ^= 0xFF
    folder = copy_with(whole, tmp_path / "hole", bytes(data))
    report = recover(folder)
    assert report.outcome is Outcome.LOSSY
    assert report.samples == 150
    ((start_s, end_s),) = report.lost_s
    assert start_s == pytest.approx(0.285, abs=0.001)  # blocks 20 to 29 are gone
    assert end_s == pytest.approx(0.45, abs=0.001)


def test_a_whole_take_is_left_alone_and_recovery_twice_changes_nothing(whole, tmp_path):
    data = (whole / DATA_FILE).read_bytes()
    folder = copy_with(whole, tmp_path / "again", data)
    assert recover(folder).outcome is Outcome.WHOLE
    assert (folder / DATA_FILE).read_bytes() == data
    assert read_take(folder).state == "complete"

    (folder / DATA_FILE).write_bytes(data[:-200])
    recover(folder)
    once = (folder / DATA_FILE).read_bytes()
    assert recover(folder).outcome is Outcome.WHOLE
    assert (folder / DATA_FILE).read_bytes() == once


def keep_phone(writer: TakeWriter, data: bytes, arrival_ns: int) -> None:
    writer.phone_bytes(data, arrival_ns)
    for found in decoder(PhoneConfig()).receive(data, arrival_ns):
        writer.phone_face(found, arrival_ns)


def write_all_kinds(folder: Path, count: int) -> Take:
    """A take with everything that is counted, in one chunk per `count` / 10 blocks."""
    folder.mkdir()
    writer = TakeWriter(folder, take_named(folder.name))
    rng = np.random.default_rng(5)
    for number in range(count):
        sent = block(number)
        writer.hub_bytes(b"raw %d" % number, sent.arrival_ns)
        writer.hub_event(sent, sent.arrival_ns)
        seen = rng.uniform(0, 1, 52).astype(np.float32) if number % 4 else None
        head = (0.1, 0.2, 0.3) if seen is not None else None
        keep_phone(writer, encode(packet_at(number * 0.015, seen, head)), sent.arrival_ns)
        if number % 7 == 0:
            keep_phone(writer, b"noise", sent.arrival_ns)
            writer.hub_event(Gap(number * 3, 2), sent.arrival_ns)
            writer.hub_event(Garbage(5), sent.arrival_ns)
        if number % (count // 10) == 0:
            writer._writer.flush()
    writer.hub_event(HubEnd(3 * count), sent.arrival_ns)
    return writer.close()


def test_all_counts_of_a_recovered_take_are_of_what_was_saved(tmp_path):
    folder = tmp_path / "kinds"
    written = write_all_kinds(folder, 60)
    data = (folder / DATA_FILE).read_bytes()
    assert set(written.counts) >= {"faces_tracked", "datagrams", "samples_lost", "raw_bytes"}

    (folder / DATA_FILE).write_bytes(data[:-20])  # nothing but the footer is gone
    recover(folder)
    assert read_take(folder).counts == written.counts

    shutil.rmtree(folder)
    write_all_kinds(folder, 60)
    (folder / DATA_FILE).write_bytes(data[: chunk_ends(data)[5]])
    assert recover(folder).outcome is Outcome.LOSSY
    recording, counts = read_recording(folder), read_take(folder).counts
    assert 0 < counts["samples"] == len(recording) < written.counts["samples"]
    assert counts["blocks"] == len(recording.block_starts) - 1
    assert counts["faces"] == len(recording.faces)
    assert counts["faces_tracked"] == recording.faces.tracked.sum()
    assert counts["samples_lost"] == recording.samples_lost
    assert counts["garbage_bytes"] == recording.garbage_bytes
    assert counts["datagrams"] == counts["faces"] + counts["datagrams_malformed"]
    assert "samples_sent" not in counts  # the hub's last words are gone


@pytest.mark.parametrize("content", [None, b"", bytes(300), b"name = ", b"\xff\xfe"])
@pytest.mark.parametrize("cut", [False, True])
def test_a_take_toml_that_is_gone_is_made_anew_from_the_data(whole, tmp_path, content, cut):
    data = (whole / DATA_FILE).read_bytes()
    kept = data[: chunk_ends(data)[3]] if cut else data
    folder = copy_with(whole, tmp_path / "anew", kept)
    before = read_take(folder)
    (folder / TAKE_FILE).unlink()
    if content is None:
        with pytest.raises(DataError) as caught:
            read_take(folder)
        assert "imusic recover" in caught.value.hint
    else:
        (folder / TAKE_FILE).write_bytes(content)
    report = recover(folder)
    assert report.outcome is (Outcome.LOSSY if cut else Outcome.WHOLE)
    assert "take.toml was made anew" in report.message
    assert report.samples == assert_true_blocks(folder) == (120 if cut else 180)
    take = read_take(folder)
    assert (take.name, take.state, take.layout) == ("anew", "recovered", before.layout)
    assert take.counts["samples"] == report.samples
    assert "made anew" in take.origin["rebuilt"]
    assert not take.simulated
    if content is not None:
        assert (folder / "take.toml.damaged").read_bytes() == content


def test_a_take_made_anew_still_says_that_it_was_simulated(tmp_path):
    writer = TakeWriter(tmp_path, take_named("virtual"))
    hub = HubInfo(HubOptions().device_id, "", PROTOCOL_VERSION, 200.0, 80.0, 17.0, TWO.names)
    writer.hub_event(hub, MS)
    writer.hub_event(block(0), 2 * MS)
    writer.close()
    (tmp_path / TAKE_FILE).unlink()
    recover(tmp_path)
    assert read_take(tmp_path).simulated


def test_without_take_toml_and_schema_the_message_says_what_to_do(whole, tmp_path):
    data = (whole / DATA_FILE).read_bytes()
    first = chunk_ends(data)[0]
    folder = copy_with(whole, tmp_path / "both", bytes(first) + data[first:])
    saved = (folder / TAKE_FILE).read_bytes()
    (folder / TAKE_FILE).unlink()
    with pytest.raises(DataError, match="which sensors") as caught:
        recover(folder)
    assert "data.mcap is still there" in caught.value.hint
    (folder / TAKE_FILE).write_bytes(saved)  # as the hint says
    assert recover(folder).samples == 150


def test_slots_that_no_layout_knows_are_named(tmp_path):
    slots = (Slot("nose", (0.0, 0.0, 0.1)), Slot("ear", (0.1, 0.0, 0.0)))
    writer = TakeWriter(tmp_path, new_take("own", SensorLayout("own", slots, "ear"), {}))
    writer.hub_event(block(0), MS)
    writer.close()
    (tmp_path / TAKE_FILE).unlink()
    with pytest.raises(DataError, match="nose, ear") as caught:
        recover(tmp_path)
    assert "data.mcap is still there" in caught.value.hint


def test_a_take_toml_that_is_only_wrong_is_left_to_whoever_wrote_it(whole, tmp_path):
    folder = copy_with(whole, tmp_path / "wrong", (whole / DATA_FILE).read_bytes())
    text = (folder / TAKE_FILE).read_text("utf-8").replace("name =", "nome =", 1)
    (folder / TAKE_FILE).write_text(text, "utf-8")
    with pytest.raises(DataError, match="nome"):
        recover(folder)
    assert (folder / TAKE_FILE).read_text("utf-8") == text


def test_noise_in_place_of_the_data_is_nothing(whole, tmp_path):
    noise = np.random.default_rng(1).bytes(20_000)
    folder = copy_with(whole, tmp_path / "noise", noise)
    assert recover(folder).outcome is Outcome.NOTHING
    assert (folder / DATA_FILE).read_bytes() == noise


class FullDisk:
    """A file on a disk that takes `room` bytes and no more."""

    def __init__(self, path: Path, room: int) -> None:
        self._file = path.open("xb")
        self._room = room

    def write(self, data: bytes) -> int:
        if self._file.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def test_a_full_disk_is_loud_and_what_fitted_comes_back(tmp_path):
    writer = TakeWriter(
        tmp_path, take_named("full"), create=lambda path: FullDisk(path, 12_000), chunk_bytes=1000
    )
    disk = DiskThread(writer)
    for number in range(2000):
        sent = block(number)
        disk.put("hub_event", sent, sent.arrival_ns)
    disk._thread.join(timeout=10)
    assert disk.failed
    assert disk.error is not None
    assert disk.error.errno == errno.ENOSPC
    writer.abandon()
    assert read_take(tmp_path).state == "recording"
    assert recover(tmp_path).outcome is Outcome.LOSSY
    assert assert_true_blocks(tmp_path) > 30


WRITE_FOREVER = """
import sys, time
from pathlib import Path
sys.path.insert(0, "tests/crash")
from test_crash import block, take_named, MS
from capture.disk import DiskThread
from capture.take_writer import TakeWriter
disk = DiskThread(TakeWriter(Path(sys.argv[1]), take_named("kill")))
number, begun = 0, time.monotonic()
while True:
    sent = block(number)
    disk.put("hub_event", sent, sent.arrival_ns)
    print(number, time.monotonic_ns(), flush=True)
    number += 1
    time.sleep(max(0.0, begun + number * 0.015 - time.monotonic()))
"""


@pytest.mark.integration
@pytest.mark.parametrize("after_s", [0.6, 1.13, 1.57])
def test_kill_9_loses_less_than_a_third_of_a_second(tmp_path, after_s):
    folder = tmp_path / "kill"
    folder.mkdir()
    with contextlib.closing(kill_after(folder, after_s)) as lines:
        written = [tuple(map(int, line.split())) for line in lines]
    report = recover(folder)
    assert report.outcome is Outcome.LOSSY
    kept = assert_true_blocks(folder) // 3
    lost_s = (written[-1][1] - written[kept - 1][1]) / 1e9
    print(f"killed after {after_s} s: {len(written)} blocks, {kept} kept, {lost_s:.3f} s lost")
    assert lost_s < 0.3


def kill_after(folder: Path, after_s: float):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with process.stdout:
        rest = process.stdout.read().splitlines()
    # The kill may have cut the last line.
    yield from (line for line in [first, *rest] if len(line.split()) == 2)


@pytest.mark.parametrize("left", [1.0, 0.999, 0.5, 0.001, 0.0, None])
def test_info_and_list_say_when_the_data_is_not_all_there(whole, tmp_path, capsys, left):
    data = (whole / DATA_FILE).read_bytes()
    folder = copy_with(whole, tmp_path / "takes", data[: int(len(data) * (left or 0.0))])
    if left is None:
        (folder / DATA_FILE).unlink()
    expected = {1.0: "whole", None: "missing"}.get(left, f"cut off, run `imusic recover {folder}`")
    assert main(["info", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == expected
    assert main(["list", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip().endswith(expected)


def test_the_command_answers_with_the_exit_codes_it_promises(whole, tmp_path):
    data = (whole / DATA_FILE).read_bytes()
    expected = {"whole": (data, 0), "cut": (data[: len(data) // 2], 3), "gone": (b"", 1)}
    for name, (content, code) in expected.items():
        folder = copy_with(whole, tmp_path / name, content)
        process = subprocess.run(
            [sys.executable, "-m", "imusic", "recover", str(folder), "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == code, process.stderr
        assert json.loads(process.stdout)["outcome"] == {0: "WHOLE", 3: "LOSSY", 1: "NOTHING"}[code]
