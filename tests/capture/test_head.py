"""Our own head: what each shape must do, and what no shape may do."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.blendshapes import ARKIT_NAMES, INDEX, MIRROR
from capture.head import Head, build_head
from capture.head_chart import angles, chart_of, mirrored, slit
from capture.head_fields import place
from capture.head_rings import LID_EDGE, LID_INSIDE, LIP_EDGE, NECK_EDGE
from capture.head_surface import EYE_CENTRE, EYE_RADIUS, Skin, build_skin


@pytest.fixture(scope="module")
def head() -> Head:
    return build_head()


@pytest.fixture(scope="module")
def skin() -> Skin:
    return build_skin()


def vertex(skin: Skin, name: str) -> int:
    """The vertex at a named point; the skin's vertices come first in the head."""
    return int(np.linalg.norm(skin.chart - chart_of(place(name)), axis=1).argmin())


def weights(**values: float) -> np.ndarray:
    w = np.zeros(52, np.float32)
    for name, value in values.items():
        w[INDEX[name]] = value
    return w


def moved_mm(head: Head, skin: Skin, point: str, **values: float) -> np.ndarray:
    i = vertex(skin, point)
    return 1e3 * (head.deform(weights(**values))[i] - head.vertices[i])


def lip_edges(skin: Skin) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the upper and lower lip where they meet, from right to left."""
    edge = np.flatnonzero(skin.part == LIP_EDGE)
    edge = edge[np.argsort(skin.vertices[edge, 0], kind="stable")]
    angle = angles(skin.chart[edge])
    above = angle[:, 1] > slit(angle[:, 0])
    return edge[above], edge[~above]


def lip_gap_mm(head: Head, skin: Skin, **values: float) -> float:
    """Largest distance of the lower lip's edge from the upper's, in the middle 30 mm."""
    posed = 1e3 * head.deform(weights(**values))
    upper, lower = lip_edges(skin)
    middle = lower[np.abs(skin.vertices[lower, 0]) < 15.0]
    gaps = np.linalg.norm(posed[middle][:, None] - posed[upper][None], axis=-1).min(axis=1)
    return float(gaps.max())


def test_arrays_fit_together_and_are_finite(head: Head) -> None:
    count = len(head.vertices)
    assert head.names == ARKIT_NAMES
    assert 5_000 <= count <= 10_000
    assert head.deltas.shape == (52, count, 3)
    assert head.colours.shape == (count, 3)
    assert head.triangles.min() == 0
    assert head.triangles.max() == count - 1
    for array in (head.vertices, head.deltas, head.colours):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
    assert head.triangles.dtype == np.int32
    assert ((head.colours >= 0) & (head.colours <= 1)).all()


def test_every_shape_moves_something(head: Head) -> None:
    largest_mm = 1e3 * np.linalg.norm(head.deltas, axis=-1).max(axis=1)
    assert (largest_mm > 1.5).all()
    assert (largest_mm < 60.0).all()


def test_the_skin_is_closed_but_for_eyes_and_neck(skin: Skin) -> None:
    corners = skin.triangles
    edges = np.sort(np.concatenate((corners[:, :2], corners[:, 1:], corners[:, ::2])), axis=1)
    unique, uses = np.unique(edges, axis=0, return_counts=True)
    assert set(uses.tolist()) == {1, 2}
    open_parts = Counter(skin.part[unique[uses == 1]].ravel().tolist())
    assert set(open_parts) == {LID_INSIDE, NECK_EDGE}


def test_triangles_face_outwards(head: Head, skin: Skin) -> None:
    face = skin.chart[:, 2] > 0.3
    outside = face & np.isin(skin.part, (0, LID_EDGE))
    normals = head.normals(head.vertices)[: len(skin.vertices)]
    facing = np.einsum("vk,vk->v", normals[outside], skin.chart[outside])
    assert np.mean(facing > 0) > 0.97  # nostrils and creases may look elsewhere
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-3)


def test_right_is_the_mirror_image_of_left(head: Head, skin: Skin) -> None:
    count = len(skin.vertices)
    np.testing.assert_allclose(
        mirrored(head.vertices[:count][skin.mirror]), head.vertices[:count], atol=1e-7
    )
    for i, j in enumerate(MIRROR):
        image = mirrored(head.deltas[i, :count][skin.mirror])
        atol = 1e-4 if i == j else 1e-6
        np.testing.assert_allclose(image, head.deltas[j, :count], atol=atol, err_msg=ARKIT_NAMES[i])


def test_zero_weights_give_the_neutral_face(head: Head) -> None:
    np.testing.assert_array_equal(head.deform(np.zeros(52)), head.vertices)
    assert head.deform(np.zeros((2, 3, 52))).shape == (2, 3, *head.vertices.shape)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=104, max_size=104))
def test_shapes_add_up(head: Head, values: list[float]) -> None:
    a, b = np.array(values, np.float32).reshape(2, 52)
    both = head.deform(a + b)
    np.testing.assert_allclose(
        both, head.deform(a) + head.deform(b) - head.vertices, rtol=0, atol=1e-5
    )


def test_the_number_of_weights_is_checked(head: Head) -> None:
    with pytest.raises(ValueError, match="expected 52 weights, got 51"):
        head.deform(np.zeros(51))


def test_jaw_open_lowers_the_chin(head: Head, skin: Skin) -> None:
    drop = -moved_mm(head, skin, "menton", jawOpen=1.0)[1]
    assert 20.0 < drop < 45.0
    assert lip_gap_mm(head, skin, jawOpen=1.0) > 25.0
    assert np.abs(moved_mm(head, skin, "nasion", jawOpen=1.0)).max() < 1.0


def test_lips_touch_at_rest_and_when_the_open_jaw_is_closed_by_them(head: Head, skin: Skin) -> None:
    assert lip_gap_mm(head, skin) < 1.0
    assert lip_gap_mm(head, skin, jawOpen=1.0, mouthClose=1.0) < 1.5
    assert lip_gap_mm(head, skin, jawOpen=0.4, mouthClose=0.4) < 1.5


@pytest.mark.parametrize("shape", ["cheekPuff", "mouthPucker", "mouthLeft", "mouthSmileRight"])
def test_shapes_that_do_not_part_the_lips_keep_them_closed(
    head: Head, skin: Skin, shape: str
) -> None:
    for weight in (0.5, 1.0):
        assert lip_gap_mm(head, skin, **{shape: weight}) < 1.5


@pytest.mark.parametrize("side", ["Left", "Right"])
def test_a_blink_brings_the_lids_together_in_front_of_the_eye(
    head: Head, skin: Skin, side: str
) -> None:
    sign = 1.0 if side == "Left" else -1.0
    centre = EYE_CENTRE * [sign, 1.0, 1.0]
    count = len(skin.vertices)
    edge = np.flatnonzero((skin.part == LID_EDGE) & (sign * skin.chart[:, 0] > 0))
    middle = edge[np.abs(skin.vertices[edge, 0] - centre[0]) < 9.0]
    is_upper = skin.vertices[middle, 1] > centre[1]
    shut = 1e3 * head.deform(weights(**{f"eyeBlink{side}": 1.0}))[:count]
    gap = shut[middle[is_upper]][:, None] - shut[middle[~is_upper]][None]
    assert np.linalg.norm(gap, axis=-1).min(axis=1).max() < 1.5
    for share in (0.25, 0.5, 0.75, 1.0):
        posed = 1e3 * head.deform(weights(**{f"eyeBlink{side}": share}))[:count]
        lids = np.linalg.norm(posed[edge] - centre, axis=1)
        assert lids.min() > EYE_RADIUS, share


@pytest.mark.parametrize(
    ("shape", "point", "axis", "least_mm"),
    [
        ("mouthSmileLeft", "mouth_corner", 1, 5.0),
        ("mouthSmileLeft", "mouth_corner", 0, 4.0),
        ("mouthFrownRight", "-mouth_corner", 1, -3.0),
        ("mouthStretchLeft", "mouth_corner", 0, 4.0),
        ("mouthDimpleLeft", "mouth_corner", 2, -3.0),
        ("mouthLeft", "lip_top", 0, 10.0),
        ("mouthRight", "lip_bottom", 0, -10.0),
        ("mouthPucker", "slit_corner", 0, -3.0),
        ("mouthPucker", "lip_top", 2, 5.0),
        ("mouthFunnel", "lip_bottom", 1, -5.0),
        ("mouthRollLower", "slit_lower", 2, -7.0),
        ("mouthRollUpper", "slit_upper", 2, -7.0),
        ("mouthShrugLower", "mentalis", 1, 6.0),
        ("mouthShrugUpper", "lip_top", 1, 3.0),
        ("mouthPressLeft", "chin_side", 1, 2.0),
        ("mouthUpperUpLeft", "lip_upper_side", 1, 5.0),
        ("mouthLowerDownRight", "-lip_lower_near", 1, -3.0),
        ("jawForward", "mentalis", 2, 8.0),
        ("jawLeft", "menton", 0, 6.0),
        ("jawRight", "menton", 0, -6.0),
        ("browInnerUp", "brow_inner", 1, 4.0),
        ("browOuterUpRight", "-brow_far", 1, 5.0),
        ("browDownLeft", "brow_near", 1, -2.0),
        ("cheekPuff", "buccinator", 2, 8.0),
        ("cheekSquintLeft", "cheek", 1, 3.0),
        ("noseSneerRight", "-nasolabial", 1, 7.0),
        ("eyeSquintLeft", "lid_lower_inner", 1, 1.0),
        ("eyeWideLeft", "lid_upper_inner", 1, 2.0),
        ("eyeLookDownRight", "-lid_upper_outer", 1, -3.0),
        ("eyeLookUpLeft", "lid_upper_outer", 1, 2.0),
    ],
)
def test_a_shape_does_what_its_name_says(
    head: Head, skin: Skin, shape: str, point: str, axis: int, least_mm: float
) -> None:
    moved = moved_mm(head, skin, point, **{shape: 1.0})[axis]
    assert moved * np.sign(least_mm) > abs(least_mm)


@pytest.mark.parametrize(
    ("shape", "still"),
    [
        ("mouthSmileLeft", ["-brow_inner", "-brow_middle", "-brow_outer", "-cheek"]),
        ("eyeBlinkLeft", ["-lid_upper_inner", "mouth_corner", "brow_middle", "nose_tip"]),
        ("browDownLeft", ["-brow_far", "mouth_corner", "menton"]),
        ("jawOpen", ["forehead", "brow_inner", "ear_front"]),
        ("tongueOut", ["mentalis", "buccinator", "nasolabial"]),
    ],
)
def test_a_shape_leaves_the_rest_of_the_face_alone(
    head: Head, skin: Skin, shape: str, still: list[str]
) -> None:
    for point in still:
        assert np.linalg.norm(moved_mm(head, skin, point, **{shape: 1.0})) < 0.5, point


def test_the_left_eye_looks_where_it_is_told(head: Head) -> None:
    front = 1e-3 * (EYE_CENTRE + np.array([0.0, 0.0, EYE_RADIUS]))
    pupil = int(np.linalg.norm(head.vertices - front, axis=1).argmin())
    towards = {"Up": (1, 1), "Down": (1, -1), "In": (0, -1), "Out": (0, 1)}
    for way, (axis, sign) in towards.items():
        moved = 1e3 * head.deltas[INDEX[f"eyeLook{way}Left"], pupil]
        assert sign * moved[axis] > 4.0, way
