"""FACS action units as ARKit's weights show them: intensities, sides, letters. Pure.

The correspondence is that of py-feat's `docs/pages/au_reference.md` and `region_maps.py` (MIT), as
`dataset_tools.facs` has it in the other direction; gaze follows Unity's documentation. It is a
correspondence and no measurement: ARKit's 0 to 1 is no scale of FACS, units 11, 13, 21, 23 and 31
to 42 (but for 34) cannot be seen in it, and 25 is only derived. Letters A to E are a convention of
ours: a fifth of the range each, the least twentieth being none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import INDEX
from dataset_tools.annotations.marks import Mark

Array = NDArray[np.float64]

LETTERS = ((0.8, "E"), (0.6, "D"), (0.4, "C"), (0.2, "B"), (0.05, "A"))
LEVELS = {"A": "a trace", "B": "slight", "C": "marked", "D": "severe", "E": "maximal"}
# jawOpen from here on is the stretched mouth of 27 rather than the dropped jaw of 26.
STRETCHED = 0.8


@dataclass(frozen=True, slots=True)
class Unit:
    """An action unit. left, right: shapes of each side, whose mean it is; the same where it has no
    sides. confidence: of the correspondence, as the sources tell it."""

    number: str
    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    confidence: str = "high"

    @property
    def has_sides(self) -> bool:
        """Whether left and right may differ."""
        return self.left != self.right


def _sided(number: str, name: str, shape: str, confidence: str = "high") -> Unit:
    return Unit(number, name, (f"{shape}Left",), (f"{shape}Right",), confidence)


def _whole(number: str, name: str, *shapes: str, confidence: str = "high") -> Unit:
    return Unit(number, name, shapes, shapes, confidence)


_ALL = (
    _whole("1", "inner brow raiser", "browInnerUp"),
    _sided("2", "outer brow raiser", "browOuterUp"),
    _sided("4", "brow lowerer", "browDown"),
    _sided("5", "upper lid raiser", "eyeWide"),
    _sided("6", "cheek raiser", "cheekSquint"),
    _sided("7", "lid tightener", "eyeSquint"),
    _whole("8", "lips toward each other", "mouthClose", confidence="medium"),
    _sided("9", "nose wrinkler", "noseSneer"),
    _sided("10", "upper lip raiser", "mouthUpperUp"),
    _sided("12", "lip corner puller", "mouthSmile"),
    _sided("14", "dimpler", "mouthDimple"),
    _sided("15", "lip corner depressor", "mouthFrown"),
    _sided("16", "lower lip depressor", "mouthLowerDown"),
    _whole("17", "chin raiser", "mouthShrugLower"),
    _whole("18", "lip pucker", "mouthPucker"),
    _whole("19", "tongue show", "tongueOut"),
    _sided("20", "lip stretcher", "mouthStretch"),
    _whole("22", "lip funneler", "mouthFunnel"),
    _sided("24", "lip presser", "mouthPress", "medium"),
    _whole("25", "lips part", confidence="derived"),
    _whole("26", "jaw drop", "jawOpen"),
    _whole("27", "mouth stretch", "jawOpen"),
    _whole("28", "lip suck", "mouthRollLower", "mouthRollUpper"),
    _whole("29", "jaw thrust", "jawForward"),
    Unit("30", "jaw sideways", ("jawLeft",), ("jawRight",)),
    _whole("34", "cheek puff", "cheekPuff"),
    _sided("45", "blink", "eyeBlink"),
    _whole("61", "eyes turn left", "eyeLookOutLeft", "eyeLookInRight"),
    _whole("62", "eyes turn right", "eyeLookInLeft", "eyeLookOutRight"),
    _whole("63", "eyes up", "eyeLookUpLeft", "eyeLookUpRight"),
    _whole("64", "eyes down", "eyeLookDownLeft", "eyeLookDownRight"),
)
UNITS: dict[str, Unit] = {unit.number: unit for unit in _ALL}


def intensities(weights: Array) -> dict[str, Array]:
    """Unit → (T, 2) left and right, 0 to 1, of (T, 52) weights; NaN where no face was seen."""
    limited = np.clip(weights, 0.0, 1.0)
    found = {}
    for number, unit in UNITS.items():
        if unit.left:
            sides = [
                limited[:, [INDEX[s] for s in side]].mean(1) for side in (unit.left, unit.right)
            ]
            found[number] = np.stack(sides, axis=1)
    jaw = limited[:, INDEX["jawOpen"]]
    found["25"] = _parted(limited)
    found["26"] = np.where(found["26"] < STRETCHED, found["26"], 0.0)
    found["27"] = np.where((jaw >= STRETCHED)[:, None], found["27"], 0.0)
    for number in ("26", "27"):
        found[number][np.isnan(jaw)] = np.nan
    return found


def _parted(limited: Array) -> Array:
    """Lips part with the jaw as far as mouthClose does not close them, and by either lip's lift."""
    jaw = np.clip(limited[:, INDEX["jawOpen"]] - limited[:, INDEX["mouthClose"]], 0.0, 1.0)
    lips = [limited[:, INDEX[f"{s}{side}"]] for s in ("mouthUpperUp", "mouthLowerDown")
            for side in ("Left", "Right")]  # fmt: skip
    parted = np.maximum(jaw, np.mean(lips, axis=0))
    return np.stack((parted, parted), axis=1)


def letter(value: float) -> str:
    """A to E, or nothing below A."""
    return next((name for least, name in LETTERS if value >= least), "")


def unit_marks(weights: Array, first_tick: int, rater: str = "arkit-rule") -> list[Mark]:
    """Where each unit shows, as intervals with its peak and that peak's letter.

    weights: (T, 52) at 60 Hz. Tracks are `AU12L`, `AU12R`, or `AU26` where it has no sides.
    """
    found = []
    for number, sides in intensities(weights).items():
        ways = ((0, "L"), (1, "R")) if UNITS[number].has_sides else ((0, ""),)
        for column, side in ways:
            values = sides[:, column]
            shown = np.nan_to_num(values) >= LETTERS[-1][0]
            edges = np.flatnonzero(np.diff(np.concatenate(([False], shown, [False])).astype(int)))
            for start, end in edges.reshape(-1, 2).tolist():
                peak = round(float(values[start:end].max()), 4)
                times = ((first_tick + start) / 60, (first_tick + end) / 60)
                found.append(Mark(f"AU{number}{side}", rater, *times, peak, letter(peak)))
    return found
