"""Heads from glTF in every way that files are met, and plain refusals of what is no head."""

import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX, MIRROR
from capture.head import Head
from capture.head_gltf import read_gltf_head
from capture.head_names import name_shapes, shape_name
from capture.head_placing import sides_are_swapped
from firmware_host.errors import DataError

Writer = Any


def nearest(head: Head, points: np.ndarray) -> np.ndarray:
    """Indices of the vertices of `head` at `points`, whatever their order in the file."""
    away = np.linalg.norm(head.vertices[None] - points[:, None], axis=-1)
    return np.asarray(away.argmin(axis=1))


def assert_same_face(found: Head, face: Head, within_m: float = 2e-6) -> None:
    """The same skin moving the same way, up to where the origin lies."""
    assert len(found.vertices) == len(face.vertices)
    shift = found.vertices.mean(axis=0) - face.vertices.mean(axis=0)
    order = nearest(found, face.vertices + shift)
    assert len(set(order)) == len(order)
    assert np.abs(found.vertices[order] - shift - face.vertices).max() < within_m
    assert np.abs(found.deltas[:, order] - face.deltas).max() < within_m
    edges = {frozenset(map(int, t)) for t in order[face.triangles]}
    assert {frozenset(map(int, t)) for t in found.triangles} == edges
    assert found.normals(found.vertices)[:, 2].mean() > 0.5


def in_axes(head: Head, matrix: np.ndarray) -> Head:
    """The same head with vectors multiplied by (3, 3) `matrix`."""
    turned = (np.asarray(a @ matrix.T, np.float32) for a in (head.vertices, head.deltas))
    vertices, deltas = turned
    return Head(head.names, vertices, head.triangles, deltas, head.colours)


@pytest.mark.parametrize("kind", ["glb", "base64", "beside"])
def test_a_plain_file_comes_back(face: Head, writer: Writer, tmp_path: Path, kind: str) -> None:
    writer.mesh([writer.primitive(face)], list(ARKIT_NAMES))
    if kind == "glb":
        path = writer.glb(tmp_path / "a.glb")
    else:
        path = writer.gltf(tmp_path / "a.gltf", beside=kind == "beside")
    found = read_gltf_head(path)
    assert_same_face(found.head, face)
    assert found.placement.unit == "metres"
    assert found.placement.turned_deg == 0.0
    assert found.spellings == {name: name for name in ARKIT_NAMES}
    assert_same_face(Head.from_gltf(path), face)


def test_sparse_targets_come_back(face: Head, writer: Writer, tmp_path: Path) -> None:
    primitive = writer.primitive(face, ())
    primitive["targets"] = [{"POSITION": writer.sparse(moved)} for moved in face.deltas]
    writer.mesh([primitive], list(ARKIT_NAMES))
    assert_same_face(read_gltf_head(writer.glb(tmp_path / "a.glb")).head, face)


@pytest.mark.parametrize("compressed", [False, True])
def test_quantised_attributes_come_back(
    face: Head, writer: Writer, tmp_path: Path, compressed: bool
) -> None:
    low, size = face.vertices.min(axis=0), float(np.ptp(face.vertices, axis=0).max())
    steps = np.rint((face.vertices - low) / size * 65535).astype("<u2")
    put = writer.compressed if compressed else writer.array
    moved = np.rint(face.deltas / size * 32767).astype("<i2")
    indices = face.triangles.reshape(-1, 1).astype("<u2")
    primitive = {
        "attributes": {"POSITION": put(steps, normalized=True)},
        "indices": put(indices, mode="TRIANGLES") if compressed else put(indices),
        "targets": [{"POSITION": put(delta, normalized=True)} for delta in moved],
    }
    place = {"scale": [size] * 3, "translation": low.tolist()}
    writer.mesh([primitive], list(ARKIT_NAMES), **place)
    required = ["KHR_mesh_quantization"] + ["EXT_meshopt_compression"] * compressed
    writer.document["extensionsRequired"] = required
    found = read_gltf_head(writer.glb(tmp_path / "a.glb")).head
    assert_same_face(found, face, within_m=size / 32767)


def split(face: Head, rows: np.ndarray) -> Head:
    """The part of a face whose triangles are `rows`, with vertices of its own."""
    kept, triangles = np.unique(face.triangles[rows], return_inverse=True)
    return Head(
        face.names,
        face.vertices[kept],
        triangles.reshape(-1, 3).astype(np.int32),
        face.deltas[:, kept],
        face.colours[kept],
    )


@pytest.mark.parametrize("meshes", [1, 2])
def test_a_face_in_several_primitives_or_meshes_becomes_one_skin(
    face: Head, writer: Writer, tmp_path: Path, meshes: int
) -> None:
    upper = face.vertices[face.triangles].mean(axis=1)[:, 1] > 0.01
    parts = [writer.primitive(split(face, rows)) for rows in (upper, ~upper)]
    groups = [parts] if meshes == 1 else [[part] for part in parts]
    for group in groups:
        writer.mesh(group, list(ARKIT_NAMES))
    writer.document["scenes"] = [{"nodes": list(range(meshes))}]
    assert_same_face(read_gltf_head(writer.glb(tmp_path / "a.glb")).head, face)


@pytest.mark.parametrize(
    ("unit", "metres"), [("centimetres", 0.01), ("millimetres", 0.001), ("inches", 0.0254)]
)
def test_the_unit_is_found(
    face: Head, writer: Writer, tmp_path: Path, unit: str, metres: float
) -> None:
    writer.mesh([writer.primitive(face)], list(ARKIT_NAMES), scale=[1 / metres] * 3)
    found = read_gltf_head(writer.glb(tmp_path / "a.glb"))
    assert found.placement.unit == unit
    assert found.placement.scale_m == metres
    assert_same_face(found.head, face)


def test_a_face_in_no_unit_becomes_as_large_as_the_reference(
    face: Head, writer: Writer, tmp_path: Path
) -> None:
    writer.mesh([writer.primitive(face)], list(ARKIT_NAMES), scale=[20.0] * 3)
    found = read_gltf_head(writer.glb(tmp_path / "a.glb"))
    assert found.placement.unit == "as large as the reference head"
    assert found.placement.scale_m == pytest.approx(1 / 20, rel=0.1)


Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
BACKWARDS = np.diag([-1.0, 1.0, -1.0])


@pytest.mark.parametrize("axes", [Z_UP, BACKWARDS, Z_UP @ BACKWARDS])
def test_a_face_in_other_axes_is_turned_upright(
    face: Head, writer: Writer, tmp_path: Path, axes: np.ndarray
) -> None:
    writer.mesh([writer.primitive(in_axes(face, axes))], list(ARKIT_NAMES))
    found = read_gltf_head(writer.glb(tmp_path / "a.glb"))
    np.testing.assert_allclose(found.placement.turn, axes.T, atol=1e-12)
    assert_same_face(found.head, face)


def test_nodes_are_applied_from_the_root(face: Head, writer: Writer, tmp_path: Path) -> None:
    writer.add("nodes", {"children": [1], "scale": [2.0, 2.0, 2.0]})
    matrix = np.eye(4)
    matrix[:3] = np.c_[0.5 * Z_UP, [1.0, 2.0, 3.0]]
    writer.mesh([writer.primitive(face)], list(ARKIT_NAMES), matrix=matrix.T.ravel().tolist())
    found = read_gltf_head(writer.glb(tmp_path / "a.glb"))
    np.testing.assert_allclose(found.placement.turn, Z_UP.T, atol=1e-12)
    assert_same_face(found.head, face)


def test_a_mirrored_node_does_not_turn_the_skin_inside_out(
    face: Head, writer: Writer, tmp_path: Path
) -> None:
    mirrored = in_axes(face, np.diag([-1.0, 1.0, 1.0]))
    # The triangles of the mirrored sheet face backwards until the node mirrors them again.
    writer.mesh([writer.primitive(mirrored)], list(ARKIT_NAMES), scale=[-1.0, 1.0, 1.0])
    flipped = writer.document["meshes"][0]["primitives"][0]
    flipped["indices"] = writer.array(face.triangles[:, ::-1].ravel().astype("<u2"))
    assert_same_face(read_gltf_head(writer.glb(tmp_path / "a.glb")).head, face)


def test_a_skinned_face_stands_where_its_bones_are(
    face: Head, writer: Writer, tmp_path: Path
) -> None:
    primitive = writer.primitive(in_axes(face, 0.01 * np.eye(3)))
    count = len(face.vertices)
    joints, weights = np.zeros((count, 4), "<u1"), np.zeros((count, 4), "<f4")
    joints[:, 1], weights[:, :2] = 1, 0.5
    primitive["attributes"] |= {
        "JOINTS_0": writer.array(joints),
        "WEIGHTS_0": writer.array(weights),
    }
    bind = np.diag([100.0, 100.0, 100.0, 1.0])  # as exporters put a dequantisation there
    inverse = writer.array(np.stack([bind.T.ravel()] * 2).astype("<f4"))
    writer.add("skins", {"joints": [1, 2], "inverseBindMatrices": inverse})
    # The mesh's own node must not count.
    writer.mesh([primitive], list(ARKIT_NAMES), skin=0, scale=[7.0, 7.0, 7.0])
    for _ in range(2):
        writer.add("nodes", {"translation": [0.0, 1.6, 0.0]})
    writer.document["scenes"] = [{"nodes": [0, 1, 2]}]
    found = read_gltf_head(writer.glb(tmp_path / "a.glb"))
    assert found.placement.unit == "metres"
    assert_same_face(found.head, face)


def test_strips_and_files_without_indices_are_read(
    face: Head, writer: Writer, tmp_path: Path
) -> None:
    primitive = writer.primitive(face)
    rows = np.arange(1200).reshape(40, 30)
    zigzag = [np.stack([low, high], axis=1).ravel() for low, high in pairwise(rows)]
    joined = np.concatenate([np.r_[z[:1], z[:1], z, z[-1:]] for z in zigzag])
    primitive["indices"] = writer.array(joined.astype("<u2"))
    primitive["mode"] = 5
    writer.mesh([primitive], list(ARKIT_NAMES))
    found = read_gltf_head(writer.glb(tmp_path / "a.glb")).head
    assert len(found.triangles) == len(face.triangles)
    assert len(found.vertices) == len(face.vertices)


def test_what_lies_about_the_face_is_kept_and_clothes_are_not(
    face: Head, writer: Writer, tmp_path: Path
) -> None:
    writer.mesh([writer.primitive(face)], list(ARKIT_NAMES))
    for name, middle in (("Eye_L", (0.03, 0.03, 0.08)), ("Shoes", (0.0, -1.6, 0.0))):
        points = 0.01 * np.eye(3, dtype=np.float32) + np.array(middle, np.float32)
        attributes = {"POSITION": writer.array(points)}
        mesh = writer.add("meshes", {"primitives": [{"attributes": attributes}]})
        writer.add("nodes", {"mesh": mesh, "name": name})
    writer.document["scenes"] = [{"nodes": [0, 1, 2]}]
    found = read_gltf_head(writer.glb(tmp_path / "a.glb"))
    assert found.left_out == ("Shoes",)
    assert len(found.head.vertices) == len(face.vertices) + 3


@pytest.mark.parametrize(
    ("label", "shape"),
    [
        ("eyeBlinkLeft", "eyeBlinkLeft"),
        ("EyeBlinkLeft", "eyeBlinkLeft"),
        ("eyeBlink_L", "eyeBlinkLeft"),
        ("eyeBlink_l", "eyeBlinkLeft"),
        ("eyeBlink.R", "eyeBlinkRight"),
        ("blendShape1.eyeBlink_L", "eyeBlinkLeft"),
        ("blendShape2.MouthSmile_R", "mouthSmileRight"),
        ("Head_geo:jawOpen", "jawOpen"),
        ("ARKit_browInnerUp", "browInnerUp"),
        ("A14_Eye_Blink_Left", "eyeBlinkLeft"),
        ("eye blink right", "eyeBlinkRight"),
        ("jawOpen.001", "jawOpen"),
        ("TONGUEOUT", "tongueOut"),
        ("mouthLeft", "mouthLeft"),
        ("Mouth_L", "mouthLeft"),
        ("viseme_aa", None),
        ("notjawOpen", None),
        ("eyesClosed", None),
        ("", None),
        ("_", None),
    ],
)
def test_spellings_met_in_the_wild(label: str, shape: str | None) -> None:
    assert shape_name(label) == shape


@pytest.mark.parametrize("name", ARKIT_NAMES)
def test_every_shape_is_known_in_every_spelling(name: str) -> None:
    short = name.replace("Left", "_L").replace("Right", "_R") if name[:3] != "jaw" else name
    for label in (name, short, name[0].upper() + name[1:], f"bs.{short}", f"Face_{name}"):
        assert shape_name(label) == name


def test_a_shape_given_twice_is_taken_in_apple_s_own_spelling() -> None:
    assert name_shapes(["jaw_open", "jawOpen", "JawOpen", "x"]) == [None, "jawOpen", None, None]
    assert name_shapes(["eyeBlink_L", "EyeBlinkLeft"]) == ["eyeBlinkLeft", None]


def test_names_may_be_those_of_the_accessors(face: Head, writer: Writer, tmp_path: Path) -> None:
    primitive = writer.primitive(face, ())
    primitive["targets"] = [
        {"POSITION": writer.array(face.deltas[INDEX[name]], name=f"Face.{name}")}
        for name in ARKIT_NAMES[:51]
    ] + [{"POSITION": writer.array(face.deltas[0])}]
    writer.mesh([primitive], [])
    found = read_gltf_head(writer.glb(tmp_path / "a.glb"))
    assert list(found.spellings) == list(ARKIT_NAMES[:51])
    assert found.extra == ("target 51",)
    assert np.abs(found.head.deltas[INDEX["tongueOut"]]).max() == 0.0


def test_swapped_sides_are_noticed_and_left_alone(
    face: Head, writer: Writer, tmp_path: Path
) -> None:
    labels = [ARKIT_NAMES[i] for i in MIRROR]
    writer.mesh([writer.primitive(face)], labels)
    found = read_gltf_head(writer.glb(tmp_path / "a.glb"))
    assert found.placement.turned_deg == 0.0
    assert sides_are_swapped(found.head)
    assert not sides_are_swapped(face)


def cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (cut, "expected [0-9]+ bytes, got"),
        (lambda raw: raw[:10], "expected a .glb of at least 20 bytes, got 10"),
        (lambda raw: b"PK\3\4" + raw[4:], "expected glTF 2.0"),
        (lambda raw: raw[:4] + b"\1" + raw[5:], "of version 2, got version 1"),
        (lambda raw: raw[:16] + b"NOSJ" + raw[20:], "expected a JSON chunk"),
        (lambda raw: raw[:12] + b"\xff\xff\xff\x7f" + raw[16:], "chunk ends at byte"),
        (lambda _: b"", "expected glTF 2.0"),
        (lambda _: b"{}", "asset"),
        (lambda raw: raw.replace(b'"type": "VEC3"', b'"type": "VEC2"'), "expected VEC3"),
        (lambda raw: raw.replace(b'"count": 1200', b'"count": 9200'), "needs 110400 bytes"),
        (lambda raw: raw.replace(b'"version": "2.0"', b'"version": "1.0"'), "version '1.0'"),
        (lambda raw: raw.replace(b'"POSITION": 1}', b'"NOTATION": 1}'), "has no POSITION"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(
    face: Head,
    writer: Writer,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    complaint: str,
) -> None:
    writer.mesh([writer.primitive(face, ("jawOpen",))], ["jawOpen"])
    path = writer.glb(tmp_path / "a.glb")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=complaint) as caught:
        read_gltf_head(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "KHR_draco_mesh_compression"),
        ({"scenes": [{"nodes": [7]}]}, "node 7 is named, the file has 1"),
        ({"scene": 3}, "scene 3 is named"),
        ({"nodes": [{"mesh": 0, "children": [0]}]}, "hangs in two places"),
        ({"nodes": [{"mesh": 4}]}, "mesh 4 is named, the file has 1"),
        ({"buffers": [{"byteLength": 8, "uri": "http://else.where/a.bin"}]}, "a file beside it"),
        ({"buffers": [{"byteLength": 8, "uri": "gone.bin"}]}, "cannot read buffer 0"),
        ({"buffers": [{"byteLength": 8, "uri": "data:;base64,?"}]}, "not base64"),
        ({"buffers": [{"byteLength": 8}]}, "buffer 0 has no bytes"),
        ({"buffers": []}, "buffer 0 is named, the file has 0"),
        ({"accessors": []}, "accessor [0-9]+ is named"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": -1}}]}]}, "POSITION|>= 0"),
    ],
)
def test_a_document_that_points_elsewhere_is_refused(
    face: Head, writer: Writer, tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    writer.mesh([writer.primitive(face, ("jawOpen",))], ["jawOpen"])
    path = writer.gltf(tmp_path / "a.gltf", beside=False)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=complaint):
        read_gltf_head(path)


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [([], "got none at all"), (["smirk", "viseme_aa"], "got 2 others: 'smirk', 'viseme_aa'")],
)
def test_a_file_without_arkit_targets_is_refused(
    face: Head, writer: Writer, tmp_path: Path, labels: list[str], complaint: str
) -> None:
    writer.mesh([writer.primitive(face, ARKIT_NAMES[: len(labels)])], labels)
    path = writer.glb(tmp_path / "a.glb")
    with pytest.raises(DataError, match=complaint):
        read_gltf_head(path)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.glb: cannot read a head: No such file"):
        Head.from_gltf(tmp_path / "gone.glb")


def test_numbers_that_are_not_finite_are_refused(
    face: Head, writer: Writer, tmp_path: Path
) -> None:
    broken = face.vertices.copy()
    broken[7, 1] = np.nan
    primitive = writer.primitive(face, ("jawOpen",))
    primitive["attributes"]["POSITION"] = writer.array(broken)
    writer.mesh([primitive], ["jawOpen"])
    with pytest.raises(DataError, match="not finite"):
        read_gltf_head(writer.glb(tmp_path / "a.glb"))


@pytest.mark.parametrize(
    ("vertices", "complaint"),
    [
        (np.full((3, 3), 1e30, np.float32), r"coordinates below 1e\+07, got 1e\+30"),
        (np.zeros((400_001, 3), np.float32), "at most 400000 vertices, got 400001"),
    ],
)
def test_what_is_too_large_is_refused(
    face: Head, writer: Writer, tmp_path: Path, vertices: np.ndarray, complaint: str
) -> None:
    primitive = writer.primitive(face, ())
    primitive["attributes"]["POSITION"] = writer.array(vertices)
    primitive["indices"] = writer.array(np.arange(3).astype("<u2"))
    writer.mesh([primitive], [])
    with pytest.raises(DataError, match=complaint):
        read_gltf_head(writer.glb(tmp_path / "a.glb"))


def test_a_compressed_view_of_another_size_is_refused(
    face: Head, writer: Writer, tmp_path: Path
) -> None:
    primitive = writer.primitive(face, ("jawOpen",))
    primitive["attributes"]["POSITION"] = writer.compressed(face.vertices)
    writer.mesh([primitive], ["jawOpen"])
    packed = writer.document["bufferViews"][-1]["extensions"]["EXT_meshopt_compression"]
    packed["count"] = 10**12
    with pytest.raises(DataError, match=r"buffer view [0-9]+: expected 14400 bytes"):
        read_gltf_head(writer.glb(tmp_path / "a.glb"))
    packed |= {"count": 1200, "byteLength": packed["byteLength"] - 5}
    with pytest.raises(DataError, match=r"buffer view [0-9]+, compressed: "):
        read_gltf_head(writer.glb(tmp_path / "b.glb"))


def test_the_face_cap_head_is_read_in_under_two_seconds(data: Path) -> None:
    path = data / "mesh" / "facecap.glb"
    start = time.perf_counter()
    found = read_gltf_head(path)
    assert time.perf_counter() - start < 2.0
    assert list(found.spellings) == list(ARKIT_NAMES)
    assert found.spellings["eyeBlinkLeft"] == "eyeBlink_L"
    assert found.extra == found.left_out == ()
    head = found.head
    assert len(head.triangles) == 2 * 960 + 5032 + 1090
    wide, tall, deep = np.ptp(head.vertices, axis=0)
    assert 0.15 < wide < 0.22
    assert 0.18 < tall < 0.27
    assert 0.18 < deep < 0.27
    # Mirror twins tell that it was levelled: the file holds the head a little tilted.
    mirrored = head.vertices * np.array([-1, 1, 1], np.float32)
    sample = mirrored[:: len(mirrored) // 200]
    away = np.linalg.norm(head.vertices[nearest(head, sample)] - sample, axis=1)
    assert np.median(away) < 1e-3
    assert not sides_are_swapped(head)
