"""Angular rates from the orientations of a hub that fuses by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.fused import MAX_STEP_US, RateFromOrientation, unit_quats


def turning(rates: np.ndarray, start: np.ndarray, ticks_us: np.ndarray) -> np.ndarray:
    """(N, S, 4) orientations of sensors that turn at constant (S, 3) rad/s from (S, 4)."""
    speed = np.linalg.norm(rates, axis=-1)[None, :, None]  # (1, S, 1)
    half = 0.5 * speed * (ticks_us - ticks_us[0])[:, None, None] * 1e-6  # (N, 1 or S, 1)
    axis = rates / np.where(speed[0] > 0, speed[0], 1)
    w, v = np.cos(half), np.sin(half) * axis
    w0, v0 = start[..., :1], start[..., 1:]
    real = w0 * w - np.sum(v0 * v, axis=-1, keepdims=True)
    return np.concatenate((real, w0 * v + w * v0 + np.cross(v0, v)), axis=-1)


def scene(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rates = random.normal(0, 5, (4, 3))
    start = unit_quats_of(random.normal(size=(4, 4)))
    ticks = np.cumsum(random.integers(900, 9000, count))
    return rates, ticks, turning(rates, start, ticks)


def unit_quats_of(quats: np.ndarray) -> np.ndarray:
    return quats / np.linalg.norm(quats, axis=-1, keepdims=True)


@given(st.integers(0, 10_000), st.lists(st.sampled_from([-1.0, 1.0]), min_size=40, max_size=40))
def test_a_steady_turn_has_its_rate_whatever_the_sign_of_the_quaternions(seed, signs):
    rates, ticks, quats = scene(seed)
    found = RateFromOrientation().push(ticks, quats * np.array(signs)[:, None, None])
    assert found.dtype == np.float32
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1:], np.broadcast_to(rates, (39, 4, 3)), rtol=0, atol=1e-4)


@given(st.integers(0, 10_000), st.lists(st.integers(1, 15), max_size=8))
def test_any_cutting_into_blocks_gives_the_same_rates(seed, sizes):
    _, ticks, quats = scene(seed)
    whole = RateFromOrientation().push(ticks, quats)
    parts, source = [], RateFromOrientation()
    for size in [*sizes, len(ticks)]:
        parts.append(source.push(ticks[:size], quats[:size]))
        ticks, quats = ticks[size:], quats[size:]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_rounding_to_the_wire_adds_the_noise_that_is_promised():
    ticks = 5000 * np.arange(4000)
    rates = np.array([[0.3, -0.7, 0.2]])
    quats = turning(rates, np.array([[0.5, 0.5, 0.5, 0.5]]), ticks)
    heard = unit_quats(np.rint(quats * 32768).astype(np.float32))
    noise = RateFromOrientation().push(ticks, heard)[1:] - rates
    assert noise.std() == pytest.approx(0.005, rel=0.2)
    assert abs(noise.mean()) < 1e-3


def test_after_a_long_gap_the_rate_is_unknown_once():
    ticks = np.array([0, 5000, 5000 + MAX_STEP_US, 10_001 + 2 * MAX_STEP_US])
    quats = np.tile([1.0, 0, 0, 0], (4, 2, 1))
    found = RateFromOrientation().push(ticks, quats)
    np.testing.assert_array_equal(np.isnan(found[:, 0, 0]), [True, False, False, True])


@pytest.mark.parametrize(
    ("counts", "sound"),
    [
        ([0, 0, 0, 0], False),
        ([np.nan] * 4, False),
        ([32767, 0, 0, 0], True),
        ([-16384, 16384, -16384, 16384], True),
        ([20000, 20000, 20000, 20000], False),
        ([100, 0, 0, 0], False),
    ],
)
def test_only_what_is_about_of_unit_length_is_an_orientation(counts, sound):
    (quat,) = unit_quats(np.array([counts], np.float32))
    assert np.isfinite(quat).all() == sound
    if sound:
        assert np.linalg.norm(quat) == pytest.approx(1.0)
