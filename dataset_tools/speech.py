"""Speech as a face shows it: phones in time, mouths that blend, lips that meet. Pure.

Neighbouring sounds share the mouth. Each phone pulls towards its own shape with a strength that
rises before it and fades after it, and the mouth goes where the pulls balance: the dominance
functions of Cohen and Massaro (1993), here Gaussian, which have no corner at the centre. Jaw and
lips are pulled apart, so that a k leaves lips alone and an s does not let the jaw drop.

Durations: sounds vary as gamma distributions (Crystal and House 1982), words before a pause are
drawn out, little words are short (rules 2, 3 and 7 of Klatt 1987, table II). English is read at
6.2 syllables a second without pauses (Pellegrino and others 2011); we talk a little slower.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.curves import Array, near, rise_and_fall
from dataset_tools.facs import spread
from dataset_tools.spelling import Language, Word
from dataset_tools.visemes import PHONES, VISEMES

SYLLABLES_HZ = 5.2
# Ours, as are all numbers below: what a comma and a full stop are worth.
PAUSE_S = {"short": (0.15, 0.45), "long": (0.35, 1.1)}
_ANTICIPATES, _CARRIES_ON = 0.80, 0.70  # reach of a phone before and after, in its durations
_LEAST_REACH_S = 0.045
_REST_PULL = 0.03  # of a mouth that nobody pulls
_WEAK, _FINAL = 0.75, 1.45  # durations of weak words, and of vowels before a pause
_NAMES = {viseme: spread(mixture) for viseme, mixture in VISEMES.items()}
_USED = np.flatnonzero(np.any(list(_NAMES.values()), axis=0))
_SHAPES = {viseme: full[_USED] for viseme, full in _NAMES.items()}
_IS_JAW = np.array([ARKIT_NAMES[i].startswith("jaw") for i in _USED])


@dataclass(frozen=True, slots=True)
class Spoken:
    """One phone at its time. stressed: the vowel that carries its word."""

    phone: str
    start_s: float
    duration_s: float
    stressed: bool = False
    weak: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Talk:
    """What talking asks of a face.

    weights: (M, 52). closed: (M,) 1 where lips must meet. active: (M,) 1 while talking.
    beats_s: times of the stressed vowels.
    """

    weights: Array
    closed: Array
    active: Array
    beats_s: Array


def timed(
    words: Sequence[Word], start_s: float, rng: np.random.Generator, tempo: float = 1.0
) -> list[Spoken]:
    """Give every phone of the words its time, one after the other from `start_s` on."""
    spoken: list[Spoken] = []
    now = start_s
    for number, word in enumerate(words):
        if word.pause:
            now += rng.uniform(*PAUSE_S[word.pause]) / tempo
            continue
        following = words[number + 1 : number + 2]
        final = not following or bool(following[0].pause)
        for one in _word_in_time(word, now, final, rng, tempo):
            spoken.append(one)
            now = one.start_s + one.duration_s
    return spoken


def _word_in_time(
    word: Word, start_s: float, final: bool, rng: np.random.Generator, tempo: float
) -> list[Spoken]:
    vowels = [i for i, name in enumerate(word.phones) if PHONES[name].vowel]
    # English leans on early syllables; which one, spelling does not say.
    stressed = vowels[0] if vowels and not word.weak else -1
    jitter = rng.gamma(25.0, 1 / 25.0, len(word.phones))
    found, now = [], start_s
    for i, name in enumerate(word.phones):
        phone = PHONES[name]
        length = phone.duration_s * jitter[i] / tempo
        length *= _WEAK if word.weak else 1.0
        if final and vowels and i >= vowels[-1]:
            length *= _FINAL
        length = max(length, phone.shortest_s)
        found.append(Spoken(name, now, length, i == stressed, word.weak))
        now += length
    return found


def mouth(time_s: Array, spoken: Sequence[Spoken], clarity: float = 1.0) -> Talk:
    """The mouth that says these phones, at times (M,). clarity scales every opening."""
    pulled = np.zeros((len(time_s), len(_USED)))
    pull_jaw = np.full(len(time_s), _REST_PULL)
    pull_lips = np.full(len(time_s), _REST_PULL)
    closed, active = np.zeros(len(time_s)), np.zeros(len(time_s))
    for one in spoken:
        phone = PHONES[one.phone]
        size = clarity * (1.2 if one.stressed else 0.75 if one.weak else 1.0)
        for centre, length, viseme in _targets(one):
            rows, strength = _dominance(time_s, centre, length)
            pull_jaw[rows] += phone.jaw * strength
            pull_lips[rows] += phone.lips * strength
            pull = np.where(_IS_JAW, phone.jaw, phone.lips)
            pulled[rows] += strength[:, None] * (pull * (size * _SHAPES[viseme]))
        if phone.closes:
            _close(closed, time_s, one)
        rows = near(time_s, one.start_s - 0.1, one.start_s + one.duration_s + 0.1)
        active[rows] = 1.0
    pulled /= np.where(_IS_JAW, pull_jaw[:, None], pull_lips[:, None])
    weights = np.zeros((len(time_s), len(ARKIT_NAMES)))
    weights[:, _USED] = np.minimum(pulled, 1.0)
    beats = np.array([s.start_s + 0.5 * s.duration_s for s in spoken if s.stressed])
    return Talk(weights, closed, active, beats)


def _targets(one: Spoken) -> list[tuple[float, float, str]]:
    """(centre, duration, viseme): one, or two in a diphthong."""
    visemes = PHONES[one.phone].visemes
    length = one.duration_s / len(visemes)
    return [(one.start_s + (i + 0.5) * length, length, v) for i, v in enumerate(visemes)]


def _dominance(time_s: Array, centre_s: float, duration_s: float) -> tuple[slice, Array]:
    before = max(_ANTICIPATES * duration_s, _LEAST_REACH_S)
    after = max(_CARRIES_ON * duration_s, _LEAST_REACH_S)
    rows = near(time_s, centre_s - 4 * before, centre_s + 4 * after)
    away = time_s[rows] - centre_s
    return rows, np.exp(-0.5 * (away / np.where(away < 0, before, after)) ** 2)


def _close(closed: Array, time_s: Array, one: Spoken) -> None:
    """Lips come together in 50 ms, stay for the sound and part in 40."""
    rows = near(time_s, one.start_s - 0.05, one.start_s + one.duration_s + 0.04)
    meet = rise_and_fall(time_s[rows] - one.start_s + 0.05, 0.05, one.duration_s, 0.04)
    closed[rows] = np.maximum(closed[rows], meet)


def with_lips_closed(weights: Array, closed: Array) -> Array:
    """Let lips meet where `closed` (M,) is 1, whatever else the face (M, 52) does.

    ARKit's `mouthClose` undoes as much opening of the lips as `jawOpen` of the same size makes.
    """
    out = weights.copy()
    jaw, close = INDEX["jawOpen"], INDEX["mouthClose"]
    for name in ("mouthLowerDown", "mouthUpperUp"):
        for side in ("Left", "Right"):
            out[:, INDEX[name + side]] *= 1.0 - closed
    out[:, INDEX["mouthFunnel"]] *= 1.0 - 0.8 * closed
    out[:, jaw] *= 1.0 - 0.5 * closed
    out[:, close] += closed * (out[:, jaw] - out[:, close])
    return out


def improvised(language: Language, duration_s: float, rng: np.random.Generator) -> list[Word]:
    """Words for about so long: sentences of the language, and words of theirs shuffled."""
    words: list[Word] = []
    expected_s = 0.0
    while expected_s < duration_s:
        sentence = language.say(str(rng.choice(language.sentences)))
        if rng.random() < 0.5:
            other = language.say(str(rng.choice(language.sentences)))
            sentence = _shuffled(sentence + other, rng)
        words += sentence
        expected_s += sum(0.09 * len(word.phones) + (0.3 if word.pause else 0) for word in sentence)
    return words


def _shuffled(words: list[Word], rng: np.random.Generator) -> list[Word]:
    sounding = [word for word in words if word.phones]
    count = int(rng.integers(3, len(sounding) + 1))
    picked = [sounding[i] for i in rng.permutation(len(sounding))[:count]]
    return [*picked, Word(".", pause="long" if rng.random() < 0.6 else "short")]
