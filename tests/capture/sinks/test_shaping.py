import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capture.blendshapes import ARKIT_NAMES, INDEX, MIRROR, BlendshapeFrame
from capture.sinks.one_euro import OneEuro
from capture.sinks.shaping import FilterSetting, Shaper, Shaping, spread
from capture.sinks.unfelt import FADE_S, UNFELT, Seen, UnfeltShapes, idle_track

S = 1_000_000_000
TICK = S // 60
FELT = np.setdiff1d(np.arange(52), UNFELT)
weights = hnp.arrays(np.float32, 52, elements=st.floats(0, 1, width=32))
quats = hnp.arrays(np.float32, 4, elements=st.floats(-1, 1, width=32))


def shaped(values, tick=0, **settings):
    frame = BlendshapeFrame(tick * TICK, np.asarray(values, np.float32))
    return Shaper(Shaping(**settings)).shape(frame)


@given(weights)
def test_without_settings_what_is_felt_passes_to_the_last_bit_and_the_rest_rests(values):
    given_before = values.copy()
    found = shaped(values).frame.weights
    assert np.array_equal(found[FELT], values[FELT])
    assert not found[UNFELT].any()
    assert np.array_equal(values, given_before)  # the face is everybody's


@given(weights, quats)
def test_the_mirror_of_the_mirror_is_the_face_and_nothing_gets_lost(values, quat):
    frame = BlendshapeFrame(0, values, quat, shape_confidence=values)
    once = Shaper(Shaping(mirror=True)).shape(frame).frame
    twice = Shaper(Shaping(mirror=True)).shape(once).frame
    assert np.array_equal(once.weights[MIRROR][FELT], values[FELT])
    assert np.array_equal(twice.weights[FELT], values[FELT])
    assert np.array_equal(twice.quat_world_from_head, quat)
    assert np.array_equal(once.shape_confidence, values[MIRROR])
    assert np.array_equal(once.quat_world_from_head, quat * [1, 1, -1, -1])


@given(weights, st.floats(0, 3), st.floats(0, 0.9))
def test_gain_dead_zone_and_clamp_keep_the_order_and_the_bounds(values, gain, zone):
    found = shaped(
        values, gain={"all": gain}, dead_zone={"all": zone}, clamp={"mouth": (0.1, 0.6)}
    ).frame.weights
    assert found.min() >= 0
    assert found.max() <= 1
    mouth = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith("mouth")]
    assert found[mouth].min() >= np.float32(0.1)
    assert found[mouth].max() <= np.float32(0.6)
    inside = [i for i in FELT if i not in mouth]
    order = np.argsort(values[inside])
    assert (np.diff(found[inside][order]) >= 0).all()


def test_a_dead_zone_swallows_trembling_and_full_stays_full():
    values = np.zeros(52)
    values[INDEX["jawOpen"]], values[INDEX["mouthPucker"]] = 0.05, 1.0
    found = shaped(values, dead_zone={"all": 0.1}).frame.weights
    assert found[INDEX["jawOpen"]] == 0
    assert found[INDEX["mouthPucker"]] == pytest.approx(1)


def test_a_shape_goes_before_its_region_and_a_region_before_all():
    found = spread({"jaw_open": 3.0, "all": 1.0, "jaw": 2.0}, 0.0)
    assert found[INDEX["jawOpen"]] == 3
    assert found[INDEX["jawLeft"]] == 2
    assert found[INDEX["mouthClose"]] == 1


def test_a_key_that_is_no_shape_is_refused_by_its_name():
    with pytest.raises(ValueError, match="'jawAjar' is no shape and none of all, eyes"):
        Shaper(Shaping(gain={"jawAjar": 1.0}))


# The filter.


def test_the_filter_is_that_of_the_paper():
    # Algorithms 1 and 2 of the paper, written out for one value.
    def paper(values, rate, mincutoff, beta, dcutoff=1.0):
        def alpha(cutoff):
            te, tau = 1 / rate, 1 / (2 * np.pi * cutoff)
            return 1 / (1 + tau / te)

        out, hat, dhat = [], None, 0.0
        for value in values:
            dvalue = 0.0 if hat is None else (value - hat) * rate
            dhat = alpha(dcutoff) * dvalue + (1 - alpha(dcutoff)) * dhat
            cutoff = mincutoff + beta * abs(dhat)
            hat = value if hat is None else alpha(cutoff) * value + (1 - alpha(cutoff)) * hat
            out.append(hat)
        return np.array(out)

    values = np.clip(np.cumsum(np.random.default_rng(1).normal(0, 0.05, 200)) + 0.5, 0, 1)
    ours = OneEuro(np.array([1.2], np.float32), np.array([0.7], np.float32))
    found = [ours.filter(n * S // 50, np.array([v], np.float32))[0] for n, v in enumerate(values)]
    assert np.allclose(found, paper(values, 50, 1.2, 0.7), atol=1e-4)


def test_a_slow_tremble_is_calmed_and_a_fast_move_gets_through():
    rng = np.random.default_rng(2)
    still = 0.3 + rng.normal(0, 0.02, 240)
    jump = np.where(np.arange(240) < 120, 0.0, 1.0)

    def run(values, beta):
        setting = {"jawOpen": FilterSetting(1.0, beta)}
        shaper = Shaper(Shaping(filters=setting))
        out = []
        for n, value in enumerate(values):
            face = np.zeros(52, np.float32)
            face[INDEX["jawOpen"]] = value
            out.append(
                shaper.shape(BlendshapeFrame(n * TICK, face)).frame.weights[INDEX["jawOpen"]]
            )
        return np.array(out)

    assert run(still, 0.0)[60:].std() < 0.4 * still[60:].std()
    assert run(jump, 0.0)[126] < 0.55  # a tenth of a second later
    assert run(jump, 5.0)[126] > 0.9


def test_other_regions_are_not_filtered():
    shaper = Shaper(Shaping(filters={"brows": FilterSetting(0.5)}))
    for n in range(10):
        face = np.full(52, n % 2, np.float32)
        found = shaper.shape(BlendshapeFrame(n * TICK, face)).frame.weights
        assert found[INDEX["jawOpen"]] == n % 2
    assert 0.05 < found[INDEX["browInnerUp"]] < 0.95


@pytest.mark.parametrize("step", [0, -5 * S, 2 * S])
def test_after_a_gap_or_a_step_back_the_filter_begins_anew(step):
    ours = OneEuro(np.array([0.1], np.float32), np.zeros(1, np.float32))
    ours.filter(10 * S, np.array([0.0], np.float32))
    assert ours.filter(10 * S + step, np.array([1.0], np.float32)) == [1.0]


# Shapes that cannot be felt.


def test_idle_is_one_person_for_a_seed_and_another_for_another():
    assert np.array_equal(idle_track(1), idle_track.__wrapped__(1))
    assert not np.array_equal(idle_track(1), idle_track(2))


def test_idle_blinks_as_often_as_people_do_and_looks_about():
    rates = []
    for seed in range(6):
        track = idle_track(seed)
        shut = track[:, 0] > 0.5  # UNFELT begins with eyeBlinkLeft
        rates.append(np.count_nonzero(np.diff(shut.astype(int)) == 1) / 10)
        looked = track[:, [i for i, u in enumerate(UNFELT) if "Look" in ARKIT_NAMES[u]]]
        assert looked.std() > 0.02
        assert track[:, -1].max() == 0  # no tongue
        assert 0 <= track.min() <= track.max() <= 1
        assert np.abs(track[-1] - track[0]).max() < 0.9  # it begins again with open eyes
        assert track[0, 0] < 0.1
        assert track[-1, 0] < 0.1
    assert 8 < np.mean(rates) < 26  # 17 a minute at rest, and not all of them half shut


def test_idle_is_the_same_at_the_same_time_wherever_it_is_shown_and_is_marked():
    one, two = UnfeltShapes("idle", 3), UnfeltShapes("idle", 3)
    one.at(5 * S)
    assert np.array_equal(one.at(77 * S)[0], two.at(77 * S)[0])
    found = shaped(np.ones(52), unfelt="idle")
    assert found.made_up[UNFELT].all()
    assert not found.made_up[FELT].any()
    assert not shaped(np.ones(52)).made_up.any()


def seen(tick, value):
    return Seen(tick * TICK, np.full(52, value, np.float32))


def test_what_a_phone_sees_is_shown_and_is_not_made_up():
    shapes = UnfeltShapes("other", 1)
    for tick in range(60):
        values, made_up = shapes.at(tick * TICK, seen(tick, 0.7))
    assert values == pytest.approx(0.7)
    assert not made_up


def test_without_a_phone_eyes_idle():
    shapes = UnfeltShapes("other", 1)
    values, made_up = shapes.at(90 * TICK)
    assert np.array_equal(values, idle_track(1)[90])
    assert made_up


def test_no_eye_jumps_when_the_phone_loses_the_face_or_finds_it():
    shapes, shown = UnfeltShapes("other", 1), []
    for tick in range(300):
        last_seen = tick if not 100 <= tick < 200 else 99
        shown.append(shapes.at(tick * TICK, seen(last_seen, 1.0))[0])
    most = 1.0 / (FADE_S * 60)
    idle_step = np.abs(np.diff(idle_track(1)[:300], axis=0)).max()
    assert np.abs(np.diff(np.array(shown), axis=0)).max() <= most + idle_step + 1e-6
    assert np.array_equal(shown[190], idle_track(1)[190])


def test_a_step_back_in_time_does_no_harm():
    shapes = UnfeltShapes("other", 1)
    shapes.at(50 * S, seen(3000, 1.0))
    values, _ = shapes.at(S, None)
    assert np.isfinite(values).all()
