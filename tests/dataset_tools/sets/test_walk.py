"""The walk of docs/dataset.md works as it is written, command by command."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from capture.take import Segment
from dataset_tools.manifest import read_manifest
from dataset_tools.sets.versions import version_folder
from imusic.cli import main
from tests.dataset_tools.sets.conftest import write_small_take

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

DOCS = Path(__file__).parents[3] / "docs" / "dataset.md"


def walk() -> list[list[str]]:
    section = DOCS.read_text("utf-8").split("## From takes to a published set")[1].split("\n## ")[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    imusic ")]
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.slow
def test_every_command_of_the_walk_works(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    segments = (Segment("rest", 0.0, 1.0), Segment("speech", 1.5, 9.0))
    for number, who in enumerate(("anna", "anna", "ben", "carl")):
        write_small_take(
            tmp_path / "takes" / f"{who}-{number}", number, subject=who, segments=segments
        )
    consent = 'consent = ["training", "publication"]\nlicence = "CC-BY-4.0"\n'
    people = ("anna", "ben", "carl", "anonymous")
    Path("subjects.toml").write_text("".join(f"[subjects.{p}]\n{consent}" for p in people))
    shutil.copy(data / "arkit" / "sentien" / "recording.csv", "recording.csv")
    commands = walk()
    assert len(commands) >= 15
    for words in commands:
        may_fail = words[-2:] == ["||", "true"]
        words = words[1:-2] if may_fail else words[1:]
        capsys.readouterr()
        code = main(words)
        said = capsys.readouterr()
        assert code == 0 or may_fail, (words, said.out, said.err)
    version = version_folder(Path("sets/faces"))
    manifest = read_manifest(version)
    assert [step.verb for step in manifest.history] == [
        "build", "fix", "trim", "relabel", "tracks-facs", "split", "release",
    ]  # fmt: skip
    rows = [json.loads(line) for line in Path("faces.jsonl").read_text().splitlines()]
    assert {row["take"] for row in rows} >= {"anna-1 0-2.5 s", "phone-1"}
    assert Path("faces.html").stat().st_size > 50_000
    assert "Release 1" in Path("hub/faces/README.md").read_text()
    assert (Path("elsewhere/faces") / version.name / "manifest.json").is_file()
