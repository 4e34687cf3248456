"""How far answers stray: learnt from what was missed, stated live, kept in the checkpoint."""

import hashlib
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from firmware_host.errors import DataError
from model.checkpoint import load_checkpoint, save_checkpoint
from model.driving import Driver
from model.predictor import Opening, Predictor
from model.spread import CUES, Missed, Spread, checked, cues, fit_spread

ROWS = 4000


def stretch(seed: int, person: str = "a", size: float = 1.0) -> Missed:
    """An answer that strays in proportion to what the filter is unsure of, twice as far on shape 7,
    and three times as far while half of the sensors are silent.
    """
    rng = np.random.default_rng(seed)
    unsure = np.exp(rng.normal(-3.0, 0.5, (ROWS, 52)))
    heard = np.where(np.arange(ROWS) % 2 == 0, 1.0, 0.5)
    deviation = size * unsure * np.where(heard < 1.0, 3.0, 1.0)[:, None]
    deviation[:, 7] *= 2.0
    truth = rng.uniform(0.0, 0.5, (ROWS, 52))
    change = truth + deviation * rng.standard_normal((ROWS, 52))
    believed = change + 0.05 * rng.standard_normal((ROWS, 52))
    return Missed(person, truth, change, np.concatenate((believed, unsure), axis=1), heard)


def stated(spread: Spread, item: Missed) -> np.ndarray:
    return spread.deviation(item.change, item.estimates, item.heard)


def coverage(spread: Spread, item: Missed, rows: slice = slice(None)) -> np.ndarray:
    """(52,) share of truth within the interval that should hold 90 % of it."""
    inside = np.abs(item.truth - item.change) <= 1.6449 * stated(spread, item)
    return inside[rows].mean(axis=0)


def test_nine_tenths_of_the_truth_lie_where_they_should_on_rows_never_seen():
    spread, fresh = fit_spread([stretch(1)]), stretch(2)
    assert np.abs(coverage(spread, fresh) - 0.9).max() < 0.03
    for rows in (slice(0, None, 2), slice(1, None, 2)):  # all heard, half of them silent
        assert np.abs(coverage(spread, fresh, rows).mean() - 0.9) < 0.06


def test_what_makes_answers_stray_shows_in_what_is_stated():
    item = stretch(2)
    told = stated(fit_spread([stretch(1)]), item)
    true = item.estimates[:, 52:] * np.where(item.heard < 1.0, 3.0, 1.0)[:, None]
    for shape in (0, 7, 51):
        assert np.corrcoef(np.log(told[:, shape]), np.log(true[:, shape]))[0, 1] > 0.9
    assert told[:, 7].mean() == pytest.approx(2.0 * told[:, 8].mean(), rel=0.15)


def test_a_person_of_whom_little_was_recorded_weighs_as_much():
    few = stretch(3, "b", size=4.0)
    short = Missed("b", few.truth[:400], few.change[:400], few.estimates[:400], few.heard[:400])
    long = [stretch(seed) for seed in (4, 5, 6)]
    both, alone = fit_spread([*long, short]), fit_spread(long)
    assert stated(both, few).mean() > 1.5 * stated(alone, few).mean()


def test_gaze_of_which_the_filter_knows_nothing_has_a_spread_too():
    item = stretch(1)
    item.estimates[:, 52 + 9] = 0.0
    told = stated(fit_spread([item]), item)
    assert np.isfinite(told).all()
    assert (told > 0).all()


def test_nobody_to_learn_from_is_an_error():
    with pytest.raises(ValueError, match="got none"):
        fit_spread([])


@pytest.mark.parametrize("wrong", [np.zeros((51, CUES)), np.full((52, CUES), np.nan), np.zeros(52)])
def test_a_spread_that_cannot_be_one_is_refused(wrong):
    with pytest.raises(DataError, match=r"baselines.*52 × 6"):
        checked(wrong, "baselines.safetensors")


def test_a_checkpoint_keeps_its_spread(checkpoint, tmp_path):
    network = b"a network"
    (tmp_path / "denoiser.onnx").write_bytes(network)
    facts = msgspec.structs.replace(
        checkpoint.facts, onnx_sha256=hashlib.sha256(network).hexdigest()
    )
    parts = (facts, checkpoint.mean_change, checkpoint.ridge, checkpoint.belief)
    spread = fit_spread([stretch(1)])
    save_checkpoint(tmp_path, *parts, spread)
    kept = load_checkpoint(tmp_path).spread
    assert kept is not None
    np.testing.assert_array_equal(kept.coefficients, spread.coefficients)
    save_checkpoint(tmp_path, *parts)
    assert load_checkpoint(tmp_path).spread is None


def silent(xt, t, seen):
    return np.zeros_like(xt)


def test_faces_state_a_spread_while_sensors_are_heard_and_none_otherwise(checkpoint, blocks):
    states = Spread(np.full((52, CUES), 0.01, np.float32) * np.arange(CUES, dtype=np.float32))
    predictor = Predictor(
        replace(checkpoint, spread=states), checkpoint.layout, silent, Opening(0.0, 0.5, 0.5, 1.0)
    )
    driver, sent = Driver(predictor), blocks(2.0)
    for block in sent:
        driver.arrived(block)
    frames = list(driver.frames_until(sent[-1].arrival_ns + 1_000_000_000))
    assert any(frame.confidence > 0 for frame in frames)
    for frame in frames:
        assert (frame.spread is not None) == (frame.confidence > 0)
        if frame.spread is not None:
            assert frame.spread.shape == (52,)
            assert (frame.spread > 0).all()


def test_cues_are_finite_where_nothing_moves():
    assert np.isfinite(cues(np.zeros((2, 52)), np.zeros((2, 104)), np.ones(2))).all()
