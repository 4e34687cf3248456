import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.curves import ticks
from dataset_tools.performance import say
from dataset_tools.speech import improvised, mouth, timed, with_lips_closed
from dataset_tools.spelling import built_in
from dataset_tools.visemes import PHONES
from firmware_host.errors import ConfigError

TEXT = "Pump the bubbles up, pop them, and bring my mama some more soap. Maybe move a big map!"


def spoken(text=TEXT, seed=0):
    said = timed(built_in().say(text), 0.5, np.random.default_rng(seed))
    return said, ticks(said[-1].start_s + said[-1].duration_s + 0.5)


def at(time_s, one):
    return int(np.argmin(np.abs(time_s - one.start_s - 0.5 * one.duration_s)))


def lip_gap(weights):
    """How far lips are apart, in jaw openings: what opens them less what closes them."""
    opens = weights[:, INDEX["jawOpen"]] - weights[:, INDEX["mouthClose"]]
    return opens + 0.5 * weights[:, INDEX["mouthLowerDownLeft"]]


@pytest.mark.parametrize("seed", range(3))
def test_lips_meet_on_every_m_b_and_p(seed):
    said, time_s = spoken(seed=seed)
    talk = mouth(time_s, said)
    gap = lip_gap(with_lips_closed(talk.weights, talk.closed))
    closed = [one for one in said if one.phone in ("M", "B", "P")]
    assert len(closed) > 15
    assert max(gap[at(time_s, one)] for one in closed) < 0.03
    vowels = [one for one in said if PHONES[one.phone].vowel and one.stressed]
    assert np.median([gap[at(time_s, one)] for one in vowels]) > 0.12


@pytest.mark.parametrize("seed", range(4))
def test_lips_meet_whatever_the_rest_of_the_face_feels(seed):
    made = say("mama " * 12, seed)
    gap = lip_gap(made.weights)
    closures = (gap[1:-1] < 0.06) & (gap[1:-1] <= gap[:-2]) & (gap[1:-1] < gap[2:])
    assert closures.sum() >= 20  # of 24


def test_an_oo_is_rounder_than_an_ee_and_an_aa_opens_the_jaw_more():
    said, time_s = spoken("who who who. see see see. map map map.")
    weights = mouth(time_s, said).weights
    mean = {
        phone: np.mean([weights[at(time_s, one)] for one in said if one.phone == phone], axis=0)
        for phone in ("UW", "IY", "AE")
    }
    pucker, smile, jaw = (INDEX[n] for n in ("mouthPucker", "mouthSmileLeft", "jawOpen"))
    assert mean["UW"][pucker] > mean["IY"][pucker] + 0.15
    assert mean["IY"][smile] > mean["UW"][smile] + 0.05
    assert mean["AE"][jaw] > mean["UW"][jaw] + 0.08


def test_neighbours_colour_a_sound():
    # The s of "soon" is rounder than that of "seen", before the vowel has begun.
    def pucker_of_s(text):
        said, time_s = spoken(text)
        return mouth(time_s, said).weights[at(time_s, said[0]), INDEX["mouthPucker"]]

    assert pucker_of_s("soon") > pucker_of_s("seen") + 0.02


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_the_mouth_is_continuous_and_a_face(seed):
    rng = np.random.default_rng(seed)
    said = timed(improvised(built_in(), 4.0, rng), 0.2, rng, float(rng.uniform(0.7, 1.4)))
    fine = np.arange(0.0, said[-1].start_s, 1 / 1000)
    talk = mouth(fine, said)
    assert talk.weights.min() >= 0
    assert talk.weights.max() <= 1
    assert np.abs(np.diff(talk.weights, axis=0)).max() < 0.03  # in a millisecond
    assert np.abs(np.diff(talk.closed)).max() < 0.05
    assert np.ptp(talk.weights[:, [i for n, i in INDEX.items() if n.startswith("brow")]]) == 0


def test_nobody_talks_while_nothing_is_said():
    said, _ = spoken()
    talk = mouth(ticks(said[-1].start_s + 4.0), said)
    assert talk.active[:20].max() == 0
    assert np.abs(talk.weights[-60:]).max() < 1e-3
    assert talk.active.mean() > 0.4


def test_sounds_follow_one_another_and_take_as_long_as_speech_does():
    said, _ = spoken(" ".join(built_in().sentences))
    starts = np.array([one.start_s for one in said])
    ends = starts + [one.duration_s for one in said]
    assert (starts[1:] >= ends[:-1] - 1e-9).all()
    talking_s = float(np.sum(ends - starts))
    syllables = sum(PHONES[one.phone].vowel for one in said)
    # Read English has 6.2 syllables a second without pauses; American talk has fewer.
    assert 3.5 < syllables / talking_s < 6.2


def test_little_words_are_quick_and_the_last_one_is_drawn_out():
    words = built_in().say("him him him him, the him.")
    lengths = []
    for seed in range(30):
        said = timed(words, 0.0, np.random.default_rng(seed))
        lengths.append([one.duration_s for one in said if PHONES[one.phone].vowel])
    first, *_, before_pause, weak, last = np.mean(lengths, axis=0)
    assert before_pause > 1.2 * first
    assert last > 1.2 * first
    assert weak < first + 0.02


def test_saying_the_same_is_the_same_and_nothing_is_refused():
    np.testing.assert_array_equal(say("hello you", 4).weights, say("hello you", 4).weights)
    assert say("hello you", 4).weights.shape[1] == len(ARKIT_NAMES)
    with pytest.raises(ConfigError, match="no word to say"):
        say("... !", 1)
