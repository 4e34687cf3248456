"""Scales, ticks and long curves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.axes import SERIES, TROUBLE, Axes, around, envelope, nice_ticks, thinned, tick_words
from viz.page import Area, Line, Page, Rect


def axes(x=(0.0, 10.0), y=(0.0, 1.0)):
    return Axes(Page(200, 100), 10, 20, 100, 50, x, y)


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4), st.integers(2, 10))
def test_ticks_are_round_lie_inside_and_are_about_as_many(low, wide, about):
    ticks = nice_ticks((low, low + wide), about)
    assert len(ticks) <= about + 2
    assert (ticks >= low - 1e-6 * wide).all()
    assert (ticks <= low + wide + 1e-6 * wide).all()
    if len(ticks) > 1:
        step = float(np.diff(ticks)[0])
        lead = step / 10.0 ** np.floor(np.log10(step) + 1e-9)
        assert min(abs(lead - nice) for nice in (1, 2, 5, 10)) < 1e-6
        assert len(set(tick_words(ticks))) == len(ticks)


def test_words_of_ticks_have_as_many_decimals_as_they_need():
    assert tick_words(np.array([-0.5, 0.0, 0.5])) == ["-0.5", "0.0", "0.5"]
    assert tick_words(np.array([0.0, 20.0])) == ["0", "20"]
    assert tick_words(np.array([-0.0])) == ["0"]
    assert tick_words(np.array([0.25])) == ["0.2"] or tick_words(np.array([0.25])) == ["0.3"]


def test_values_lie_where_the_scales_say():
    box = axes()
    assert box.x(np.array([0.0, 5.0, 10.0])).tolist() == [10, 60, 110]
    assert box.y(np.array([0.0, 1.0, 9.0])).tolist() == [70, 20, 20]  # cut to the box


@given(st.integers(1, 5000), st.integers(2, 300), st.integers(0, 2**32 - 1))
def test_an_envelope_holds_every_value_and_no_other(count, columns, seed):
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.uniform(0, 10, count)), rng.standard_normal(count)
    middle, low, high = envelope(x, y, columns)
    assert len(middle) <= columns
    assert (np.diff(middle) > 0).all()
    assert (low <= high).all()
    assert (low.min(), high.max()) == (y.min(), y.max())


def test_an_envelope_of_nothing_is_nothing():
    assert all(len(part) == 0 for part in envelope(np.arange(3.0), np.full(3, np.nan), 10))


def test_a_long_curve_becomes_few_marks_and_keeps_its_holes():
    box = axes()
    x = np.linspace(0, 10, 100_000)
    y = np.where((x > 4) & (x < 6), np.nan, 0.5)
    box.curve(x, y, SERIES[0])
    areas = [mark for mark in box.page.marks if isinstance(mark, Area)]
    assert len(areas) == 2
    assert sum(len(mark.points) for mark in areas) < 500
    assert max(areas[0].points[:, 0]) < 52 < 68 < min(areas[1].points[:, 0])


def test_a_short_curve_keeps_every_point_and_its_holes():
    box = axes()
    box.curve(
        np.arange(10.0), np.array([1, 1, np.nan, 1, 1, 1, np.nan, np.nan, 1, np.nan]), SERIES[0]
    )
    lines = [len(mark.points) for mark in box.page.marks if isinstance(mark, Line)]
    assert lines == [2, 3]


def test_the_shortest_gap_can_be_seen():
    box = axes(x=(0.0, 600.0))
    box.spans([(100.0, 100.005)])
    (mark,) = box.page.marks
    assert isinstance(mark, Rect)
    assert mark.wide >= 1.0
    assert mark.ink == TROUBLE


def test_of_very_many_dots_the_outliers_stay():
    x, y = np.arange(100_000.0), np.zeros(100_000)
    y[[12_345, 77_777]] = 5.0
    kept = thinned(x, y)
    assert len(kept) <= 5001
    assert {12_345, 77_777} <= set(kept.tolist())
    assert np.diff(x[kept]).max() < 50
    assert len(thinned(x[:100], y[:100])) == 100


def test_limits_hold_what_is_finite():
    low, high = around(np.array([1.0, np.nan]), np.array([3.0, np.inf]))
    assert low < 1.0 < 3.0 < high < 4.0
    assert around(np.array([np.nan])) == (0.0, 1.0)
    low, high = around(np.array([2.0]))
    assert low < 2.0 < high
    assert low == pytest.approx(2.0, abs=0.2)
