"""Which sensor was tapped: pulses, turns of the head, neighbours that feel a part of it."""

import numpy as np
import pytest

from firmware_host.samples import ImuBlock
from firmware_host.tapping import LEAST_M_S2, MARGIN, Tap, TapListener, Unclear, judge, sharpest

S = 1_000_000_000


def pulse(rate_hz, height, seconds=1.0, width_s=0.012):
    """(ticks, accel) of a sensor at rest that is tapped in the middle."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    accel = np.zeros((len(time_s), 3), np.float32)
    accel[:, 1] = 9.81
    accel[:, 2] += height * np.exp(-(((time_s - seconds / 2) / width_s) ** 2))
    return np.rint(time_s * 1e6).astype(np.int64), accel


@pytest.mark.parametrize("rate_hz", [100, 200, 400, 1000])
def test_a_tap_is_as_sharp_at_any_usual_rate(rate_hz):
    assert sharpest(*pulse(rate_hz, 20.0)) == pytest.approx(20.0, rel=0.1)


def test_a_head_that_turns_as_fast_as_heads_do_is_not_sharp():
    time_s = np.arange(400) / 200
    angle = 0.6 * np.sin(2 * np.pi * 0.8 * time_s)
    accel = 9.81 * np.stack([np.sin(angle), np.cos(angle), 0 * angle], axis=1)
    assert sharpest(np.rint(time_s * 1e6).astype(np.int64), accel.astype(np.float32)) < LEAST_M_S2


def test_a_slow_sensor_is_judged_from_one_reading_to_the_next():
    ticks = np.array([0, 100_000, 200_000])
    accel = np.array([[0, 9.8, 0], [0, 9.8, 15], [0, 9.8, 0]], np.float32)
    assert sharpest(ticks, accel) == pytest.approx(15.0)


def test_a_sensor_that_says_nothing_felt_nothing():
    assert sharpest(np.arange(5), np.full((5, 3), np.nan, np.float32)) == 0.0
    assert sharpest(np.arange(0), np.zeros((0, 3), np.float32)) == 0.0


def test_who_felt_it_far_more_than_the_others_was_tapped():
    assert judge({(0, 0): 20.0, (0, 1): 4.0, (1, 0): 0.3}) == Tap((0, 0), 20.0, 5.0)
    assert judge({(0, 0): 20.0}) == Tap((0, 0), 20.0, float("inf"))


def test_two_who_felt_it_alike_are_not_told_apart():
    found = judge({(0, 0): 20.0, (1, 0): 20.0 / MARGIN + 0.1})
    assert isinstance(found, Unclear)
    assert found.sensors == ((0, 0), (1, 0))


def test_nobody_was_tapped_where_nothing_was_sharp():
    assert judge({(0, 0): LEAST_M_S2 - 0.1, (1, 0): 0.0}) is None
    assert judge({}) is None


def listened(*sensors, after_s=0.6):
    """A listener that hears each device, whose sensors are (height, ...), in blocks of 10 ms."""
    listener, verdicts = TapListener(), []
    traces = [[pulse(200, height)[1] for height in heights] for heights in sensors]
    for at in range(0, 200, 2):
        for device, accels in enumerate(traces):
            accel = np.stack([accel[at : at + 2] for accel in accels], axis=1)
            ticks = np.arange(at, at + 2) * 5000
            block = ImuBlock(ticks, ticks // 5000, accel, accel * 0, at * S // 200, device=device)
            listener.take(block)
        verdicts.append(listener.verdict(at * S // 200))
    return [verdict for verdict in verdicts if verdict is not None]


def test_a_tap_is_told_once_with_device_and_sensor():
    (found,) = listened((2.0, 3.0), (1.0, 25.0, 6.0))
    assert isinstance(found, Tap)
    assert found.sensor == (1, 1)
    assert found.margin == pytest.approx(25 / 6, rel=0.1)


def test_a_listener_of_still_sensors_says_nothing():
    assert listened((0.5,), (1.0, 0.0)) == []


def test_a_bump_of_the_whole_head_is_unclear():
    (found,) = listened((20.0,), (18.0,))
    assert isinstance(found, Unclear)
