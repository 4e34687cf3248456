"""Outputs are refused before the work, under the name that was asked for, and written whole."""

from pathlib import Path

import pytest

from capture.outputs import require_writable, require_writable_folder, whole_file
from firmware_host.errors import ConfigError

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="a folder that not even root writes to")


@needs_proc
@pytest.mark.parametrize("check", [require_writable, require_writable_folder])
def test_a_place_that_takes_no_files_is_refused_by_the_name_asked_for(check):
    with pytest.raises(ConfigError, match=r"^/proc/face\.npz cannot be written: "):
        check(PROC / "face.npz")


def test_a_file_needs_a_folder_and_a_name_of_its_own(tmp_path):
    with pytest.raises(ConfigError, match="there is no folder"):
        require_writable(tmp_path / "nowhere" / "face.npz")
    with pytest.raises(ConfigError, match="is a folder"):
        require_writable(tmp_path)


@pytest.mark.parametrize("below", [".", "takes", "takes/today"])
def test_a_folder_cannot_be_made_in_a_file(tmp_path, below):
    (tmp_path / "notes").write_text("x")
    with pytest.raises(ConfigError, match="notes is a file"):
        require_writable_folder(tmp_path / "notes" / below)


def test_checks_leave_nothing_behind(tmp_path):
    require_writable(tmp_path / "face.npz")
    require_writable_folder(tmp_path / "takes" / "today")
    assert list(tmp_path.iterdir()) == []


def test_a_file_appears_whole_and_touches_no_other(tmp_path):
    path, other = tmp_path / "face.CSV", tmp_path / "face.CSV.part"
    other.write_text("somebody's")
    with whole_file(path) as beside:
        beside.write_text("half")
        assert beside.suffix == ".csv"
        assert not path.exists()
    assert path.read_text() == "half"
    assert sorted(tmp_path.iterdir()) == [path, other]
    assert other.read_text() == "somebody's"


def test_after_an_error_the_file_is_as_it_was(tmp_path):
    path = tmp_path / "face.csv"
    path.write_text("before")

    def write() -> None:
        with whole_file(path) as beside:
            beside.write_text("half")
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="on fire"):
        write()
    assert [(p, p.read_text()) for p in tmp_path.iterdir()] == [(path, "before")]
