"""`kill -9` at any change that a command makes to the disk leaves what was there whole."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from capture.take import Segment
from dataset_tools.annotations.csv_files import encode_csv
from dataset_tools.annotations.marks import Mark
from dataset_tools.executors import Here
from dataset_tools.sets.build import build
from dataset_tools.sets.remote import push
from imusic.cli import main

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

ROOT = Path(__file__).parents[3]
# Of each command; `python -m tests.dataset_tools.sets.killing FOLDER 0` tries all.
POINTS = 2


def here(_: int) -> Here:
    return Here()


@pytest.fixture
def prepared(make_take, tmp_path) -> Path:
    """A set of two versions with a track, another set, a pushed one, and a take to be built."""
    folder = tmp_path / "kills" / "prepared"
    segments = (Segment("rest", 0.0, 1.0),)
    for number, who in enumerate(("anna", "ben", "anna")):
        make_take(
            f"{who}-{number}", number, seconds=2.0, subject=who, segments=segments, simulated=True
        )
    folder.mkdir(parents=True)
    takes = tmp_path / "takes"
    build([takes / "anna-0", takes / "ben-1"], folder / "set", here)
    build([takes / "anna-2"], folder / "other", here)
    push(folder / "other", str(folder / "there"))
    shutil.move(takes, folder / "takes")
    smile = Mark("smile", "eve", 0.2, 1.0, 0.5)
    (folder / "smile.csv").write_text(encode_csv({"ben-1": [smile]}))
    (folder / "ratings.csv").write_text(encode_csv({"anna-0": [smile._replace(track="joy")]}))
    assert main(["dataset", "tracks", "add", str(folder / "set"), str(folder / "smile.csv")]) == 0
    return folder


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_kill_at_any_change_leaves_the_old_versions_whole(prepared):
    told = subprocess.run(
        [sys.executable, "-m", "tests.dataset_tools.sets.killing", prepared.parent, str(POINTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert told.returncode == 0, told.stderr
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert {row["command"]: row["code"] for row in rows if row["code"]} == {}
    assert {row["command"]: row["wrong"] for row in rows if row["wrong"]} == {}
    assert all(row["tried"] >= min(POINTS, row["moments"]) > 0 for row in rows)
