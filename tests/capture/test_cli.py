"""The verbs about takes, as typed: what they say, and their exit codes."""

import json

import numpy as np
import pytest

from capture.livelink_csv import write_livelink_csv
from capture.take import TAKE_FILE, new_take, write_take
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, Rig, write_rig
from imusic.cli import main


@pytest.fixture
def takes(tmp_path):
    """Three takes, the second of them cut off in `take.toml`."""
    for name in ("take-001", "take-002", "take-003"):
        (tmp_path / name).mkdir()
        write_take(new_take(name, FACE_12, {}), tmp_path / name)
    cut = tmp_path / "take-002" / TAKE_FILE
    cut.write_bytes(cut.read_bytes()[:40])
    return tmp_path


def test_one_broken_take_does_not_hide_the_others(takes, capsys):
    assert main(["list", str(takes)]) == 1
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == [str(path) for path in sorted(takes.iterdir())]
    assert [row.split()[1] for row in rows] == ["recording", "broken", "recording"]
    assert str(takes / "take-002" / TAKE_FILE) in rows[1]


def test_a_broken_take_is_an_entry_with_its_error_for_machines(takes, capsys):
    assert main(["list", str(takes), "--json"]) == 1
    first, broken, _ = json.loads(capsys.readouterr().out)
    assert first["name"] == "take-001"
    assert broken.keys() == {"folder", "error"}


def test_a_folder_of_whole_takes_lists_with_0(takes, capsys):
    write_take(new_take("take-002", FACE_12, {}), takes / "take-002")
    assert main(["list", str(takes)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.fixture
def rig(tmp_path):
    """A rig whose hub is not there."""
    path = tmp_path / "rig.toml"
    write_rig(Rig(hub=HubConfig(url="serial:/dev/ttyNONE")), path)
    return path


def record(rig, *options):
    return main(["record", "--rig", str(rig), "--out", str(rig.parent / "takes"), *options])


def test_what_may_be_missing_must_be_something_that_is_known(rig, capsys):
    assert record(rig, "--allow-missing", "mentalis", "--allow-missing", "fone") == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert "--allow-missing: 'fone'" in message
    for known in ("hub", "phone", "mentalis"):
        assert known in hint


@pytest.mark.parametrize("name", ["phone", "mentalis"])
def test_phone_and_slots_may_be_missing(rig, capsys, name):
    assert record(rig, "--allow-missing", name) == 3
    assert "serial:/dev/ttyNONE does not exist" in capsys.readouterr().err


def test_takes_cannot_be_recorded_into_a_file_and_that_is_said_before_the_hub_is_opened(
    rig, capsys
):
    (rig.parent / "takes").write_text("x")
    assert record(rig) == 2
    assert f"{rig.parent / 'takes'} is a file, expected a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("weight", "seen", "says", "hint"),
    [
        (40.0, True, "line 2: expected weights from 0 to 1, got 40 in column", "divide by 100"),
        (0.4, False, "none of its 60 rows has a face", "give a recording that saw one"),
    ],
)
def test_an_import_of_no_faces_says_so_and_writes_nothing(
    tmp_path, capsys, weight, seen, says, hint
):
    path = tmp_path / "face.csv"
    weights = np.full((60, 52), weight, np.float32)
    write_livelink_csv(path, np.arange(60) / 60, weights, np.full(60, seen))
    assert main(["import", "livelink", str(path), "--out", str(tmp_path / "take")]) == 2
    said = capsys.readouterr()
    message, advice = said.err.splitlines()
    assert message.startswith(f"imusic: {path}")
    assert says in message
    assert hint in advice
    assert said.out == ""
    assert list(tmp_path.iterdir()) == [path]
