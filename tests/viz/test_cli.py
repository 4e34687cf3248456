"""The verbs `render` and `head sheet`: their answers to what cannot be."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES
from capture.head import build_head
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
        (["--out", "face.avi"], "expected a name ending in .png or .webp or .gif or .webm or .mp4"),
        (["--out", "nowhere/face.png"], "there is no folder nowhere"),
        (["--tint", "blue"], "--tint: expected error, got 'blue'"),
        (["--tint", "error"], "there is no other"),
        (["--sheet", "4", "--out", "face.webm"], "expected a name ending in .png or .webp"),
        (["--audio", "gone.wav", "--out", "face.webm"], "gone.wav: no such file"),
        (["--audio", "gone.wav"], "face.png is no video"),
    ],
)
def test_what_cannot_be_rendered_is_one_line(prediction, tmp_path, capsys, changes, complaint):
    argv = ["render", str(prediction), "--out", str(tmp_path / "face.png"), *changes]
    assert main(argv) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "face.png").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a folder that not even root writes to")
@pytest.mark.parametrize("argv", [["head", "sheet"], ["render", "no-such-input.npz"]])
def test_what_cannot_be_written_is_refused_first_and_by_its_name(argv, capsys):
    assert main([*argv, "--out", "/proc/shapes.png"]) == 2
    assert capsys.readouterr().err.startswith("imusic: /proc/shapes.png cannot be written: ")


def test_the_sheet_is_written(tmp_path, capsys):
    out = tmp_path / "shapes.png"
    argv = ["head", "sheet", "--out", str(out), "--size", "64", "--renderer", "software"]
    assert main(argv) == 0
    assert cv2.imread(str(out)).shape[1] == 8 * 64


def other_head(path, names=ARKIT_NAMES):
    """An ICT-FaceKit style file made of our own head, with shapes `names`."""
    ours = build_head()
    np.savez(
        path,
        verts=ours.vertices,
        faces=ours.triangles,
        names=np.array(names),
        deltas=ours.deltas[: len(names)] * 1.5,
    )
    return path


def test_a_whole_head_checks_with_0_and_a_table(tmp_path, capsys):
    assert main(["head", "check", str(other_head(tmp_path / "head.npz"))]) == 0
    shown = capsys.readouterr().out
    for expected in ("52 of 52", "frontalis_left", "mouthSmileLeft", "ready to use"):
        assert expected in shown


def test_a_head_that_lacks_shapes_checks_with_1_and_says_which(tmp_path, capsys):
    path = other_head(tmp_path / "head.npz", ARKIT_NAMES[:50])
    assert main(["head", "check", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["missing"] == ["noseSneerRight", "tongueOut"]
    assert told["problems"] == ["noseSneerRight is missing"]
    assert len(told["sites"]) == 12
    assert main(["head", "check", str(path)]) == 1
    assert "noseSneerRight is missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["head", "check", "gone.glb"], "gone.glb: cannot read a head"),
        (["head", "check", "head.obj"], "expected a head as .glb, .gltf or .npz"),
        (["head", "check", "gone.glb", "--layout", "face-99"], "expected face-12"),
        (["head", "sheet", "--out", "s.png", "--head", "gone.npz"], "gone.npz"),
    ],
)
def test_what_is_no_head_is_one_line(tmp_path, monkeypatch, capsys, argv, complaint):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_pictures_can_be_of_another_head(prediction, tmp_path):
    path = other_head(tmp_path / "head.npz")
    plain = ["--size", "64", "--renderer", "software"]
    drawn = []
    for name, head in (("ours.png", []), ("theirs.png", ["--head", str(path)])):
        out = tmp_path / name
        assert main(["render", str(prediction), "--out", str(out), *plain, *head]) == 0
        drawn.append(cv2.imread(str(out)))
    assert drawn[0].shape == drawn[1].shape
    assert (drawn[0] != drawn[1]).any()
    out = tmp_path / "sheet.png"
    assert main(["head", "sheet", "--out", str(out), "--head", str(path), *plain]) == 0
    assert cv2.imread(str(out)).shape[1] == 8 * 64
