"""Drawing heads with numpy and OpenCV alone: slower, but works wherever Python does.

All triangles at once: list every pixel that each may cover, keep those inside, keep the nearest at
every pixel, blend the corners' colours there. Drawn twice as large and averaged down, which smooths
the edges.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from capture.head import Head
from firmware_host.samples import Floats
from viz.scene import Image, Panel, Scene

Ints = NDArray[np.int32]

_EMPTY_PX2 = 1e-3  # twice the area below which a triangle covers no pixel
_EDGE = np.float32(1e-4)


class SoftwareRenderer:
    """A `Renderer` without GL. `smooth` is how many times larger it draws before averaging."""

    name = "software"

    def __init__(
        self, head: Head, size: int, panels: int = 1, captions: bool = True, smooth: int = 2
    ) -> None:
        self.scene = Scene(head, size, panels, captions)
        self._large = Scene(head, size * smooth, panels, captions=False)
        self._backdrop = self._large.backdrop()

    def draw(self, panels: Sequence[Panel]) -> Image:
        """(H, W, 3) uint8 RGB; see `Renderer.draw`."""
        import cv2

        seen, colours = self._large.lay(panels)
        large = raster(
            self._large.project(seen), seen[:, 2], self._large.triangles, colours, self._backdrop
        )
        size = self.scene.width, self.scene.size
        heads = np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8)
        return self.scene.captioned(heads, panels)

    def close(self) -> None:
        """Nothing is held."""


def raster(
    pixels: Floats, depth: Floats, triangles: NDArray[np.int32], colours: Floats, backdrop: Image
) -> Image:
    """Draw front-facing triangles over a copy of `backdrop`, colours blended between corners.

    Args:
        pixels: (V, 2) corners, y down.
        depth: (V,) distance from the camera.
        triangles: (T, 3), counter-clockwise seen from outside in a y-up frame.
        colours: (V, 3) in [0, 1].
        backdrop: (H, W, 3).
    """
    height, width = backdrop.shape[:2]
    shown = _facing(pixels, triangles)
    low, size = _boxes(pixels[shown], (width, height))
    # Of each triangle's own box: there float32 is enough. (float32 less int32 would be float64.)
    corners = pixels[shown] - low[:, None].astype(np.float32)
    triangle, x, y = _covered(corners, size)
    where = (low[triangle, 1] + y) * width + low[triangle, 0] + x
    # 1/distance is what changes evenly across the picture of a flat triangle.
    (nearness,) = _blend(corners, (1.0 / depth)[shown].T[None], triangle, x, y)
    nearest = np.zeros(height * width, np.float32)
    np.maximum.at(nearest, where, nearness)
    seen = nearness == nearest[where]
    triangle, x, y = triangle[seen], x[seen], y[seen]
    lit = _blend(corners, 255.0 * colours[shown].transpose(2, 1, 0), triangle, x, y)
    image = backdrop.copy()
    image.reshape(-1, 3)[where[seen]] = np.clip(lit, 0.0, 255.0).T
    return image


def _facing(pixels: Floats, triangles: NDArray[np.int32]) -> NDArray[np.int32]:
    a, b, c = (pixels[triangles[:, i]] for i in range(3))
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    return triangles[area < -_EMPTY_PX2]  # y points down, which reverses the turn


def _boxes(corners: Floats, size: tuple[int, int]) -> tuple[Ints, Ints]:
    """First pixel (T, 2) of the box around each of (T, 3, 2) triangles, and its width and height.

    Boxes are cut to a picture of `size`, (width, height).
    """
    end = np.array(size)
    low = np.clip(np.ceil(corners.min(axis=1) - _EDGE), 0, end)
    high = np.clip(np.floor(corners.max(axis=1) + _EDGE), -1, end - 1)
    return low.astype(np.int32), np.maximum(high - low + 1, 0).astype(np.int32)


def _covered(corners: Floats, size: Ints) -> tuple[Ints, Ints, Ints]:
    """(triangle, x, y), each (N,): every pixel centre of the boxes that lies in its triangle."""
    count = size[:, 0] * size[:, 1]
    triangle = np.repeat(np.arange(len(corners), dtype=np.int32), count)
    step = np.arange(len(triangle), dtype=np.int32)
    step -= np.repeat(np.cumsum(count, dtype=np.int32) - count, count)
    y, x = np.divmod(step, size[triangle, 0])
    shares = np.eye(3, dtype=np.float32)[1:, :, None]  # of the second and of the third corner
    second, third = _blend(corners, shares, triangle, x, y)
    # A hair of tolerance: rounding must not leave cracks between neighbours.
    inside = (second > -_EDGE) & (third > -_EDGE) & (second + third < 1.0 + _EDGE)
    return triangle[inside], x[inside], y[inside]


def _blend(corners: Floats, values: Floats, triangle: Ints, x: Ints, y: Ints) -> list[Floats]:
    """K of (N,): values that corners of triangles have, between them, at pixels.

    Args:
        corners: (T, 3, 2).
        values: (K, 3, T), or (K, 3, 1) for all triangles alike.
        triangle: (N,) which one.
        x: (N,) pixel, like y in the frame of `corners`.
        y: (N,).
    """
    (ax, ay), (bx, by), (cx, cy) = (corners[:, i].T for i in range(3))
    over = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    right, down = x.astype(np.float32), y.astype(np.float32)
    blended = []
    for a, b, c in values:
        by_x = ((b - a) * (cy - ay) - (c - a) * (by - ay)) * over
        by_y = ((c - a) * (bx - ax) - (b - a) * (cx - ax)) * over
        base = a - by_x * ax - by_y * ay
        blended.append(base[triangle] + by_x[triangle] * right + by_y[triangle] * down)
    return blended
