"""Pages as PDF: a file that readers can follow, with everything in its place."""

import re
import zlib

import numpy as np
import pytest

from viz.axes import SERIES
from viz.page import Area, Dots, Line, Page, Pixels, Rect, Text
from viz.pdf import as_pdf


@pytest.fixture(scope="module")
def page():
    page = Page(200, 100)
    page.add(Rect(10, 10, 30, 20, SERIES[0], 0.5))
    page.add(Line(np.array([[50.0, 10.0], [90.0, 30.0]]), SERIES[1], 2.0, dashed=True))
    page.add(Area(np.array([[100.0, 10.0], [130.0, 10.0], [115.0, 35.0]]), SERIES[2]))
    page.add(Dots(np.array([[150.0, 20.0], [160.0, 20.0]]), SERIES[3], 3.0))
    colours = np.zeros((2, 1, 3), np.uint8)
    colours[0] = 255, 0, 0
    page.add(Pixels(10, 50, 20, 40, colours))
    page.add(Text(100, 80, "ends (here)", 10, (0, 0, 0), "end"))
    page.add(Text(180, 90, "up", 10, (0, 0, 0), upright=True))
    return page


def test_every_object_is_where_the_table_says(page):
    data = as_pdf(page)
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF", data).group(1))
    assert data[start : start + 4] == b"xref"
    places = [int(place) for place in re.findall(rb"(\d{10}) 00000 n", data[start:])]
    assert len(places) == 7  # catalogue, pages, page, content, two fonts, an image
    for number, place in enumerate(places, 1):
        assert data[place:].startswith(f"{number} 0 obj\n".encode())


def test_streams_are_as_long_as_they_say_and_hold_the_marks(page):
    data = as_pdf(page)
    streams = []
    for found in re.finditer(rb"/Length (\d+) >>\nstream\n", data):
        body = data[found.end() : found.end() + int(found.group(1))]
        assert data[found.end() + len(body) :].startswith(b"\nendstream")
        streams.append(zlib.decompress(body))
    content, image = streams
    assert rb"(ends \(here\)) Tj" in content
    assert b"[5 4] 0 d" in content
    assert image == bytes([255, 0, 0, 0, 0, 0])


def test_a_reader_draws_what_the_pixels_show(page):
    pdfium = pytest.importorskip("pypdfium2", reason="no reader of PDF here")
    drawn = pdfium.PdfDocument(as_pdf(page))[0].render(scale=2).to_numpy()[..., 2::-1]
    expected = page.image(2.0)
    assert drawn.shape == expected.shape
    for x, y in ((25, 20), (115, 18), (150, 20), (20, 60), (20, 80), (5, 5)):
        apart = drawn[2 * y, 2 * x].astype(int) - expected[2 * y, 2 * x]
        assert np.abs(apart).max() < 24, (x, y)
    ink = [np.argwhere(image[140:170, 90:210].min(axis=2) < 120) for image in (drawn, expected)]
    assert (
        abs(ink[0][:, 1].max() - ink[1][:, 1].max()) < 8
    )  # both lines end there, in other letters
