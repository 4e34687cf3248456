"""Labels for a face that followed an animation, from what was felt. Simulated rows."""

import numpy as np
import pytest

from capture.guided import Script, Step
from model.features import PER_SLOT, perceived
from model.followed_poses import learned
from model.following import labelled, units_of
from model.responses import FELT, enrolled, responses_prior
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


def learned_from(turned, prior):
    return learned(turned, prior, np.eye(len(FELT)))


def away(belief, truth, poses):
    """How far off the turning of the sites is for poses (M, K)."""
    return np.abs((belief.mean - truth[..., FELT]) @ poses.T).mean()


SHOWN = np.stack([m.weights for one in SCRIPT.steps for m in one.movements])[:, FELT]


def test_how_far_sites_turn_in_a_pose_is_found():
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    _, change = done_with([0.4] * units)
    _, truth, _, labels = labels_of(change)
    for one in labels.turned:
        expected = truth[..., FELT] @ one.shown
        assert np.abs(one.angles - expected).mean() < 0.15 * np.abs(expected).mean()


def test_an_enrolment_by_following_finds_the_responses_to_what_was_shown():
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    rng = np.random.default_rng(3)
    delays = 0.4 + 0.06 * rng.standard_normal(units)
    _, change = done_with(delays, np.exp(rng.normal(0, 0.1, units)))
    prior, truth, _, labels = labels_of(change)
    found = learned_from(labels.turned, prior)
    assert away(found, truth, SHOWN) < 0.6 * away(prior, truth, SHOWN)
    assert (found.variance < prior.variance + 1e-12).all()


def test_a_shape_that_moves_along_unshown_is_not_taken_for_the_one_that_was_shown():
    # Brows go up with every smile: what the brow sensors feel then is no smile.
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    shown, change = done_with([0.4] * units)
    smile, brows = shown[0].movements[0].weights, shown[4].movements[0].weights
    for unit in shown[:2]:
        level = unit.movements[0].level(ROW_S - unit.start_s - 0.4)
        change += 0.4 * level[:, None] * brows
    prior, truth, rows, labels = labels_of(change)
    both = labels.taught | labels.judged
    naive = enrolled(prior, rows, labels.change, both)
    found = learned_from(labels.turned, prior)
    pose = smile[None, FELT]
    assert away(found, truth, pose) < 0.9 * away(naive, truth, pose)


def test_a_site_that_was_never_heard_stays_a_stranger():
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    _, change = done_with([0.4] * units)
    prior, truth = responses_prior(people()), people(1, seed=99)[0]
    rows = rows_of_a_face(truth, change, noise=0.05)
    rows[:, SITES * PER_SLOT + 4] = 0.0
    rows[:, 4 * PER_SLOT : 5 * PER_SLOT] = 77.0  # whatever it holds is not to be read
    labels = labelled(SCRIPT.in_sequence(), ROW_S, perceived(rows, SITES), prior)
    found = learned_from(labels.turned, prior)
    np.testing.assert_allclose(found.mean[4], prior.mean[4], atol=0.01)
    assert away(found, truth, SHOWN) < away(prior, truth, SHOWN)


def test_some_poses_can_be_kept_to_judge_by():
    units = sum(len(units_of(one)) for one in SCRIPT.in_sequence())
    _, change = done_with([0.4] * units)
    *_, labels = labels_of(change)
    spaced = len(POSES)  # the vowels melt, and judge
    assert sum(not one.judges for one in labels.turned) == spaced
    assert sum(one.judges for one in labels.turned) == spaced + 2
