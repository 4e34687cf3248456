"""Simulated raters whose delay, scale and noise are known are found out; nobody real rated."""

import numpy as np
import pytest

from dataset_tools.annotations.agreement import ccc
from dataset_tools.annotations.delays import delay_of, delays_among, earlier
from dataset_tools.annotations.fusion import fuse, vote
from dataset_tools.annotations.marks import Curve, Mark
from dataset_tools.annotations.simulated_raters import SimulatedRater, rate, truth
from dataset_tools.performance import generate_performance
from dataset_tools.sets.tracks import smoothed

RATERS = (
    SimulatedRater("anna", 1.2, gain=1.0, offset=0.1, noise=0.05),
    SimulatedRater("ben", 2.6, gain=0.6, offset=-0.2, noise=0.08),
    SimulatedRater("carl", 0.4, gain=1.4, offset=0.0, noise=0.1),
)


@pytest.fixture(scope="module")
def faces() -> list[tuple[np.ndarray, np.ndarray]]:
    """(time, weights) of performances of a minute each."""
    made = [generate_performance(seed, 60.0) for seed in range(4)]
    return [(np.asarray(p.time_s, float), np.asarray(p.weights, float)) for p in made]


@pytest.fixture(scope="module")
def felt(faces) -> list[Curve]:
    return [truth("valence", weights, time_s) for time_s, weights in faces]


@pytest.fixture(scope="module")
def rated(felt) -> dict[str, list[Curve]]:
    return {r.name: [rate(r, curve, seed) for seed, curve in enumerate(felt)] for r in RATERS}


def at_60_hz(time_s, weights) -> np.ndarray:
    ticks = np.arange(1, int(time_s[-1] * 60)) / 60
    return np.array([np.interp(ticks, time_s, column) for column in weights.T]).T


def test_how_late_each_is_follows_from_what_they_saw(faces, rated):
    seen = [smoothed(at_60_hz(*face), 0) for face in faces]
    for rater in RATERS:
        found = delay_of(seen, rated[rater.name])
        assert found.delay_s == pytest.approx(rater.delay_s, abs=0.25), rater
        assert found.score > 0.6


def test_how_late_they_are_against_each_other_needs_no_face(rated):
    found = delays_among(rated)
    first = min(rater.delay_s for rater in RATERS)
    for rater in RATERS:
        assert found[rater.name].delay_s == pytest.approx(rater.delay_s - first, abs=0.2)


def test_a_rater_alone_or_of_nothing_tells_nothing(faces, rated):
    assert delays_among({"anna": rated["anna"]})["anna"].delay_s == 0
    nothing = Curve(np.zeros(0), np.zeros(0))
    seen = [smoothed(at_60_hz(*face), 0) for face in faces]
    assert np.isnan(delay_of(seen, [nothing] * len(seen)).delay_s)
    both = delays_among({"anna": rated["anna"], "nobody": [nothing] * len(seen)})
    assert np.isnan(both["nobody"].delay_s)


def test_what_is_fused_is_nearer_the_truth_than_anybody(felt, rated):
    delays = {rater.name: rater.delay_s for rater in RATERS}
    on_time = {name: [earlier(c, delays[name]) for c in each] for name, each in rated.items()}
    fused = fuse(on_time)
    assert sum(fused.weights.values()) == pytest.approx(1)

    def nearness(given) -> float:
        time_s = [c.time_s for c in felt]
        said = np.concatenate([c.at(t) for c, t in zip(given, time_s, strict=True)])
        known = np.concatenate([c.value for c in felt])
        both = np.isfinite(said)
        return np.corrcoef(said[both], known[both])[0, 1]

    alone = {name: nearness(each) for name, each in on_time.items()}
    assert nearness(fused.curves) > max(alone.values())
    late = fuse(rated)
    assert nearness(late.curves) < nearness(fused.curves)
    said = np.concatenate([c.value for c in fused.curves])
    spread = np.mean([np.std(np.concatenate([c.value for c in e])) for e in on_time.values()])
    assert np.std(said) == pytest.approx(spread, rel=0.25)


def test_who_contradicts_everybody_weighs_nothing(felt, rated):
    upside_down = [Curve(c.time_s, -c.value) for c in felt]
    fused = fuse({"anna": felt, "ben": felt, "carl": felt, "contrary": upside_down})
    assert fused.weights["contrary"] == 0
    np.testing.assert_allclose(
        np.concatenate([c.value for c in fused.curves]),
        np.concatenate([c.value for c in felt]),
        atol=1e-6,
    )
    assert ccc(felt[0].value, upside_down[0].value) < 0


def test_most_win_a_vote():
    said = {
        "anna": [Mark("smile", "anna", 0.0, 2.0)],
        "ben": [Mark("smile", "ben", 1.0, 3.0)],
        "carl": [Mark("smile", "carl", 5.0, 6.0, label="posed")],
    }
    (smile,) = vote("smile", "gold", said, np.arange(0, 80) / 10)
    assert (smile.rater, smile.label) == ("gold", "")
    assert (smile.start_s, smile.end_s) == pytest.approx((1.0, 2.0))
