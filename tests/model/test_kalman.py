"""The filter through site responses: it follows what is felt and says how well it knows."""

import numpy as np
import pytest

from model.features import PER_SLOT
from model.kalman import ESTIMATED, Dynamics, RunningFilter, WeightFilter, filtered, fit_dynamics
from model.responses import FELT, SiteResponses, enrolled, responses_prior
from tests.model.test_responses import SITES, moving_face, people, rows_of_a_face

DYNAMICS = Dynamics(0.95, 0.2, 0.3 * np.eye(len(FELT)))


def known(truth: np.ndarray) -> SiteResponses:
    """Responses without a doubt."""
    kept = truth[..., FELT]
    return SiteResponses(kept, np.repeat(1e-9 * np.eye(kept[0].size)[None], SITES, axis=0))


def error(estimates: np.ndarray, change: np.ndarray) -> float:
    return float(np.abs(estimates[60:, FELT] - change[60:, FELT]).mean())


def test_who_is_known_is_followed_better_than_who_was_enrolled_and_strangers_worst():
    prior, truth = responses_prior(people()), people(1, seed=50)[0]
    change = moving_face(20.0)
    change -= change[0]
    rows = rows_of_a_face(truth, change)
    met = enrolled(
        prior, rows_of_a_face(truth, moving_face(30.0, seed=8)), moving_face(30.0, seed=8)
    )
    errors = [
        error(filtered(WeightFilter(r, DYNAMICS), rows), change) for r in (known(truth), met, prior)
    ]
    still = error(np.zeros((len(rows), ESTIMATED)), change)
    assert errors[0] <= 1.05 * errors[1] < 0.8 * errors[2] < 0.8 * still


def test_its_deviations_grow_with_doubt_and_shrink_with_sensors():
    prior, truth = responses_prior(people()), people(1, seed=51)[0]
    rows = rows_of_a_face(truth, moving_face(4.0))
    sure = filtered(WeightFilter(known(truth), DYNAMICS), rows)[-1, 52 + FELT]
    unsure = filtered(WeightFilter(prior, DYNAMICS), rows)[-1, 52 + FELT]
    rows[:, SITES * PER_SLOT : SITES * PER_SLOT + SITES] = 0.0
    deaf = filtered(WeightFilter(known(truth), DYNAMICS), rows)[-1, 52 + FELT]
    assert (sure < unsure).all()
    assert (unsure < deaf).all()


def test_what_no_skin_moves_is_left_at_zero():
    rows = rows_of_a_face(people(1)[0], moving_face(1.0))
    estimates = filtered(WeightFilter(known(people(1)[0]), DYNAMICS), rows)
    rest = np.setdiff1d(np.arange(52), FELT)
    assert np.abs(estimates[:, rest]).max() == 0
    assert np.abs(estimates[:, 52 + rest]).max() == 0


def test_silence_lets_the_face_go_back_to_rest():
    truth = people(1, seed=52)[0]
    change = moving_face(3.0)
    rows = rows_of_a_face(truth, np.concatenate((change, np.tile(change[-1], (300, 1)))))
    rows[180:, SITES * PER_SLOT : SITES * PER_SLOT + SITES] = 0.0
    estimates = filtered(WeightFilter(known(truth), DYNAMICS), rows)
    assert np.isfinite(estimates).all()
    assert np.abs(estimates[-1, :52]).max() < 0.05


def test_a_row_never_depends_on_later_ones():
    weight_filter = WeightFilter(responses_prior(people()), DYNAMICS)
    rows = rows_of_a_face(people(1, seed=53)[0], moving_face(2.0))
    whole = filtered(weight_filter, rows)
    for end in (1, 40, 119):
        np.testing.assert_array_equal(filtered(weight_filter, rows[:end]), whole[:end])


@pytest.mark.parametrize("window", [4, 16])
def test_the_running_filter_says_what_the_whole_track_says(window):
    weight_filter = WeightFilter(responses_prior(people()), DYNAMICS)
    rows = rows_of_a_face(people(1, seed=54)[0], moving_face(1.0))
    whole = filtered(weight_filter, rows)
    running = RunningFilter(weight_filter, window)
    running.advance(1000, rows[:0])  # the face is at rest until tick 1000
    for k in range(1, len(rows) + 1):
        said = running.advance(1000 + k, rows[max(0, k - window) : k])
        assert said.shape == (window, ESTIMATED)
        np.testing.assert_allclose(
            said[-min(k, window) :], whole[max(0, k - window) : k], atol=1e-6
        )


def test_a_row_that_arrives_late_is_taken_in_as_if_it_had_been_on_time():
    weight_filter = WeightFilter(known(people(1)[0]), DYNAMICS)
    rows = rows_of_a_face(people(1)[0], moving_face(0.5))
    late = rows.copy()
    late[19, : SITES * PER_SLOT + SITES] = 0.0
    on_time, delayed = RunningFilter(weight_filter, 8), RunningFilter(weight_filter, 8)
    for running in (on_time, delayed):
        running.advance(5, rows[:0])
    for k in range(1, 31):
        first = max(0, k - 8)
        a = on_time.advance(5 + k, rows[first:k])
        b = delayed.advance(5 + k, (late if k == 20 else rows)[first:k])
        if k == 20:
            assert np.abs(a[-1] - b[-1]).max() > 1e-3
    np.testing.assert_array_equal(a, b)


def test_a_pause_longer_than_the_window_begins_at_rest_again():
    weight_filter = WeightFilter(known(people(1)[0]), DYNAMICS)
    rows = rows_of_a_face(people(1)[0], moving_face(2.0))
    running = RunningFilter(weight_filter, 8)
    running.advance(0, rows[:0])
    for k in range(8, 60):
        running.advance(k, rows[k - 8 : k])
    again = running.advance(100, rows[92:100])
    np.testing.assert_allclose(again, filtered(weight_filter, rows[92:100]), atol=1e-6)


def test_dynamics_are_those_of_the_faces_they_were_fitted_to():
    rng = np.random.default_rng(1)
    count = len(FELT)
    mixing = np.eye(count)
    mixing[1, 0] = 1.0  # the second shape goes with the first
    weights, speed = np.zeros((20_000, 52)), np.zeros(count)
    for k in range(1, len(weights)):
        speed = 0.9 * speed - 0.5 * weights[k - 1, FELT] + mixing @ rng.normal(0, 0.05, count)
        weights[k, FELT] = weights[k - 1, FELT] + speed / 60.0
    found = fit_dynamics({"somebody": [weights]})
    assert 0.7 < found.damping < 1.0
    assert 0.0 < found.spring < 2.0
    deviations = np.sqrt(np.diag(found.noise))
    together = found.noise / np.outer(deviations, deviations)
    assert together[0, 1] == pytest.approx(0.8 * np.sqrt(0.5), abs=0.1)
    assert abs(together[3, 7]) < 0.1
    assert np.linalg.eigvalsh(found.noise).min() > 0
