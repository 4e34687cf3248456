"""Text on pictures: OpenCV's own sans-serif, and where an OpenCV has none, its stroke font."""

from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Align = Literal["start", "middle", "end"]
Ink = tuple[int, int, int]

REGULAR, BOLD = 400, 600
_STROKE_PX = 30.0  # letters of the stroke font at scale 1, as tall as 30 px of the other
_LEFT_OUT = {"·": "-", "±": "+-", "°": " deg", "→": "->", "²": "2", "µ": "u", "−": "-", "…": "..."}


@cache
def _face() -> Any:
    """OpenCV 5's variable font, or None."""
    import cv2

    return cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


@cache
def text_size(text: str, size: float, weight: int = REGULAR) -> float:
    """Width of `text` in pixels, letters of `size` pixels (ascent to descent)."""
    import cv2

    face = _face()
    if face is None:
        scale = size / _STROKE_PX
        (wide, _), _ = cv2.getTextSize(_plain(text), cv2.FONT_HERSHEY_DUPLEX, scale, 1)
        return float(wide)
    whole = max(round(size), 1)  # that font knows whole sizes only
    _, _, wide, _ = cv2.getTextSize((0, 0), text, (0, 0), face, whole, weight)
    return float(wide) * size / whole


def write(
    image: NDArray[np.uint8],
    text: str,
    at: tuple[float, float],
    size: float,
    ink: Ink,
    align: Align = "start",
    weight: int = REGULAR,
) -> None:
    """Write one line into (H, W, 3) RGB, in place; `at` is on its base line."""
    import cv2

    if not text:
        return
    before = {"start": 0.0, "middle": 0.5, "end": 1.0}[align] * text_size(text, size, weight)
    origin = round(at[0] - before), round(at[1])
    drawn = np.ascontiguousarray(image)
    face = _face()
    if face is None:
        font, scale = cv2.FONT_HERSHEY_DUPLEX, size / _STROKE_PX
        cv2.putText(drawn, _plain(text), origin, font, scale, ink, 1, cv2.LINE_AA)
    else:
        cv2.putText(drawn, text, origin, ink, face, max(round(size), 1), weight)
    if drawn is not image:
        image[:] = drawn


def _plain(text: str) -> str:
    """The stroke font knows ASCII only."""
    return "".join(_LEFT_OUT.get(letter, letter) for letter in text)
