"""The verbs predict and evaluate, as typed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES
from capture.calibration import GRAVITY_M_S2
from capture.importers import import_samples
from firmware_host.layout import FACE_12
from imusic.cli import main
from model.predict import Prediction, write_prediction


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    """Rich believes in a terminal where GitHub's runners or these variables say so."""
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_an_error_is_its_line_and_its_hint_and_no_empty_line(verb, tmp_path, capsys):
    out = ["--out", str(tmp_path / "face.npz")] if verb == "predict" else []
    assert main([verb, str(tmp_path), *out]) == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert message == f"imusic: {tmp_path} is not a take: it has no take.toml"
    assert hint.startswith("  hint: ")


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """Five seconds of a still head and a moving mouth, long enough to be judged."""
    folder = tmp_path_factory.mktemp("takes")
    time_s = np.arange(500) / 100
    noise = np.random.default_rng(0).normal(0, 0.01, (500, len(FACE_12.slots), 3))
    np.savez(
        folder / "face.npz",
        slots=np.array(FACE_12.names),
        time_s=time_s,
        accel_m_s2=(noise + np.array([0.0, GRAVITY_M_S2, 0.0])).astype(np.float32),
        gyro_rad_s=noise.astype(np.float32),
        weights=np.tile(0.5 + 0.4 * np.sin(9 * time_s)[:, None], 52).astype(np.float32),
        weights_time_s=time_s,
        weight_names=np.array(ARKIT_NAMES),
        rest_s=np.array([0.0, 1.0]),
    )
    import_samples(folder / "face.npz", folder / "take")
    return folder / "take"


def test_a_broken_take_does_not_lose_the_figures_of_the_one_before(take, tmp_path, capsys):
    assert main(["evaluate", str(take), str(tmp_path), "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)[str(take)]["seconds_judged"] > 1
    assert shown.err.startswith(f"imusic: {tmp_path} is not a take")


def test_takes_of_a_folder_are_judged_one_by_one_and_together(take, tmp_path, capsys):
    for name in ("a", "b"):
        shutil.copytree(take, tmp_path / name)
    assert main(["evaluate", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == [str(tmp_path / "a"), str(tmp_path / "b"), "over_takes"]
    assert told["over_takes"]["takes"] == 2
    assert told["over_takes"]["simulated"] is False
    mae = {name: figures["mae"]["kalman"] for name, figures in told.items()}
    assert mae["over_takes"] == pytest.approx(mae[str(tmp_path / "a")])


@pytest.mark.slow
def test_a_report_is_written_once(take, tmp_path, capsys):
    out = tmp_path / "accuracy.html"
    assert main(["evaluate", str(take), "--report", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"{out}\n")
    text = out.read_text("utf-8")
    assert "<td>vertex error offset free mm</td>" in text
    assert text.count("data:image/png;base64,") == 2  # five seconds have no best and no worst
    assert [path.name for path in tmp_path.iterdir()] == ["accuracy.html"]
    assert main(["evaluate", str(take), "--report", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_report_of_another_kind_is_refused_before_anything_is_read(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path), "--report", str(tmp_path / "a.pdf")]) == 2
    assert "expected .md or .html, got '.pdf'" in capsys.readouterr().err


def test_a_report_of_half_the_takes_is_none(take, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "accuracy.md"
    assert main(["evaluate", str(take), str(tmp_path / "empty"), "--report", str(out)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_nothing_judged_is_nothing_told(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path), "--json"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a folder that not even root writes to")
def test_predict_refuses_what_it_cannot_write_before_it_reads_the_take(tmp_path, capsys):
    assert main(["predict", str(tmp_path), "--out", "/proc/face.npz"]) == 2
    assert capsys.readouterr().err.startswith("imusic: /proc/face.npz cannot be written: ")


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_predict_writes_one_file_and_leaves_that_of_another_alone(take, tmp_path, suffix):
    out, other = tmp_path / f"face{suffix}", tmp_path / f"face{suffix}.part"
    other.write_text("somebody's")
    assert main(["predict", str(take), "--out", str(out)]) == 0
    assert sorted(tmp_path.iterdir()) == [out, other]
    assert other.read_text() == "somebody's"


def test_a_csv_appears_whole_or_not_at_all(tmp_path):
    unfit = Prediction(
        host_ns=np.zeros(2, np.int64),
        time_s=np.array([0.0, np.nan]),  # no timecode can say that
        weights=np.zeros((2, 52), np.float32),
        quat_world_from_head=np.tile(np.float32([1, 0, 0, 0]), (2, 1)),
        confidence=np.ones(2, np.float32),
    )
    with pytest.raises(ValueError, match="NaN"):
        write_prediction(unfit, tmp_path / "face.csv")
    assert list(tmp_path.iterdir()) == []
