"""What a virtual wearer refuses to perform before anything is started, and how its line ends."""

import asyncio
import os
import sys
import threading

import numpy as np
import pytest

from capture.livelink_csv import write_livelink_csv
from firmware_host.errors import ConfigError, DataError
from firmware_host.transports.pty import open_pty
from imusic.cli import main
from imusic.sim import SimOptions, _until_read, load_performance


def recording(path, seconds: float, seen_s: float):
    """A CSV at 60 Hz whose face is lost after `seen_s`."""
    time_s = np.arange(round(seconds * 60)) / 60
    weights = np.full((len(time_s), 52), 0.3, np.float32)
    write_livelink_csv(path, time_s, weights, time_s < seen_s)
    return path


@pytest.mark.parametrize("seconds", [1.0, 2.9, -3.0, float("nan"), float("inf")])
def test_lengths_that_cannot_be_judged_are_refused(seconds):
    with pytest.raises(ConfigError, match="--seconds: expected 3 to"):
        SimOptions(seconds=seconds)


@pytest.mark.parametrize(("seen_s", "seconds"), [(1.0, None), (2.0, 4.0), (0.5, 3.0)])
def test_recordings_with_too_little_of_a_face_are_refused(tmp_path, seen_s, seconds):
    path = recording(tmp_path / "face.csv", 6, seen_s)
    with pytest.raises(DataError, match="s with a face") as error:
        load_performance(SimOptions(arkit=path, seconds=seconds))
    assert str(path) in str(error.value)


def test_three_seconds_of_a_recording_are_enough(tmp_path):
    path = recording(tmp_path / "face.csv", 6, 6)
    assert load_performance(SimOptions(arkit=path, seconds=3.0)).duration_s < 3


def test_the_demo_starts_nothing_that_it_cannot_judge(tmp_path, capsys):
    assert main(["demo", "--seconds", "1", "--out", str(tmp_path / "demo")]) == 2
    assert capsys.readouterr().err.startswith("imusic: --seconds: expected 3")
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--seconds", "nan"),
        ("--seconds", "inf"),
        ("--seed", "-1"),
        ("--seed", str(2**63)),
        ("--loss", "nan"),
        ("--loss", "1"),
        ("--phone-port", "70000"),
        ("--phone-port", "0"),
        ("--hub", "ble:x"),
    ],
)
def test_values_that_cannot_be_are_refused_in_one_line(tmp_path, capsys, option, value):
    rig = tmp_path / "rig.toml"
    assert main(["sim", "--rig", str(rig), option, value]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == (2 if option == "--hub" else 1)  # its hint
    assert said[0].startswith(f"imusic: {option}: expected ")
    assert not rig.exists()


@pytest.mark.parametrize(
    ("rig", "truth", "says"),
    [
        ("rig.toml", "there.json", "there.json exists already"),
        ("rig.toml", "none/truth.json", "there is no folder"),
        ("none/rig.toml", "truth.json", "there is no folder"),
        ("there.json", "truth.json", "there.json exists already"),
        ("one", "one", "--rig and --truth: both are"),
    ],
)
def test_what_could_not_be_written_is_refused_before_performing(tmp_path, capsys, rig, truth, says):
    (tmp_path / "there.json").write_text("mine")
    assert main(["sim", "--rig", str(tmp_path / rig), "--truth", str(tmp_path / truth)]) == 2
    assert says in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["there.json"]
    assert (tmp_path / "there.json").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="a pty needs POSIX")
def test_the_end_of_a_hub_waits_for_a_reader_that_is_late():
    taken, may_read = bytearray(), threading.Event()

    def read_late(reader: int) -> None:
        may_read.wait()
        while len(taken) < 3000:
            taken.extend(os.read(reader, 100))
        os.close(reader)

    async def ended() -> None:
        waiting = asyncio.create_task(_until_read(line))
        await asyncio.sleep(1.0)  # longer than a hub once waited
        assert not waiting.done()
        may_read.set()
        await asyncio.wait_for(waiting, 30.0)

    with open_pty() as line:
        os.write(line.ours, bytes(3000))
        reader = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
        thread = threading.Thread(target=read_late, args=(reader,))
        thread.start()
        try:
            asyncio.run(ended())
        finally:
            may_read.set()
            thread.join()
    assert len(taken) == 3000
