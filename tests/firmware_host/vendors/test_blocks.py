"""Blocks: ticks increase whatever a clock does, vectors turn the right way."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_host.vendors.blocks import (
    MAX_JUMP_US,
    MAX_TICK_US,
    BlockMaker,
    blank_row,
    into_sensor,
    unit_quat,
)

clocks = st.lists(
    st.none() | st.integers(0, 10_000) | st.integers(0, MAX_TICK_US), min_size=1, max_size=60
)
components = st.floats(-1, 1)


@given(clocks, st.booleans(), st.lists(st.integers(0, 5), max_size=60))
@example([MAX_TICK_US, 0] * 30, True, [])
def test_ticks_strictly_increase_and_numbers_count_whatever_the_clock_says(ticks, has_clock, cuts):
    maker = BlockMaker(has_clock)
    blocks = []
    for at, tick in enumerate(ticks):
        maker.add(blank_row(2), tick)
        if at in cuts:
            blocks += maker.take(at)
    blocks += maker.take(len(ticks))
    assert maker.take(0) == []
    got = np.concatenate([block.tick_us for block in blocks])
    assert (np.diff(got) > 0).all()
    sequence = np.concatenate([block.sequence for block in blocks])
    assert sequence.tolist() == list(range(len(ticks)))


def test_a_clock_that_does_nothing_odd_is_passed_on_as_it_is():
    maker = BlockMaker(has_clock=True)
    ticks = [5, 10, 15, 3_000_000_000]
    for tick in ticks:
        maker.add(blank_row(), tick)
    (block,) = maker.take(1)
    assert block.tick_us.tolist() == ticks


def test_a_clock_that_was_set_costs_no_time_on_ours():
    maker = BlockMaker(has_clock=True)
    for tick in [0, 10, 20, 20 + MAX_JUMP_US + 1, 30 + MAX_JUMP_US + 1, 7, 27]:
        maker.add(blank_row(), tick)
    (block,) = maker.take(1)
    assert block.tick_us.tolist() == [0, 10, 20, 30, 40, 50, 70]


def test_without_a_clock_time_is_that_of_arrival_and_never_goes_back():
    maker = BlockMaker(has_clock=False)
    got = []
    for arrival_ns in (5_000_000, 5_000_000, 9_000_000, 8_000_000):
        maker.add(blank_row(), 77)
        got += maker.take(arrival_ns)[0].tick_us.tolist()
    assert got == [5000, 5001, 9000, 9001]


def test_numbers_too_large_for_a_reading_are_unknown():
    maker = BlockMaker(has_clock=False)
    row = blank_row()
    row[0, :3] = (1e300, np.inf, 1.0)
    maker.add(row)
    (block,) = maker.take(1)
    assert np.isnan(block.accel_m_s2[0, 0]).tolist() == [True, True, False]


@given(st.tuples(*[components] * 4), st.tuples(*[components] * 3))
def test_a_vector_of_the_world_is_seen_through_the_transposed_rotation(quat, vector):
    q = np.array(quat)
    norm = np.linalg.norm(q)
    if norm < 0.1:
        assert np.isnan(unit_quat(q)).all()
        return
    w, x, y, z = q / norm
    world_from_sensor = np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )
    seen = into_sensor(q / norm, np.array(vector))
    np.testing.assert_allclose(seen, world_from_sensor.T @ np.array(vector), atol=1e-9)
