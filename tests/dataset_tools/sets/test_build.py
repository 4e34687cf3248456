"""`imusic dataset build`: whole versions, the same bytes, nothing built twice."""

import datetime as dt
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from capture.consent import Subject
from capture.recording import read_recording
from capture.take import read_take, write_take
from dataset_tools.executors import Here, Processes, Ray
from dataset_tools.manifest import read_manifest
from dataset_tools.sets.build import build
from dataset_tools.sets.locks import only_writer
from dataset_tools.sets.tables import read_faces, read_samples, read_sequence
from dataset_tools.sets.versions import BUILDING, version_folder, versions
from dataset_tools.shards import read_dataset, read_facts
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12, SensorLayout, Slot, select
from imusic.cli import main

pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[3]


def here(_: int) -> Here:
    return Here()


def bytes_of(folder: Path) -> dict[str, str]:
    """Path → hash of every file below."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_rows_samples_and_faces_are_those_of_the_take(make_take, tmp_path):
    folder = make_take("one", 1, subject="anna")
    built = build([folder], tmp_path / "set", here)
    manifest = read_manifest(built.version)
    (shard,) = manifest.shards
    recording = read_recording(folder)
    samples = read_samples(built.version, shard.name, 12)
    np.testing.assert_array_equal(samples.accel_m_s2, recording.accel_m_s2)
    np.testing.assert_array_equal(samples.gyro_rad_s, recording.gyro_rad_s)
    np.testing.assert_array_equal(np.diff(samples.time_ns), 10_000_000)
    faces = read_faces(built.version, shard.name)
    np.testing.assert_array_equal(faces.weights, recording.faces.weights)
    assert faces.tracked.all()
    (stored,) = read_dataset(tmp_path / "set")
    assert stored.weights.shape == (179, 52)
    # Row k is the mean of what was heard in the sixtieth that ends at (k + 1) / 60 s.
    heard = (samples.time_ns > 1e9 / 60) & (samples.time_ns <= 2e9 / 60)
    expected = recording.accel_m_s2[heard].mean(axis=0)
    np.testing.assert_allclose(stored.accel_m_s2[1], expected, rtol=1e-5)
    np.testing.assert_allclose(stored.weights[9], recording.faces.weights[10], atol=1e-5)
    facts = stored.facts
    assert (facts["subject"], facts["take"], facts["sync"]) == ("anna", "one", "good")
    assert (facts["rest_s"], facts["samples"], facts["faces"]) == (1.0, 300, 180)
    assert facts["rate_hz"] == pytest.approx(100.0)
    assert facts["weights_max"][0] == pytest.approx(stored.weights[:, 0].max())
    assert manifest.statistics["seconds_by_subject"] == {"anna": pytest.approx(179 / 60)}
    assert manifest.statistics["accel"]["mean"][1] == pytest.approx(9.81, abs=0.01)
    assert manifest.parent == ""
    assert shard.data_sha256 == hashlib.sha256((folder / "data.mcap").read_bytes()).hexdigest()


def test_the_same_takes_give_the_same_bytes_wherever_they_are_built(make_take, tmp_path):
    takes = [make_take(f"take-{n}", n) for n in range(3)]
    first = build(takes, tmp_path / "a", here)
    second = build(takes[::-1], tmp_path / "b", lambda _: Processes(2))
    assert bytes_of(first.version) == bytes_of(second.version)


def test_ray_builds_the_same_bytes(make_take, tmp_path):
    pytest.importorskip("ray")
    takes = [make_take(f"take-{n}", n) for n in range(3)]
    first = build(takes, tmp_path / "a", here)
    second = build(takes, tmp_path / "b", lambda _: Ray(2))
    assert bytes_of(first.version) == bytes_of(second.version)


def test_only_new_and_changed_takes_are_built(make_take, tmp_path):
    first, second = make_take("one", 1), make_take("two", 2)
    out = tmp_path / "set"
    v1 = build([first], out, here).version
    before = bytes_of(v1)
    built = build([first, second], out, here)
    assert (built.added, built.changed, built.kept) == (1, 0, 1)
    v2 = built.version
    assert [v.name for v in versions(out)] == ["v1", "v2"]
    name = read_manifest(v1).shards[0].name
    assert (v1 / f"shards/{name}.parquet").samefile(v2 / f"shards/{name}.parquet")
    assert not build([first, second], out, here).is_new
    write_take(msgspec.structs.replace(read_take(first), subject="anna"), first)
    built = build([first], out, here)
    assert (built.added, built.changed, built.kept) == (0, 1, 1)
    facts = read_facts(built.version, read_manifest(built.version))
    assert sorted(f["subject"] for f in facts) == ["anna", "anonymous"]
    assert bytes_of(v1) == before
    parent = hashlib.sha256((v2 / "manifest.json").read_bytes()).hexdigest()
    assert read_manifest(built.version).parent == parent


def test_a_new_alignment_builds_the_take_again(make_take, tmp_path):
    folder = make_take("one", 1)
    build([folder], tmp_path / "set", here)
    assert main(["align", str(folder)]) == 0
    assert build([folder], tmp_path / "set", here).changed == 1


def test_a_copy_of_a_take_is_left_out_and_said(make_take, tmp_path):
    folder = make_take("one", 1)
    shutil.copytree(folder, folder.with_name("two"))
    built = build([folder.parent], tmp_path / "set", here)
    assert built.added == 1
    assert "copy" in built.notes[0]
    write_take(msgspec.structs.replace(read_take(folder), subject="b"), folder.with_name("two"))
    with pytest.raises(ConfigError, match="different things"):
        build([folder.parent], tmp_path / "other", here)


def test_takes_with_fewer_slots_share_the_columns_of_the_set(make_take, tmp_path):
    few = select(FACE_12, ("mentalis", "head_reference"))
    build([make_take("few", 1, layout=few), make_take("all", 2)], tmp_path / "set", here)
    stored = {s.facts["take"]: s for s in read_dataset(tmp_path / "set")}
    heard = np.isfinite(stored["few"].accel_m_s2[1:]).all(axis=(0, 2))
    assert [n for n, h in zip(FACE_12.names, heard, strict=True) if h] == list(few.names)
    assert len(stored["few"].facts["missing"].split()) == 10
    assert stored["all"].facts["missing"] == ""
    manifest = read_manifest(version_folder(tmp_path / "set"))
    assert {s.facts["layout"] for s in stored.values()} == manifest.layouts.keys()


def test_slots_that_a_set_lacks_are_refused_by_name(make_take, tmp_path):
    build([make_take("one", 1)], tmp_path / "set", here)
    odd = SensorLayout("odd", (*FACE_12.slots, Slot("nose", (0.0, 0.0, 0.1))), FACE_12.reference)
    with pytest.raises(ConfigError, match="nose"):
        build([make_take("odd", 2, layout=odd)], tmp_path / "set", here)
    assert build([tmp_path / "takes"], tmp_path / "all", here).added == 2
    assert len(read_manifest(tmp_path / "all" / "v1").layout["slots"]) == 13


def test_a_take_that_is_not_whole_is_named_and_nothing_is_made(make_take, tmp_path, capsys):
    folder = make_take("one", 1)
    write_take(msgspec.structs.replace(read_take(folder), state="recording"), folder)
    assert main(["dataset", "build", str(folder), "--out", str(tmp_path / "set")]) == 2
    assert "imusic recover" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_damage_in_a_take_leaves_the_version_before(make_take, tmp_path):
    build([make_take("one", 1)], tmp_path / "set", here)
    before = bytes_of(tmp_path / "set" / "v1")
    broken = make_take("two", 2)
    data = bytearray((broken / "data.mcap").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (broken / "data.mcap").write_bytes(data)
    with pytest.raises(DataError):
        build([broken], tmp_path / "set", here)
    assert version_folder(tmp_path / "set").name == "v1"
    assert bytes_of(tmp_path / "set" / "v1") == before


def test_a_folder_of_something_else_is_refused(make_take, tmp_path):
    (tmp_path / "letter.txt").write_text("dear all")
    with pytest.raises(ConfigError, match="no data set"):
        build([make_take("one", 1)], tmp_path, here)


def test_two_commands_do_not_change_one_set_at_once(make_take, tmp_path):
    folder = make_take("one", 1)
    build([folder], tmp_path / "set", here)
    with only_writer(tmp_path / "set"), pytest.raises(ConfigError, match="another command"):
        build([make_take("two", 2)], tmp_path / "set", here)


def test_subjects_are_told_and_asked_for_their_dates(make_take, tmp_path, capsys):
    folder = make_take("one", 1, subject="anna")
    people = tmp_path / "subjects.toml"
    people.write_text(
        '[subjects.anna]\nconsent = ["training"]\nlicence = "CC-BY-4.0"\nexpires = 2031-03-01\n'
        "[subjects.ben]\nconsent = []\n"
    )
    command = ["dataset", "build", str(folder), "--out", str(tmp_path / "set"), "--json"]
    assert main([*command, "--subjects", str(people)]) == 0
    assert json.loads(capsys.readouterr().out)["added"] == 1
    manifest = read_manifest(tmp_path / "set" / "v1")
    assert manifest.subjects.keys() == {"anna"}
    assert manifest.subjects["anna"].expires.year == 2031
    assert manifest.data[0].licence == "CC-BY-4.0"
    people.write_text("[subjects.anna]\nconsents = []\n")
    assert main([*command, "--subjects", str(people)]) == 2
    assert "consents" in capsys.readouterr().err


def test_takes_say_themselves_what_people_agreed_to(make_take, tmp_path):
    anna = Subject(consent=("training",), licence="CC-BY-4.0")
    back = Subject(consent=("training",), withdrawn=dt.date(2026, 1, 1))
    folders = []
    for number, (who, consent) in enumerate({"anna": anna, "ben": back}.items(), 1):
        folder = make_take(who, number, subject=who)
        real = msgspec.structs.replace(read_take(folder), simulated=False, consent=consent)
        write_take(real, folder)
        folders.append(folder)
    built = build(folders, tmp_path / "set", here)
    assert "ben: left out, they took their consent back on 2026-01-01" in built.notes[0]
    assert read_manifest(built.version).subjects == {"anna": anna}
    assert {row["take"] for row in read_facts(built.version, read_manifest(built.version))} == {
        "anna"
    }
    later = {"anna": msgspec.structs.replace(anna, withdrawn=dt.date(2026, 2, 1))}
    again = build(folders[:1], tmp_path / "set", here, later)
    assert "forget SET anna" in again.notes[0]
    assert read_manifest(again.version).subjects == later  # the check fails on it from now on
    with pytest.raises(DataError, match="no take is left to build"):
        build(folders[1:], tmp_path / "other", here)


def test_sets_of_before_are_read(tmp_path):
    shard = {"name": "00000", "sequences": 1, "rows": 60, "seconds": 1.0, "sha256": ["aa", "bb"]}
    old = {"layout": {}, "plan": {}, "shards": [shard]}
    (tmp_path / "manifest.json").write_text(json.dumps({**old, "schema_version": 1}))
    manifest = read_manifest(tmp_path)
    assert manifest.shards[0].files == {
        "shards/00000.parquet": "aa",
        "sequences/00000.parquet": "bb",
    }
    (tmp_path / "manifest.json").write_text(json.dumps({**old, "schema_version": 99}))
    with pytest.raises(DataError, match="got 99"):
        read_manifest(tmp_path)


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="asks for a process group")
def test_killed_at_any_moment_the_version_before_is_whole_and_the_next_run_goes_on(
    make_take, tmp_path
):
    first = make_take("first", 0)
    more = [make_take(f"take-{n}", n, seconds=6.0) for n in range(1, 9)]
    out = tmp_path / "set"
    build([first], out, here)
    before = bytes_of(out / "v1")
    command = [sys.executable, "-m", "imusic", "dataset", "build", str(first.parent)]
    command += ["--out", str(out), "--executor", "here"]
    # Further each time: after so many shards of the next version have their name.
    for wanted in (1, 3, 6):
        started = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and started.poll() is None:
            if len(list((out / BUILDING).glob("faces/*.parquet"))) >= wanted:
                break
            time.sleep(0.001)
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        if started.returncode == 0:  # it was faster than we looked
            break
        assert version_folder(out).name == "v1"
        assert bytes_of(out / "v1") == before
        assert len(list(read_dataset(out))) == 1
    subprocess.run(command, cwd=ROOT, check=True)
    alone = build([first], tmp_path / "alone", here).version.parent
    build([first.parent], alone, here)
    assert bytes_of(out / "v2") == bytes_of(alone / "v2")
    assert not (out / BUILDING).exists()
    assert len(list(read_dataset(out))) == 1 + len(more)


def test_a_sequence_is_read_back_as_it_was_written(make_take, tmp_path):
    built = build([make_take("one", 1)], tmp_path / "set", here)
    (shard,) = read_manifest(built.version).shards
    read = read_sequence(built.version, shard.name, 12)
    assert read.number == int(shard.name, 16)
    assert read.first_tick == 0
    assert len(read.rows) == shard.rows
    assert np.isnan(read.rows.quats).all()
