"""The scalar steps of head rotation against the arrays of `capture.rotations`."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capture import rotations
from model.head import HeadRotation, turned

number = st.floats(-20.0, 20.0)
vector = st.tuples(number, number, number)


def turned_in_arrays(head, rate, force):
    head = rotations.multiply(head, rotations.from_vector(np.array(rate) / 60))
    up = rotations.rotate(head, np.array(force) / max(np.linalg.norm(force), 1e-6))
    leak = rotations.to_vector(head)[1] / (20.0 * 60)
    pull = 0.02 * np.cross(up, [0.0, 1.0, 0.0]) - np.array([0.0, leak, 0.0])
    return rotations.normalise(rotations.multiply(rotations.from_vector(pull), head))


@given(vector, vector, vector)
def test_a_step_in_plain_numbers_is_that_of_arrays(start, rate, force):
    head = rotations.from_vector(np.array(start))
    np.testing.assert_allclose(
        turned(tuple(head.tolist()), rate, force), turned_in_arrays(head, rate, force), atol=1e-9
    )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_which_ticks_are_asked_for_does_not_matter(strides):
    """Rows that are final give the same rotation however often it was looked at meanwhile."""
    rows = np.random.default_rng(0).normal(0, 1, (300, 6)) + np.array([0, 9.81, 0, 0, 0, 0])
    rows[5::7] = np.nan
    straight, bias = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3)
    often, seldom = HeadRotation(6), HeadRotation(6)
    for head in (often, seldom):
        head.wait(0)
    last = int(np.sum(strides))
    for tick in range(1, last + 1):
        expected = often.at(tick, rows[:tick], straight, bias)
    for tick in np.cumsum(strides).tolist():
        found = seldom.at(tick, rows[:tick], straight, bias)
    np.testing.assert_array_equal(found, expected)
