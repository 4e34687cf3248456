"""Labels for a face that followed an animation, from what was felt. Simulated rows."""

import numpy as np
import pytest

from capture.guided import Script, Step
from model.features import perceived
from model.following import labelled, units_of
from model.responses import FELT, LabelDoubt, enrolled, responses_prior
from tests.model.test_responses import SITES, people, rows_of_a_face

POSES = (
    {"mouthSmile": 0.8},
    {"jawOpen": 0.8},
    {"browInnerUp": 0.8, "browOuterUp": 0.8},
    {"noseSneer": 0.8},
    {"mouthPucker": 0.8},
)
SCRIPT = Script(
    name="short",
    steps=(
        Step(label="rest", prompt="", seconds=2.0),
        *(Step(label=f"pose {k}", prompt="", poses=(pose,)) for k, pose in enumerate(POSES)),
        Step(label="vowels", prompt="", poses=POSES[:2], gap_s=-0.4),
    ),
)
ROW_S = np.arange(round((SCRIPT.length_s + 1.5) * 60)) / 60.0


def done_with(delays, strengths=None):
    """(T, 52) what somebody did who was late by `delays` (units), with `strengths`."""
    units = [u for one in SCRIPT.in_sequence() for u in units_of(one)]
    strengths = np.ones(len(units)) if strengths is None else strengths
    change = np.zeros((len(ROW_S), 52))
    for unit, delay, strength in zip(units, delays, strengths, strict=True):
        for m in unit.movements:
            change += strength * m.level(ROW_S - unit.start_s - delay)[:, None] * m.weights
    return units, change


def labels_of(change, noise=0.05, seed=99):
    prior, truth = responses_prior(people()), people(1, seed=seed)[0]
    rows = rows_of_a_face(truth, change, noise=noise)
    return prior, truth, rows, labelled(SCRIPT.in_sequence(), ROW_S, perceived(rows, SITES), prior)


@pytest.mark.parametrize("delay", [0.2, 0.41, 0.6])
def test_the_delay_of_a_follower_is_found(delay):
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    _, change = done_with([delay] * units)
    *_, labels = labels_of(change)
    assert labels.followed == labels.shown == units
    assert labels.delay_s == pytest.approx(delay, abs=0.01)
    moving = labels.taught | labels.judged
    assert np.abs(labels.change - change)[moving].max() < 0.06


def test_every_movement_has_a_delay_of_its_own():
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    delays = 0.4 + 0.1 * np.random.default_rng(1).uniform(-1, 1, units)
    _, change = done_with(delays)
    *_, labels = labels_of(change)
    moving = labels.taught | labels.judged
    assert np.abs(labels.change - change)[moving].max() < 0.15
    assert np.abs(labels.change - change)[moving].mean() < 0.002


def test_what_was_not_followed_teaches_nothing_and_judges_nothing():
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    strengths = np.ones(units)
    strengths[[1, 4]] = 0.0
    shown, change = done_with([0.4] * units, strengths)
    *_, labels = labels_of(change)
    assert labels.followed == units - 2
    for number in (1, 4):
        start_s, end_s = shown[number].bounds_s
        inside = (start_s + 0.45 < ROW_S) & (end_s + 0.35 > ROW_S)
        assert not (labels.taught | labels.judged)[inside].any()
    assert (labels.taught & labels.judged).sum() == 0


def test_a_face_that_did_something_else_altogether_was_not_following():
    rng = np.random.default_rng(2)
    t = ROW_S[:, None]
    change = 0.3 * np.sin(2 * np.pi * rng.uniform(0.5, 2, 52) * t + rng.uniform(0, 6, 52)) ** 2
    *_, labels = labels_of(change)
    assert labels.followed < 0.35 * labels.shown


def test_doubtful_labels_move_the_belief_less_and_leave_it_less_sure():
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    _, change = done_with([0.4] * units)
    prior, _, rows, labels = labels_of(change)
    sure = enrolled(prior, rows, labels.change)
    unsure = enrolled(prior, rows, labels.change, None, labels.doubt)
    assert (unsure.variance >= sure.variance - 1e-12).all()
    moved = [np.abs(b.mean - prior.mean).mean() for b in (sure, unsure)]
    assert 0 < moved[1] < moved[0]


def test_an_enrolment_by_following_finds_the_responses_to_what_was_shown():
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    rng = np.random.default_rng(3)
    delays = 0.4 + 0.06 * rng.standard_normal(units)
    _, change = done_with(delays, np.exp(rng.normal(0, 0.1, units)))
    prior, truth, rows, labels = labels_of(change)
    found = enrolled(prior, rows, labels.change, labels.taught | labels.judged, labels.doubt)
    pose = np.stack([m.weights for one in SCRIPT.steps for m in one.movements])[:, FELT]
    before, after = (
        np.abs((belief.mean - truth[..., FELT]) @ pose.T).mean() for belief in (prior, found)
    )
    assert after < 0.5 * before


def test_no_doubt_is_what_a_camera_gives():
    level = np.zeros(len(ROW_S))
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    _, change = done_with([0.4] * units)
    prior, _, rows, _ = labels_of(change)
    plain = enrolled(prior, rows, change)
    without = enrolled(prior, rows, change, None, LabelDoubt(level, 0.0, 0.0))
    np.testing.assert_allclose(plain.mean, without.mean, atol=1e-9)
