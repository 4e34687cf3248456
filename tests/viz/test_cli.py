"""The verbs `render` and `head sheet`: their answers to what cannot be."""

import cv2
import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES
from imusic.cli import main


@pytest.fixture
def prediction(tmp_path):
    path = tmp_path / "face.npz"
    weights = np.linspace(0, 1, 7, dtype=np.float32)[:, None] * np.ones(52, np.float32) * 0.3
    np.savez(path, names=np.array(ARKIT_NAMES), time_s=np.arange(7) / 10, weights=weights)
    return path


def test_a_prediction_becomes_a_picture_and_its_name_is_printed(prediction, tmp_path, capsys):
    out = tmp_path / "face.png"
    argv = ["render", str(prediction), "--out", str(out), "--size", "64", "--renderer", "software"]
    assert main(argv) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert cv2.imread(str(out)).shape[1] == 64
    before = out.read_bytes()
    assert main(argv) == 2
    assert "exists already" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main([*argv, "--force", "--at", "0"]) == 0
    assert out.read_bytes() != before


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (["--size", "65"], "expected an even number"),
        (["--start", "5"], "start 5 s is outside"),
        (["--caption", "a", "--caption", "b"], "expected --caption 1 times, got 2"),
        (["--renderer", "gl"], "expected auto, open3d, software"),
        (["--compare", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--out", "face.gif"], "expected a name ending in .png or .webm or .mp4"),
        (["--out", "nowhere/face.png"], "a folder that exists"),
    ],
)
def test_what_cannot_be_rendered_is_one_line(prediction, tmp_path, capsys, changes, complaint):
    argv = ["render", str(prediction), "--out", str(tmp_path / "face.png"), *changes]
    assert main(argv) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "face.png").exists()


def test_the_sheet_is_written(tmp_path, capsys):
    out = tmp_path / "shapes.png"
    argv = ["head", "sheet", "--out", str(out), "--size", "64", "--renderer", "software"]
    assert main(argv) == 0
    assert cv2.imread(str(out)).shape[1] == 8 * 64


def test_a_headless_view_needs_an_end(capsys):
    assert main(["view", "--headless"]) == 2
    assert "--headless needs --seconds" in capsys.readouterr().err
