"""Morph target names as avatars spell them, and the ARKit shapes they mean. No I/O."""

import re
from collections.abc import Sequence

from capture.blendshapes import canonical_name

_BETWEEN = re.compile(r"[^A-Za-z]+")
_SMALL_SIDE = re.compile(r"(?<=_)[lr]$")


def shape_name(label: str) -> str | None:
    """Apple's spelling of the shape that a morph target is named after, or None.

    Beyond `canonical_name`: any prefix that ends in a character other than a letter
    (`blendShape1.eyeBlink_L`, `ARKit_eyeBlinkLeft`, `Head:eyeBlinkLeft`, `A14_Eye_Blink_Left`),
    any such character within (`eye blink left`, `eyeBlink.L`), a number behind (`jawOpen.001`), and
    a small side letter (`eyeBlink_l`).
    """
    words = _BETWEEN.sub("_", label).strip("_")
    words = _SMALL_SIDE.sub(lambda match: match[0].upper(), words)
    starts = [0, *(match.end() for match in re.finditer("_", words))]
    found = (canonical_name(words[start:]) for start in starts)
    return next((name for name in found if name is not None), None)


def name_shapes(labels: Sequence[str]) -> list[str | None]:
    """The shape of each label, each shape once: Apple's own spelling goes first, then order."""
    meant = [shape_name(label) for label in labels]
    chosen: dict[str, int] = {}
    for i, (label, shape) in enumerate(zip(labels, meant, strict=True)):
        if shape is not None and (shape not in chosen or label == shape):
            chosen[shape] = i
    return [
        shape if shape is not None and chosen[shape] == i else None for i, shape in enumerate(meant)
    ]
