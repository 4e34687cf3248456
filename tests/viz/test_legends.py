"""Legends: one place, one grammar, and never over the title."""

import numpy as np
import pytest

from viz.axes import INK, PALE, SERIES, TROUBLE, title
from viz.legends import MARGIN, Key, key_wide, legend, ramp
from viz.lettering import text_size
from viz.page import Dots, Line, Page, Pixels, Rect, Text

RAMP = np.linspace(0, 255, 64).astype(np.uint8)[None, :, None].repeat(3, axis=2)


def page_with(keys, words="a take", beneath="", wide=900):
    page = Page(wide, 200)
    title(page, words, beneath)
    before = len(page.marks)
    legend(page, keys)
    return page, page.marks[before:]


def span(mark):
    wide = text_size(mark.text, mark.size, mark.weight)
    return (mark.x - wide, mark.x) if mark.align == "end" else (mark.x, mark.x + wide)


@pytest.mark.parametrize("count", [1, 3])
def test_a_legend_ends_at_the_margin_in_the_row_of_the_title(count):
    keys = [Key(f"thing {k}", SERIES[k]) for k in range(count)]
    _, drawn = page_with(keys)
    words = [mark for mark in drawn if isinstance(mark, Text)]
    assert [mark.text for mark in words] == [key.words for key in keys]
    assert {mark.y for mark in words} == {24}
    assert span(words[-1])[1] == pytest.approx(900 - MARGIN, abs=0.1)


def test_a_sign_looks_like_what_it_stands_for():
    keys = [
        Key("a", SERIES[0]),
        Key("b", SERIES[1], "dashed"),
        Key("c", SERIES[2], "bar"),
        Key("d", TROUBLE, "band"),
        Key("e", SERIES[3], "dots"),
        Key("f", INK, "frame"),
    ]
    _, drawn = page_with(keys)
    line, dashed, bar, band, dots, frame = (m for m in drawn if not isinstance(m, Text))
    assert isinstance(line, Line)
    assert isinstance(dashed, Line)
    assert (line.dashed, dashed.dashed) == (False, True)
    assert isinstance(bar, Rect)
    assert isinstance(band, Rect)
    assert (bar.opacity, band.opacity) == (1.0, PALE)
    assert isinstance(dots, Dots)
    assert isinstance(frame, Line)
    assert len(frame.points) == 5


@pytest.mark.parametrize("letters", [10, 30, 100])
@pytest.mark.parametrize("count", [2, 5, 12])
def test_no_legend_is_written_over_a_title_or_leaves_the_page(letters, count):
    keys = [Key("m" * letters, SERIES[k % 6]) for k in range(count)]
    page, drawn = page_with(keys, "a title " * 6, "what lies beneath")
    written = [mark for mark in page.marks if isinstance(mark, Text)]
    for mark in (m for m in drawn if isinstance(m, Text)):
        left, right = span(mark)
        assert right <= 900 - MARGIN + 0.1
        for other in written:
            if other is not mark and other.y == mark.y:
                assert span(other)[1] <= left or span(other)[0] >= right


def test_words_that_have_room_are_whole_and_others_end_in_dots():
    _, drawn = page_with([Key("a network", SERIES[0]), Key("b" * 300, SERIES[1])])
    first, second = (m.text for m in drawn if isinstance(m, Text))
    assert first == "a network"
    assert second.endswith("b…")
    assert key_wide(Key(second, SERIES[1])) < 900


@pytest.mark.parametrize(
    ("words", "row"), [("short", 24), ("a title that goes on and on " * 3, 42)]
)
def test_a_ramp_takes_the_place_of_a_legend(words, row):
    page = Page(700, 200)
    title(page, words)
    ramp(page, RAMP, "never", "always", [Key("by anatomy", INK, "frame")])
    (scale,) = (mark for mark in page.marks if isinstance(mark, Pixels))
    low, high = (
        next(m for m in page.marks if isinstance(m, Text) and m.text == t)
        for t in ("never", "always")
    )
    assert low.y == high.y == row
    assert low.x < scale.x < scale.x + scale.wide < span(high)[0]
    assert high.x == 700 - MARGIN
    key = next(m for m in page.marks if isinstance(m, Text) and m.text == "by anatomy")
    assert key.y == 42
    assert span(key)[1] <= (700 - MARGIN if row == 24 else span(low)[0]) + 0.1
