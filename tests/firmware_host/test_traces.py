"""Traces for a terminal: time runs to the right, gaps stay empty, scales fit what is shown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.samples import ImuBlock
from firmware_host.traces import GRAVITY_M_S2, Traces, draw, scales_of

S = 1_000_000_000
BLANK = "\u2800"


def block(time_s, accel, gyro_deg_s=0.0, slots=1):
    """One sample of every slot; accel along y, turning about x."""
    a, g = np.zeros((1, slots, 3), np.float32), np.zeros((1, slots, 3), np.float32)
    a[..., 1], g[..., 0] = accel, np.radians(gyro_deg_s)
    now = np.array([round(time_s * 1e6)], np.int64)
    return ImuBlock(now, now, a, g, round(time_s * S))


def fed(*blocks, columns=5):
    traces = Traces(columns)
    for one in blocks:
        traces.take(one)
    return traces


def drawn(traces, now_s, rows=1):
    traces.move_to(round(now_s * S))
    return traces.strips(scales_of([traces]), rows)


def test_rest_is_a_line_and_time_runs_to_the_right():
    traces = fed(*(block(100 + k / 10, GRAVITY_M_S2) for k in range(100)))
    (strips,) = drawn(traces, 109.9)
    assert len(set(strips.accel)) == 1
    assert BLANK not in strips.accel
    assert strips.gyro == "⣀" * 5  # the lowest dots of both columns
    (later,) = drawn(traces, 115.9)
    assert later.accel == strips.accel[:2] + BLANK * 3
    (gone,) = drawn(traces, 500.0)
    assert gone.accel == BLANK * 5


def test_a_gap_is_empty_and_a_tap_stands_out():
    times = [k / 10 for k in range(100) if not 40 <= k < 60]
    traces = fed(*(block(100 + t, 25.0 if t == 8.0 else GRAVITY_M_S2) for t in times))
    (strips,) = drawn(traces, 109.9)
    assert [letter == BLANK for letter in strips.accel] == [False, False, True, False, False]
    assert strips.accel[4] != strips.accel[3] == strips.accel[0]
    assert scales_of([traces]).accel_m_s2 == (0.0, GRAVITY_M_S2 + 20)


def test_several_devices_share_their_scales():
    calm, wild = fed(block(100, GRAVITY_M_S2, 3.0)), fed(block(100, 10.0, 430.0))
    assert scales_of([calm]).gyro_deg_s == (0.0, 20.0)
    assert scales_of([calm, wild]).gyro_deg_s == (0.0, 500.0)


def test_a_device_without_rates_has_an_empty_strip_of_them():
    one = block(100, GRAVITY_M_S2)
    one.gyro_rad_s[:] = np.nan
    (strips,) = drawn(fed(one), 100.0)
    assert strips.gyro == BLANK * 5
    assert strips.accel != BLANK * 5


def test_another_number_of_slots_begins_anew():
    traces = fed(block(100, GRAVITY_M_S2), block(101, GRAVITY_M_S2, slots=2))
    assert len(drawn(traces, 101)) == 2


spans = st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 3)) | st.none(), min_size=2, max_size=12)


@given(spans, st.integers(1, 3))
def test_every_known_stretch_has_dots_from_its_least_to_its_most(spans, rows):
    spans = spans[: len(spans) // 2 * 2]
    low = np.array([np.nan if span is None else span[0] for span in spans])
    high = np.array([np.nan if span is None else span[0] + span[1] for span in spans])
    lines = draw(low, high, (-3.0, 3.0), rows).split("\n")
    assert [len(line) for line in lines] == [len(spans) // 2] * rows
    for k in range(len(spans)):
        dots = (0x01, 0x02, 0x04, 0x40) if k % 2 == 0 else (0x08, 0x10, 0x20, 0x80)
        lit = [bool(ord(line[k // 2]) & dot) for line in lines for dot in dots]
        if spans[k] is None:
            assert not any(lit)
            continue
        first, last = lit.index(True), len(lit) - 1 - lit[::-1].index(True)
        assert all(lit[first : last + 1])
        unit = 6 / (len(lit) - 1)
        assert abs(3 - first * unit - min(high[k], 3)) <= 0.51 * unit
        assert abs(3 - last * unit - min(low[k], 3)) <= 0.51 * unit
