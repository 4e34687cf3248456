"""Heads side by side, lit and placed before a camera: what every renderer draws. No I/O, no GL.

Camera space is the camera's own: +x right, +y down, +z away from it, metres. Colours leave here
finished (light is computed per vertex), so that all renderers give the same picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from capture.head import Head
from capture.rotations import to_matrix
from firmware_host.samples import Floats
from viz.lettering import text_size, write

Image = NDArray[np.uint8]

FIELD_OF_VIEW_RAD = np.deg2rad(18.0)  # a portrait lens: little perspective, faces stay faces
# Of the neutral head's height: how much of the neck lies under the picture, air on top, and what
# must be below the chin (which is nearer to the camera than the middle that is fitted).
NECK_CUT, HEADROOM, CHIN_ROOM = 0.04, 0.05, 0.15
CAPTION_SHARE = 0.1  # of the panel's height

_CAMERA_AXES = np.array([1, -1, -1], np.float32)  # head axes to camera axes, and back


def _lamp(towards: tuple[float, ...], colour: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Unit direction to a light in head axes (+x right in the picture, +z to the camera)."""
    direction = np.array(towards, np.float32)
    return direction / np.linalg.norm(direction), np.array(colour, np.float32)


_KEY = _lamp((-0.50, 0.62, 0.80), (0.72, 0.69, 0.65))
_FILL = _lamp((0.85, 0.10, 0.55), (0.21, 0.235, 0.26))
_SKY = np.array([0.31, 0.325, 0.34], np.float32)
_GROUND = np.array([0.17, 0.15, 0.135], np.float32)
_WRAP = np.float32(0.25)  # light bleeds round the terminator, as it does in skin
_GLOSS = np.float32(0.10)
_RIM = np.float32(0.16)
# A table is several times faster than a power of every vertex.
_TO_SRGB = (np.linspace(0, 1, 4096) ** (1 / 2.2)).astype(np.float32)

BACKDROP_CENTRE = np.array([233.0, 237.0, 241.0])
BACKDROP_EDGE = np.array([186.0, 195.0, 206.0])
CAPTION_GROUND = (247, 249, 250)
CAPTION_INK = (58, 66, 76)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One head of a picture.

    weights: (52,) canonical order. quat_world_from_head: (4,) wxyz, or None for upright. `caption`
    is written underneath. paint: (V, 3) sRGB in [0, 1] instead of the head's own colours.
    """

    weights: Floats
    quat_world_from_head: NDArray[np.floating] | None = None
    caption: str = ""
    paint: Floats | None = None


class View(NamedTuple):
    """From where the heads are seen: turned to the right and up, and how much larger."""

    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    zoom: float = 1.0

    def matrix(self) -> Floats:
        """(3, 3) that turns the head so that the camera, which stays, sees it from there."""
        (sy, cy), (sp, cp) = (
            (np.sin(angle), np.cos(angle)) for angle in (self.yaw_rad, self.pitch_rad)
        )
        about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        return np.asarray(about_x @ about_y, np.float32)


STRAIGHT = View()


class Renderer(Protocol):
    """Draws heads side by side."""

    name: str
    scene: "Scene"

    def draw(self, panels: Sequence[Panel]) -> Image:
        """(H, W, 3) uint8 RGB; H and W are `scene.height` and `scene.width`, both even.

        Raises:
            ValueError: the number of panels is not the one the renderer was opened for.
        """
        ...

    def close(self) -> None:
        """Give back windows and contexts; safe to call twice."""
        ...


class Scene:
    """`panels` heads, each in a square of `size` pixels, over a strip of captions."""

    def __init__(self, head: Head, size: int, panels: int, captions: bool = True) -> None:
        if size < 16 or size % 2 or panels < 1:
            raise ValueError(f"expected an even size >= 16 and panels >= 1, got {size}, {panels}")
        self.head = head
        self.size = size
        self.panels = panels
        self.caption_px = 2 * round(size * CAPTION_SHARE / 2) if captions else 0
        self.width = size * panels
        self.height = size + self.caption_px
        count = len(head.vertices)
        self.triangles = np.concatenate(
            [np.asarray(head.triangles, np.int32) + i * count for i in range(panels)]
        )  # (P·T, 3)
        low, high = head.vertices.min(axis=0), head.vertices.max(axis=0)
        tall = float(high[1] - low[1])
        bottom, top = low[1] + NECK_CUT * tall, high[1] + HEADROOM * tall
        bottom = min(bottom, _chin(head) - CHIN_ROOM * tall)  # a head without a neck
        self.centre = np.array([0, bottom + top, low[2] + high[2]], np.float32) / 2
        reach = float(max(top - bottom, high[0] - low[0])) / 2
        self.distance = float(reach / np.tan(FIELD_OF_VIEW_RAD / 2))
        self.focal_px = float(0.5 * size / np.tan(FIELD_OF_VIEW_RAD / 2))
        self._albedo = np.asarray(head.colours, np.float32) ** 2.2
        self._strip: tuple[tuple[str, ...], Image] | None = None
        self.view = STRAIGHT

    def lay(self, panels: Sequence[Panel]) -> tuple[Floats, Floats]:
        """Return (P·V, 3) vertices in the camera space of the whole picture, and their colours."""
        if len(panels) != self.panels:
            raise ValueError(f"expected {self.panels} panels, got {len(panels)}")
        laid = [self._place(panel, i) for i, panel in enumerate(panels)]
        return np.concatenate([p for p, _ in laid]), np.concatenate([c for _, c in laid])

    def _place(self, panel: Panel, index: int) -> tuple[Floats, Floats]:
        vertices = np.asarray(self.head.deform(panel.weights), np.float32)
        normals = np.asarray(self.head.normals(vertices), np.float32)
        if panel.quat_world_from_head is not None:
            turn = to_matrix(panel.quat_world_from_head.astype(float)).T.astype(np.float32)
            vertices, normals = vertices @ turn, normals @ turn
        vertices, normals = self._viewed(vertices, normals)
        seen = self.to_camera(vertices)
        albedo = self._albedo if panel.paint is None else panel.paint**2.2
        colours = shade(normals, seen * _CAMERA_AXES * np.float32(-1), albedo)
        return self._aside(seen, index), colours

    def _viewed(self, points: Floats, normals: Floats) -> tuple[Floats, Floats]:
        """Both turned and sized as `view` says, about the middle of the head. The lamps stay."""
        if self.view == STRAIGHT:
            return points, normals
        turn = self.view.matrix().T
        sized = (points - self.centre) @ turn * np.float32(self.view.zoom) + self.centre
        return np.asarray(sized, np.float32), np.asarray(normals @ turn, np.float32)

    def _aside(self, seen: Floats, index: int) -> Floats:
        # A shear puts the panel's own optical axis where its square is: same view, other place.
        aside = (index - 0.5 * (self.panels - 1)) * self.size / self.focal_px
        seen[:, 0] += seen[:, 2] * np.float32(aside)
        return seen

    def locate(
        self, panel: Panel, index: int, vertices: NDArray[np.int64], normals: Floats
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Where some vertices of one panel's head are in the picture, and which face the camera.

        Args:
            panel: the head.
            index: its place.
            vertices: (K,) which.
            normals: (K, 3) theirs on the neutral head.

        Returns:
            (K, 2) pixels of the picture without its strip, and (K,).
        """
        moved = np.tensordot(panel.weights, self.head.deltas[:, vertices], axes=1)
        points = np.asarray(self.head.vertices[vertices] + moved, np.float32)
        if panel.quat_world_from_head is not None:
            turn = to_matrix(panel.quat_world_from_head.astype(float)).T.astype(np.float32)
            points, normals = points @ turn, normals @ turn
        points, normals = self._viewed(points, normals)
        seen = self.to_camera(points)
        facing = np.einsum("ki,ki->k", normals, seen * _CAMERA_AXES) < 0
        return self.project(self._aside(seen, index)), np.asarray(facing)

    def to_camera(self, points: Floats) -> Floats:
        """(N, 3) in head axes → camera space of a single panel."""
        origin = np.array([0, 0, self.distance], np.float32)
        return np.asarray((points - self.centre) * _CAMERA_AXES + origin, np.float32)

    def project(self, seen: Floats) -> Floats:
        """(N, 3) in camera space → (N, 2) pixels of the picture without its strip."""
        middle = np.array([0.5 * self.width - 0.5, 0.5 * self.size - 0.5], np.float32)
        scale = np.float32(self.focal_px) / seen[:, 2:]
        return np.asarray(seen[:, :2] * scale + middle, np.float32)

    def backdrop(self) -> Image:
        """(size, width, 3): a calm gradient, lightest behind each head."""
        across = np.tile(np.linspace(-1, 1, self.size), self.panels)
        down = np.linspace(-1, 1, self.size)[:, None]
        far = np.clip(np.hypot(across, down - 0.1) / 1.25, 0, 1)[..., None] ** 2
        return np.rint(BACKDROP_CENTRE * (1 - far) + BACKDROP_EDGE * far).astype(np.uint8)

    def captioned(self, heads: Image, panels: Sequence[Panel]) -> Image:
        """Put the strip of captions under a picture of the heads."""
        if not self.caption_px:
            return heads
        captions = tuple(panel.caption for panel in panels)
        if self._strip is None or self._strip[0] != captions:
            self._strip = captions, caption_strip(captions, self.size, self.caption_px)
        return np.concatenate([heads, self._strip[1]])


def _chin(head: Head) -> float:
    """Height of the lowest point in the front third of the neutral head, m."""
    depth = head.vertices[:, 2]
    front = depth > depth.max() - np.ptp(depth) / 3
    return float(head.vertices[front, 1].min())


def shade(normals: Floats, to_eye: Floats, albedo: Floats) -> Floats:
    """(V, 3) sRGB in [0, 1] of surfaces lit by a soft key, a fill, sky and ground, and a rim.

    normals (unit) and to_eye (any length) are in head axes; albedo is linear.
    """
    to_eye = to_eye / np.sqrt(np.einsum("vi,vi->v", to_eye, to_eye))[:, None]
    up = 0.5 + 0.5 * normals[:, 1:2]
    light = _GROUND + up * (_SKY - _GROUND)
    gloss = np.zeros(len(normals), np.float32)
    for towards, colour in (_KEY, _FILL):
        lit = np.maximum((normals @ towards + _WRAP) / (1 + _WRAP), 0)
        light += lit[:, None] * colour
        half = to_eye + towards
        mirrored = np.einsum("vi,vi->v", normals, half) / np.sqrt(np.einsum("vi,vi->v", half, half))
        gloss += _GLOSS * colour.mean() * _to_the_22nd(np.maximum(mirrored, 0))
    grazing = 1 - np.clip(np.einsum("vi,vi->v", normals, to_eye), 0, 1)
    grazing *= grazing
    light += (_RIM * (grazing * grazing))[:, None] * up
    linear = np.clip(albedo * light + gloss[:, None], 0, 1)
    return np.asarray(_TO_SRGB[(linear * (len(_TO_SRGB) - 1)).astype(np.int32)])


def _to_the_22nd(values: Floats) -> Floats:
    """How narrow a highlight is: by squares, which are several times faster than a power."""
    two = values * values
    four = two * two
    eight = four * four
    return np.asarray(eight * eight * four * two)


def caption_strip(captions: Sequence[str], size: int, height: int) -> Image:
    """(height, size · len(captions), 3): each text centred in its square, shrunk until it fits."""
    strip = np.full((height, size * len(captions), 3), CAPTION_GROUND, np.uint8)
    for i, text in enumerate(captions):
        write_centred(strip[:, i * size : (i + 1) * size], text, 0.36 * height)
    return strip


def write_centred(image: Image, text: str, letter_px: float) -> None:
    """Write `text` into the middle of `image`, letters `letter_px` high where they fit."""
    if not text:
        return
    height, width = image.shape[:2]
    size = letter_px / 0.7  # a capital is about 0.7 of the size of its letters
    size *= min(1.0, 0.94 * width / max(text_size(text, size), 1e-9))
    at = width / 2, height / 2 + 0.35 * size
    write(image, text, at, size, CAPTION_INK, align="middle")
