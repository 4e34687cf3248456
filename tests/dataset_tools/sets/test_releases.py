"""Releases are numbered and say their terms; what older versions of this program wrote is read."""

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from capture.recording import read_recording
from capture.take import SCHEMA_VERSION as TAKE_VERSION
from capture.take import read_take
from dataset_tools.executors import Here
from dataset_tools.manifest import SCHEMA_VERSION, read_manifest
from dataset_tools.sets.build import build
from dataset_tools.sets.check import check
from dataset_tools.sets.versions import version_folder, versions
from dataset_tools.shards import read_dataset
from imusic.cli import main
from tests.dataset_tools.sets.test_build import bytes_of

pytest.importorskip("pyarrow")

# Written by this program when its schema had these versions; what is in each is in its name.
GOLDEN = Path(__file__).parents[2] / "golden"
TODAY = dt.date(2026, 6, 1)


def here(_: int) -> Here:
    return Here()


def test_there_is_a_golden_take_and_set_of_every_version():
    takes = {read_take(path).schema_version for path in GOLDEN.glob("take-v*")}
    assert takes == set(range(1, TAKE_VERSION + 1))
    sets = {
        json.loads((path / "manifest.json").read_bytes())["schema_version"]
        for path in GOLDEN.glob("set-v*")
    }
    assert sets == set(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("version", range(1, TAKE_VERSION + 1))
def test_a_take_of_every_version_is_read_and_built(version, tmp_path):
    folder = GOLDEN / f"take-v{version}"
    recording = read_recording(folder)
    # As they were written: 60 samples at 50 Hz of three slots, 72 faces at 60 Hz.
    rng = np.random.default_rng(7)
    accel = rng.normal((0.0, 9.81, 0.0), 0.02, (60, 3, 3)).astype(np.float32)
    np.testing.assert_array_equal(recording.accel_m_s2, accel)
    assert recording.take.subject == "p01"
    assert recording.take.sources[0].slots == ("mentalis", "zygomaticus_left", "head_reference")
    weights = 0.4 + 0.3 * np.sin(np.arange(72)[:, None] / 60 * np.linspace(2, 5, 52))
    np.testing.assert_allclose(recording.faces.weights, weights, atol=1e-6)
    built = build([folder], tmp_path / "set", here)
    (stored,) = read_dataset(built.version.parent)
    assert stored.facts["take"] == f"take-v{version}"


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_a_set_of_every_version_is_read_and_checked(version, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(GOLDEN / f"set-v{version}", folder)
    manifest = read_manifest(folder)
    assert manifest.schema_version == SCHEMA_VERSION
    (stored,) = read_dataset(folder)
    assert stored.weights.shape[1] == 52
    assert np.isfinite(stored.accel_m_s2).any()
    assert not {f.rule for f in check(folder, here, TODAY).findings} & {"file"}


def test_an_edit_of_an_old_set_writes_todays_version(tmp_path):
    shutil.copytree(GOLDEN / "set-v2", tmp_path / "set" / "v1")
    before = bytes_of(tmp_path / "set" / "v1")
    assert main(["dataset", "relabel", str(tmp_path / "set"), "seconds > 0", "emotion=joy"]) == 0
    newest = version_folder(tmp_path / "set")
    assert json.loads((newest / "manifest.json").read_bytes())["schema_version"] == SCHEMA_VERSION
    assert bytes_of(tmp_path / "set" / "v1") == before


@pytest.fixture
def dataset(make_take, tmp_path) -> Path:
    for number, who in enumerate(("anna", "ben", "virtual")):
        make_take(f"{who}-{number}", number, subject=who, simulated=who == "virtual")
    subjects(tmp_path, anna='["training", "publication"]', ben='["publication", "teaching"]')
    build_all(tmp_path)
    return tmp_path / "set"


def subjects(tmp_path, **consents: str) -> None:
    (tmp_path / "subjects.toml").write_text(
        "".join(
            f'[subjects.{who}]\nconsent = {consent}\nlicence = "CC-BY-4.0"\n'
            for who, consent in consents.items()
        )
    )


def build_all(tmp_path) -> None:
    command = ["dataset", "build", str(tmp_path / "takes"), "--out", str(tmp_path / "set")]
    assert main([*command, "--subjects", str(tmp_path / "subjects.toml")]) == 0


def released(dataset, capsys, *more: str) -> dict:
    capsys.readouterr()
    assert main(["dataset", "release", str(dataset), "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_releases_are_numbered_and_tell_terms_and_changes(dataset, tmp_path, capsys):
    first = released(dataset, capsys, "--notes", "the first")
    assert (first["number"], first["licences"]) == (1, ["CC-BY-4.0"])
    assert first["consent"] == ["publication"]  # what both agreed to
    assert (first["subjects"], first["sequences"]) == (3, 3)
    assert first["changes"] == ["build: 3 added"]
    assert main(["dataset", "drop", str(dataset), "subject == 'ben'"]) == 0
    assert main(["dataset", "relabel", str(dataset), "subject == 'anna'", "emotion=joy"]) == 0
    second = released(dataset, capsys)
    assert (second["number"], second["changes"]) == (2, ["drop: 1 removed", "relabel: 1 changed"])
    assert second["consent"] == ["publication", "training"]
    assert main(["dataset", "releases", str(dataset)]) == 0
    told = capsys.readouterr().out
    assert "release 1" in told
    assert "the first" in told
    hub = tmp_path / "hub"
    command = ["dataset", "export", str(dataset), "--format", "huggingface", "--out", str(hub)]
    assert main(command) == 0
    assert "Release 2 of" in (hub / "README.md").read_text()
    assert main(["dataset", "forget", str(dataset), "anna", "--yes"]) == 0
    assert [r.number for r in read_manifest(version_folder(dataset)).releases] == [1, 2]


def test_who_did_not_agree_is_in_no_release(dataset, tmp_path, capsys):
    subjects(tmp_path, anna='["training"]', ben='["publication"]')
    build_all(tmp_path)
    assert main(["dataset", "release", str(dataset)]) == 2
    assert "anna did not agree" in capsys.readouterr().err
    (tmp_path / "subjects.toml").write_text(
        '[subjects.anna]\nconsent = ["publication"]\n[subjects.ben]\nconsent = []\n'
    )
    build_all(tmp_path)
    assert main(["dataset", "release", str(dataset)]) == 1  # ben agreed to nothing
    assert "consent_missing" in capsys.readouterr().err
    assert main(["dataset", "drop", str(dataset), "subject == 'ben'"]) == 0
    capsys.readouterr()
    assert main(["dataset", "release", str(dataset)]) == 2
    assert "no licence is told for anna" in capsys.readouterr().err
    assert not read_manifest(version_folder(dataset)).releases
    assert len(versions(dataset)) == 4
