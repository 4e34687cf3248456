"""The 52 ARKit blendshapes in one canonical order, and a face at one instant. No I/O.

Canonical order is Epic's enum order (`EARFaceBlendShape`, the order of Live Link Face UDP). Left
and right are the subject's own. Everything that arrives in another order is converted by name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from firmware_host.errors import DataError
from firmware_host.samples import Floats

ARKIT_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft",
    "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight",
    "jawForward", "jawLeft", "jawRight", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip

INDEX: dict[str, int] = {name: i for i, name in enumerate(ARKIT_NAMES)}

# ARKit's weights end at 1, and what overshoots stays below this; percent and bytes do not. Ours.
MAX_WEIGHT = 1.5

# Gaze and tongue move no skin under any sensor: left out of every accuracy figure.
OBSERVABLE: NDArray[np.bool_] = np.array(
    [not name.startswith("eyeLook") and name != "tongueOut" for name in ARKIT_NAMES]
)

REGIONS: dict[str, tuple[int, ...]] = {
    "eyes": tuple(i for n, i in INDEX.items() if n.startswith("eye") and "Look" not in n),
    "brows": tuple(i for n, i in INDEX.items() if n.startswith("brow")),
    "cheeks_nose": tuple(i for n, i in INDEX.items() if n.startswith(("cheek", "nose"))),
    "jaw": tuple(i for n, i in INDEX.items() if n.startswith("jaw")),
    "mouth": tuple(i for n, i in INDEX.items() if n.startswith("mouth")),
}

_KEYS = {name.lower(): name for name in ARKIT_NAMES}
_SIDE = re.compile(r"_?([LR])$")


@lru_cache(maxsize=1024)  # phones give the same names sixty times a second
def canonical_name(name: str) -> str | None:
    """Apple's spelling of a shape, or None if it is not one of the 52.

    Reads `EyeBlinkLeft`, `eyeblinkleft`, `eyeBlink_L` and `blendShape1.eyeBlink_L`.
    """
    bare = name.rsplit(".", 1)[-1]
    sided = _SIDE.sub(lambda m: "Left" if m[1] == "L" else "Right", bare)
    for spelling in (bare, sided):
        if (found := _KEYS.get(spelling.replace("_", "").lower())) is not None:
            return found
    return None


def mirrored_name(name: str) -> str:
    """The shape of the other side; a shape without sides is its own mirror."""
    if "Left" in name:
        return name.replace("Left", "Right")
    return name.replace("Right", "Left")


MIRROR: NDArray[np.int64] = np.array([INDEX[mirrored_name(name)] for name in ARKIT_NAMES])


def to_canonical(names: Sequence[str], values: Floats) -> Floats:
    """Reorder (…, K) `values` named `names` to (…, 52); shapes that are not given become 0.

    Raises:
        DataError: a name is no ARKit shape, or is given twice, or the counts differ.
    """
    if values.shape[-1] != len(names):
        raise DataError(f"expected {len(names)} weights (one per name), got {values.shape[-1]}")
    weights = np.zeros((*values.shape[:-1], len(ARKIT_NAMES)), np.float32)
    seen: set[str] = set()
    for column, name in enumerate(names):
        found = canonical_name(name)
        if found is None:
            raise DataError(f"{name!r} is not one of the 52 ARKit blendshapes")
        if found in seen:
            raise DataError(f"blendshape {found!r} is given twice")
        seen.add(found)
        weights[..., INDEX[found]] = values[..., column]
    return weights


@dataclass(frozen=True, slots=True, eq=False)
class BlendshapeFrame:
    """A face at one instant.

    weights: (52,) in canonical order. quat_world_from_head: (4,) wxyz, or None where unknown.
    time_ns: host monotonic. tracked: False when the source saw no face (weights are then stale).
    confidence: 0 nothing to go by … 1 all sensors heard just now. shape_confidence: (52,) from 0 to
    1, how much of each shape this face can be trusted to tell, or None where nobody said.
    spread: (52,) standard deviation of the true weights about these, or None where nobody said.
    """

    time_ns: int
    weights: Floats
    quat_world_from_head: Floats | None = None
    tracked: bool = True
    confidence: float = 1.0
    shape_confidence: Floats | None = None
    spread: Floats | None = None
