import numpy as np
import pytest

from viz.charts import SERIES_INK, bars, beside, lines, matrices


def inked(image, ink):
    return (image == np.array(ink, np.uint8)).all(axis=-1)


def test_a_longer_bar_is_longer_and_a_missing_one_is_missing():
    image = bars("t", ["a", "b", "c"], {"s": np.array([1.0, 0.5, np.nan])})
    below = inked(image, SERIES_INK[0])[62:]
    lengths = sorted(set(below.sum(axis=1).tolist()))
    assert lengths[0] == 0
    assert lengths[-1] == pytest.approx(2 * lengths[1], abs=2)
    assert len(lengths) == 3


def test_curves_are_drawn_and_nothing_to_draw_is_no_error():
    x = np.linspace(0.1, 15.0, 80)
    image = lines("t", x, {"falls": 1 / x**2, "flat": np.full(80, 0.1)}, ("Hz", "power"))
    falls = np.argwhere(inked(image, SERIES_INK[0])[62:])
    left, right = falls[falls[:, 1] < 200, 0].mean(), falls[falls[:, 1] > 300, 0].mean()
    assert right > left + 20  # further down
    empty = lines("t", x, {"none": np.full(80, np.nan)}, ("Hz", "power"))
    assert empty.shape == image.shape


def test_a_matrix_is_red_blue_white_or_grey():
    shown = np.array([[1.0, -1.0], [0.0, np.nan]])
    image = matrices("t", ["a", "b"], {"m": shown}, cell=20)
    cells = [image[74 + 20 * i + 10, 150 + 20 * j + 10].tolist() for i in (0, 1) for j in (0, 1)]
    red, blue, white, grey = cells
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert white == [255, 255, 255]
    assert grey == [205, 205, 205]


def test_pages_stand_in_rows():
    page = np.zeros((10, 20, 3), np.uint8)
    assert beside([page] * 3, 2).shape == (20, 40, 3)
