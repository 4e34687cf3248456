"""Files that sinks write, read again by others than their writers."""

import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX, BlendshapeFrame
from capture.head import Head, standard_head
from capture.livelink_csv import read_livelink_csv
from capture.sinks.animation import animation_glb
from capture.sinks.files import write_csv, write_npz
from capture.sinks.shaping import Shaped
from capture.sinks.spool import Faces, FileSink
from capture.tracks import read_track
from firmware_host.errors import ConfigError

TICK = 16_666_667


def frames(count, tracked=lambda n: True):
    rng = np.random.default_rng(3)
    return [
        BlendshapeFrame(
            5 * TICK + n * TICK,
            rng.uniform(0, 1, 52).astype(np.float32),
            np.array([np.cos(n / 50), 0, np.sin(n / 50), 0], np.float32),
            tracked(n),
            0.5,
        )
        for n in range(count)
    ]


def faces_of(made):
    return Faces(
        np.array([f.time_ns for f in made]),
        np.stack([f.weights for f in made]),
        np.stack([f.quat_world_from_head for f in made]),
        np.array([f.confidence for f in made], np.float32),
        np.array([f.tracked for f in made]),
        np.zeros((len(made), 52), np.bool_),
    )


@pytest.mark.parametrize(("suffix", "write"), [(".npz", write_npz), (".csv", write_csv)])
def test_every_face_that_was_shown_is_in_the_file(tmp_path, suffix, write):
    made = frames(100, tracked=lambda n: n != 40)
    made_up = np.zeros(52, np.bool_)
    path = tmp_path / f"face{suffix}"
    sink = FileSink(path, write)
    for frame in made:
        sink.show(Shaped(frame, made_up))
    sink.close()
    sink.close()
    track = read_track(path)
    assert len(track) == sink.counts.frames == 100
    seen = [n for n in range(100) if n != 40]
    expected = np.stack([made[n].weights for n in seen])
    assert np.allclose(track.weights[seen], expected, atol=1e-6)
    assert not track.tracked[40]
    agree = np.abs(np.sum(track.quats * faces_of(made).quats, axis=1))
    assert agree[seen] == pytest.approx(1, abs=1e-5)
    assert track.time_s == pytest.approx(np.arange(100) / 60, abs=2e-4)


def test_arrays_say_what_was_made_up(tmp_path):
    made_up = np.zeros(52, np.bool_)
    made_up[INDEX["eyeBlinkLeft"]] = True
    sink = FileSink(tmp_path / "face.npz", write_npz)
    for frame in frames(3):
        sink.show(Shaped(frame, made_up))
    sink.close()
    found = np.load(tmp_path / "face.npz", allow_pickle=False)
    assert found["made_up"].shape == (3, 52)
    assert found["made_up"][:, INDEX["eyeBlinkLeft"]].all()
    assert found["made_up"].sum() == 3


def test_the_csv_is_that_of_the_app(tmp_path):
    write_csv(tmp_path / "face.csv", faces_of(frames(80)))
    head = (tmp_path / "face.csv").read_text().split("\n")[0].split(",")
    assert head[:3] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft"]
    assert len(read_livelink_csv(tmp_path / "face.csv").time_s) == 80


def test_without_faces_there_is_no_file(tmp_path):
    FileSink(tmp_path / "face.npz", write_npz).close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_never_overwritten_and_a_missing_folder_is_refused_early(tmp_path):
    (tmp_path / "face.csv").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        FileSink(tmp_path / "face.csv", write_csv)
    with pytest.raises(ConfigError, match="there is no folder"):
        FileSink(tmp_path / "nowhere" / "face.csv", write_csv)
    assert (tmp_path / "face.csv").read_text() == "mine"


def test_times_that_repeat_or_go_back_are_left_out(tmp_path):
    made = frames(10)
    sink = FileSink(tmp_path / "face.npz", write_npz)
    for frame in [*made, made[4], made[9]]:
        sink.show(Shaped(frame, np.zeros(52, np.bool_)))
    sink.close()
    assert len(read_track(tmp_path / "face.npz")) == 10


# glTF, read as the specification says and not as the writer does.


class Glb:
    def __init__(self, data):
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.document = json.loads(data[20 : 20 + size])
        at = 20 + size
        size, kind = struct.unpack_from("<I4s", data, at)
        assert kind == b"BIN\0"
        assert at + 8 + size == len(data)
        assert at % 4 == 0
        self.binary = data[at + 8 :]

    def array(self, index):
        accessor = self.document["accessors"][index]
        view = self.document["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        kind = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
        count = accessor["count"] * width
        found = np.frombuffer(self.binary, kind, count, view["byteOffset"])
        assert view["byteOffset"] % 4 == 0
        assert view["byteLength"] == found.nbytes
        return found.reshape(-1, width)


def test_the_animation_holds_every_weight_at_its_time_under_its_name():
    made = frames(50)
    glb = Glb(animation_glb(faces_of(made), standard_head()))
    (animation,) = glb.document["animations"]
    mesh = glb.document["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(ARKIT_NAMES)
    assert len(mesh["primitives"][0]["targets"]) == 52
    by_path = {
        c["target"]["path"]: animation["samplers"][c["sampler"]] for c in animation["channels"]
    }
    assert {c["target"]["node"] for c in animation["channels"]} == {0}
    times = glb.array(by_path["weights"]["input"])[:, 0]
    assert times == pytest.approx(np.arange(50) / 60, abs=1e-6)
    assert (np.diff(times) > 0).all()
    limits = glb.document["accessors"][by_path["weights"]["input"]]
    assert limits["min"] == [times.min()]
    assert limits["max"] == [times.max()]
    weights = glb.array(by_path["weights"]["output"]).reshape(50, 52)
    assert np.array_equal(weights, np.stack([f.weights for f in made]))
    turned = glb.array(by_path["rotation"]["output"])  # xyzw
    assert turned[:, 3] == pytest.approx([f.quat_world_from_head[0] for f in made], abs=1e-6)
    assert np.linalg.norm(turned, axis=1) == pytest.approx(1)


def test_lost_faces_hold_the_one_before_in_the_animation():
    made = frames(10, tracked=lambda n: n not in (0, 5, 6))
    glb = Glb(animation_glb(faces_of(made), standard_head()))
    sampler = glb.document["animations"][0]["samplers"][0]
    weights = glb.array(sampler["output"]).reshape(10, 52)
    assert not weights[0].any()
    assert np.array_equal(weights[5], weights[4])
    assert np.array_equal(weights[6], weights[4])


def test_without_a_head_rotation_nothing_turns():
    made = faces_of(frames(4))
    unknown = Faces(
        made.host_ns, made.weights, np.full((4, 4), np.nan, np.float32),
        made.confidence, made.tracked, made.made_up,
    )  # fmt: skip
    glb = Glb(animation_glb(unknown, standard_head()))
    assert [c["target"]["path"] for c in glb.document["animations"][0]["channels"]] == ["weights"]


def test_the_head_in_the_file_is_our_head(tmp_path):
    path = tmp_path / "face.glb"
    path.write_bytes(animation_glb(faces_of(frames(2)), standard_head()))
    found, ours = Head.from_gltf(path), standard_head()
    weights = np.linspace(0, 1, 52, dtype=np.float32)
    spread = np.ptp(ours.deform(weights), axis=0)
    assert np.ptp(found.deform(weights), axis=0) == pytest.approx(spread, abs=2e-3)


def test_the_validator_of_khronos_finds_nothing_in_the_animation(tmp_path):
    node = shutil.which("node")
    modules = Path(__file__).parents[3] / "docs" / "subscribers" / "node_modules"
    if node is None or not (modules / "gltf-validator").is_dir():
        pytest.skip("needs node, and npm install --prefix docs/subscribers")
    path = tmp_path / "face.glb"
    path.write_bytes(animation_glb(faces_of(frames(30)), standard_head()))
    script = (
        "const v = require(process.argv[1]), fs = require('fs');"
        "v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[2])))"
        ".then(r => console.log(JSON.stringify(r.issues)));"
    )
    command = [node, "-e", script, str(modules / "gltf-validator"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    issues = json.loads(done.stdout)
    assert issues["messages"] == []
    assert issues["numErrors"] == issues["numWarnings"] == 0
