"""What `head check` says of heads: whole ones, and ones that lack something."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX, MIRROR
from capture.head import Head, build_head
from capture.head_check import PULLS, check_head, read_head
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12

Writer = Any


@pytest.fixture(scope="module")
def ours() -> Head:
    return build_head()


def test_our_own_head_is_whole_after_a_trip_through_a_file(
    ours: Head, writer: Writer, tmp_path: Path
) -> None:
    writer.mesh([writer.primitive(ours)], list(ARKIT_NAMES))
    report = check_head(writer.glb(tmp_path / "a.glb"), FACE_12)
    assert report.problems == []
    assert (report.unit, report.turned_deg) == ("metres", 0.0)
    # Poles of the eyes and the tongue are several vertices in one place.
    assert 0.99 * len(ours.triangles) < report.triangles <= len(ours.triangles)
    assert report.missing == report.extra == report.still == []
    np.testing.assert_allclose(report.size_mm, 1e3 * np.ptp(ours.vertices, axis=0), atol=0.1)
    for site, slot in zip(report.sites, FACE_12.slots, strict=True):
        assert site.slot == slot.name
        assert np.linalg.norm(np.subtract(site.position_mm, np.multiply(1e3, slot.position_m))) < 4
        assert (site.pull is None) == (slot.name == FACE_12.reference)
        assert site.pull is None or site.pull_mm > 1.0


def test_what_a_head_lacks_is_listed(face: Head, writer: Writer, tmp_path: Path) -> None:
    deltas = face.deltas.copy()
    deltas[INDEX["mouthPucker"]] = 0.0
    lame = Head(face.names, face.vertices, face.triangles, deltas, face.colours)
    names = tuple(name for name in ARKIT_NAMES if name not in ("jawOpen", "tongueOut"))
    primitive = writer.primitive(lame, names)
    primitive["targets"].append({"POSITION": writer.array(face.deltas[3])})
    writer.mesh([primitive], [f"bs.{name}" for name in names] + ["smirk"])
    report = check_head(writer.glb(tmp_path / "a.glb"), FACE_12)
    assert report.missing == ["jawOpen", "tongueOut"]
    assert report.still == ["mouthPucker"]
    assert report.extra == ["smirk"]
    assert report.shapes["cheekPuff"] == "bs.cheekPuff"
    # The sheet has no ears: the reference has nowhere to sit.
    assert report.sites == []
    assert [problem.split(" ", 2)[0] for problem in report.problems] == [
        "jawOpen", "mouthPucker", "the",
    ]  # fmt: skip
    assert "slot 'head_reference' lies" in report.problems[-1]


def test_swapped_sides_are_a_problem(ours: Head, writer: Writer, tmp_path: Path) -> None:
    writer.mesh([writer.primitive(ours)], [ARKIT_NAMES[i] for i in MIRROR])
    report = check_head(writer.glb(tmp_path / "a.glb"), FACE_12)
    assert report.sides_swapped
    assert len(report.problems) == 1
    assert "left and right are swapped" in report.problems[0]


def test_a_name_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.glb, \.gltf or \.npz, got '\.fbx'"):
        read_head(tmp_path / "head.fbx")
    with pytest.raises(DataError, match=r"gone\.npz"):
        check_head(tmp_path / "gone.npz", FACE_12)


def test_muscles_are_known_for_every_sensor_but_the_one_on_bone() -> None:
    muscles = {name.removesuffix("_left").removesuffix("_right") for name in FACE_12.names}
    assert muscles - PULLS.keys() == {FACE_12.reference}


@pytest.mark.parametrize(
    ("file", "still", "missing"),
    [("facecap.glb", ["tongueOut"], []), ("ict_face.npz", [], ["tongueOut"])],
)
def test_shared_heads_are_ready_to_use(
    data: Path, file: str, still: list[str], missing: list[str]
) -> None:
    report = check_head(data / "mesh" / file, FACE_12)
    assert report.problems == []
    assert (report.still, report.missing) == (still, missing)
    assert not report.sides_swapped
    assert all(site.pull_mm > 1.0 for site in report.sites if site.pull is not None)


def test_a_head_is_read_by_its_own_class_too(data: Path) -> None:
    path = data / "mesh" / "ict_face.npz"
    np.testing.assert_array_equal(Head.from_npz(path).vertices, read_head(path).vertices)
