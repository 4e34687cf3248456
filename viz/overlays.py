"""What is drawn over pictures of heads: sensors where they sit, and what colours mean. No I/O."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from capture.head import Head, find_sites
from firmware_host.layout import FACE_12, SensorLayout
from firmware_host.samples import Floats
from viz.lettering import write
from viz.painting import ERROR_FULL_MM, heat_legend
from viz.scene import CAPTION_INK, Image, Panel, Scene

# Okabe and Ito's colours, which stay apart for every kind of colour vision.
HEARD, SILENT = (0, 114, 178), (213, 94, 0)
_RING = (255, 255, 255)


class SensorDots:
    """A dot at every sensor site: full where it is heard, hollow and of another colour where not.

    Sites that face away from the camera are left out.
    """

    def __init__(self, head: Head, layout: SensorLayout = FACE_12) -> None:
        sites = find_sites(head, layout)
        self._vertices = np.array([site.vertices[0] for site in sites])
        self._normals = head.normals(head.vertices)[self._vertices]
        self.names = tuple(site.name for site in sites)

    def places(self, scene: Scene, panel: Panel, index: int) -> tuple[Floats, NDArray[np.bool_]]:
        """(S, 2) pixels of the picture, and (S,) which of them are to be seen there."""
        places, facing = scene.locate(panel, index, self._vertices, self._normals)
        across = places - (index * scene.size, 0)
        inside = ((across >= 0) & (across < scene.size)).all(axis=1)
        return places, np.asarray(facing & inside)

    @staticmethod
    def radius(scene: Scene) -> int:
        """Of a dot without its ring, pixels."""
        return max(3, scene.size // 90)

    def draw(
        self,
        image: Image,
        scene: Scene,
        panel: Panel,
        index: int,
        heard: Sequence[bool] | None = None,
    ) -> None:
        """Onto (H, W, 3), in place. heard: by slot; None where it is not known of any."""
        import cv2

        places, is_seen = self.places(scene, panel, index)
        radius = self.radius(scene)
        known = np.ones(len(places), bool) if heard is None else np.array(heard)
        for (x, y), is_heard in zip(places[is_seen].tolist(), known[is_seen], strict=True):
            spot = round(x), round(y)
            cv2.circle(image, spot, radius + 2, _RING, -1, cv2.LINE_AA)
            ink, filled = (HEARD, -1) if is_heard else (SILENT, max(1, radius // 2))
            cv2.circle(image, spot, radius, ink, filled, cv2.LINE_AA)


def draw_heat_key(image: Image, scene: Scene, index: int) -> None:
    """What the colours of `ErrorPaint` mean, into the lower left corner of one panel."""
    wide, high = scene.size // 4, max(4, scene.size // 64)
    left, low = index * scene.size + scene.size // 32, scene.size - scene.size // 24
    image[low - high : low, left : left + wide] = heat_legend(wide, high)
    letters = max(9.0, scene.size / 36)
    above = low - high - letters / 3
    write(image, "0", (left, above), letters, CAPTION_INK)
    most = f"{ERROR_FULL_MM:g} mm off"
    write(image, most, (left + wide, above), letters, CAPTION_INK, "end")
