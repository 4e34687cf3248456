"""Our head against the landmark table, and the looking-up of points behind that."""

from pathlib import Path

import numpy as np
import pytest

from capture.head_fields import place
from capture.head_fit import fit, nearest_on, our_name, parse_landmarks, rigidly_aligned

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
HALVES = np.array([[0, 1, 2], [0, 2, 3]])


def test_the_head_and_its_shapes_lie_within_the_bounds(data: Path) -> None:
    with (data / "mesh" / "landmarks.csv").open(newline="") as file:
        found = fit(parse_landmarks(file))
    assert len(found.points) == 87
    assert len(found.shapes) == 51
    # Asked for: 4 mm and 2 mm. Held: what was reached, and a little.
    assert found.neutral.mean() < 0.4
    assert found.aligned.mean() < 0.4
    assert found.neutral.max() < 2.0
    assert found.displacement.mean() < 0.4
    assert found.displacement.mean(axis=1).max() < 1.5  # the worst shape
    assert found.displacement[found.moved].mean() < 1.0
    assert found.displacement[found.moved & ~found.told].mean() < 1.2


def test_points_have_a_place_on_the_side_they_are_measured_on(data: Path) -> None:
    with (data / "mesh" / "landmarks.csv").open(newline="") as file:
        neutral = parse_landmarks(file)["neutral"]
    for point, measured in neutral.items():
        ours = place(our_name(point))
        assert np.sign(np.rint(ours[0])) == np.sign(np.rint(measured[0])), point


def test_names_are_the_wearers_left_and_right() -> None:
    assert our_name("ibug_30") == "nose_tip"
    assert our_name("ibug_36") == "-canthus_outer"
    assert our_name("ibug_54") == "mouth_corner"
    assert our_name("cheek_right") == "-cheek"
    assert our_name("jowl_left") == "jowl"
    assert our_name("mentalis") == "mentalis"


@pytest.mark.parametrize(
    ("point", "foot"),
    [
        ((0.3, 0.2, 0.5), (0.3, 0.2, 0.0)),  # over a triangle
        ((0.4, -2.0, 0.0), (0.4, 0.0, 0.0)),  # beyond an edge
        ((3.0, 2.0, 1.0), (1.0, 1.0, 0.0)),  # beyond a corner
    ],
)
def test_the_nearest_point_of_a_surface_is_found(
    point: tuple[float, ...], foot: tuple[float, ...]
) -> None:
    corners, shares = nearest_on(np.array([point]), np.tile(SQUARE, (2, 1)), HALVES)
    assert shares.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(shares[0] @ SQUARE[corners[0]], foot, atol=1e-12)


def test_a_rigid_motion_is_undone_but_no_mirror_image() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(rigidly_aligned(points @ turn + 3.0, points), points, atol=1e-12)
    assert np.abs(rigidly_aligned(points * [-1, 1, 1], points) - points).max() > 0.1
