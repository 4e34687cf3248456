"""Synthetic data sets: the same bytes for the same plan, whatever happens on the way."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from capture.head import standard_head
from capture.recording import read_recording
from dataset_tools.casting import DataConfig
from dataset_tools.families import HeadFamilies, single_family
from dataset_tools.manifest import read_manifest
from dataset_tools.recordings import Source
from dataset_tools.shards import read_dataset, read_shard
from dataset_tools.synth import make_shard, open_studio, synthesise
from dataset_tools.synth_plan import SEQUENCES_PER_SHARD, SynthPlan, encode_plan, plan_of
from dataset_tools.synth_takes import write_takes
from firmware_host.errors import ConfigError, DataError

pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[2]
SHORT = DataConfig(hours=(SEQUENCES_PER_SHARD + 2) * 2.0 / 3600, sequence_s=2.0, rate_hz=120.0)


@pytest.fixture(scope="module")
def plan() -> SynthPlan:
    return SynthPlan(data=SHORT, wearers=5, seed=3)


@pytest.fixture(scope="module")
def made(plan, tmp_path_factory):
    """A data set of two shards, made by two processes."""
    out = tmp_path_factory.mktemp("synth") / "set"
    shares: list[float] = []
    manifest = synthesise(plan, out, out, shares.append, workers=2)
    assert shares == [0.5, 1.0]
    return out, manifest


@pytest.mark.slow
def test_the_manifest_counts_what_the_shards_hold(made, plan):
    out, manifest = made
    assert manifest == read_manifest(out)
    assert manifest.simulated
    assert sum(s.sequences for s in manifest.shards) == plan.sequences == SEQUENCES_PER_SHARD + 2
    stored = list(read_dataset(out))
    assert [s.facts["sequence"] for s in stored] == list(range(plan.sequences))
    assert sum(len(s.weights) for s in stored) == sum(s.rows for s in manifest.shards)
    assert {s.facts["person"] for s in stored} == {"generated"}
    assert {s.facts["wearer"] for s in stored} <= set(range(5))


@pytest.mark.slow
def test_what_is_read_is_what_was_drawn(made, plan):
    out, _ = made
    studio = open_studio(encode_plan(plan), out)
    drawn = studio.stored(SEQUENCES_PER_SHARD + 1)
    *_, read = read_shard(out, "00001", len(studio.layout.slots))
    np.testing.assert_array_equal(read.accel_m_s2, drawn.accel_m_s2)
    np.testing.assert_array_equal(read.gyro_rad_s, drawn.gyro_rad_s)
    np.testing.assert_array_equal(read.weights, drawn.weights)
    assert read.facts == drawn.facts


@pytest.mark.slow
def test_one_process_makes_the_bytes_that_two_made(made, plan, tmp_path):
    _, manifest = made
    made_alone = make_shard(encode_plan(plan), tmp_path, tmp_path, 1)
    assert made_alone == manifest.shards[1]


@pytest.mark.slow
def test_a_finished_data_set_is_left_alone_and_another_plan_refused(made, plan):
    out, manifest = made
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    assert synthesise(plan, out, out, lambda _: None) == manifest
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == before
    with pytest.raises(ConfigError, match="another plan"):
        synthesise(msgspec.structs.replace(plan, seed=4), out, out, lambda _: None)


@pytest.mark.slow
def test_the_same_wearer_keeps_head_and_mounting(plan, tmp_path):
    studio = open_studio(encode_plan(plan), tmp_path)
    seen: dict[int, np.ndarray] = {}
    met_again = 0
    for number in range(12):
        _, wearer_number, _, wearer = studio.sequence(number)
        first = seen.setdefault(wearer_number, wearer.quat_head_from_sensor)
        met_again += first is not wearer.quat_head_from_sensor
        np.testing.assert_array_equal(first, wearer.quat_head_from_sensor)
    assert met_again > 0
    assert len(seen) > 1


@pytest.mark.slow
def test_what_was_put_on_wrong_is_told_beside_what_it_did(plan, tmp_path):
    studio = open_studio(encode_plan(plan), tmp_path)
    clumsy = HeadFamilies(
        studio.layout, [single_family("one", standard_head())], 5, missing=1.0, swapped=1.0
    )
    stored = replace(studio, families=clumsy).stored(0)
    unheard = np.isnan(stored.accel_m_s2).all(axis=(0, 2))
    assert [n for n, off in zip(studio.layout.names, unheard, strict=True) if off] == [
        stored.facts["missing"]
    ]
    assert np.isfinite(stored.accel_m_s2[1:, ~unheard]).all()
    assert len(set(stored.facts["swapped"].split())) == 2
    assert set(stored.facts["swapped"].split()) <= set(studio.layout.names)


@pytest.mark.slow
def test_takes_are_whole_and_say_that_they_are_simulated(plan, tmp_path):
    studio = open_studio(encode_plan(plan), tmp_path)
    (folder,) = write_takes(studio, 1, tmp_path / "takes")
    recording = read_recording(folder)
    assert recording.take.simulated
    assert recording.take.state == "complete"
    assert len(recording) > 2000
    assert recording.faces.tracked.all()
    written = (folder / "data.mcap").stat().st_mtime_ns
    assert list(write_takes(studio, 1, tmp_path / "takes")) == [folder]
    assert (folder / "data.mcap").stat().st_mtime_ns == written


def wait_until_alone(group: int, timeout_s: float = 20.0) -> None:
    """Until no process of a killed leader's group is left; fails where workers outlive it."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    pytest.fail("workers outlived the process that started them")


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="asks for a process group")
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(made, plan, tmp_path):
    _, manifest = made
    out = tmp_path / "set"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[data]\nsequence_s = 2.0\nrate_hz = 120.0\n")
    command = [sys.executable, "-m", "imusic", "synth", "--out", out, "--recipe", recipe]
    command += ["--hours", SHORT.hours, "--wearers", 5, "--seed", 3, "--workers", 1]
    started = subprocess.Popen([*map(str, command)], cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(out.glob("shards/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    wait_until_alone(started.pid)
    with pytest.raises(DataError, match="finished"):
        read_manifest(out)
    subprocess.run([*map(str, command)], cwd=ROOT, check=True)
    again = read_manifest(out)
    assert again.shards == manifest.shards
    assert not list(out.rglob("*.part"))


def test_a_recipe_gives_its_data_and_nothing_else(tmp_path):
    plan = plan_of(ROOT / "recipes" / "base-many.toml", hours=2.0, wearers=7, seed=1)
    assert plan.data.hours == 2.0
    assert (
        Source(person="dao", files="arkit/llv/dao.gesichter", licence="BSD-style (think-biq/LLV)")
        in plan.data.sources
    )
    with pytest.raises(ConfigError, match="cannot read"):
        plan_of(tmp_path / "none.toml", hours=1.0, wearers=1, seed=0)
    broken = tmp_path / "broken.toml"
    broken.write_text("[data]\nhour = 3\n")
    with pytest.raises(ConfigError, match="hour"):
        plan_of(broken, hours=1.0, wearers=1, seed=0)


def test_a_folder_that_holds_something_else_is_refused(plan, tmp_path):
    (tmp_path / "letter.txt").write_text("dear all")
    with pytest.raises(ConfigError, match="no data set"):
        synthesise(plan, tmp_path, tmp_path, lambda _: None)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_a_missing_recording_is_named_before_anything_is_written(tmp_path):
    source = Source(person="nobody", files="none/*.csv", licence="MIT")
    plan = SynthPlan(data=msgspec.structs.replace(SHORT, sources=(source,)))
    with pytest.raises(DataError, match="none"):
        synthesise(plan, tmp_path, tmp_path / "set", lambda _: None)
