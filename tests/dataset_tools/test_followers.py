"""Virtual wearers who follow an animated face."""

import numpy as np
import pytest

from capture import rotations
from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.guided import Script, Step, read_script, shown_weights
from dataset_tools.composition import Person
from dataset_tools.followers import PERFECT, Habits, draw_habits, follow

SCRIPT = Script(
    name="short",
    steps=(
        Step(label="rest", prompt="", seconds=3.0),
        Step(label="routine", prompt="", turns=("nod", "tilt", "turn")),
        Step(label="smile", prompt="", poses=({"mouthSmile": 0.7},), times=4),
        Step(label="jaw", prompt="", poses=({"jawOpen": 0.7},), times=4),
    ),
)
PLAIN = Person(np.ones(52), np.zeros(52), 1.0, 1.0, 1.0, 1.0)
SKIN = [INDEX[n] for n in ARKIT_NAMES if not n.startswith("eye")]


def lag_s(shown, done):
    curve = [
        np.corrcoef(shown[60:-120], done[60 + k : len(done) - 120 + k])[0, 1] for k in range(60)
    ]
    return int(np.argmax(curve)) / 60


def test_a_follower_without_faults_does_what_is_shown():
    followed = follow(SCRIPT, 1, PERFECT, PLAIN)
    shown = shown_weights(followed.performed, followed.performance.time_s)
    away = np.abs(followed.performance.weights - shown)[:, SKIN]
    assert away.mean() < 0.01
    assert away.max() < 0.08  # restlessness alone


@pytest.mark.parametrize("lag", [0.2, 0.6])
def test_a_follower_is_late_by_the_reaction_time(lag):
    habits = Habits(lag, 0.02, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    followed = follow(SCRIPT, 2, habits, PLAIN)
    shown = shown_weights(followed.performed, followed.performance.time_s)
    jaw = INDEX["jawOpen"]
    found = lag_s(shown[:, jaw], followed.performance.weights[:, jaw])
    assert found == pytest.approx(0.9 * lag, abs=0.12 * lag + 0.02)


def test_what_is_skipped_is_not_done():
    habits = Habits(0.3, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0)
    followed = follow(SCRIPT, 3, habits, PLAIN)
    assert followed.performance.weights[:, INDEX["jawOpen"]].max() < 0.1


def test_rest_and_routine_find_a_still_face_and_a_head_that_nods():
    followed = follow(read_script("enrol"), 4)
    performance = followed.performance
    opening = performance.time_s < followed.performed[2].start_s - 0.5
    assert np.ptp(performance.weights[opening][:, SKIN], axis=0).max() < 0.03
    turned = rotations.to_vector(performance.quat_world_from_head)
    rest = performance.time_s < 3.0
    assert np.abs(turned[rest]).max() < 0.05
    assert np.abs(turned[opening]).max(axis=0).min() > 0.12


def test_people_differ_and_a_seed_is_one_of_them():
    a, b, c = (follow(SCRIPT, seed).performance.weights for seed in (5, 5, 6))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.2
    lags = [draw_habits(np.random.default_rng(seed)).lag_s for seed in range(50)]
    assert 0.2 <= min(lags) < 0.3 < 0.5 < max(lags) <= 0.6
