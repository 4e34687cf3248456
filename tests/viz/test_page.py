"""Pages as vectors and as pixels."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from viz.page import Area, Dots, Line, Page, Pixels, Rect, Text

RED, BLUE, BLACK = (220, 30, 30), (30, 60, 200), (0, 0, 0)
SVG = "{http://www.w3.org/2000/svg}"


def inked(image, ink, near=3):
    return np.abs(image.astype(int) - ink).max(axis=2) <= near


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_marks_are_where_they_belong_at_any_scale(scale):
    page = Page(100, 60)
    page.add(Rect(10, 20, 30, 10, RED))
    page.add(Area(np.array([[60.0, 10], [90, 10], [90, 40], [60, 40]]), BLUE))
    image = page.image(scale)
    assert image.shape == (60 * scale, 100 * scale, 3)
    rows, columns = np.nonzero(inked(image, RED))
    assert (rows.min() / scale, (rows.max() + 1) / scale) == (20, 30)
    assert (columns.min() / scale, (columns.max() + 1) / scale) == (10, 40)
    assert inked(image, BLUE)[round(25 * scale), round(75 * scale)]
    assert inked(image, BLUE).sum() == pytest.approx(900 * scale**2, rel=0.1)


def test_lines_dots_and_dashes_leave_ink():
    page = Page(100, 30)
    points = np.array([[5.0, 10.5], [95, 10.5]])
    lower = np.array([[5.0, 20.5], [95, 20.5]])
    page.add(Line(points, RED, 1.0), Line(lower, RED, 1.0, dashed=True))
    page.add(Dots(np.array([[50.0, 26]]), BLUE, 2.0))
    image = page.image()
    whole, dashed = inked(image[:15], RED, 60).sum(), inked(image[15:24], RED, 60).sum()
    assert 0.3 * whole < dashed < 0.9 * whole
    assert inked(image, BLUE)[26, 50] or inked(image, BLUE)[25, 49]


def test_half_opaque_ink_lets_the_ground_through():
    page = Page(40, 40)
    page.add(
        Rect(0, 0, 40, 20, BLACK, 0.5),
        Area(np.array([[0.0, 20], [40, 20], [40, 40], [0, 40]]), BLACK, 0.5),
    )
    image = page.image()
    assert image[10, 20].tolist() == pytest.approx([128] * 3, abs=2)
    assert image[30, 20].tolist() == pytest.approx([128] * 3, abs=2)


def test_upright_text_is_higher_than_wide():
    page = Page(60, 120)
    page.add(Text(30, 60, "rad per second", 12, BLACK, "middle", upright=True))
    rows, columns = np.nonzero((page.image() < 200).any(axis=2))
    assert np.ptp(rows) > 4 * np.ptp(columns)
    assert abs(rows.mean() - 60) < 8


def test_pixels_are_stretched_without_blur():
    page = Page(20, 20)
    colours = np.array([[RED, BLUE]], np.uint8)
    page.add(Pixels(0, 0, 20, 20, colours))
    image = page.image()
    assert image[5, 4].tolist() == list(RED)
    assert image[5, 15].tolist() == list(BLUE)


def test_a_vector_page_is_valid_and_says_what_the_pixels_show():
    page = Page(100, 60)
    page.add(
        Rect(10, 20, 30, 10, RED, 0.5),
        Line(np.array([[0.0, 1], [2, 3]]), RED, dashed=True),
        Area(np.array([[0.0, 1], [2, 3], [4, 0]]), BLUE),
        Dots(np.array([[0.0, 1], [2, 3]]), BLUE),
        Text(5, 9, "<a> & b", 12, BLACK, "end", upright=True),
        Pixels(0, 0, 20, 20, np.zeros((2, 2, 3), np.uint8)),
    )
    root = ElementTree.fromstring(page.svg())
    assert root.get("viewBox") == "0 0 100 60"
    assert [child.tag.removeprefix(SVG) for child in root] == [
        "rect", "rect", "polyline", "polygon", "path", "text", "image",
    ]  # fmt: skip
    ground, box, line, _, dots, text, image = root
    assert ground.get("fill") == "#fff"
    assert (box.get("fill"), box.get("fill-opacity")) == ("#dc1e1e", "0.5")
    assert line.get("points") == "0.00,1.00 2.00,3.00"
    assert dots.get("d") == "M0.00,1.00h0 M2.00,3.00h0"
    assert text.text == "<a> & b"
    assert str(image.get("href")).startswith("data:image/png;base64,")
