"""What a face does over some seconds, in three parts, by rules that each sentence names. Pure.

    observations     which action units show, how strongly, on which side
    interpretation   which combinations of units that tables of expressions list are there
    conclusion       which of those tables fits best, or that none does

No language model is asked: the same intensities give the same words. Nothing here knows what
somebody feels; prototypes are tables of Ekman and Friesen's kind, of which there are several, and a
unit that is absent is no evidence (`V1` Wikipedia's article on FACS, `V2` Ekman and Friesen 1978,
table 11-1, `V3` after Martinez and others 2017).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_tools.annotations.units import LEVELS, UNITS, intensities, letter

Array = NDArray[np.float64]
Sides = tuple[float, float]

RULES_VERSION = 1  # raise it when a rule says other words
SHOWN = 0.2  # from letter B on, a unit counts for combinations
UNEVEN = 0.2  # between sides: what differs more is told
_STEADY_S, _TICK_HZ = 0.25, 60  # a unit shows as strongly as it does for this long

PROTOTYPES: dict[str, dict[str, tuple[str, ...]]] = {
    "happiness": {"V1": ("6", "12"), "V2": ("6", "12", "25"), "V3": ("6", "12", "25")},
    "sadness": {"V1": ("1", "4", "15"), "V2": ("1", "4", "15"), "V3": ("1", "4", "6", "15", "17")},
    "surprise": {
        "V1": ("1", "2", "5", "26"),
        "V2": ("1", "2", "5", "26"),
        "V3": ("1", "2", "5", "26", "27"),
    },
    "fear": {
        "V1": ("1", "2", "4", "5", "7", "20", "26"),
        "V2": ("1", "2", "4", "5", "20", "25"),
        "V3": ("1", "2", "4", "5", "20", "25", "26", "27"),
    },
    "anger": {
        "V1": ("4", "5", "7", "24"),
        "V2": ("4", "5", "7", "24"),
        "V3": ("4", "5", "7", "10", "17", "24", "25", "26"),
    },
    "disgust": {
        "V1": ("9", "15", "16"),
        "V2": ("4", "10", "17"),
        "V3": ("9", "10", "16", "17", "25", "26"),
    },
}
# Units that are told together where all of them show, and what such a combination is called.
COMBINATIONS: dict[tuple[str, ...], str] = {
    ("6", "12"): "raised cheeks go with pulled lip corners, as in a smile that reaches the eyes",
    ("1", "4"): "the inner brows are raised and drawn together at once, an oblique brow",
    ("1", "2"): "the whole brow is raised",
    ("1", "2", "5"): "raised brows go with wide eyes",
    ("4", "7"): "lowered brows go with tightened lids, a frown with narrowed eyes",
    ("9", "10"): "the nose is wrinkled and the upper lip raised",
    ("15", "17"): "lowered lip corners go with a raised chin, a pout",
    ("24", "17"): "the lips are pressed and the chin is raised",
    ("25", "26"): "the mouth is open with the jaw dropped",
}
# Units of which either one alone or one side alone is told.
SMILE_ALONE = "12", "6"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, the rule that made it, and the units (left, right) that the rule looked at."""

    text: str
    rule: str
    units: Mapping[str, Sides]


@dataclass(frozen=True, slots=True)
class Description:
    """Three parts on the stretch from start_s to end_s of a take."""

    start_s: float
    end_s: float
    observations: tuple[Sentence, ...]
    interpretation: tuple[Sentence, ...]
    conclusion: tuple[Sentence, ...]

    def text(self) -> str:
        """All of it, a paragraph per part."""
        parts = (self.observations, self.interpretation, self.conclusion)
        return "\n\n".join(" ".join(s.text for s in part) for part in parts)


def stretches(
    seconds: float, segments: Sequence[Mapping[str, Any]], length_s: float
) -> Iterator[tuple[float, float, str]]:
    """(start, end, label) of the labelled segments, and of what lies between in equal pieces."""
    found = sorted((s["start_s"], s["end_s"], s["label"]) for s in segments)
    at = 0.0
    for start_s, end_s, label in [*found, (seconds, seconds, "")]:
        count = max(round((start_s - at) / length_s), 1)
        if start_s - at >= length_s / 2:
            edges = np.linspace(at, start_s, count + 1).tolist()
            yield from ((a, b, "") for a, b in pairwise(edges))
        if end_s > start_s:
            yield start_s, end_s, label
        at = max(at, end_s)


def levels(weights: Array) -> dict[str, Sides]:
    """Unit → left and right, of (T, 52) weights at 60 Hz: what each reaches for 0.25 s at least."""
    known = weights[np.isfinite(weights).all(axis=1)]
    if not len(known):
        return {}
    width = min(round(_STEADY_S * _TICK_HZ), len(known))
    found = {}
    for number, sides in intensities(known).items():
        windows = np.lib.stride_tricks.sliding_window_view(sides, width, axis=0)  # (K, 2, width)
        held = windows.min(axis=2).max(axis=0)
        found[number] = (round(float(held[0]), 2), round(float(held[1]), 2))
    return found


def describe(start_s: float, end_s: float, shown: Mapping[str, Sides]) -> Description:
    """Three parts on what shows, from intensities alone."""
    observed = tuple(_observed(shown)) or (Sentence("No action unit shows.", "observe.none", {}),)
    combined = tuple(_combined(shown)) or (
        Sentence("No combination that the tables list is there.", "combine.none", {}),
    )
    return Description(start_s, end_s, observed, combined, (_concluded(shown),))


def _observed(shown: Mapping[str, Sides]) -> Iterator[Sentence]:
    for number, (left, right) in sorted(shown.items(), key=lambda item: (-max(item[1]), item[0])):
        unit = UNITS[number]
        if not letter(max(left, right)):
            continue
        name = f"AU{number} ({unit.name})"
        used = {number: (left, right)}
        if not unit.has_sides:
            text = f"{name} shows at {_strength(max(left, right))}."
            yield Sentence(text, "observe.whole", used)
        elif not letter(right) or not letter(left):
            side = "left" if left > right else "right"
            text = f"{name} shows on the {side} only, at {_strength(max(left, right))}."
            yield Sentence(text, "observe.one-side", used)
        elif abs(left - right) >= UNEVEN:
            more, less = ("left", "right") if left > right else ("right", "left")
            text = (
                f"{name} shows on both sides, stronger on the {more}, at "
                f"{_strength(max(left, right))}, than on the {less}, at "
                f"{_strength(min(left, right))}."
            )
            yield Sentence(text, "observe.uneven", used)
        else:
            text = f"{name} shows on both sides at {_strength((left + right) / 2)}."
            yield Sentence(text, "observe.both-sides", used)


def _strength(value: float) -> str:
    name = letter(value)
    return f"intensity {name} ({LEVELS[name]}, {value:.2f})"


def _combined(shown: Mapping[str, Sides]) -> Iterator[Sentence]:
    there = _there(shown)
    for units, text in COMBINATIONS.items():
        if there.issuperset(units):
            # A larger combination says what a smaller one in it would.
            larger = any(set(units) < set(o) and there.issuperset(o) for o in COMBINATIONS)
            if not larger:
                names = " and ".join(f"AU{n}" for n in units)
                yield Sentence(
                    f"With {names}, {text}.",
                    f"combine.{'+'.join(units)}",
                    {n: shown[n] for n in units},
                )
    puller, cheek = SMILE_ALONE
    if puller in there and cheek not in there:
        yield Sentence(
            f"AU{puller} shows without AU{cheek}, a smile of the mouth alone.",
            f"combine.{puller}-without-{cheek}",
            {n: shown.get(n, (0.0, 0.0)) for n in SMILE_ALONE},
        )
    left, right = shown.get("14", (0.0, 0.0))
    if max(left, right) >= SHOWN and min(left, right) < SHOWN:
        yield Sentence(
            "AU14 shows on one side, which tables list for contempt.",
            "combine.one-sided-14",
            {"14": (left, right)},
        )


def _there(shown: Mapping[str, Sides]) -> set[str]:
    return {number for number, sides in shown.items() if max(sides) >= SHOWN}


def _concluded(shown: Mapping[str, Sides]) -> Sentence:
    """The prototype of which most units show; of equals the one with more units, then by name."""
    there = _there(shown)
    ranked = sorted(
        (-len(there & set(units)) / len(units), -len(units), emotion, variant)
        for emotion, variants in PROTOTYPES.items()
        for variant, units in variants.items()
    )
    _, _, emotion, variant = ranked[0]
    units = PROTOTYPES[emotion][variant]
    have = [n for n in units if n in there]
    used = {n: shown.get(n, (0.0, 0.0)) for n in units}
    rule = f"conclude.{emotion}.{variant}"
    listed = ", ".join(f"AU{n}" for n in units)
    if len(have) == len(units):
        text = (
            f"All units that one table lists for {emotion} are there ({listed}; {variant}); "
            "whether that is felt cannot be told from a face."
        )
        return Sentence(text, rule, used)
    if len(have) >= 2 and 2 * len(have) > len(units):
        missing = ", ".join(f"AU{n}" for n in units if n not in there)
        text = (
            f"{len(have)} of the {len(units)} units that one table lists for {emotion} are there "
            f"({variant}), without {missing}; that is a likeness and no finding."
        )
        return Sentence(text, rule + ".in-part", used)
    text = "No table of prototypical expressions fits what is there."
    return Sentence(text, "conclude.none", {})


def as_row(described: Description, facts: Mapping[str, Any], label: str) -> dict[str, Any]:
    """One line of JSONL: the words as a chat, and every sentence with its rule and numbers."""
    shown = {
        number: list(sides)
        for sentence in described.observations
        for number, sides in sentence.units.items()
    }
    listed = ", ".join(f"AU{n} left {a:.2f} right {b:.2f}" for n, (a, b) in shown.items())
    return {
        "id": f"{facts['sequence']:012x}-{round(1000 * described.start_s)}",
        "take": facts["take"],
        "sequence": f"{facts['sequence']:012x}",
        "simulated": facts["simulated"],
        "start_s": round(described.start_s, 3),
        "end_s": round(described.end_s, 3),
        "label": label,
        "rules_version": RULES_VERSION,
        "units": shown,
        "messages": [
            {
                "role": "user",
                "content": "Describe this face in three parts: what is there, which combinations "
                f"it makes, and what follows. Action units from 0 to 1: {listed or 'none'}.",
            },
            {"role": "assistant", "content": described.text()},
        ],
        **{
            part: [
                {"text": s.text, "rule": s.rule, "units": {n: list(v) for n, v in s.units.items()}}
                for s in getattr(described, part)
            ]
            for part in ("observations", "interpretation", "conclusion")
        },
    }
