"""Figures of tracks whose worth is known."""

import json
import math

import msgspec
import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX
from model.judging import NUMBERS, Judged, Track, over_takes

TICKS = 50 * 60
REST = np.full(52, 0.05)


def face(seed: int = 0, ticks: int = TICKS) -> np.ndarray:
    """Shapes that wander slowly above rest."""
    time_s = np.arange(ticks)[:, None] / 60
    phase = np.random.default_rng(seed).uniform(0, 6, (2, 52))
    return 0.25 + 0.1 * np.sin(3 * time_s + phase[0]) + 0.1 * np.sin(7 * time_s + phase[1])


def judged(truth: np.ndarray, model: np.ndarray, **others: Track) -> Judged:
    still = np.broadcast_to(np.median(truth, axis=0), truth.shape)
    tracks = {"model": Track(model, REST), **others, "constant": Track(still, still[0])}
    return Judged(8.0 + np.arange(len(truth)) / 60, Track(truth, REST), tracks)


def test_a_perfect_network_is_told_perfect_in_every_figure():
    found = judged(face(), face()).figures()
    best = {
        "correlation": 1.0,
        "jitter_ratio": 1.0,
        "activation_f1": 1.0,
        "onset_delay_ms": 0.0,
    }
    for figure in NUMBERS:
        if figure != "spread_coverage_90":
            assert found[figure]["model"] == pytest.approx(best.get(figure, 0.0), abs=1e-6), figure
    assert found["intervals"]["mae"]["model"] == (0.0, 0.0)


def test_a_resting_offset_of_the_person_moves_plain_figures_only():
    truth, offset = face(), np.linspace(0.0, 0.2, 52)
    found = judged(truth + offset, truth).figures()
    assert found["mae"]["model"] > 0.05
    assert found["vertex_error_mm"]["model"] > 0.5
    assert found["mae_offset_free"]["model"] == pytest.approx(0.0, abs=1e-9)
    assert found["vertex_error_offset_free_mm"]["model"] == pytest.approx(0.0, abs=1e-4)


def test_the_constant_of_a_take_leaves_its_movement_and_is_never_on():
    found = judged(face(), face()).figures()
    assert found["mae"]["constant"] == pytest.approx(found["mae_offset_free"]["constant"])
    assert found["activation_f1"]["constant"] == 0.0
    assert found["upper_face_deviation_mm"]["constant"] > 0
    for figure in ("correlation", "jitter_ratio", "onset_delay_ms"):
        assert "constant" not in found[figure]


def test_each_track_is_on_above_its_own_rest():
    truth = face()
    lifted = Track(truth + 0.3, REST + 0.3)  # the same changes on a face that rests elsewhere
    assert judged(truth, truth, ridge=lifted).figures()["activation_f1"]["ridge"] == 1.0


def test_the_best_and_the_worst_seconds_are_where_the_network_fails_least_and_most():
    truth = face()
    model = truth.copy()
    model[600:1200] += 0.3 * face(9)[600:1200] - 0.075
    model[1800:2400] = 0.5 * model[1800:2400] + 0.125
    seconds = judged(truth, model).figures()["ten_seconds"]
    assert seconds["worst"]["start_s"] in (18.0, 38.0)
    assert seconds["best"]["start_s"] in (8.0, 28.0, 48.0)
    assert seconds["best"]["share"] < 0.2 < seconds["worst"]["share"]
    span = seconds["worst"]["end_s"] - seconds["worst"]["start_s"]
    assert span == pytest.approx(10.0, abs=0.02)
    assert [piece["start_s"] for piece in seconds["all"]] == [8.0, 18.0, 28.0, 38.0, 48.0]
    assert seconds["worst"] in seconds["all"]


def test_a_face_that_never_moves_has_no_best_seconds():
    still = np.full((TICKS, 52), 0.3)
    seconds = judged(still, still).figures()["ten_seconds"]
    assert seconds["best"] is seconds["worst"] is None
    assert [piece["share"] for piece in seconds["all"]] == [None] * 5


def test_only_who_states_a_spread_is_judged_by_it():
    truth = face()
    spread = np.zeros((TICKS, 52))
    spread[:, INDEX["jawOpen"]] = 0.02
    noisy = truth + np.random.default_rng(1).normal(0, 0.02, truth.shape)
    found = judged(truth, truth, kalman=Track(noisy, REST, spread)).figures()
    assert set(found["spread_coverage_90"]) == {"kalman"}
    assert found["spread_coverage_90"]["kalman"] == pytest.approx(0.9, abs=0.03)


def test_figures_are_plain_values_for_json():
    found = judged(face(), face(1)).figures()
    back = json.loads(msgspec.json.encode(found))
    assert set(back["correlation_per_shape"]) <= set(ARKIT_NAMES)
    assert back["intervals"]["correlation"]["model"][0] < back["correlation"]["model"]


def test_a_short_take_has_figures_and_no_intervals():
    found = judged(face(0, 300), face(1, 300)).figures()
    assert math.isfinite(found["correlation"]["model"])
    assert found["intervals"]["correlation"]["model"] is None


def test_over_takes_every_take_weighs_the_same_however_long():
    takes = [judged(face(s, n), face(s + k, n)).figures() for s, k, n in ((0, 0, 240), (1, 1, 900))]
    told = over_takes(takes)
    assert told["takes"] == 2
    mean = (takes[0]["correlation"]["model"] + takes[1]["correlation"]["model"]) / 2
    assert told["correlation"]["model"] == pytest.approx(mean)
    assert told["intervals"]["correlation"]["model"] is None
    low, high = over_takes([*takes, *takes, takes[0]])["intervals"]["correlation"]["model"]
    assert takes[1]["correlation"]["model"] <= low < high == pytest.approx(1.0)


def test_a_figure_that_a_take_lacks_does_not_count_against_the_others():
    truth, still = face(), np.full((TICKS, 52), 0.06)
    takes = [judged(truth, truth).figures(), judged(still, still).figures()]
    assert over_takes(takes)["activation_f1"]["model"] == 1.0
