"""What is put right is what is safe; faces moved in time take along what hangs on them."""

import json
from pathlib import Path

import numpy as np
import pytest

from capture.take import Segment
from dataset_tools.annotations.csv_files import encode_csv
from dataset_tools.annotations.marks import Mark
from dataset_tools.annotations.tables import read_marks
from dataset_tools.executors import Here
from dataset_tools.manifest import read_manifest
from dataset_tools.sets.build import build
from dataset_tools.sets.sequences import rows_at_60_hz
from dataset_tools.sets.tables import read_sequence
from dataset_tools.sets.versions import version_folder, versions
from dataset_tools.shards import read_facts
from imusic.cli import main

pytest.importorskip("pyarrow")

# Beyond the end, backwards in part, and twice.
SEGMENTS = (
    Segment("rest", 0.0, 1.0),
    Segment("speech", 1.5, 9.0),
    Segment("joy", 20.0, 30.0),
    Segment("rest", 0.5, 1.2),
)


@pytest.fixture
def dataset(make_take, tmp_path) -> Path:
    notes = {"notes": ["write to anna.smith@example.org", "window open"]}
    make_take("one", 1, subject="p1", segments=SEGMENTS, simulated=True, origin=notes)
    make_take("two", 2, subject="p2", simulated=True)
    make_take("three", 3, subject="p3", simulated=True)
    build([tmp_path / "takes"], tmp_path / "set", lambda _: Here())
    return tmp_path / "set"


def facts_of(dataset: Path) -> dict[str, dict]:
    version = version_folder(dataset)
    return {row["take"]: row for row in read_facts(version, read_manifest(version))}


def checked(dataset, capsys, *more: str) -> dict:
    capsys.readouterr()
    main(["dataset", "check", str(dataset), "--json", *more])
    return json.loads(capsys.readouterr().out)


def test_labels_identifiers_and_leaky_splits_are_put_right_and_no_number(dataset, capsys):
    shares = ["--share", "train=0.5", "--share", "test=0.5"]
    assert main(["dataset", "split", str(dataset), *shares]) == 0
    assert main(["dataset", "split", str(dataset), "--leave-one-out", "--name", "folds"]) == 0
    manifest = version_folder(dataset) / "manifest.json"
    told = json.loads(manifest.read_text())
    for split in told["splits"]:
        if split["name"] == "default":
            split["parts"]["train"].append(7)  # as an older program may have left it
    manifest.write_text(json.dumps(told))
    before = checked(dataset, capsys)
    rules = {f["rule"] for f in before["findings"] if f["severity"] == "fail"}
    assert {"label_range", "identifier", "split_stale"} <= rules
    after = checked(dataset, capsys, "--fix")
    assert after["fixed"]
    left = {f["rule"] for f in after["findings"]}
    assert not left & {"label_range", "label_overlap", "identifier", "split_stale"}
    row = facts_of(dataset)["one"]
    assert [(s["label"], s["start_s"], round(s["end_s"], 2)) for s in row["segments"]] == [
        ("rest", 0.0, 1.2),
        ("speech", 1.5, 2.99),
    ]
    assert row["notes"][:2] == ["write to (removed)", "window open"]
    newest = version_folder(dataset)
    assert [split.name for split in read_manifest(newest).splits] == ["folds"]
    old = versions(dataset)[-2]
    for kind in ("shards", "native", "faces"):
        for path in sorted((newest / kind).iterdir()):
            assert path.samefile(old / kind / path.name)
    count = len(versions(dataset))
    assert "fixed" not in checked(dataset, capsys, "--fix") or len(versions(dataset)) == count


def test_what_is_not_safe_is_left_to_people(make_take, tmp_path, capsys):
    make_take("one", 1, subject="Anna Smith")
    build([tmp_path / "takes"], tmp_path / "set", lambda _: Here())
    before = checked(tmp_path / "set", capsys)
    after = checked(tmp_path / "set", capsys, "--fix")
    rules = {f["rule"] for f in before["findings"]}
    assert {"consent_missing", "identifier"} <= rules
    assert {f["rule"] for f in after["findings"]} == rules
    assert len(versions(tmp_path / "set")) == 1


def test_faces_move_and_samples_stay(dataset, tmp_path, capsys):
    (tmp_path / "said.csv").write_text(encode_csv({"one": [Mark("smile", "eve", 1.0, 2.0)]}))
    assert main(["dataset", "tracks", "add", str(dataset), str(tmp_path / "said.csv")]) == 0
    old = version_folder(dataset)
    number = f"{facts_of(dataset)['one']['sequence']:012x}"
    before = read_sequence(old, number, 12)
    command = ["dataset", "resync", str(dataset), "take == 'one'", "--later-ms", "40"]
    assert main([*command, "--dry-run"]) == 0
    assert version_folder(dataset) == old
    assert main(command) == 0
    after = read_sequence(version_folder(dataset), number, 12)
    np.testing.assert_array_equal(after.faces.time_ns, before.faces.time_ns + 40_000_000)
    np.testing.assert_array_equal(after.samples.accel_m_s2, before.samples.accel_m_s2)
    np.testing.assert_array_equal(after.samples.time_ns, before.samples.time_ns)
    np.testing.assert_array_equal(
        after.rows.weights, rows_at_60_hz(before.samples, after.faces).weights
    )
    # 40 ms are 2.4 ticks: the row at tick k holds what was at k - 2.4.
    ticks = np.arange(10, 100)
    lines = np.array([np.interp(ticks - 2.4, np.arange(len(c)), c) for c in before.rows.weights.T])
    np.testing.assert_allclose(after.rows.weights[10:100], lines.T, atol=0.01)
    assert after.facts["phone_latency_s"] == pytest.approx(
        (before.facts["phone_latency_s"] or 0.0) - 0.04
    )
    (mark,) = read_marks(version_folder(dataset), number)
    assert (mark.start_s, mark.end_s) == pytest.approx((1.04, 2.04))
    assert main([*command[:-1], "4000000"]) == 2
    assert main(["dataset", "resync", str(dataset), "take == 'one'", "--later-ms", "0"]) == 0
    capsys.readouterr()
