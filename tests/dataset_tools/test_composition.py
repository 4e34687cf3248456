from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture import rotations
from capture.blendshapes import ARKIT_NAMES, INDEX, MIRROR
from capture.curves import RATE_HZ, events, rise_and_fall, ticks, wander
from dataset_tools import actions, motion
from dataset_tools.composition import ACTIVITIES, draw_person, plan
from dataset_tools.emotions import EMOTIONS, emotion, feelings
from dataset_tools.facs import COMPANIONS, UNITS, companions, spread, unit
from dataset_tools.performance import generate_performance, trimmed, with_routine

DONE = {"chew": actions.chew, "laugh": actions.laugh, "yawn": actions.yawn,
        "range": actions.range_of_motion}  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(DONE)), st.integers(0, 10_000), st.floats(1.0, 9.0))
def test_whatever_a_face_does_is_a_face_and_calm_at_both_ends(name, seed, seconds):
    time_s = 7.0 + ticks(seconds)
    done = DONE[name](time_s, np.random.default_rng(seed))
    assert done.shape == (len(time_s), len(ARKIT_NAMES))
    assert done.min() >= 0
    assert done.max() <= 1
    assert np.abs(done[[0, -1]]).max() < 0.25
    assert np.abs(np.diff(done, axis=0)).max() < 0.3


def main_frequency_hz(values):
    power = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(values)))) ** 2
    return np.fft.rfftfreq(len(values), 1 / RATE_HZ)[np.argmax(power)]


def test_chewing_keeps_the_pace_of_chewing():
    paces = [
        main_frequency_hz(actions.chew(ticks(12.0), np.random.default_rng(s))[:, INDEX["jawOpen"]])
        for s in range(40)
    ]
    assert np.mean(paces) == pytest.approx(1.57, abs=0.2)
    assert np.percentile(paces, 5) > 0.8
    assert np.percentile(paces, 95) < 2.5


def test_a_yawn_opens_wide_and_shuts_the_eyes():
    done = actions.yawn(ticks(6.5), np.random.default_rng(1))
    assert done[:, INDEX["jawOpen"]].max() > 0.7
    assert done[:, INDEX["eyeBlinkLeft"]].max() > 0.5


def test_a_laugh_shakes_five_times_a_second():
    jaw = actions.laugh(ticks(3.0), np.random.default_rng(3))[:, INDEX["jawOpen"]]
    shake = jaw - np.convolve(jaw, np.ones(13) / 13, mode="same")
    assert 3.8 < main_frequency_hz(shake[20:-20]) < 5.5


@pytest.mark.parametrize("name", EMOTIONS)
def test_an_emotion_moves_what_its_units_say_and_little_else(name):
    allowed = np.zeros(len(ARKIT_NAMES), bool)
    for variant in EMOTIONS[name]:
        for number in variant:
            allowed |= unit(number) > 0
    for seed in range(8):
        shown = sum(weights for weights, _ in emotion(name, np.random.default_rng(seed)))
        assert (shown[~allowed] == 0).all()
        assert shown.max() > 0.1


def test_contempt_is_one_sided_and_happiness_is_not():
    def sides(name):
        shown = [sum(w for w, _ in emotion(name, np.random.default_rng(s))) for s in range(20)]
        smile = np.array(shown)[:, [INDEX["mouthSmileLeft"], INDEX["mouthSmileRight"]]]
        return np.median(smile.min(axis=1) / smile.max(axis=1))

    assert sides("contempt") < 0.3
    assert sides("happiness") > 0.7


def test_emotions_come_and_go_and_leave_the_mouth_to_speech():
    time_s = ticks(120.0)
    quiet = feelings(time_s, np.zeros(len(time_s)), np.random.default_rng(2))
    talking = feelings(time_s, np.ones(len(time_s)), np.random.default_rng(2))
    smile, brow = INDEX["mouthSmileLeft"], INDEX["browDownLeft"]
    assert talking[:, smile].max() < 0.6 * quiet[:, smile].max()
    np.testing.assert_array_equal(talking[:, brow], quiet[:, brow])
    shown = quiet.max(axis=1) > 0.05
    assert 0.2 < shown.mean() < 0.95


def test_units_and_companions_know_both_sides():
    for number in UNITS:
        assert 0.3 < unit(number).max() <= 1.0
        if number not in ("61", "62"):
            np.testing.assert_array_equal(unit(number), unit(number)[MIRROR])
    gains = companions()
    np.testing.assert_array_equal(gains, gains[MIRROR][:, MIRROR])
    assert (
        gains[INDEX["mouthSmileLeft"], INDEX["mouthUpperUpLeft"]]
        == (COMPANIONS["mouthSmile"]["mouthUpperUp"])
    )
    assert gains[INDEX["mouthSmileLeft"], INDEX["mouthUpperUpRight"]] == 0
    assert spread({"jawOpen": 0.4}, 0.0, 0.0)[INDEX["jawOpen"]] == 0.4


def test_a_plan_has_no_gaps_and_everything_is_done_sooner_or_later():
    stretches = plan(600.0, np.random.default_rng(0))
    assert stretches[0].start_s == 0
    assert stretches[-1].end_s == 600.0
    assert all(a.end_s == b.start_s for a, b in pairwise(stretches))
    assert {s.activity for s in stretches} == set(ACTIVITIES)


def test_people_differ_from_each_other_more_than_their_sides_do():
    people = [draw_person(np.random.default_rng(s)) for s in range(60)]
    strength = np.log([p.strength for p in people])
    left, right = INDEX["mouthSmileLeft"], INDEX["mouthSmileRight"]
    assert strength[:, left].std() > 0.2
    assert (strength[:, left] - strength[:, right]).std() < 0.12


@pytest.mark.parametrize(
    ("setting", "steps_hz"), [("walking", 2.0), ("running", motion.RUNNING_STEPS_HZ)]
)
def test_steps_come_at_the_pace_of_people(setting, steps_hz):
    paces = []
    for seed in range(30):
        moved = motion.in_setting(setting, 1200, np.random.default_rng(seed))
        paces.append(main_frequency_hz(moved.position_m[:, 1]))
    assert np.mean(paces) == pytest.approx(steps_hz, abs=0.08)
    assert np.abs(moved.vectors_rad).max() < 0.2


@pytest.mark.parametrize("setting", motion.SETTINGS)
def test_no_place_throws_a_head_about(setting):
    for seed in range(5):
        moved = motion.in_setting(setting, 1800, np.random.default_rng(seed))
        if moved.position_m is None:
            assert setting == "sitting"
            continue
        assert np.abs(moved.position_m[0]).max() == 0
        accel = np.diff(moved.position_m, 2, axis=0) * RATE_HZ**2
        assert 0.1 < np.sqrt((accel**2).sum(axis=1).mean()) < 20.0


def test_heads_nod_with_stress():
    beats = np.arange(1.0, 50.0)
    time_s = ticks(51.0)
    nods = motion.nodding_along(time_s, beats, np.random.default_rng(0)).vectors_rad[:, 0]
    on_beat = nods[np.searchsorted(time_s, beats + 0.05)]
    between = nods[np.searchsorted(time_s, beats + 0.5)]
    assert on_beat.mean() > 0.008
    assert between.mean() < 0.2 * on_beat.mean()


def test_a_translation_follows_the_head_into_routine_and_out_of_a_cut():
    made = next(
        made
        for made in (generate_performance(seed, 6.0) for seed in range(40))
        if made.head_position_m is not None
    )
    worn = with_routine(made, 1)
    assert worn.head_position_m.shape == (len(worn.time_s), 3)
    assert np.abs(worn.head_position_m[worn.time_s < 8.0]).max() == 0
    step = np.abs(np.diff(worn.head_position_m, axis=0)).max(axis=1)
    assert step[(worn.time_s[1:] > 7.9) & (worn.time_s[1:] < 8.8)].max() < 0.01
    part = trimmed(made, 1.0, 2.0)
    assert len(part.head_position_m) == len(part.time_s)


def test_most_heads_stay_where_they_are():
    still = [generate_performance(seed, 1.0).head_position_m is None for seed in range(60)]
    assert 0.5 < np.mean(still) < 0.9


def test_curves_are_what_they_say():
    t = np.arange(-1.0, 4.0, 1e-3)
    level = rise_and_fall(t, 0.5, 1.0, 0.7)
    assert level[t < 0].max() == 0
    assert level[(t > 0.5) & (t < 1.5)].min() == pytest.approx(1.0)
    assert level[t > 2.21].max() < 1e-6
    assert np.abs(np.diff(level)).max() < 5e-3
    noise = wander(200_000, 0.1, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1.0, rel=0.05)
    found = events(np.full(36_000, 0.5), np.random.default_rng(1), 0.5, 0.1)
    assert len(found) == pytest.approx(300, rel=0.1)


def test_a_different_language_makes_another_mouth():
    english, spanish = (generate_performance(3, 8.0, name) for name in ("english", "spanish"))
    assert np.abs(english.weights - spanish.weights).max() > 0.05
    turned = rotations.to_vector(english.quat_world_from_head)
    assert np.abs(turned).max() < 1.0
