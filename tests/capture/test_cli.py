"""The verbs about takes, as typed: what they say, and their exit codes."""

import json

import pytest

from capture.take import TAKE_FILE, new_take, write_take
from firmware_host.layout import FACE_12
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
