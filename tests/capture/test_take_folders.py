"""Imports that fail leave everything as it was."""

import os
import sys

import numpy as np
import pytest

from capture.livelink_csv import write_livelink_csv
from capture.livelink_import import import_livelink
from capture.recording import read_recording
from capture.take import DATA_FILE, TAKE_FILE, new_take
from capture.take_folders import whole_take
from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12

TAKE = new_take("test", FACE_12, {})


def fail_at(folder) -> None:
    with pytest.raises(OSError, match="disk full"), whole_take(folder, TAKE):
        raise OSError("disk full")


def faces(path):
    write_livelink_csv(path, np.arange(90) / 60, np.full((90, 52), 0.5))
    return path


def test_an_empty_folder_of_the_users_survives_a_failure_empty(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    number = out.stat().st_ino
    fail_at(out)
    assert out.stat().st_ino == number
    assert list(out.iterdir()) == []


def test_folders_made_on_the_way_are_gone_after_a_failure(tmp_path):
    (tmp_path / "kept").mkdir()
    fail_at(tmp_path / "kept" / "a" / "b" / "take")
    assert list(tmp_path.rglob("*")) == [tmp_path / "kept"]


def test_a_folder_inside_a_file_is_refused_by_the_name_of_the_file(tmp_path):
    path = tmp_path / "face.csv"
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"face\.csv is a file"), whole_take(path / "a", TAKE):
        pass
    assert path.read_text() == "mine"


@pytest.mark.parametrize("exists", [True, False])
def test_a_take_appears_as_a_whole_and_alone(tmp_path, exists):
    out = tmp_path / "a" / "take"
    if exists:
        out.mkdir(parents=True)
    with whole_take(out, TAKE) as writer:
        assert not (out / TAKE_FILE).exists()
        writer.close()
    assert sorted(p.name for p in out.iterdir()) == [DATA_FILE, TAKE_FILE]
    assert list((tmp_path / "a").iterdir()) == [out]
    with pytest.raises(ConfigError, match="exists already"), whole_take(out, TAKE):
        pass
    assert read_recording(out).take.state == "complete"


@pytest.mark.parametrize("target_exists", [True, False])
def test_a_link_to_a_folder_leads_there(tmp_path, target_exists):
    link, target = tmp_path / "link", tmp_path / "target"
    if target_exists:
        target.mkdir()
    try:
        link.symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("no symbolic links here")
    fail_at(link)
    assert link.is_symlink()
    assert target.exists() == target_exists
    take = import_livelink(faces(tmp_path / "face.csv"), link)
    assert take.name == "target"
    assert len(read_recording(target).faces) == 90


def test_this_folder_gives_the_take_its_real_name(tmp_path, monkeypatch):
    (tmp_path / "sitting").mkdir()
    monkeypatch.chdir(tmp_path / "sitting")
    take = import_livelink(faces(tmp_path / "face.csv"), type(tmp_path)("."))
    assert take.name == "sitting"
    assert (tmp_path / "sitting" / TAKE_FILE).is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_names_that_are_no_text_are_taken_with_a_mark(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    take = import_livelink(faces(path), tmp_path / os.fsdecode(b"s\xe9ance"))
    assert take.origin["file"] == "caf\ufffd.csv"
    assert take.name == "s\ufffdance"
    assert read_recording(tmp_path / os.fsdecode(b"s\xe9ance")).take.name == take.name
