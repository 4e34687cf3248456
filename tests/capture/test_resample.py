import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.resample import TICK_HZ, RowBuffer, rows_of, tick_before, tick_of, tick_time_ns


def samples(seed: int, count: int, slots: int = 2):
    rng = np.random.default_rng(seed)
    time_ns = np.sort(rng.integers(0, 2_000_000_000, count))
    return (
        time_ns,
        rng.normal(size=(count, slots, 3)).astype(np.float32),
        rng.normal(size=(count, slots, 3)).astype(np.float32),
    )


def test_a_sample_belongs_to_the_first_tick_at_or_after_it():
    assert tick_of(np.array([0, 1, 16_666_666, 16_666_667, 50_000_000])).tolist() == [0, 1, 1, 2, 3]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50))
def test_any_int64_time_finds_the_tick_that_unbounded_integers_give(times):
    time_ns = np.array(times, np.int64)
    assert tick_of(time_ns).tolist() == [-(-t * TICK_HZ // 10**9) for t in times]
    assert tick_before(time_ns).tolist() == [t * TICK_HZ // 10**9 for t in times]


def test_unix_time_falls_into_its_row():
    unix_ns = 1_790_000_000_123_456_789
    tick = unix_ns * TICK_HZ // 10**9 + 1
    ones = np.ones((1, 1, 3), np.float32)
    rows = rows_of(np.array([unix_ns]), ones, 2 * ones, tick - 1, 2)
    assert np.isnan(rows[0]).all()
    np.testing.assert_array_equal(rows[1, 0], [1, 1, 1, 2, 2, 2])


@given(st.integers(0, 10**16))
def test_ticks_lie_on_a_60_hz_grid_without_drift(tick):
    assert abs(tick_time_ns(tick) * TICK_HZ - tick * 10**9) < TICK_HZ


@settings(max_examples=30)
@given(st.integers(0, 1000), st.lists(st.integers(1, 30), max_size=12))
def test_rows_do_not_depend_on_how_samples_are_chunked(seed, sizes):
    time_ns, accel, gyro = samples(seed, 150)
    whole = rows_of(time_ns, accel, gyro, 1, 120)
    buffer = RowBuffer(130, 2)
    cuts = [*np.cumsum(sizes), len(time_ns)]
    start = 0
    for end in cuts:
        buffer.push(time_ns[start:end], accel[start:end], gyro[start:end])
        start = min(end, len(time_ns))
    buffer.advance(120)
    np.testing.assert_allclose(buffer.rows(120, 120), whole, rtol=1e-6, atol=1e-9)


def test_a_row_is_the_mean_of_what_arrived_and_nan_where_nothing_did():
    time_ns = np.array([1, 5_000_000, 40_000_000])
    accel = np.arange(9, dtype=np.float32).reshape(3, 1, 3)
    rows = rows_of(time_ns, accel, accel, 1, 3)
    np.testing.assert_array_equal(rows[0, 0, :3], accel[:2, 0].mean(axis=0))
    assert np.isnan(rows[1]).all()
    np.testing.assert_array_equal(rows[2, 0, :3], accel[2, 0])


def test_a_late_sample_still_reaches_its_row():
    buffer = RowBuffer(10, 1)
    one = np.ones((1, 1, 3), np.float32)
    buffer.push(np.array([100_000_000]), one, one)
    buffer.push(np.array([60_000_000]), 3 * one, one)
    assert buffer.rows(6, 3)[0, 0, 0] == 3.0


def test_a_silent_slot_does_not_spoil_its_neighbours():
    accel = np.array([[[1, 1, 1], [np.nan] * 3]], np.float32)
    rows = rows_of(np.array([10]), accel, np.zeros_like(accel), 1, 1)
    assert np.isfinite(rows[0, 0]).all()
    assert np.isnan(rows[0, 1]).all()


def test_rows_older_than_the_buffer_are_unknown_not_wrong():
    buffer = RowBuffer(4, 1)
    one = np.ones((1, 1, 3), np.float32)
    for tick in range(1, 12):
        buffer.push(np.array([tick_time_ns(tick)]), tick * one, one)
    rows = buffer.rows(11, 8)
    assert np.isnan(rows[:4]).all()
    np.testing.assert_array_equal(rows[4:, 0, 0], [8, 9, 10, 11])
