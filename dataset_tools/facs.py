"""FACS action units in ARKit's words, and faces as mixtures of either. Data, no I/O.

The correspondence is that of py-feat's `docs/pages/au_reference.md` (MIT) where it has one; gaze
units follow the lids as Unity's documentation describes them, since py-feat's row for 61 and 62
contradicts its own muscles. ARKit knows no 11, 13, 21 and cannot tell 23 from 24.
"""

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX

Array = NDArray[np.float64]

# Names without a side mean both.
UNITS: dict[str, dict[str, float]] = {
    "1": {"browInnerUp": 1.0},
    "2": {"browOuterUp": 1.0},
    "4": {"browDown": 1.0},
    "5": {"eyeWide": 1.0},
    "6": {"cheekSquint": 1.0},
    "7": {"eyeSquint": 1.0},
    "9": {"noseSneer": 1.0},
    "10": {"mouthUpperUp": 1.0},
    "12": {"mouthSmile": 1.0},
    "14": {"mouthDimple": 1.0},
    "15": {"mouthFrown": 1.0},
    "16": {"mouthLowerDown": 1.0},
    "17": {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.1},
    "18": {"mouthPucker": 1.0},
    "19": {"tongueOut": 1.0},
    "20": {"mouthStretch": 1.0},
    "22": {"mouthFunnel": 1.0},
    "24": {"mouthPress": 1.0},
    "25": {"mouthLowerDown": 0.4, "mouthUpperUp": 0.2},
    "26": {"jawOpen": 0.45, "mouthLowerDown": 0.1},
    "27": {"jawOpen": 1.0, "mouthLowerDown": 0.2},
    "28": {"mouthRollLower": 1.0, "mouthRollUpper": 1.0},
    "29": {"jawForward": 1.0},
    "34": {"cheekPuff": 1.0},
    "45": {"eyeBlink": 1.0},
    "61": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "62": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
    "63": {"eyeLookUp": 1.0},
    "64": {"eyeLookDown": 1.0},
}


def spread(mixture: dict[str, float], left: float = 1.0, right: float = 1.0) -> Array:
    """(52,) weights of a mixture such as {"mouthSmile": 0.5}, sides scaled apart."""
    out = np.zeros(len(ARKIT_NAMES))
    for name, value in mixture.items():
        if name in INDEX:
            out[INDEX[name]] = value
            continue
        out[INDEX[name + "Left"]] = value * left
        out[INDEX[name + "Right"]] = value * right
    return out


def unit(number: str, left: float = 1.0, right: float = 1.0) -> Array:
    """(52,) weights of one action unit at full strength. Raises KeyError for one not in UNITS."""
    return spread(UNITS[number], left, right)


# What a tracker of skin shows along with a shape, because skin is one piece and muscles pull
# together: gains that we rounded from regressions on the recordings that the report names.
COMPANIONS: dict[str, dict[str, float]] = {
    "jawOpen": {"mouthStretch": 0.36, "mouthLowerDown": 0.30, "mouthClose": 0.22,
                "jawForward": 0.06, "mouthFunnel": 0.08, "mouthShrugLower": -0.25,
                "mouthShrugUpper": 0.16, "mouthPress": -0.10, "eyeSquint": -0.10},
    "mouthSmile": {"mouthUpperUp": 0.32, "mouthLowerDown": 0.35, "cheekSquint": 0.10,
                   "mouthShrugUpper": 0.40, "jawForward": 0.12, "mouthDimple": 0.15,
                   "mouthFrown": -0.40, "mouthPucker": -0.25, "noseSneer": 0.15},
    "mouthPucker": {"cheekPuff": 0.25, "mouthFunnel": 0.25, "mouthShrugLower": 0.25,
                    "mouthStretch": -0.15, "jawForward": -0.10, "mouthLowerDown": -0.20},
    "mouthFrown": {"mouthShrugLower": 0.20, "mouthRollUpper": 0.15, "mouthUpperUp": -0.30,
                   "mouthClose": 0.20, "mouthShrugUpper": -0.30, "mouthLowerDown": -0.20,
                   "noseSneer": -0.15},
    "mouthShrugLower": {"mouthPress": 0.22, "mouthRollLower": 0.18, "mouthLowerDown": -0.20},
    "mouthPress": {"mouthShrugLower": 0.60, "mouthDimple": 0.45, "mouthRollLower": 0.20,
                   "mouthRollUpper": 0.10, "cheekSquint": 0.20, "browDown": 0.20},
    "browDown": {"noseSneer": 0.42, "cheekSquint": 0.22, "eyeSquint": 0.32,
                 "browInnerUp": -0.60, "browOuterUp": -0.50, "mouthShrugLower": 0.25},
    "browInnerUp": {"browDown": -0.30, "browOuterUp": 0.25, "eyeWide": 0.35, "noseSneer": -0.10},
    "browOuterUp": {"browInnerUp": 0.25},
    "noseSneer": {"cheekSquint": 0.45, "eyeSquint": 0.30, "mouthUpperUp": 0.30, "eyeBlink": 0.45},
    "cheekSquint": {"noseSneer": 0.35, "eyeSquint": 0.15},
    "eyeBlink": {"eyeSquint": 0.10, "cheekSquint": 0.05, "noseSneer": 0.05, "eyeWide": -0.5},
    "eyeLookDown": {"eyeBlink": 0.30, "eyeWide": -0.25},
    "eyeLookUp": {"eyeWide": 0.40, "browInnerUp": 0.10, "browOuterUp": 0.10},
    "cheekPuff": {"mouthPress": 0.30, "mouthLowerDown": -0.4, "mouthStretch": -0.3},
}  # fmt: skip


def companions() -> Array:
    """(52, 52) G: with weights w, `w @ G` is what appears along with them, side by side.

    What is one shape for both sides (`cheekPuff`) takes half from each.
    """
    gains = np.zeros((len(ARKIT_NAMES), len(ARKIT_NAMES)))
    for source, followers in COMPANIONS.items():
        for name, gain in followers.items():
            share = 0.5 if name in INDEX and source not in INDEX else 1.0
            for side in ("Left", "Right"):
                gains[_sided(source, side), _sided(name, side)] = share * gain
    return gains


def _sided(name: str, side: str) -> int:
    return INDEX[name] if name in INDEX else INDEX[name + side]
