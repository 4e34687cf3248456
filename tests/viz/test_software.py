"""The renderer that needs no GL."""

import numpy as np

from capture.blendshapes import INDEX
from viz.scene import Panel
from viz.software import SoftwareRenderer, raster

GREY = np.full((40, 40, 3), 100, np.uint8)
TOWARDS = np.array([[0, 1, 2]], np.int32)
CORNERS = np.array([[5, 35], [35, 35], [20, 5]], np.float32)  # counter-clockwise with y up


def colour(red: float, green: float, blue: float) -> np.ndarray:
    return np.full((3, 3), (red, green, blue), np.float32)


def test_a_triangle_facing_us_is_filled_and_the_rest_kept():
    image = raster(CORNERS, np.ones(3, np.float32), TOWARDS, colour(1, 0, 0), GREY)
    assert image[25, 20].tolist() == [255, 0, 0]
    assert image[2, 2].tolist() == [100, 100, 100]
    assert GREY[25, 20].tolist() == [100, 100, 100]


def test_a_triangle_facing_away_is_not_drawn():
    image = raster(CORNERS, np.ones(3, np.float32), TOWARDS[:, ::-1], colour(1, 0, 0), GREY)
    assert np.array_equal(image, GREY)


def test_the_nearer_triangle_hides_the_farther_whatever_their_order():
    both = np.concatenate([CORNERS, CORNERS])
    depth = np.array([2, 2, 2, 1, 1, 1], np.float32)
    colours = np.concatenate([colour(1, 0, 0), colour(0, 0, 1)])
    for triangles in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        image = raster(both, depth, np.array(triangles, np.int32), colours, GREY)
        assert image[25, 20].tolist() == [0, 0, 255]


def test_colours_blend_between_corners():
    colours = np.eye(3, dtype=np.float32)
    image = raster(CORNERS, np.ones(3, np.float32), TOWARDS, colours, GREY)
    assert np.allclose(image[25, 20], 85, atol=4)
    assert image[34, 7].argmax() == 0
    assert image[34, 33].argmax() == 1
    assert image[8, 20].argmax() == 2


def test_a_sliver_keeps_within_its_corners_colours():
    thin = np.array([[5, 20.0], [35, 20.3], [35, 20.0]], np.float32)
    colours = np.array([[0.4] * 3, [0.6] * 3, [0.5] * 3], np.float32)
    image = raster(thin, np.ones(3, np.float32), TOWARDS, colours, np.zeros_like(GREY))
    drawn = image[image.any(axis=2)]
    assert len(drawn)
    assert drawn.min() >= 101
    assert drawn.max() <= 154


def test_a_head_is_drawn_over_its_backdrop_with_its_caption(head):
    renderer = SoftwareRenderer(head, 96, 2)
    weights = np.zeros((2, 52), np.float32)
    weights[1, INDEX["jawOpen"]] = 1.0
    image = renderer.draw([Panel(weights[0], caption="left"), Panel(weights[1], caption="right")])
    assert image.shape == (renderer.scene.height, renderer.scene.width, 3)
    assert image.dtype == np.uint8
    different = np.abs(image[:96, :96].astype(int) - image[:96, 96:]).max(axis=2) > 30
    rows, _ = np.nonzero(different)
    assert 20 < len(rows) < 3000
    assert np.mean(rows < 40) < 0.02  # a dropped jaw leaves the brows alone
    assert (image[96:, :96] != image[96:, 96:]).any()
