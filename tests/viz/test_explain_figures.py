"""What mattered, drawn: a matrix, bars beside chance, a tree, and painted heads."""

import numpy as np
import pytest

from capture.blendshapes import INDEX
from capture.head import standard_head
from firmware_host.layout import FACE_12
from viz.axes import SERIES
from viz.explain_figures import Bar, agreement_page, amounts_page, painted_heads, tree_page
from viz.page import Line, Pixels, Rect, Text
from viz.painting import SharePaint

FACE = [FACE_12.names[i] for i in FACE_12.face_indices]
JAW, SMILE = INDEX["jawOpen"], INDEX["mouthSmileLeft"]


@pytest.fixture(scope="module")
def shares():
    found = np.full((52, len(FACE)), np.nan)
    found[[JAW, SMILE]] = 0.01
    found[JAW, FACE.index("mentalis")] = 0.9
    found[SMILE, FACE.index("zygomaticus_left")] = 0.9
    return found


@pytest.fixture(scope="module")
def expected(shares):
    return np.nan_to_num(shares) > 0.5


def test_the_matrix_has_a_row_for_each_shape_that_moved_and_a_frame_by_anatomy(shares, expected):
    page = amounts_page(shares, expected, FACE, ("title", "beneath"))
    texts = [mark.text for mark in page.marks if isinstance(mark, Text)]
    assert "jawOpen · AU 26" in texts
    assert not any("cheekPuff" in text for text in texts)
    framed = [m for m in page.marks if isinstance(m, Line) and m.wide == 1.6]
    assert len(framed) == 2
    matrix = next(mark for mark in page.marks if isinstance(mark, Pixels))
    assert matrix.colours.shape == (2, len(FACE), 3)
    row = matrix.colours[[JAW, SMILE].index(JAW)].astype(int).sum(axis=1)
    assert FACE[int(row.argmin())] == "mentalis"  # the darkest


def test_bars_stand_beside_chance():
    page = agreement_page([Bar("a", 0.8, 0.2, 0.4)], [Bar("a", -0.3, 0.0, 0.2)], "")
    bars = [m for m in page.marks if isinstance(m, Rect) and m.ink == SERIES[0] and m.high > 8]
    assert len(bars) == 2
    assert bars[0].wide > bars[1].wide


def test_a_tree_joins_what_is_near_first():
    page = tree_page(np.array([[0, 2, 0.1, 2], [1, 3, 0.6, 3]]), ["a", "b", "c"], "")
    names = [m for m in page.marks if isinstance(m, Text) and m.text in "abc"]
    order = [m.text for m in sorted(names, key=lambda mark: mark.y)]
    assert abs(order.index("a") - order.index("c")) == 1


def test_skin_is_hot_at_the_sensor_that_mattered_and_pale_elsewhere():
    head = standard_head()
    places = head.vertices[[10, 3000]]
    painted = SharePaint(head, places).paint(np.array([1.0, 0.0], np.float32))
    assert painted[10].min() < 0.3
    assert painted[3000].min() > 0.4


def test_heads_are_painted_where_it_mattered_and_captioned(shares, expected):
    image = painted_heads(
        shares, expected, FACE_12, standard_head(), ["jawOpen", "mouthSmileLeft"],
        size=128, columns=2, notes=["IoU 1.00, r 0.99", ""], prefer="software",
    )  # fmt: skip
    assert image.shape[1] == 256
    jaw, smile = image[:128, :128].astype(int), image[:128, 128:].astype(int)
    hot = [(cell[..., 0] - cell[..., 2] > 90) for cell in (jaw, smile)]
    assert hot[0].any()
    assert hot[1].any()
    rows = [np.flatnonzero(found.any(axis=1)).mean() for found in hot]
    assert rows[0] > rows[1]  # the chin is below the cheek
    columns = np.flatnonzero(hot[1].any(axis=0)).mean()
    assert columns > 64  # the wearer's left cheek is to the right
