"""All 52 shapes of a head on one sheet, where its sensors sit, and other people's heads."""

from collections.abc import Sequence

import numpy as np

from capture import rotations
from capture.blendshapes import ARKIT_NAMES
from capture.head import Head, find_sites
from firmware_host.layout import FACE_12, SensorLayout
from viz.scene import CAPTION_INK, Image, Panel, Renderer, write_centred

COLUMNS, ROWS = 8, 7  # 52 cells, and four for the sensors
PEOPLE = 5  # in a row of their own
PEOPLE_TURN_RAD = float(np.radians(13.0))  # noses and chins show better from a little to the side
# A shape that makes sense only with another is shown with it.
WORN_WITH = {"mouthClose": "jawOpen"}
CAPTION_PX = 24
CLOSE_UP = 0.8  # of the picture's width is kept in a cell: nothing moves on the crown
_DOT, _RING = (232, 93, 58), (255, 255, 255)
_HIDDEN_BEHIND_M = 0.0  # sites behind the ears are drawn hollow


def shape_sheet(head: Head, renderer: Renderer, layout: SensorLayout = FACE_12) -> Image:
    """Every shape at weight 1, labelled, in canonical order; top left the sensor sites.

    `renderer` draws one head without captions, twice as large as a cell becomes.
    """
    cell = renderer.scene.size // 2
    tall = cell + CAPTION_PX
    sheet = np.full((ROWS * tall, COLUMNS * cell, 3), 255, np.uint8)
    sites = sites_picture(head, renderer, layout)
    sheet[: 2 * cell, : 2 * cell] = sites
    write_centred(
        sheet[2 * cell : 2 * tall, : 2 * cell], f"neutral, sensors of {layout.name}", 15.0
    )
    free = [(r, c) for r in range(ROWS) for c in range(COLUMNS) if r > 1 or c > 1]
    for (row, column), name in zip(free, ARKIT_NAMES, strict=True):
        worn = (name, WORN_WITH[name]) if name in WORN_WITH else (name,)
        top, left = row * tall, column * cell
        drawn = renderer.draw([Panel(np.isin(ARKIT_NAMES, worn).astype(np.float32))])
        sheet[top : top + cell, left : left + cell] = _resized(_close_up(drawn), cell)
        caption = sheet[top + cell : top + tall, left : left + cell]
        write_centred(caption, " + ".join(worn), 11.0)
    return sheet


def with_people(sheet: Image, pictures: Sequence[Image], captions: Sequence[str]) -> Image:
    """`sheet` over a row of `PEOPLE` square pictures of other heads, captioned.

    Raises:
        ValueError: the number of pictures or of captions is another.
    """
    width = sheet.shape[1] // PEOPLE
    row = np.full((width + CAPTION_PX, sheet.shape[1], 3), 255, np.uint8)
    for i, picture, caption in zip(range(PEOPLE), pictures, captions, strict=True):
        across = slice(i * width, (i + 1) * width)
        row[:width, across] = _resized(picture, width)
        write_centred(row[width:, across], caption, 13.0)
    return np.concatenate((sheet, row))


def person_picture(renderer: Renderer) -> Image:
    """The head that `renderer` was opened for, neutral, turned a little to the side."""
    turn = rotations.from_vector(np.array([0.0, PEOPLE_TURN_RAD, 0.0]))
    return renderer.draw([Panel(np.zeros(len(ARKIT_NAMES), np.float32), turn)])


def _resized(image: Image, size: int) -> Image:
    import cv2

    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def _close_up(image: Image) -> Image:
    """The part below the forehead's top, as a view."""
    size = image.shape[0]
    edge = round(size * (1 - CLOSE_UP) / 2)
    return image[2 * edge :, edge : size - edge]


def sites_picture(head: Head, renderer: Renderer, layout: SensorLayout = FACE_12) -> Image:
    """The neutral head with a dot at every sensor site; the wearer's left ones carry names."""
    import cv2

    image = np.ascontiguousarray(renderer.draw([Panel(np.zeros(len(ARKIT_NAMES), np.float32))]))
    scene = renderer.scene
    sites = find_sites(head, layout)
    centres = np.array([site.centre for site in sites], np.float32)
    at = scene.project(scene.to_camera(centres))
    radius = max(3, scene.size // 80)
    _write_names(image, [site.name for site in sites], at)
    for (x, y), centre in zip(at.tolist(), centres, strict=True):
        spot = round(x), round(y)
        hidden = centre[2] < _HIDDEN_BEHIND_M
        cv2.circle(image, spot, radius + 2, _RING, -1, cv2.LINE_AA)
        cv2.circle(image, spot, radius, _DOT, 2 if hidden else -1, cv2.LINE_AA)
    return image


def _write_names(image: Image, names: list[str], at: np.ndarray) -> None:
    """Names at the right edge, a line to each dot; right-hand slots mirror the left ones."""
    import cv2

    font, scale = cv2.FONT_HERSHEY_DUPLEX, image.shape[0] / 1300
    named = sorted((at[i, 1], i) for i, name in enumerate(names) if not name.endswith("_right"))
    step, below = image.shape[0] / 22, 0.0
    for y, i in named:
        text = names[i].removesuffix("_left").replace("_", " ")
        (wide, high), _ = cv2.getTextSize(text, font, scale, 1)
        below = max(float(y), below + step)
        left = image.shape[1] - wide - 8
        line = (left - 4, round(below)), (round(float(at[i, 0])), round(float(y)))
        cv2.line(image, *line, CAPTION_INK, 1, cv2.LINE_AA)
        cv2.putText(
            image, text, (left, round(below) + high // 2), font, scale, CAPTION_INK, 1, cv2.LINE_AA
        )
