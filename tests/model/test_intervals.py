"""Intervals are as wide as theory says, and never invented from too little."""

import numpy as np
import pytest

from model import intervals, metrics


@pytest.mark.parametrize(
    ("ticks", "lengths"),
    [(100, [100]), (600, [600]), (899, [899]), (900, [600, 300]), (1500, [600, 600, 300])],
)
def test_pieces_are_ten_seconds_and_the_last_no_less_than_five(ticks, lengths):
    cut = intervals.pieces(ticks)
    assert [piece.stop - piece.start for piece in cut] == lengths
    assert cut[0].start == 0
    assert cut[-1].stop == ticks


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error():
    rng = np.random.default_rng(0)
    levels = rng.normal(0.5, 0.1, 60)
    low, high = intervals.interval_of_mean(np.repeat(levels, 600), intervals.pieces(60 * 600))
    error = levels.std() / np.sqrt(60)
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1.0, abs=0.1)
    assert (high + low) / 2 == pytest.approx(levels.mean(), abs=0.2 * error)


def test_what_is_the_same_in_every_piece_has_no_width():
    low, high = intervals.interval_of_mean(np.full(3000, 0.3), intervals.pieces(3000))
    assert (low, high) == (pytest.approx(0.3), pytest.approx(0.3))


def test_the_interval_of_r_holds_r_and_narrows_with_time():
    def of(seconds):
        rng = np.random.default_rng(1)
        truth = rng.normal(0, 0.1, (seconds * 60, 52))
        noisy = truth + rng.normal(0, 0.1, truth.shape) * rng.uniform(0.2, 2, (seconds, 1)).repeat(
            60, axis=0
        )
        active = metrics.active_shapes(truth)
        low, high = intervals.interval_of_correlation(
            noisy[:, active], truth[:, active], intervals.pieces(len(truth))
        )
        assert low < metrics.correlation(noisy, truth) < high
        return high - low

    assert of(1000) < 0.6 * of(100)


def test_r_of_a_perfect_track_is_certain_and_of_a_still_one_nothing():
    truth = np.random.default_rng(2).normal(0, 0.1, (3000, 3))
    cut = intervals.pieces(len(truth))
    assert intervals.interval_of_correlation(truth + 0.2, truth, cut) == pytest.approx((1.0, 1.0))
    assert intervals.interval_of_correlation(np.zeros_like(truth), truth, cut) == (0.0, 0.0)


def test_too_little_has_no_interval():
    values = np.random.default_rng(3).normal(size=2400)
    cut = intervals.pieces(len(values))
    assert len(cut) < intervals.FEWEST
    assert intervals.interval_of_mean(values, cut) is None
    assert intervals.interval_of_correlation(values[:, None], values[:, None], cut) is None
    assert intervals.interval_over_takes([0.5, 0.6, 0.7, 0.8]) is None


def test_the_interval_over_takes_lies_between_the_worst_and_the_best():
    low, high = intervals.interval_over_takes([0.2, 0.5, 0.8, 0.5, 0.4])
    assert 0.2 < low < 0.48 < high < 0.8


def test_an_interval_over_wearers_and_people_is_as_wide_as_the_axis_that_differs():
    people = np.broadcast_to(np.random.default_rng(0).normal(0.5, 0.1, 30), (30, 30))
    low, high = intervals.interval_over_grid(people)
    error = people[0].std() / np.sqrt(30)
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1.0, abs=0.1)
    low, high = intervals.interval_over_grid(people.T)
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1.0, abs=0.1)


def test_an_interval_of_a_share_is_drawn_with_its_base():
    base = np.random.default_rng(0).uniform(0.1, 1.0, (5, 4))
    assert intervals.interval_over_grid(1.2 * base, base) == (
        pytest.approx(1.2),
        pytest.approx(1.2),
    )
    assert intervals.interval_over_grid(base[:, :3]) is None
