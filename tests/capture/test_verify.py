"""Checksums of takes: damage is found, copies are proven, and a name means a proven copy."""

import errno
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from capture import verify as verifying
from capture.recover import recover
from capture.take import DATA_FILE, TAKE_FILE, new_take, read_take, write_take
from capture.take_writer import TakeWriter
from capture.verify import offload, verify
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12, select
from firmware_host.samples import ImuBlock
from imusic.cli import main

TWO = select(FACE_12, ("mentalis", "head_reference"))


@pytest.fixture
def take(tmp_path) -> Path:
    folder = tmp_path / "takes/scene-001"
    folder.mkdir(parents=True)
    writer = TakeWriter(folder, new_take("scene-001", TWO, {}))
    for number in range(40):
        ticks = np.arange(3 * number, 3 * number + 3)
        readings = np.random.default_rng(number).normal(size=(3, 2, 3)).astype(np.float32)
        writer.hub_event(ImuBlock(ticks * 5000, ticks, readings, readings, 1 + number), 1)
        if number % 10 == 9:
            writer.service(number * 300_000_000)
    writer.close()
    return folder


def test_a_take_that_ended_well_is_in_order(take, capsys):
    assert verify(take).problems == ()
    assert main(["verify", str(take.parent)]) == 0
    assert "in order, 120 samples, 0 faces\n" in capsys.readouterr().out


def test_every_flipped_byte_is_found(take):
    data = (take / DATA_FILE).read_bytes()
    for at in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[at] ^= 0x10
        (take / DATA_FILE).write_bytes(flipped)
        assert verify(take).problems, at
    (take / DATA_FILE).write_bytes(data)
    assert not verify(take).problems


def test_what_is_wrong_is_told(take, capsys):
    (take / DATA_FILE).unlink()
    assert main(["verify", str(take), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == ["data.mcap is gone"]


def test_counts_that_lie_are_found(take):
    told = read_take(take)
    write_take(msgspec.structs.replace(told, counts={"samples": 121}), take)
    assert verify(take).problems == ("120 samples, not 121 as it says",)


def test_takes_without_checksums_are_read_through(take, capsys):
    write_take(msgspec.structs.replace(read_take(take), files={}), take)
    assert main(["verify", str(take)]) == 0
    assert "it was read through" in capsys.readouterr().out
    data = bytearray((take / DATA_FILE).read_bytes())
    data[len(data) // 3] ^= 1
    (take / DATA_FILE).write_bytes(data)
    assert verify(take).problems


def test_a_recovered_take_has_checksums_again(take):
    path = take / DATA_FILE
    path.write_bytes(path.read_bytes()[:-40])
    assert verify(take).problems
    recover(take)
    assert not verify(take).problems
    assert verify(take).proven


def test_a_copy_is_compared_and_a_second_run_finds_it(take, tmp_path, capsys):
    command = ["offload", str(take.parent), "--to", str(tmp_path / "disk")]
    assert main(command) == 0
    assert "copied and compared" in capsys.readouterr().out
    copy = tmp_path / "disk/scene-001"
    assert {p.name: p.read_bytes() for p in copy.iterdir()} == {
        p.name: p.read_bytes() for p in take.iterdir()
    }
    assert main(command) == 0
    assert "there already" in capsys.readouterr().out


def test_another_take_of_that_name_is_never_written_over(take, tmp_path):
    other = tmp_path / "disk/scene-001"
    shutil.copytree(take, other)
    (other / DATA_FILE).write_bytes(b"other")
    with pytest.raises(ConfigError, match="never written over"):
        offload(take, tmp_path / "disk")
    assert (other / DATA_FILE).read_bytes() == b"other"


def test_a_damaged_take_is_not_copied(take, tmp_path):
    (take / DATA_FILE).write_bytes((take / DATA_FILE).read_bytes()[:-1])
    with pytest.raises(DataError, match="not what it was") as caught:
        offload(take, tmp_path / "disk")
    assert "imusic verify" in caught.value.hint
    assert not (tmp_path / "disk").exists()


def test_a_disk_that_gives_back_something_else_leaves_no_copy(take, tmp_path, monkeypatch):
    def lying(source, target, done, size, report):
        data = bytearray(source.read_bytes())
        data[len(data) // 2] ^= 1
        target.write_bytes(data)
        return done

    monkeypatch.setattr(verifying, "_copy", lying)
    with pytest.raises(DataError, match="not the same as what was read"):
        offload(take, tmp_path / "disk")
    assert not (tmp_path / "disk").exists()


def test_a_disk_that_fills_leaves_no_half_copy(take, tmp_path, monkeypatch):
    def full(source, target, done, size, report):
        if source.name == TAKE_FILE:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        target.write_bytes(source.read_bytes())
        return done

    monkeypatch.setattr(verifying, "_copy", full)
    assert main(["offload", str(take), "--to", str(tmp_path / "disk")]) == 3
    assert not (tmp_path / "disk").exists()
