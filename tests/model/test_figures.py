"""Figures: what is made of rows, what is asked of them, and that trials measure what live gives."""

import importlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from capture.recording import read_recording
from capture.resample import TICK_HZ
from dataset_tools.performance import exercise, generate_performance, with_routine
from firmware_host.errors import ConfigError, DataError
from model.adapt import adapt_take
from model.card import CARD_FILE, FIGURES_FILE
from model.checkpoint import SHIPPED, load_checkpoint
from model.cli import app
from model.data import OPENING_ROWS
from model.figures import Figures, Row, read_figures, summarised
from model.figures_tables import musts, tables
from model.predict import predict_recording

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark_module(monkeypatch):
    """Import a benchmark as its own script does."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def row(method: str, wearer: int, person: str, r: float, **more: float) -> Row:
    figures = {"mae_offset_free": 1 - r, "mae_still": 1.0, "mae": 0.1, "jitter": 1.0}
    kind = {"part": "accuracy", "head": "ours", "method": method}
    return Row(**kind, wearer=wearer, person=person, r=r, upper_face_mm=0.0, **(figures | more))


def rows_of_all(**r: float) -> list[Row]:
    """Rows of methods with r about as given, on 4 wearers and 4 people."""
    return [
        row(method.replace("_", " "), wearer, f"p{person}", value + 0.01 * (wearer + person - 3))
        for method, value in r.items()
        for wearer in range(4)
        for person in range(4)
    ]


def figures_of(rows: list[Row], **bases: str) -> Figures:
    lines = summarised(rows, bases)
    return Figures(checkpoint="c", onnx_sha256="a" * 64, command="x", software="s", lines=lines)


def test_a_line_is_the_mean_over_wearers_and_people_inside_its_interval():
    (line,) = summarised(rows_of_all(ours=0.7), {})
    low, high = line.r.interval
    assert line.r.mean == pytest.approx(0.7)
    assert low < 0.7 < high
    assert line.ratio.mean == pytest.approx(0.3)
    assert (line.wearers, line.people) == (4, 4)


def test_a_person_whom_somebody_did_not_perform_is_missed():
    with pytest.raises(DataError, match="not judged on every wearer"):
        summarised(rows_of_all(ours=0.7)[:-1], {})


def test_an_error_is_told_as_a_share_of_its_base_and_the_base_as_one():
    lines = summarised(rows_of_all(still=0.6, shaken=0.5), {"shaken": "still", "still": "still"})
    still, shaken = lines
    assert (still.worse.mean, still.worse.interval) == (1.0, (1.0, 1.0))
    assert shaken.worse.mean == pytest.approx(0.5 / 0.4)


def test_what_misses_its_must_is_said_to():
    good = {"ours": 0.65, "ours,_enrolled": 0.8, "ridge": 0.5, "filter,_enrolled_A": 0.7}
    assert all(must.met for must in musts(figures_of(rows_of_all(**good)), "ours"))
    found = figures_of(rows_of_all(**good | {"ours,_enrolled": 0.66}))
    missed = [must.text for must in musts(found, "ours") if not must.met]
    assert missed == [
        "enrolled: r ≥ 0.78",
        "ours, enrolled: better than filter, enrolled A",
    ]
    assert tables(found).count("**no**") == 2


def test_jitter_outside_its_range_misses_its_must():
    calm = [msgspec.structs.replace(r, jitter=0.5) for r in rows_of_all(**{"ours,_enrolled": 0.9})]
    found = figures_of(rows_of_all(ours=0.65) + calm)
    assert [m.text for m in musts(found, "ours") if not m.met] == [
        "ours, enrolled: jitter 0.7 … 1.2"
    ]


def test_figures_of_another_network_are_refused(tmp_path):
    path, made = tmp_path / "f.json", figures_of(rows_of_all(ours=0.7))
    path.write_bytes(msgspec.json.encode(made))
    assert read_figures(path, "a" * 64) == made
    with pytest.raises(ConfigError, match="figures of network aaaaaaaaaaaa, not b"):
        read_figures(path, "b" * 64)
    path.write_text("{}")
    with pytest.raises(DataError, match=r"f\.json"):
        read_figures(path, "a" * 64)


def test_a_card_states_the_figures_of_its_network_and_of_no_other(tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(SHIPPED, folder)
    before = (folder / CARD_FILE).read_text()
    path = tmp_path / "f.json"
    path.write_bytes(msgspec.json.encode(figures_of(rows_of_all(ours=0.7))))
    command = ["card", str(folder), "--figures", str(path)]
    with pytest.raises(ConfigError, match="figures of network aaa"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert (folder / CARD_FILE).read_text() == before
    own = msgspec.structs.replace(
        figures_of(rows_of_all(ours=0.7125)), onnx_sha256=load_checkpoint(folder).facts.onnx_sha256
    )
    path.write_bytes(msgspec.json.encode(own))
    assert CliRunner().invoke(app, command).exit_code == 0
    assert tables(own) in (folder / CARD_FILE).read_text()
    assert read_figures(folder / FIGURES_FILE, own.onnx_sha256) == own


def trial_of(trials, checkpoint, **lengths):
    folder = str(checkpoint.folder)
    known = {"part": "accuracy", "head": "ours", "wearer": 5, "person": "", "network": ""}
    return trials.Trial(**known, checkpoint=folder, **lengths)


def test_a_trial_gives_what_the_live_predictor_gives(benchmark_module):
    trials, takes = benchmark_module("trials"), benchmark_module("takes")
    checkpoint = load_checkpoint()
    trial = trial_of(trials, checkpoint, seconds=3.0, enrolment_s=0.0)
    wearer, _ = trials._donnings(trial, Path())
    performance = with_routine(generate_performance(3, 4.0), 5)
    seen = trials._seen(performance, wearer, trial)
    told = trials.Network(checkpoint).weights(seen)
    with takes.worn(performance, wearer, np.random.default_rng((5, 2))) as take:
        live = predict_recording(read_recording(take), checkpoint)
    tick = np.rint(live.time_s * TICK_HZ).astype(int) - OPENING_ROWS - 1
    both = (tick >= TICK_HZ) & (tick < len(told))
    assert both.sum() > 2 * TICK_HZ
    away = np.abs(told[tick[both]] - live.weights[both])
    assert live.weights[both].std(axis=0).max() > 0.1  # something moves
    assert away.max() < 0.01


def test_finished_trials_are_read_back_but_not_one_that_was_broken_off(tmp_path, benchmark_module):
    figures, trials = benchmark_module("figures"), benchmark_module("trials")
    cache = tmp_path / "cache.jsonl"
    kept = [
        trials.Trial(
            part="accuracy",
            head="somewhere/a.glb",
            wearer=n,
            person="",
            seconds=1.0,
            enrolment_s=1.0,
            checkpoint="here",
            network="a",
        )
        for n in range(3)
    ]
    rows = [[row("ours", n, "p", 0.5)] for n in range(3)]
    figures._keep(cache, kept[0], rows[0])
    figures._keep(cache, kept[1], rows[1])
    cache.write_bytes(cache.read_bytes()[:-20])  # killed while writing
    figures._keep(cache, kept[2], rows[2])
    found = dict(figures._read(cache))
    assert found == {figures._key(kept[n]): rows[n] for n in (0, 2)}
    elsewhere = replace(kept[0], checkpoint="there", head="other/a.glb")
    assert figures._key(elsewhere) in found
    assert figures._key(replace(kept[0], network="b")) not in found


def test_a_checkpoint_that_is_none_is_one_clear_line(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "figures.py"), "--checkpoint", str(tmp_path)]
    asked = [*command, "--data", str(tmp_path)]
    here = os.environ | {"PYTHONPATH": str(BENCHMARKS.parent)}
    found = subprocess.run(asked, capture_output=True, text=True, env=here, check=False)
    assert found.returncode == 2
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    assert found.stderr.startswith("figures: ")


@pytest.mark.slow
def test_a_trial_learns_of_a_wearer_what_adapt_learns(benchmark_module):
    trials, takes = benchmark_module("trials"), benchmark_module("takes")
    checkpoint = load_checkpoint()
    trial = trial_of(trials, checkpoint, seconds=1.0, enrolment_s=22.0)
    wearer, _ = trials._donnings(trial, Path())
    told = trials._enrolled(trial, wearer, checkpoint).mean
    performance = with_routine(exercise(5, 22.0), 5 + 7)
    with takes.worn(performance, wearer, np.random.default_rng((5, 3))) as take:
        adapted = adapt_take(read_recording(take), checkpoint, "x", "").wearer.responses.mean
    learnt = np.linalg.norm(adapted - checkpoint.belief.responses.mean)
    assert np.linalg.norm(told - adapted) < 0.1 * learnt
