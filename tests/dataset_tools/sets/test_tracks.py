"""Tracks of a data set: brought in, kept through edits, compared, fused, and forgotten."""

import json
from pathlib import Path

import numpy as np
import pytest

from capture.importers import write_samples
from capture.take import new_take
from capture.take_writer import TakeWriter
from dataset_tools.annotations.csv_files import encode_csv
from dataset_tools.annotations.marks import Mark, curve_marks
from dataset_tools.annotations.simulated_raters import SimulatedRater, rate, truth
from dataset_tools.executors import Here
from dataset_tools.manifest import read_manifest
from dataset_tools.parquet_files import read_table
from dataset_tools.performance import generate_performance
from dataset_tools.sets.build import build
from dataset_tools.sets.tracks import told
from dataset_tools.sets.versions import version_folder, versions
from firmware_host.layout import FACE_12
from imusic.cli import main
from tests.dataset_tools.sets.conftest import ns
from tests.dataset_tools.sets.test_build import bytes_of

pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[3]
RATERS = (SimulatedRater("eve", 1.5), SimulatedRater("frank", 2.5, 0.7, 0.1, 0.08))


def here(_: int) -> Here:
    return Here()


def imusic(capsys, *args) -> dict:
    capsys.readouterr()
    assert main(["dataset", *map(str, args), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def dataset(make_take, tmp_path) -> Path:
    for number, who in enumerate(("anna", "ben")):
        make_take(f"{who}-{number}", number, seconds=4.0, subject=who)
    build([tmp_path / "takes"], tmp_path / "set", here)
    return tmp_path / "set"


def rated(tmp_path, **takes) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_text(encode_csv(takes), "utf-8")
    return path


def marks_of(dataset: Path) -> dict[str, tuple[Mark, ...]]:
    said = told(dataset)
    return {row["take"]: said.marks[row["sequence"]] for row in said.facts}


SMILE = Mark("smile", "eve", 1.0, 3.0, 0.5, "posed")


def test_what_raters_said_is_there_in_every_format_and_through_edits(
    dataset, tmp_path, capsys, make_take
):
    before = bytes_of(dataset / "v1")
    path = rated(tmp_path, **{"anna-0": [SMILE, Mark("liking", "anna", 0.5, 0.5, 1.0)]})
    assert imusic(capsys, "tracks", "add", dataset, path, "--dry-run")["version"] is None
    assert imusic(capsys, "tracks", "add", dataset, path)["version"].endswith("v2")
    assert imusic(capsys, "tracks", "add", dataset, path)["version"] is None  # nothing new in it
    assert bytes_of(dataset / "v1") == before
    assert marks_of(dataset)["anna-0"][1] == SMILE
    assert marks_of(dataset)["ben-1"] == ()
    listed = imusic(capsys, "tracks", "list", dataset)
    assert [(row["track"], row["rater"], row["takes"]) for row in listed] == [
        ("liking", "anna", 1),
        ("smile", "eve", 1),
    ]
    imusic(capsys, "relabel", dataset, "subject == 'anna'", "emotion=joy")
    assert marks_of(dataset)["anna-0"][1] == SMILE
    imusic(capsys, "trim", dataset, "take == 'anna-0'", "--start", 2.0)
    (cut,) = marks_of(dataset)["anna-0 2-3.99 s"]
    assert cut == SMILE._replace(start_s=2.0)
    out = tmp_path / "elan"
    assert (
        main(["dataset", "tracks", "export", str(dataset), "--format", "elan", "--out", str(out)])
        == 0
    )
    (eaf,) = out.glob("*.eaf")
    assert (
        main(["dataset", "check", str(dataset)]) == 1
    )  # nobody's consent is told; files are whole
    assert "not those that were written" not in capsys.readouterr().out
    imusic(capsys, "tracks", "remove", dataset, "smile")
    assert not (version_folder(dataset) / "tracks").exists()
    assert imusic(capsys, "tracks", "add", dataset, eaf)["version"]  # the take is named by the file
    assert marks_of(dataset)["anna-0 2-3.99 s"] == (cut,)


def test_a_take_that_is_built_again_keeps_what_was_said(dataset, tmp_path, capsys):
    imusic(capsys, "tracks", "add", dataset, rated(tmp_path, **{"ben-1": [SMILE]}))
    toml = tmp_path / "takes" / "ben-1" / "take.toml"
    toml.write_text(toml.read_text().replace('subject = "ben"', 'subject = "benjamin"'))
    assert build([tmp_path / "takes"], dataset, here).changed == 1
    assert marks_of(dataset)["ben-1"] == (SMILE,)
    (shard,) = [s for s in read_manifest(version_folder(dataset)).shards if len(s.sha256) == 5]
    assert "tracks/" in [*shard.files][-1]


def test_raters_are_forgotten_and_renamed_too(dataset, tmp_path, capsys):
    ratings = {"ben-1": [SMILE, Mark("smile", "anna", 0.0, 1.0)]}
    imusic(capsys, "tracks", "add", dataset, rated(tmp_path, **ratings))
    imusic(capsys, "rename-subject", dataset, "anna", "p07")
    assert {m.rater for m in marks_of(dataset)["ben-1"]} == {"eve", "p07"}
    imusic(capsys, "forget", dataset, "p07", "--yes")
    assert sorted(m.rater for m in marks_of(dataset)["ben-1"]) == ["eve", "forgotten"]
    for path in dataset.rglob("tracks/*.parquet"):
        assert not {"anna", "p07"} & set(read_table(path)["rater"].to_pylist())
    imusic(capsys, "forget", dataset, "eve", "--yes")  # who rated, and was never recorded
    assert {m.rater for m in marks_of(dataset)["ben-1"]} == {"forgotten"}
    assert len(versions(dataset)) == 1


@pytest.mark.parametrize(
    ("takes", "told_"),
    [
        ({"dora-9": [SMILE]}, "no take 'dora-9'"),
        ({"ben-1": [SMILE._replace(end_s=3000.0)]}, "seconds after the first sample"),
    ],
)
def test_marks_of_no_such_moment_are_refused(dataset, tmp_path, capsys, takes, told_):
    path = rated(tmp_path, **takes)
    assert main(["dataset", "tracks", "add", str(dataset), str(path)]) in (2, 3)
    assert told_ in capsys.readouterr().err
    assert [v.name for v in versions(dataset)] == ["v1"]
    assert main(["dataset", "tracks", "agreement", str(dataset), "smile"]) == 2
    assert "no track 'smile'" in capsys.readouterr().err


def played(folder: Path, seed: int) -> Path:
    """A take whose face performs; its samples say nothing."""
    made = generate_performance(seed, 30.0)
    writer_take = new_take(folder.name, FACE_12, {"one_clock": True, "time_zero_s": 0.0})
    folder.mkdir(parents=True)
    writer = TakeWriter(folder, writer_take)
    time_s = np.arange(0.0, 30.0, 0.02)
    still = np.tile(np.float32([0.0, 9.81, 0.0]), (len(time_s), 12, 1))
    write_samples(writer, ns(time_s), still, np.zeros_like(still))
    seen = np.asarray(made.time_s)
    weights = np.asarray(made.weights, np.float32)
    writer.faces(ns(seen), ns(seen), weights, np.ones(len(seen), bool))
    writer.close()
    return folder


def test_raters_are_compared_and_fused_without_their_lateness(tmp_path, capsys):
    marks, felt = {}, {}
    for seed in range(3):
        made = generate_performance(seed, 30.0)
        played(tmp_path / "takes" / f"take-{seed}", seed)
        felt[f"take-{seed}"] = truth("valence", np.asarray(made.weights), np.asarray(made.time_s))
        marks[f"take-{seed}"] = [
            mark
            for rater in RATERS
            for curve in [rate(rater, felt[f"take-{seed}"], seed)]
            for mark in curve_marks("valence", rater.name, curve.time_s, curve.value)
        ]
    dataset = build([tmp_path / "takes"], tmp_path / "set", here).version.parent
    imusic(capsys, "tracks", "add", dataset, rated(tmp_path, **marks))
    found = imusic(capsys, "tracks", "agreement", dataset, "valence")
    assert found["delays_s"]["frank"] == pytest.approx(1.0, abs=0.2)
    assert found["curves_without_delays"]["ccc_mean"] > found["curves"]["ccc_mean"] + 0.1
    assert found["curves_without_delays"]["icc"]["3,k"] > 0.8
    gold = imusic(capsys, "tracks", "fuse", dataset, "valence")
    assert gold["delays_s"] == pytest.approx({"eve": 1.5, "frank": 2.5}, abs=0.3)
    (curve,) = told(dataset).rated("valence", ("eve", "frank")).values()
    rows = told(dataset).facts
    for row, said in zip(rows, curve, strict=True):
        true = felt[row["take"]]
        both = np.isfinite(said.at(true.time_s))
        assert np.corrcoef(said.at(true.time_s)[both], true.value[both])[0, 1] > 0.9


def test_intervals_are_compared_and_voted_on(dataset, tmp_path, capsys):
    said = [
        SMILE._replace(rater=rater, start_s=start_s, end_s=3.0, label="", value=float("nan"))
        for rater, start_s in (("eve", 1.0), ("frank", 1.2), ("gail", 2.0))
    ]
    imusic(capsys, "tracks", "add", dataset, rated(tmp_path, **{"anna-0": said}))
    found = imusic(capsys, "tracks", "agreement", dataset, "smile")["intervals"]
    assert found["categories"] == ["", "present"]
    assert 0.4 < found["fleiss_kappa"] < 1
    assert found["cohen_kappa"]["eve frank"] > found["cohen_kappa"]["eve gail"]
    imusic(capsys, "tracks", "fuse", dataset, "smile")
    (gold,) = [m for m in marks_of(dataset)["anna-0"] if m.rater == "gold"]
    assert (gold.start_s, gold.end_s) == pytest.approx((1.2, 3.0), abs=0.11)


def test_faces_give_tracks_of_action_units(dataset, capsys):
    imusic(capsys, "tracks", "facs", dataset)
    marks = marks_of(dataset)["anna-0"]
    assert {m.rater for m in marks} == {"arkit-rule"}
    assert {"AU12L", "AU12R", "AU1", "AU26"} <= {m.track for m in marks}
    assert all(0.05 <= m.value <= 1 and m.label in "ABCDE" for m in marks)
    assert imusic(capsys, "tracks", "facs", dataset)["version"] is None  # the same again
