"""A webcam as a face source: what MediaPipe gave, a real video, a real socket; no MediaPipe."""

import json
import socket
import time
from importlib.util import find_spec

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.mediapipe_faces import PORT, decode, encode
from capture.phone_faces import Malformed, PhoneFace
from capture.webcam import Camera, send_faces
from firmware_host.errors import TransportError
from firmware_host.phone_rig import PHONE_PORTS
from imusic.cli import main

# What MediaPipe 1.2.3 gave for a smiling astronaut (NASA's portrait of Eileen Collins, public
# domain, as scikit-image ships it), rounded: categories by name, and the transformation matrix.
ASTRONAUT = {
    "_neutral": 0.0, "browDownLeft": 0.02, "browDownRight": 0.03, "browInnerUp": 0.03,
    "browOuterUpLeft": 0.11, "browOuterUpRight": 0.08, "cheekPuff": 0.0, "cheekSquintLeft": 0.0,
    "cheekSquintRight": 0.0, "eyeBlinkLeft": 0.05, "eyeBlinkRight": 0.04, "eyeLookDownLeft": 0.11,
    "eyeLookDownRight": 0.12, "eyeLookInLeft": 0.05, "eyeLookInRight": 0.08,
    "eyeLookOutLeft": 0.08, "eyeLookOutRight": 0.06, "eyeLookUpLeft": 0.1, "eyeLookUpRight": 0.09,
    "eyeSquintLeft": 0.39, "eyeSquintRight": 0.27, "eyeWideLeft": 0.02, "eyeWideRight": 0.03,
    "jawForward": 0.0, "jawLeft": 0.0, "jawOpen": 0.01, "jawRight": 0.0, "mouthClose": 0.0,
    "mouthDimpleLeft": 0.03, "mouthDimpleRight": 0.02, "mouthFrownLeft": 0.0,
    "mouthFrownRight": 0.0, "mouthFunnel": 0.01, "mouthLeft": 0.0, "mouthLowerDownLeft": 0.05,
    "mouthLowerDownRight": 0.11, "mouthPressLeft": 0.09, "mouthPressRight": 0.15,
    "mouthPucker": 0.0, "mouthRight": 0.0, "mouthRollLower": 0.0, "mouthRollUpper": 0.02,
    "mouthShrugLower": 0.0, "mouthShrugUpper": 0.02, "mouthSmileLeft": 0.9, "mouthSmileRight": 0.9,
    "mouthStretchLeft": 0.01, "mouthStretchRight": 0.02, "mouthUpperUpLeft": 0.55,
    "mouthUpperUpRight": 0.54, "noseSneerLeft": 0.0, "noseSneerRight": 0.0,
}  # fmt: skip
MATRIX = np.array(
    [
        [0.99794811, 0.064004593, -0.001758497, -4.9734168],
        [-0.0618097, 0.95583099, -0.28734428, 22.66136],
        [-0.016710518, 0.28686333, 0.9578256, -69.446617],
        [0, 0, 0, 1],
    ]
)


def test_what_mediapipe_gives_becomes_a_face():
    got = decode(encode(7, ASTRONAUT, MATRIX), 9)
    assert isinstance(got, PhoneFace)
    assert (got.device_ns, got.arrival_ns) == (7, 9)
    assert got.weights[INDEX["mouthSmileLeft"]] == pytest.approx(0.9)
    assert got.weights[INDEX["mouthPressRight"]] == pytest.approx(0.15)
    missing = [name for name in ARKIT_NAMES if np.isnan(got.weights[INDEX[name]])]
    assert missing == ["tongueOut"]
    yaw, pitch, roll = np.degrees(got.head_yaw_pitch_roll)
    assert yaw == pytest.approx(-0.1, abs=0.1)
    assert pitch == pytest.approx(16.7, abs=0.1)  # bent down before the camera
    assert roll == pytest.approx(-3.7, abs=0.1)


def test_no_face_is_none_and_never_a_neutral_one():
    got = decode(encode(7, None, None), 9)
    assert isinstance(got, PhoneFace)
    assert got.weights is None


@pytest.mark.parametrize(
    ("matrix", "what"),
    [
        (np.diag([-1.0, 1, 1, 1]), "a mirror"),
        (np.diag([2.0, 2, 2, 1]), "larger"),
        (np.full((4, 4), np.nan), "no numbers"),
        (np.eye(3), "too small"),
    ],
)
def test_what_is_no_rotation_is_malformed(matrix, what):
    assert isinstance(decode(encode(7, ASTRONAUT, matrix)), Malformed), what


@pytest.mark.parametrize(
    "data",
    [
        b'{"webcam":2,"time_ns":7}',
        b'{"webcam":1,"time_ns":-7}',
        b'{"webcam":1,"time_ns":7,"shapes":{}}',
        b'{"webcam":1,"time_ns":7,"shapes":{"jawOpen":7.0}}',
        b'{"webcam":1,"time_ns":7,"shapes":{"_neutral":0.5}}',
        b'{"webcam":1,"time_ns":7,"shapes":{' + b" " * 40_000 + b'"jawOpen":0.5}}',
    ],
)
def test_what_cannot_be_a_face_is_malformed(data):
    found = decode(data)
    assert isinstance(found, Malformed)
    assert found.reason


class Brightness:
    """Sees a jaw that opens as the picture gets brighter, and nobody in the dark."""

    def look(self, picture, time_ns):
        level = float(picture.mean()) / 255
        return None if level < 0.05 else ({"jawOpen": level, "_neutral": 0.0}, np.eye(4))


@pytest.fixture
def video(tmp_path):
    """Half a second that gets brighter, after three dark pictures."""
    import cv2

    path = tmp_path / "bright.avi"
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 60, (64, 48))
    for level in (0, 0, 0, *np.linspace(60, 250, 27).astype(int)):
        out.write(np.full((48, 64, 3), level, np.uint8))
    out.release()
    return path


def test_a_video_goes_picture_by_picture_through_a_socket(video):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear, Camera(video) as camera:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(10)
        began_ns = time.monotonic_ns()
        counts = send_faces(iter(camera), Brightness(), ear.getsockname())
        got = [decode(ear.recv(65_536)) for _ in range(30)]
    assert (counts.pictures, counts.faces, counts.unsent) == (30, 27, 0)
    assert [face.tracked for face in got] == [False] * 3 + [True] * 27
    jaw = [face.weights[INDEX["jawOpen"]] for face in got[3:]]
    assert jaw == sorted(jaw)
    assert jaw[-1] == pytest.approx(250 / 255, abs=0.02)
    times = np.array([face.device_ns for face in got])
    assert (np.diff(times) > 0).all()
    assert (times - began_ns >= np.arange(30) / 60 * 1e9 - 1).all()  # at its own pace


def test_a_video_can_go_round_until_the_time_is_over(video):
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        Camera(video, loop=True) as camera,
    ):
        ear.bind(("127.0.0.1", 0))
        counts = send_faces(iter(camera), Brightness(), ear.getsockname(), duration_s=0.8)
    assert counts.pictures > 30


def test_what_is_no_camera_is_one_line(tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"no video")
    with pytest.raises(TransportError, match="cannot open"), Camera(tmp_path / "no.mp4"):
        pass


def test_a_model_that_is_none_is_refused_with_where_to_get_one(tmp_path, capsys):
    assert PHONE_PORTS["mediapipe"] == PORT
    text = tmp_path / "model.task"
    text.write_text("not a model")
    for path, why in ((tmp_path / "none.task", "no such file"), (text, "is no .task file")):
        assert main(["webcam", "--model", str(path)]) == 2
        said = capsys.readouterr().err
        assert why in said
        assert "face_landmarker.task" in said
        assert "Traceback" not in said
    assert main(["webcam", "--model", str(text), "--to", "nowhere"]) == 2
    assert "HOST:PORT" in capsys.readouterr().err
    assert main(["webcam", "--model", str(text), "--to", "nobody.invalid:11126"]) == 2
    assert "no computer is called 'nobody.invalid'" in capsys.readouterr().err


@pytest.mark.skipif(find_spec("mediapipe") is not None, reason="MediaPipe is installed")
def test_without_mediapipe_it_is_said_how_to_get_it(tmp_path, capsys):
    import zipfile

    model = tmp_path / "model.task"
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("face.tflite", b"")
    assert main(["webcam", "--model", str(model)]) == 3
    assert "imusic[webcam]" in capsys.readouterr().err


def test_the_format_is_plain_json():
    told = json.loads(encode(7, {"jawOpen": 0.5}, None))
    assert told == {"webcam": 1, "time_ns": 7, "shapes": {"jawOpen": 0.5}}
