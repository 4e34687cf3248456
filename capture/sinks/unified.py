"""VRCFaceTracking's parameters, each as a sum of ARKit shapes. No I/O.

Names, ranges and left/right senses: docs.vrcft.io (Parameters). Which ARKit shape is which Unified
Expression: the same (Compatibility, Apple ARKit); what ARKit does not tell apart (both cheeks, all
of the lip, both halves of the brow) gets the one value. How a combined parameter is weighed is
measured on nothing of ours: it is the arithmetic of VRCFaceTracking 5. ARKit has no pupils, no
sucked cheeks, no directions of the tongue and no tightened lips; their parameters are not sent.
"""

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX
from firmware_host.samples import Floats

# Not sums: the larger of two shapes.
_LARGER = {
    "sadLeft": ("mouthFrownLeft", "mouthStretchLeft"),
    "sadRight": ("mouthFrownRight", "mouthStretchRight"),
    "squint": ("eyeSquintLeft", "eyeSquintRight"),
    "wide": ("eyeWideLeft", "eyeWideRight"),
}
_SIDED: dict[str, str] = {
    # of a side, X for Left and Right
    "EyeClosedX": "eyeBlinkX",
    "EyeOpenX": "1 -eyeBlinkX",
    "EyeLidX": "0.75 -0.75*eyeBlinkX 0.25*eyeWideX",
    "EyeSquintX": "eyeSquintX",
    "EyeWideX": "eyeWideX",
    "EyeXY": "eyeLookUpX -eyeLookDownX",
    "BrowPinchX": "browDownX",
    "BrowLowererX": "browDownX",
    "BrowDownX": "browDownX",
    "BrowInnerUpX": "browInnerUp",
    "BrowOuterUpX": "browOuterUpX",
    "BrowUpX": "0.6*browOuterUpX 0.4*browInnerUp",
    "BrowExpressionX": "0.5*browInnerUp 0.5*browOuterUpX -browDownX",
    "NoseSneerX": "noseSneerX",
    "CheekSquintX": "cheekSquintX",
    "CheekPuffX": "cheekPuff",
    "CheekPuffSuckX": "cheekPuff",
    "LipSuckUpperX": "mouthRollUpper",
    "LipSuckLowerX": "mouthRollLower",
    "LipFunnelUpperX": "mouthFunnel",
    "LipFunnelLowerX": "mouthFunnel",
    "LipPuckerUpperX": "mouthPucker",
    "LipPuckerLowerX": "mouthPucker",
    "MouthUpperUpX": "mouthUpperUpX",
    "MouthLowerDownX": "mouthLowerDownX",
    "MouthCornerPullX": "mouthSmileX",
    "MouthCornerSlantX": "mouthSmileX",
    "MouthSmileX": "mouthSmileX",
    "MouthFrownX": "mouthFrownX",
    "MouthSadX": "sadX",
    "MouthStretchX": "mouthStretchX",
    "MouthDimpleX": "mouthDimpleX",
    "MouthPressX": "mouthPressX",
    "SmileFrownX": "mouthSmileX -mouthFrownX",
    "SmileSadX": "mouthSmileX -sadX",
}
_WHOLE: dict[str, str] = {
    "EyeLeftX": "eyeLookInLeft -eyeLookOutLeft",  # to the right is positive
    "EyeRightX": "eyeLookOutRight -eyeLookInRight",
    "EyeX": "0.5*eyeLookInLeft -0.5*eyeLookOutLeft 0.5*eyeLookOutRight -0.5*eyeLookInRight",
    "EyeY": "0.5*eyeLookUpLeft 0.5*eyeLookUpRight -0.5*eyeLookDownLeft -0.5*eyeLookDownRight",
    "EyeLid": "0.75 -0.375*eyeBlinkLeft -0.375*eyeBlinkRight 0.125*eyeWideLeft 0.125*eyeWideRight",
    "EyeClosed": "0.5*eyeBlinkLeft 0.5*eyeBlinkRight",
    "EyeSquint": "squint",
    "EyeWide": "wide",
    "BrowInnerUp": "browInnerUp",
    "BrowOuterUp": "0.5*browOuterUpLeft 0.5*browOuterUpRight",
    "BrowUp": "0.3*browOuterUpLeft 0.3*browOuterUpRight 0.4*browInnerUp",
    "BrowDown": "0.5*browDownLeft 0.5*browDownRight",
    "BrowExpression": "0.5*browInnerUp 0.25*browOuterUpLeft 0.25*browOuterUpRight"
    " -0.5*browDownLeft -0.5*browDownRight",
    "NoseSneer": "0.5*noseSneerLeft 0.5*noseSneerRight",
    "CheekSquint": "0.5*cheekSquintLeft 0.5*cheekSquintRight",
    "CheekPuffSuck": "cheekPuff",
    "JawOpen": "jawOpen",
    "MouthClosed": "mouthClose",
    "JawX": "jawRight -jawLeft",
    "JawZ": "jawForward",
    "JawRight": "jawRight",
    "JawLeft": "jawLeft",
    "JawForward": "jawForward",
    "LipSuckUpper": "mouthRollUpper",
    "LipSuckLower": "mouthRollLower",
    "LipSuck": "0.5*mouthRollUpper 0.5*mouthRollLower",
    "LipFunnelUpper": "mouthFunnel",
    "LipFunnelLower": "mouthFunnel",
    "LipFunnel": "mouthFunnel",
    "LipPuckerUpper": "mouthPucker",
    "LipPuckerLower": "mouthPucker",
    "LipPucker": "mouthPucker",
    "MouthUpperUp": "0.5*mouthUpperUpLeft 0.5*mouthUpperUpRight",
    "MouthLowerDown": "0.5*mouthLowerDownLeft 0.5*mouthLowerDownRight",
    "MouthOpen": "0.25*mouthUpperUpLeft 0.25*mouthUpperUpRight 0.25*mouthLowerDownLeft"
    " 0.25*mouthLowerDownRight",
    "MouthUpperX": "mouthRight -mouthLeft",
    "MouthLowerX": "mouthRight -mouthLeft",
    "MouthX": "mouthRight -mouthLeft",
    "MouthRaiserUpper": "mouthShrugUpper",
    "MouthRaiserLower": "mouthShrugLower",
    "SmileFrown": "0.5*mouthSmileLeft 0.5*mouthSmileRight -0.5*mouthFrownLeft -0.5*mouthFrownRight",
    "SmileSad": "0.5*mouthSmileLeft 0.5*mouthSmileRight -0.5*sadLeft -0.5*sadRight",
    "TongueOut": "tongueOut",
}

_INPUTS = {**INDEX, **{name: len(ARKIT_NAMES) + k for k, name in enumerate(_LARGER)}}
_PAIRS: NDArray[np.intp] = np.array([[INDEX[a], INDEX[b]] for a, b in _LARGER.values()]).T
_ONE = len(_INPUTS)  # the constant's column


def _of_sides() -> dict[str, str]:
    sided: dict[str, str] = {}
    for side in ("Left", "Right"):
        for name, terms in _SIDED.items():
            # EyeXY is the height at which one eye looks: EyeLeftY.
            sided[name.replace("X", side, 1)] = terms.replace("X", side)
    return sided


def _row(terms: str) -> Floats:
    row = np.zeros(_ONE + 1, np.float32)
    for term in terms.split():
        factor, star, name = term.rpartition("*")
        if not star and name.replace(".", "").isdigit():
            row[_ONE] += float(name)
        elif star:
            row[_INPUTS[name]] += float(factor)
        else:
            row[_INPUTS[name.removeprefix("-")]] += -1.0 if name.startswith("-") else 1.0
    return row


_TERMS = {**_WHOLE, **_of_sides()}
UNIFIED_NAMES: tuple[str, ...] = tuple(_TERMS)
_MATRIX = np.stack([_row(terms) for terms in _TERMS.values()])
SIGNED: NDArray[np.bool_] = np.asarray((np.where(_MATRIX < 0, _MATRIX, 0)[:, :_ONE]).any(axis=1))
SIGNED &= _MATRIX[:, _ONE] == 0  # a lid that closes from 0.75 stays above 0


def unified(weights: Floats) -> Floats:
    """(P,) values of UNIFIED_NAMES for weights (52,), within [-1, 1]."""
    larger = weights[_PAIRS].max(axis=0)
    inputs = np.concatenate([weights, larger, np.ones(1, np.float32)])
    return np.asarray(np.clip(_MATRIX @ inputs, -1.0, 1.0), np.float32)
