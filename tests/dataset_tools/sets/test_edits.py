"""Edits make the next version, leave all others, and forget whom they are told to forget."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from capture.take import Segment
from dataset_tools.executors import Here
from dataset_tools.manifest import read_manifest
from dataset_tools.parquet_files import read_table
from dataset_tools.sets.build import build
from dataset_tools.sets.edits import edit, merge, relabel
from dataset_tools.sets.people import forget, leave_no_trace
from dataset_tools.sets.tables import read_sequence
from dataset_tools.sets.versions import version_folder, versions
from dataset_tools.shards import read_dataset, read_facts
from firmware_host.errors import ConfigError, DataError
from imusic.cli import main
from tests.dataset_tools.sets.test_build import bytes_of

pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[3]


def here(_: int) -> Here:
    return Here()


@pytest.fixture
def dataset(make_take, tmp_path) -> Path:
    """Four takes of anna, ben and carl, in one version."""
    segments = (Segment("rest", 0.0, 1.0), Segment("speech", 1.5, 3.5))
    for number, who in enumerate(("anna", "anna", "ben", "carl")):
        make_take(f"{who}-{number}", number, seconds=4.0, subject=who, segments=segments)
    people = tmp_path / "subjects.toml"
    people.write_text(
        "".join(f'[subjects.{who}]\nconsent = ["training"]\n' for who in ("anna", "ben", "carl"))
    )
    out = tmp_path / "set"
    command = ["dataset", "build", str(tmp_path / "takes"), "--out", str(out)]
    assert main([*command, "--subjects", str(people)]) == 0
    return out


def imusic(capsys, *args) -> dict:
    capsys.readouterr()
    assert main(["dataset", *map(str, args), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def facts_of(dataset: Path) -> dict[str, dict]:
    version = version_folder(dataset)
    return {row["take"]: row for row in read_facts(version, read_manifest(version))}


def test_dropping_leaves_the_version_before_and_building_does_not_bring_it_back(
    dataset, tmp_path, capsys
):
    before = bytes_of(dataset / "v1")
    dry = imusic(capsys, "drop", dataset, "subject == 'ben'", "--dry-run")
    assert dry["version"] is None
    assert len(versions(dataset)) == 1
    done = imusic(capsys, "drop", dataset, "subject == 'ben'")
    assert done["changes"] == dry["changes"]
    assert "ben-2" in done["changes"][0]
    assert done["version"].endswith("v2")
    assert facts_of(dataset).keys() == {"anna-0", "anna-1", "carl-3"}
    assert bytes_of(dataset / "v1") == before
    manifest = read_manifest(dataset / "v2")
    assert manifest.subjects.keys() == {"anna", "carl"}
    assert manifest.statistics["seconds_by_subject"].keys() == {"anna", "carl"}
    assert [step.verb for step in manifest.history] == ["build", "drop"]
    again = build([tmp_path / "takes"], dataset, here)
    assert not again.is_new
    assert "drop" in again.notes[0]


def test_what_nothing_meets_makes_no_version(dataset, capsys):
    assert imusic(capsys, "drop", dataset, "seconds > 1000")["version"] is None
    assert main(["dataset", "drop", str(dataset), "seconds > 0"]) == 2
    assert "nothing would be left" in capsys.readouterr().err
    assert [v.name for v in versions(dataset)] == ["v1"]


def test_keeping_is_dropping_the_others(dataset, capsys):
    imusic(capsys, "keep", dataset, "matches(take, 'anna-*')")
    assert facts_of(dataset).keys() == {"anna-0", "anna-1"}


def test_a_trimmed_sequence_is_the_stretch_of_the_whole(dataset, capsys):
    (shard,) = [
        s for s in read_manifest(dataset / "v1").shards
        if int(s.name, 16) == facts_of(dataset)["anna-0"]["sequence"]
    ]  # fmt: skip
    whole = read_sequence(dataset / "v1", shard.name, 12)
    imusic(capsys, "trim", dataset, "take == 'anna-0'", "--start", 1.0, "--end", 2.0)
    row = facts_of(dataset)["anna-0 1-2 s"]
    cut = read_sequence(dataset / "v2", f"{row['sequence']:012x}", 12)
    assert row["parents"] == [whole.number]
    assert cut.first_tick == 60
    np.testing.assert_array_equal(cut.rows.weights, whole.rows.weights[60:120])
    np.testing.assert_array_equal(cut.rows.accel_m_s2, whole.rows.accel_m_s2[60:120])
    inside = (whole.samples.time_ns >= 1e9) & (whole.samples.time_ns < 2e9)
    np.testing.assert_array_equal(cut.samples.time_ns, whole.samples.time_ns[inside])
    np.testing.assert_array_equal(cut.samples.gyro_rad_s, whole.samples.gyro_rad_s[inside])
    assert len(cut.faces) == 60
    assert row["segments"] == [{"label": "speech", "start_s": 1.5, "end_s": 2.0}]
    assert row["seconds"] == 1.0
    (stored,) = [s for s in read_dataset(dataset) if s.facts["sequence"] == row["sequence"]]
    assert stored.first_tick == 60


def test_pieces_of_a_take_are_all_of_it(dataset, capsys):
    whole = facts_of(dataset)["ben-2"]
    imusic(capsys, "split-take", dataset, "subject == 'ben'", "--at", 1.5, "--at", 3.0)
    pieces = [row for row in facts_of(dataset).values() if row["subject"] == "ben"]
    assert len(pieces) == 3
    for key in ("samples", "faces", "rows"):
        assert sum(piece[key] for piece in pieces) == whole[key]
    assert all(piece["data_sha256"] == whole["data_sha256"] for piece in pieces)


def test_labels_change_and_shards_do_not(dataset, capsys):
    imusic(capsys, "relabel", dataset, "subject == 'anna'", "language=english", "emotion=joy")
    rows = facts_of(dataset)
    assert {rows[n]["emotion"] for n in ("anna-0", "anna-1")} == {"joy"}
    assert rows["ben-2"]["emotion"] == ""
    name = f"{rows['anna-0']['sequence']:012x}"
    for kind in ("shards", "native", "faces"):
        assert (dataset / f"v1/{kind}/{name}.parquet").samefile(
            dataset / f"v2/{kind}/{name}.parquet"
        )
    assert main(["dataset", "relabel", str(dataset), "seconds > 0", "seconds=3"]) == 2
    assert main(["dataset", "relabel", str(dataset), "seconds > 0", "nothing"]) == 2
    assert imusic(capsys, "relabel", dataset, "take == 'anna-0'", "emotion=joy")["version"] is None


def test_two_sets_become_one(dataset, make_take, tmp_path, capsys):
    make_take("dora-9", 9, subject="dora")
    other = build(
        [tmp_path / "takes" / "dora-9", tmp_path / "takes" / "ben-2"], tmp_path / "b", here
    )
    done = imusic(capsys, "merge", dataset, other.version.parent)
    assert len(done["changes"]) == 1
    assert len(facts_of(dataset)) == 5
    assert not imusic(capsys, "merge", dataset, other.version.parent)["changes"]
    imusic(capsys, "relabel", tmp_path / "b", "subject == 'ben'", "emotion=joy")
    with pytest.raises(ConfigError, match="not the same"):
        merge(dataset, tmp_path / "b")


def test_a_split_is_kept_with_what_is_left_and_read_by_its_parts(dataset, capsys):
    shares = ["--share", "train=0.6", "--share", "test=0.4"]
    parts = imusic(capsys, "split", dataset, *shares, "--seed", 3)["parts"]
    assert sum(part["sequences"] for part in parts.values()) == 4
    train = {s.facts["subject"] for s in read_dataset(dataset, "train")}
    test = {s.facts["subject"] for s in read_dataset(dataset, "test")}
    assert train | test == {"anna", "ben", "carl"}
    assert not train & test
    with pytest.raises(DataError, match="validation"):
        list(read_dataset(dataset, "validation"))
    imusic(capsys, "split-take", dataset, "subject == 'ben'", "--at", 2.0)
    assert {s.facts["subject"] for s in read_dataset(dataset, "train")} == train
    imusic(capsys, "split", dataset, "--leave-one-out", "--name", "folds")
    assert [s.name for s in read_manifest(version_folder(dataset)).splits] == ["folds", "default"]
    imusic(capsys, "relabel", dataset, "subject == 'ben'", "subject=anna")
    assert read_manifest(version_folder(dataset)).splits == ()


def test_differences_are_told(dataset, capsys):
    imusic(capsys, "relabel", dataset, "subject == 'anna'", "emotion=joy")
    imusic(capsys, "drop", dataset, "subject == 'ben'")
    capsys.readouterr()
    assert main(["dataset", "diff", str(dataset / "v1"), str(dataset), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["removed"] == ["ben-2"]
    assert [change["emotion"] for change in told["changed"].values()] == [["", "joy"]] * 2
    assert told["data_changed"] == []
    assert told["about"] == ["subjects"]
    assert main(["dataset", "diff", str(dataset / "v3"), str(dataset)]) == 0
    assert main(["dataset", "diff", str(dataset / "v1"), str(dataset / "v3")]) == 1
    assert "- ben-2" in capsys.readouterr().out


def test_a_renamed_subject_is_found_under_the_new_name_only(dataset, capsys):
    imusic(capsys, "relabel", dataset, "subject == 'anna'", "script=anna reads")
    imusic(capsys, "rename-subject", dataset, "anna", "p07")
    rows = facts_of(dataset)
    assert {row["subject"] for row in rows.values()} == {"p07", "ben", "carl"}
    assert {row["person"] for row in rows.values()} == {"p07", "ben", "carl"}
    assert "p07-0" in rows
    assert rows["p07-0"]["script"] == "p07 reads"
    assert "anna" not in (version_folder(dataset) / "manifest.json").read_text()
    assert main(["dataset", "rename-subject", str(dataset), "ben", "carl"]) == 2
    assert main(["dataset", "rename-subject", str(dataset), "dora", "x"]) == 2
    assert imusic(capsys, "prune", dataset)["removed"] == ["v1", "v2"]
    everything = b"".join(p.read_bytes() for p in dataset.rglob("*") if p.is_file())
    assert b"anna" not in everything


def test_a_forgotten_subject_is_in_no_version_any_more(dataset, tmp_path, capsys):
    imusic(capsys, "relabel", dataset, "subject == 'anna'", "emotion=joy")
    numbers = {row["sequence"] for row in facts_of(dataset).values() if row["subject"] == "anna"}
    assert main(["dataset", "forget", str(dataset), "anna"]) == 2  # not without --yes
    done = imusic(capsys, "forget", dataset, "anna", "--yes")
    assert done["sequences"] == 2
    assert done["versions_removed"] == ["v1", "v2"]
    assert [v.name for v in versions(dataset)] == ["v3"]
    assert facts_of(dataset).keys() == {"ben-2", "carl-3"}
    assert b"anna" not in (dataset / "v3" / "manifest.json").read_bytes()
    for path in dataset.rglob("*.parquet"):
        assert not numbers & set(read_table(path)["sequence"].to_pylist())
    again = build([tmp_path / "takes"], dataset, here)
    assert not again.is_new
    assert "forgotten" in again.notes[0]
    assert main(["dataset", "forget", str(dataset), "anna", "--yes"]) == 2


def test_a_trace_that_is_left_is_told(dataset):
    (dataset / "v1" / "letter.txt").write_text("dear anna")  # goes with its version
    assert forget(dataset, "anna").removed == ("v1",)
    edit(dataset, lambda _, f: relabel("", f, {"emotion": "joy"}))
    (dataset / "v3" / "letter.txt").write_text("dear anna")
    with pytest.raises(DataError, match="letter"):
        leave_no_trace(dataset, "anna", {1}, {"x"})
    with pytest.raises(DataError, match="its name"):
        leave_no_trace(dataset, "ben", {1}, {"x"})


def test_sql_sees_all_tables(dataset, capsys):
    pytest.importorskip("duckdb")
    asked = "select subject, count(*) n from sequences join rows using (sequence) "
    asked += "group by all order by 1"
    found = imusic(capsys, "query", dataset, asked)
    assert [row["subject"] for row in found] == ["anna", "ben", "carl"]
    assert sum(row["n"] for row in found) == sum(r["rows"] for r in facts_of(dataset).values())
    assert main(["dataset", "query", str(dataset), "select nothing from nowhere"]) == 2


def test_stretches_are_where_the_condition_holds(dataset, capsys):
    found = imusic(capsys, "query", dataset, "jawOpen > 0.6 and subject == 'ben'", "--stretches")
    (row,) = [s for s in read_dataset(dataset) if s.facts["subject"] == "ben"]
    jaw = row.weights[:, read_manifest(dataset / "v1").weight_names.index("jawOpen")]
    lasting = sum(stretch["end_s"] - stretch["start_s"] for stretch in found)
    assert lasting == pytest.approx(np.count_nonzero(jaw > 0.6) / 60)
    assert len(imusic(capsys, "query", dataset, "subject == 'ben'")) == 1


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="asks for a process group")
def test_an_edit_that_is_killed_leaves_the_version_before(dataset):
    before = bytes_of(dataset / "v1")
    command = [sys.executable, "-m", "imusic", "dataset", "split-take", str(dataset)]
    command += ["seconds > 0", "--at", "1", "--at", "2", "--at", "3"]
    started = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and started.poll() is None:
        if len(list((dataset / ".building").glob("native/*.parquet"))) >= 2:
            break
        time.sleep(0.001)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert bytes_of(dataset / "v1") == before
    if started.returncode != 0:  # it was not faster than we looked
        assert [v.name for v in versions(dataset)] == ["v1"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert len(facts_of(dataset)) == 16
    assert [v.name for v in versions(dataset)] == ["v1", "v2"]
