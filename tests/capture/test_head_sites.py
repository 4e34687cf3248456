"""Sensor patches on our own head and on another one."""

from pathlib import Path

import numpy as np
import pytest

from capture import rotations
from capture.blendshapes import INDEX
from capture.head import Head, build_head, find_sites, head_from_npz, site_responses
from firmware_host.errors import DataError
from firmware_host.layout import FACE_12, SensorLayout, Slot


@pytest.fixture(scope="module")
def head() -> Head:
    return build_head()


def turn_deg(head: Head, shape: str, slot: str) -> float:
    responses = site_responses(head, find_sites(head, FACE_12))
    return float(
        np.degrees(np.linalg.norm(responses.rotation[FACE_12.names.index(slot), :, INDEX[shape]]))
    )


def test_sites_lie_near_their_nominal_positions(head: Head) -> None:
    sites = find_sites(head, FACE_12)
    assert tuple(site.name for site in sites) == FACE_12.names
    for site, slot in zip(sites, FACE_12.slots, strict=True):
        assert np.linalg.norm(site.centre - np.array(slot.position_m)) < 0.004
        patch = head.vertices[site.vertices]
        assert len(patch) >= 6
        assert np.linalg.norm(patch - site.centre, axis=1).max() < 0.0125


def test_the_head_reference_is_rigid(head: Head) -> None:
    responses = site_responses(head, find_sites(head, FACE_12))
    i = FACE_12.reference_index
    assert np.degrees(np.abs(responses.rotation[i])).max() < 0.1
    assert np.abs(responses.translation[i]).max() < 1e-4


@pytest.mark.parametrize(
    ("shape", "slot", "least_deg"),
    [
        ("jawOpen", "mentalis", 8.0),
        ("jawOpen", "buccinator_left", 8.0),
        ("mouthSmileLeft", "zygomaticus_left", 4.0),
        ("mouthSmileLeft", "levator_labii_left", 8.0),
        ("mouthSmileRight", "buccinator_right", 5.0),
        ("noseSneerLeft", "orbicularis_oculi_left", 3.0),
        ("browDownRight", "frontalis_right", 2.0),
        ("browInnerUp", "frontalis_left", 1.0),
    ],
)
def test_sensors_turn_with_the_muscle_they_sit_on(
    head: Head, shape: str, slot: str, least_deg: float
) -> None:
    assert turn_deg(head, shape, slot) > least_deg


def test_a_patch_that_turns_rigidly_gives_back_its_rotation(head: Head) -> None:
    site = find_sites(head, FACE_12)[0]
    vector = np.array([0.01, -0.02, 0.015])
    turned = rotations.rotate(rotations.from_vector(vector), head.vertices)
    deltas = np.zeros_like(head.deltas)
    deltas[3] = turned - head.vertices + [0.001, 0.002, 0.003]
    rigid = Head(head.names, head.vertices, head.triangles, deltas, head.colours)
    responses = site_responses(rigid, (site,))
    np.testing.assert_allclose(responses.rotation[0, :, 3], vector, atol=5e-4)
    assert np.abs(responses.rotation[0, :, :3]).max() == 0.0
    expected = deltas[3][site.vertices].mean(axis=0)
    np.testing.assert_allclose(responses.translation[0, :, 3], expected, atol=1e-7)


def test_a_slot_far_from_the_head_is_refused(head: Head) -> None:
    slots = (Slot("nose_mm", (0.0, 4.0, 130.0)), Slot("head_reference", (0.072, 0.01, -0.01)))
    layout = SensorLayout("in millimetres by mistake", slots, "head_reference")
    with pytest.raises(DataError, match="slot 'nose_mm' lies"):
        find_sites(head, layout)


def test_patches_turn_like_those_of_a_measured_head(head: Head, data: Path) -> None:
    other = head_from_npz(data / "mesh" / "ict_face.npz")
    ours = site_responses(head, find_sites(head, FACE_12))
    theirs = site_responses(other, find_sites(other, FACE_12))
    face = list(FACE_12.face_indices)
    for name, least in (("rotation", 0.8), ("translation", 0.95)):
        a, b = getattr(ours, name)[face].ravel(), getattr(theirs, name)[face].ravel()
        assert np.corrcoef(a, b)[0, 1] > least
