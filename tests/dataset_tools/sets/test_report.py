"""Summary, report and exports: what they say is what the set holds."""

import datetime as dt
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from capture.importers import import_samples
from capture.livelink_csv import read_livelink_csv
from capture.recording import read_recording
from capture.take import Segment
from dataset_tools.manifest import read_manifest
from dataset_tools.parquet_files import read_table
from dataset_tools.sets.exports import export, may_be_published
from dataset_tools.shards import read_dataset, read_facts
from firmware_host.errors import ConfigError
from imusic.cli import main

pytest.importorskip("pyarrow")

PEOPLE = """
[subjects.anna]
consent = ["training", "publication"]
licence = "CC-BY-4.0"
[subjects.ben]
consent = ["training"]
licence = "CC-BY-4.0"
"""


@pytest.fixture
def dataset(make_take, tmp_path) -> Path:
    rest = (Segment("rest", 0.0, 1.0),)
    for number, who in enumerate(("anna", "anna", "ben")):
        make_take(f"{who}-{number}", number, seconds=6.0, subject=who, segments=rest)
    (tmp_path / "subjects.toml").write_text(PEOPLE)
    command = ["dataset", "build", str(tmp_path / "takes"), "--out", str(tmp_path / "set")]
    assert main([*command, "--subjects", str(tmp_path / "subjects.toml")]) == 0
    return tmp_path / "set"


def test_a_summary_adds_up(dataset, capsys):
    capsys.readouterr()
    assert main(["dataset", "summary", str(dataset), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["sequences"], told["subjects"]) == (3, 2)
    assert told["hours"] == pytest.approx(3 * 6 / 3600, abs=2e-4)
    assert sum(told["hours_by_subject"].values()) == pytest.approx(told["hours"], abs=2e-4)
    assert told["sync"] == {"good": 3}
    assert told["rate_hz"]["median"] == pytest.approx(100)
    assert min(told["performed"].values()) == 1.0  # every shape goes up to 0.7
    assert told["licences"] == ["CC-BY-4.0"]
    assert main(["dataset", "summary", str(dataset)]) == 0
    assert "2 subjects" in capsys.readouterr().out


class Page(HTMLParser):
    """Collects what a page shows and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key in ("src", "href"):
                (self.images if tag == "img" else self.loads).append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_is_one_file_that_loads_nothing(dataset, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["dataset", "relabel", str(dataset), "subject == 'ben'", "script=a&b <c>"]) == 0
    assert main(["dataset", "report", str(dataset), "--out", str(out)]) == 0
    page = Page()
    page.feed(out.read_text("utf-8"))
    assert page.loads == []
    assert len(page.images) >= 8
    assert all(image.startswith("data:image/png;base64,") for image in page.images)
    assert "Data set, v2" in page.text
    assert "relabel" in page.text  # the history
    assert "label_content" in page.text  # the faces of these takes move at rest
    assert main(["dataset", "report", str(dataset), "--out", str(out)]) == 2  # never overwritten


def test_npz_of_an_export_are_takes_again(dataset, tmp_path, capsys):
    assert (
        main(["dataset", "export", str(dataset), "--format", "npz", "--out", str(tmp_path / "x")])
        == 0
    )
    assert "ben-2" in capsys.readouterr().err  # ben did not agree to publication
    files = sorted((tmp_path / "x").glob("*.npz"))
    assert len(files) == 2
    import_samples(files[0], tmp_path / "again")
    before, after = (
        read_recording(tmp_path / "takes" / "anna-0"),
        read_recording(tmp_path / "again"),
    )
    np.testing.assert_array_equal(before.accel_m_s2, after.accel_m_s2)
    np.testing.assert_array_equal(before.faces.weights, after.faces.weights)
    assert after.take.segment("rest") == before.take.segment("rest")


def test_csvs_of_an_export_are_read_by_what_reads_the_app(dataset, tmp_path):
    done = export(dataset, tmp_path / "csv", "livelink", all_of_it=True)
    assert (done.sequences, done.left_out) == (3, ())
    path = next((tmp_path / "csv").glob("ben-2-*.csv"))
    read = read_livelink_csv(path)
    recorded = read_recording(tmp_path / "takes" / "ben-2").faces
    np.testing.assert_allclose(read.weights, recorded.weights, atol=1e-6)


def test_a_repository_for_the_hub_has_its_parts_and_a_card(dataset, tmp_path):
    assert (
        main(["dataset", "split", str(dataset), "--share", "train=0.7", "--share", "test=0.3"]) == 0
    )
    out = tmp_path / "hub"
    export(dataset, out, "huggingface", all_of_it=True)
    card = (out / "README.md").read_text("utf-8")
    paths = re.findall(r"path: (\S+)", card)
    assert len(paths) == 8  # four configurations, two parts
    rows = sum(read_table(file).num_rows for file in out.glob("rows/*/*.parquet"))
    assert rows == sum(len(s.weights) for s in read_dataset(dataset))
    for path in paths:
        assert list(out.glob(path))
    train = {s.facts["sequence"] for s in read_dataset(dataset, "train")}
    there = {
        row["sequence"] for f in out.glob("sequences/train/*") for row in read_table(f).to_pylist()
    }
    assert there == train
    assert "license: cc-by-4.0" in card


def test_what_nobody_agreed_to_is_not_exported(dataset, tmp_path):
    assert main(["dataset", "keep", str(dataset), "subject == 'ben'"]) == 0
    with pytest.raises(ConfigError, match="agreed"):
        export(dataset, tmp_path / "x", "npz")
    assert not (tmp_path / "x").exists()
    assert not list(tmp_path.glob(".x*"))
    version = dataset / "v1"
    manifest = read_manifest(version)
    allowed = {
        r["take"]
        for r in read_facts(version, manifest)
        if may_be_published(r, manifest, dt.date.today())
    }
    assert allowed == {"anna-0", "anna-1"}
