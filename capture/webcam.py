"""A camera of this computer as a face source: pictures through MediaPipe, weights out by UDP.

It runs as a process of its own (`imusic webcam`): what it needs is heavy, and a picture that takes
long to look at holds up nobody. The recorder hears it as it hears a phone, and stamps what arrives;
pictures stay here and are forgotten.
"""

import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from capture.mediapipe_faces import Matrix, encode
from firmware_host.clock import NS_PER_S
from firmware_host.closing import Closing
from firmware_host.errors import ConfigError, EnvironmentMissing, TransportError

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
Shapes = dict[str, float]

MODEL_HINT = (
    "download Google's face_landmarker.task (Apache-2.0) from "
    "ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker"
)


class Landmarker(Protocol):
    """Finds the face in pictures that follow each other."""

    def look(self, picture: Picture, time_ns: int) -> tuple[Shapes, Matrix | None] | None:
        """Scores by category and the facial transformation (4, 4); None where there is no face."""
        ...


@dataclass(slots=True)
class WebcamCounts:
    """What happened so far. busy_s: spent looking at pictures."""

    pictures: int = 0
    faces: int = 0
    unsent: int = 0
    busy_s: float = 0.0


class Camera(Closing):
    """Pictures of a camera as they come, or of a video at its own pace.

    `with Camera(0) as camera: for picture, time_ns in camera: …`

    Args:
        source: number of a camera, or a video file.
        loop: begin a video again when it ends.
    """

    def __init__(self, source: int | Path, loop: bool = False) -> None:
        self.source, self._loop = source, loop
        self._capture: Any = None

    def __enter__(self) -> Self:
        """Open it. Raises TransportError where it cannot be."""
        import cv2

        named = isinstance(self.source, int)
        self._capture = cv2.VideoCapture(self.source if named else str(self.source))
        if not self._capture.isOpened():
            self._capture.release()
            what = f"camera {self.source}" if named else str(self.source)
            hint = (
                "is it plugged in, allowed, and used by nobody else? try --camera 1"
                if named
                else "give a video that OpenCV can read, such as .mp4 or .webm"
            )
            raise TransportError(f"cannot open {what}", hint)
        if named:
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not a queue
        return self

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()

    def __iter__(self) -> Iterator[tuple[Picture, int]]:
        """Yield (RGB picture, when it came in ns of our monotonic clock) until there are no more.

        Raises:
            TransportError: the camera was lost.
        """
        import cv2

        is_file = isinstance(self.source, Path)
        rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS) or 30.0) if is_file else 0.0
        start_ns, number, seen = time.monotonic_ns(), 0, 0
        while True:
            there, picture = self._capture.read()
            if there:
                if is_file:
                    due_ns = start_ns + round(number / rate_hz * NS_PER_S)
                    time.sleep(max(0, due_ns - time.monotonic_ns()) / NS_PER_S)
                number, seen = number + 1, seen + 1
                yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), time.monotonic_ns()
            elif not is_file:
                raise TransportError(f"camera {self.source} was lost", "is it still plugged in?")
            elif self._loop and seen:
                seen = 0
                self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            else:
                return


class MediaPipe:
    """Google's face landmarker, on the processor. Made in about a second.

    Raises:
        ConfigError: the model is not there, or is none.
        EnvironmentMissing: MediaPipe is not installed.
    """

    def __init__(self, model: Path) -> None:
        check_model(model)
        try:
            import mediapipe
            from mediapipe.tasks.python import vision
            from mediapipe.tasks.python.core.base_options import BaseOptions
        except ImportError as error:
            raise EnvironmentMissing(
                f"a webcam's face needs mediapipe, which cannot be imported: {error}",
                'pip install "imusic[webcam]", in an environment of its own (docs/phones.md)',
            ) from error
        self._mediapipe = mediapipe
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
            num_faces=1,
        )
        try:
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"{model}: not a face landmarker: {str(error)[:200]}", MODEL_HINT
            ) from error
        self._last_ms = -1

    def look(self, picture: Picture, time_ns: int) -> tuple[Shapes, Matrix | None] | None:
        """As `Landmarker.look`. Its times are whole milliseconds, and have to grow."""
        self._last_ms = max(self._last_ms + 1, time_ns // 1_000_000)
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture)
        )
        found = self._landmarker.detect_for_video(image, self._last_ms)
        if not found.face_blendshapes:
            return None
        shapes = {str(c.category_name): float(c.score) for c in found.face_blendshapes[0]}
        turns = found.facial_transformation_matrixes
        return shapes, np.asarray(turns[0], np.float64) if turns else None

    def close(self) -> None:
        """Let go of the model."""
        self._landmarker.close()


def check_model(model: Path) -> None:
    """Refuse early what is no model. Raises ConfigError."""
    if not model.is_file():
        raise ConfigError(f"--model: {model}: no such file", MODEL_HINT)
    if not zipfile.is_zipfile(model):  # a .task is an archive of networks
        raise ConfigError(f"--model: {model} is no .task file", MODEL_HINT)


def send_faces(
    pictures: Iterator[tuple[Picture, int]],
    landmarker: Landmarker,
    to: tuple[str, int],
    duration_s: float | None = None,
    on_counts: Callable[[WebcamCounts], None] | None = None,
) -> WebcamCounts:
    """Send a face for every picture, and that there is none, until they end or the time is over.

    Nobody need listen: what cannot be sent is counted and forgotten, as a phone does.
    """
    counts, began_ns, told_ns = WebcamCounts(), time.monotonic_ns(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for picture, time_ns in pictures:
            if duration_s is not None and time_ns - began_ns > duration_s * NS_PER_S:
                break
            started_s = time.perf_counter()
            found = landmarker.look(picture, time_ns)
            counts.busy_s += time.perf_counter() - started_s
            counts.pictures += 1
            counts.faces += found is not None
            try:
                out.sendto(encode(time_ns, *(found or (None, None))), to)
            except OSError:
                counts.unsent += 1
            if on_counts is not None and time_ns - told_ns > NS_PER_S:
                told_ns = time_ns
                on_counts(counts)
    return counts
