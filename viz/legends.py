"""What colours mean: one legend at one place, of the same signs and words on every page. No I/O.

It stands at the top right, beside the title, and ends at the page's margin. A sign looks like what
it stands for: a line, a dashed line, a bar, a band or gap (pale), dots, a frame. Words are lower
case and short; what is longer loses its end. Amounts have a ramp of colours at the same place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from viz.axes import INK, LABEL, PALE
from viz.lettering import Ink, text_size
from viz.page import Dots, Line, Page, Pixels, Rect, Text
from viz.scene import Image

Sign = Literal["line", "dashed", "bar", "band", "dots", "frame"]

MARGIN = 24.0
SIGN_WIDE = 16.0
_ROWS = (24.0, 42.0)  # base lines: those of the title and of the line beneath
_BEFORE_WORDS, _APART, _FROM_TITLE = 6.0, 16.0, 24.0
_FEWEST_LETTERS = 6
_RAMP_WIDE, _RAMP_HIGH, _RAMP_GAP = 90.0, 8.0, 9.0


@dataclass(frozen=True, slots=True)
class Key:
    """One colour of a page: what it means, and what things of that colour look like there."""

    words: str
    ink: Ink
    sign: Sign = "line"


def draw_key(page: Page, x: float, y: float, key: Key, size: float = LABEL) -> None:
    """A sign at x and its words, on the base line y; how wide that is, `key_wide` tells."""
    _draw_sign(page, x, y - 0.36 * size, key)
    page.add(Text(x + SIGN_WIDE + _BEFORE_WORDS, y, key.words, size, INK))


def key_wide(key: Key, size: float = LABEL) -> float:
    """Width of a key with its words."""
    return SIGN_WIDE + _BEFORE_WORDS + text_size(key.words, size)


def legend(page: Page, keys: Sequence[Key]) -> None:
    """All keys of a page at its top right, in one row or two; call it after `title`."""
    for y, row in zip(_ROWS, _rows(keys, _room(page)), strict=False):
        x = page.wide - MARGIN - _row_wide(row)
        for key in row:
            draw_key(page, x, y, key)
            x += key_wide(key) + _APART


def ramp(page: Page, colours: Image, low: str, high: str, keys: Sequence[Key] = ()) -> None:
    """What a scale of colours means: (1, K, 3) from `low` to `high`, in the place of a legend.

    keys: what stands on such a page besides, in the row below.
    """
    high_wide, low_wide = text_size(high, LABEL), text_size(low, LABEL)
    wide = high_wide + low_wide + _RAMP_WIDE + 2 * _RAMP_GAP
    first, second = _ROWS
    y = first if _room(page)[0] >= wide else second  # beside a long title there is no room
    right = page.wide - MARGIN
    page.add(Text(right, y, high, LABEL, INK, "end"))
    left, top = right - high_wide - _RAMP_GAP - _RAMP_WIDE, y - _RAMP_HIGH
    page.add(Pixels(left, top, _RAMP_WIDE, _RAMP_HIGH, colours))
    page.add(Line(_box(left, top, left + _RAMP_WIDE, y), INK, 0.6))
    page.add(Text(left - _RAMP_GAP, y, low, LABEL, INK, "end"))
    x = right - _row_wide(keys) - (wide + _APART if y == second else 0.0)
    for key in keys:
        draw_key(page, x, second, key)
        x += key_wide(key) + _APART


def _room(page: Page) -> list[float]:
    """How wide each row of a legend may be, beside what is written there already."""
    room = []
    for y in _ROWS:
        written = [mark for mark in page.marks if isinstance(mark, Text) and mark.y == y]
        ends = [mark.x + text_size(mark.text, mark.size, mark.weight) for mark in written]
        room.append(page.wide - MARGIN - max(ends, default=0.0) - _FROM_TITLE)
    return room


def _row_wide(row: Sequence[Key]) -> float:
    return sum(map(key_wide, row)) + _APART * max(len(row) - 1, 0)


def _rows(keys: Sequence[Key], room: Sequence[float]) -> list[list[Key]]:
    """Keys in rows that have room, all words cut alike where they have not."""
    most = max((len(key.words) for key in keys), default=0)
    for letters in range(most, _FEWEST_LETTERS - 1, -1):
        rows = _packed([_cut(key, letters) for key in keys], room)
        if rows is not None:
            return rows
    # Not even so: what there is room for, and no sign is drawn over the title.
    shortest = [_cut(key, _FEWEST_LETTERS) for key in keys]
    while shortest and (rows := _packed(shortest, room)) is None:
        shortest.pop()
    return _packed(shortest, room) or []


def _cut(key: Key, letters: int) -> Key:
    if len(key.words) <= letters:
        return key
    return Key(key.words[: letters - 1].rstrip() + "…", key.ink, key.sign)


def _packed(keys: Sequence[Key], room: Sequence[float]) -> list[list[Key]] | None:
    """Keys in rows in their order, or None where there is no room for all."""
    rows: list[list[Key]] = [[]]
    for key in keys:
        while _row_wide([*rows[-1], key]) > room[len(rows) - 1]:
            if len(rows) == len(room):
                return None
            rows.append([])
        rows[-1].append(key)
    return rows


def _draw_sign(page: Page, x: float, middle: float, key: Key) -> None:
    right = x + SIGN_WIDE
    match key.sign:
        case "line" | "dashed":
            ends = np.array([[x, middle], [right, middle]])
            page.add(Line(ends, key.ink, 2.0, key.sign == "dashed"))
        case "bar":
            page.add(Rect(x, middle - 3.5, SIGN_WIDE, 7, key.ink))
        case "band":
            page.add(Rect(x, middle - 5, SIGN_WIDE, 10, key.ink, PALE))
        case "dots":
            places = np.array([[x + 3, middle], [x + 8, middle], [x + 13, middle]])
            page.add(Dots(places, key.ink, 2.0))
        case "frame":
            page.add(Line(_box(x + 1, middle - 5, right - 1, middle + 5), key.ink, 1.4))


def _box(left: float, top: float, right: float, low: float) -> NDArray[np.float64]:
    return np.array([[left, top], [right, top], [right, low], [left, low], [left, top]])
