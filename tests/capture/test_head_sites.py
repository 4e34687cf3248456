"""Sensor patches on our own head and on another one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from capture import rotations
from capture.blendshapes import INDEX, MIRROR
from capture.head import Head, build_head, find_sites, head_from_gltf, head_from_npz, site_responses
from capture.head_anchors import REFERENCE, shape_centres
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
        ("mouthRollLower", "mentalis", 10.0),
        ("eyeBlinkLeft", "orbicularis_oculi_left", 1.2),
        ("eyeLookDownLeft", "orbicularis_oculi_left", 2.0),
        ("eyeLookInRight", "orbicularis_oculi_right", 2.0),
        ("eyeLookUpRight", "orbicularis_oculi_right", 1.0),
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


def reshaped(head: Head, change: Callable[[np.ndarray], np.ndarray]) -> Head:
    """The same face with other proportions: every point moved by `change`, and shapes with it."""
    points = head.vertices.astype(float)
    posed = np.stack([change(points + delta) - change(points) for delta in head.deltas])
    return Head(
        head.names,
        change(points).astype(np.float32),
        head.triangles,
        posed.astype(np.float32),
        head.colours,
    )


def long_jaw(points: np.ndarray) -> np.ndarray:
    """A fifth longer below the eyes, a tenth wider, the forehead lower, all farther forward."""
    moved = points * [1.1, 1.0, 1.0]
    below = np.clip(0.035 - moved[:, 1], 0.0, None)
    moved[:, 1] -= 0.2 * below + 0.15 * np.clip(moved[:, 1] - 0.06, 0.0, None)
    return np.add(moved, [0.0, 0.0, 0.006])


def slight(points: np.ndarray) -> np.ndarray:
    return points * [0.85, 0.9, 0.95]


@pytest.mark.parametrize("change", [long_jaw, slight])
def test_sites_follow_the_anatomy_of_a_head_with_other_proportions(
    head: Head, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    before = find_sites(head, FACE_12)
    after = find_sites(reshaped(head, change), FACE_12)
    expected = change(np.array([site.centre for site in before]))
    away = np.linalg.norm(np.array([site.centre for site in after]) - expected, axis=1)
    face = list(FACE_12.face_indices)
    assert away[face].mean() < 0.003
    assert away[face].max() < 0.008  # the forehead: no shape tells how high it is
    assert np.sort(away[face])[-3] < 0.004
    # Without looking at the shapes, sensors would land this far from their muscles.
    nominal = np.array([slot.position_m for slot in FACE_12.slots])
    assert np.linalg.norm(nominal - expected, axis=1)[face].max() > 0.009


def test_a_moved_slot_moves_its_site_as_far(head: Head) -> None:
    slots = tuple(
        Slot(slot.name, (slot.position_m[0], slot.position_m[1] + 0.01, slot.position_m[2]))
        for slot in FACE_12.slots
    )
    moved = find_sites(head, SensorLayout("higher", slots, "head_reference"))
    for here, there in zip(find_sites(head, FACE_12)[:10], moved, strict=False):
        assert 0.005 < there.centre[1] - here.centre[1] < 0.015


def test_sites_do_not_depend_on_the_numbers_of_vertices(head: Head) -> None:
    order = np.random.default_rng(1).permutation(len(head.vertices))
    place = np.argsort(order).astype(np.int32)
    shuffled = Head(
        head.names,
        head.vertices[order],
        place[head.triangles],
        head.deltas[:, order],
        head.colours[order],
    )
    for here, there in zip(find_sites(head, FACE_12), find_sites(shuffled, FACE_12), strict=True):
        np.testing.assert_allclose(there.centre, here.centre, atol=1e-6)


@pytest.mark.parametrize(
    ("slot", "shape", "least_mm"),
    [
        ("frontalis_left", "browOuterUpLeft", 1.0),
        ("orbicularis_oculi_right", "eyeSquintRight", 2.0),
        ("zygomaticus_left", "cheekSquintLeft", 3.0),
        ("levator_labii_right", "mouthUpperUpRight", 3.0),
        ("buccinator_left", "mouthSmileLeft", 8.0),
        ("mentalis", "jawOpen", 20.0),
    ],
)
def test_the_muscles_of_an_avatar_move_the_sensors_on_them(
    data: Path, slot: str, shape: str, least_mm: float
) -> None:
    avatar = head_from_gltf(data / "mesh" / "facecap.glb")
    sites = find_sites(avatar, FACE_12)
    moved = site_responses(avatar, sites).translation[FACE_12.names.index(slot)]
    way_mm = 1e3 * np.linalg.norm(moved, axis=0)
    assert way_mm[INDEX[shape]] > least_mm
    # The same muscle on the other side must not.
    if "Left" in shape or "Right" in shape:
        assert way_mm[MIRROR[INDEX[shape]]] < 0.4 * way_mm[INDEX[shape]]


def test_the_reference_centres_are_those_of_the_measured_head(data: Path) -> None:
    centres = shape_centres(head_from_npz(data / "mesh" / "ict_face.npz"))
    assert len(REFERENCE) == 19
    for name, place in REFERENCE.items():
        np.testing.assert_allclose(centres[name], place, atol=6e-4)


def test_patches_turn_like_those_of_a_measured_head(head: Head, data: Path) -> None:
    other = head_from_npz(data / "mesh" / "ict_face.npz")
    ours = site_responses(head, find_sites(head, FACE_12))
    theirs = site_responses(other, find_sites(other, FACE_12))
    face = list(FACE_12.face_indices)
    for name, least in (("rotation", 0.8), ("translation", 0.95)):
        a, b = getattr(ours, name)[face].ravel(), getattr(theirs, name)[face].ravel()
        assert np.corrcoef(a, b)[0, 1] > least


@pytest.mark.parametrize(
    "shape",
    ["eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutRight", "eyeLookUpLeft"],
)
def test_what_lids_pull_at_turns_as_on_a_measured_head(head: Head, data: Path, shape: str) -> None:
    other = head_from_npz(data / "mesh" / "ict_face.npz")
    face, k = list(FACE_12.face_indices), INDEX[shape]
    a, b = (
        site_responses(each, find_sites(each, FACE_12)).rotation[face, :, k].ravel()
        for each in (head, other)
    )
    assert a @ b > 0.85 * np.linalg.norm(a) * np.linalg.norm(b)
    assert 0.5 < np.linalg.norm(a) / np.linalg.norm(b) < 2.5
