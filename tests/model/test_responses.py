"""The belief about a wearer's sites, and what an enrolment makes of it. Simulated rows."""

import numpy as np
import pytest

from firmware_host.layout import FACE_12
from model.features import PER_SLOT, feature_count, perceived
from model.responses import FELT, enrolled, responses_prior, turned_by

SITES = len(FACE_12.face_indices)
GRAVITY = 9.80665


def people(count: int = 300, seed: int = 3) -> np.ndarray:
    """(N, R, 3, 52) responses that differ by 40 % from a common mean."""
    mean = np.random.default_rng(1).normal(0.0, 0.1, (SITES, 3, 52))
    rng = np.random.default_rng(seed)
    return mean * (1.0 + 0.4 * rng.standard_normal((count, *mean.shape)))


def rows_of_a_face(
    responses: np.ndarray, change: np.ndarray, seed: int = 0, noise: float = 0.02
) -> np.ndarray:
    """Feature rows as sites (R, 3, 52) on a nodding head would give them, with sensor noise."""
    rng = np.random.default_rng(seed)
    count = len(change)
    t = np.arange(count) / 60.0
    head_rate = np.stack((0.5 * np.sin(2 * t), 0.2 * np.cos(3 * t), 0.1 * np.sin(t)), axis=1)
    force = np.stack((0.5 * np.sin(t), GRAVITY + 0 * t, 0.4 * np.cos(t)), axis=1)
    felt, speed = change[:, FELT], np.gradient(change[:, FELT], axis=0) * 60.0
    own = responses[..., FELT]
    rate = np.einsum("rik,tk->tri", own, speed)
    rate += np.einsum("trik,tk->tri", turned_by(head_rate, own), felt)
    tilt = np.einsum("trik,tk->tri", turned_by(force, own), felt)
    rows = np.zeros((count, feature_count(FACE_12)))
    slots = np.zeros((count, SITES, PER_SLOT))
    slots[..., :3] = (rate + noise * rng.standard_normal(rate.shape)) / 0.5
    slots[..., 3:6] = tilt + 5 * noise * rng.standard_normal(rate.shape)
    rows[:, : SITES * PER_SLOT] = slots.reshape(count, -1)
    rest = rows[:, SITES * PER_SLOT :]
    rest[:, :SITES] = 1.0
    rest[:, SITES : SITES + 3] = head_rate / 0.5
    rest[:, SITES + 3 :] = force / GRAVITY - np.array([0.0, 1.0, 0.0])
    return rows.astype(np.float32)


def moving_face(seconds: float, seed: int = 5) -> np.ndarray:
    """(T, 52) smooth weights that all move on their own."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * 60)) / 60.0
    pace, phase = rng.uniform(0.5, 2.0, 52), rng.uniform(0, 6.3, 52)
    return 0.3 * np.sin(2 * np.pi * pace * t[:, None] + phase) ** 2


def test_rows_are_taken_apart_into_what_they_were_made_of():
    rows = rows_of_a_face(people(1)[0], moving_face(1.0))
    seen = perceived(rows, SITES)
    np.testing.assert_allclose(np.linalg.norm(seen.head_force, axis=-1), GRAVITY, atol=0.1)
    assert seen.rate.shape == seen.force.shape == (60, SITES, 3)
    assert seen.heard.all()


def test_the_prior_is_the_mean_and_spread_of_the_people():
    found = people(4000)
    prior = responses_prior(found)
    np.testing.assert_allclose(prior.mean, found[..., FELT].mean(axis=0))
    np.testing.assert_allclose(prior.variance, found[..., FELT].var(axis=0) + 1e-6, rtol=1e-6)


def test_an_enrolment_finds_the_wearers_own_responses():
    prior, truth = responses_prior(people()), people(1, seed=99)[0]
    change = moving_face(60.0)
    found = enrolled(prior, rows_of_a_face(truth, change), change)
    before = np.abs(prior.mean - truth[..., FELT]).mean()
    after = np.abs(found.mean - truth[..., FELT]).mean()
    assert after < 0.2 * before
    assert (found.variance < prior.variance).all()


def test_the_stated_spread_of_an_enrolment_covers_the_truth():
    prior, truth = responses_prior(people()), people(1, seed=98)[0]
    change = moving_face(4.0)
    found = enrolled(prior, rows_of_a_face(truth, change, noise=0.05), change)
    away = np.abs(found.mean - truth[..., FELT]) / np.sqrt(found.variance)
    assert (away < 2.0).mean() > 0.8


def test_a_still_face_teaches_nothing():
    prior, truth = responses_prior(people()), people(1, seed=97)[0]
    change = np.zeros((600, 52))
    found = enrolled(prior, rows_of_a_face(truth, change), change)
    np.testing.assert_allclose(found.mean, prior.mean, atol=1e-9)
    np.testing.assert_allclose(found.covariance, prior.covariance, rtol=1e-5, atol=1e-9)


def test_a_site_that_was_never_heard_stays_a_stranger_and_spoils_no_other():
    prior, truth = responses_prior(people()), people(1, seed=96)[0]
    change = moving_face(20.0)
    rows = rows_of_a_face(truth, change)
    whole = enrolled(prior, rows, change)
    rows[:, SITES * PER_SLOT + 4] = 0.0
    rows[:, 4 * PER_SLOT : 5 * PER_SLOT] = 77.0  # whatever it holds is not to be read
    found = enrolled(prior, rows, change)
    np.testing.assert_allclose(found.mean[4], prior.mean[4], atol=1e-9)
    others = [s for s in range(SITES) if s != 4]
    np.testing.assert_allclose(found.mean[others], whole.mean[others], atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_turning_is_a_cross_product(axis):
    responses = people(1)[0][..., FELT]
    vector = np.eye(3)[axis]
    expected = np.cross(
        np.broadcast_to(vector, (SITES, len(FELT), 3)), responses.transpose(0, 2, 1)
    )
    np.testing.assert_allclose(turned_by(vector[None], responses)[0].transpose(0, 2, 1), expected)
