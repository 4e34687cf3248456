"""Pictures and video files, written whole or not at all.

Only encoders that OpenCV's own wheels bring along and that are free of the GPL: VP8 in WebM (plays
in browsers; VP9 takes five times as long for one fifth less), MPEG-4 Part 2 in MP4.
"""

from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Any, Self

import numpy as np

from capture.outputs import require_writable, whole_file
from firmware_host.errors import ConfigError, EnvironmentMissing
from viz.quiet import quiet_stderr
from viz.scene import Image

CODECS = {".webm": ("VP80", "VP90"), ".mp4": ("mp4v", "vp09")}  # the first that opens is used
GIF, WEBP = ".gif", ".webp"
STILLS = (".png", WEBP)
_WEBP_QUALITY = 88
FRAMES_AHEAD = 4
GIF_MOST_BYTES = 1_500_000_000  # OpenCV wants all frames at once
_GIF_SMOOTHEST_HZ = 50.0  # browsers slow down what is faster


class VideoWriter:
    """Frames into a `.webm` or `.mp4`; the file takes its name when the block ends without error.

    A thread of its own encodes while the next frame is drawn, FRAMES_AHEAD at most behind.

    Raises:
        ConfigError: another suffix, no such folder, or it cannot be written there.
        EnvironmentMissing: this OpenCV has no encoder for it.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        """`size` is (width, height), both even."""
        if path.suffix.lower() not in CODECS:
            raise ConfigError(
                f"{path}: expected a video named {' or '.join(CODECS)}, got {path.suffix!r}"
            )
        require_writable(path)
        self.size = size
        self._ending = ExitStack()
        unfinished = self._ending.enter_context(whole_file(path))
        self._writer = _open(unfinished, fps, size)
        self._waiting: Queue[Image | None] = Queue(FRAMES_AHEAD)
        self._trouble: BaseException | None = None
        self._encoder = Thread(target=self._encode, name="encoder", daemon=True)
        self._encoder.start()

    def write(self, image: Image) -> None:
        """Append one (H, W, 3) RGB frame, which must not change afterwards.

        Raises:
            ValueError: its size is another.
        """
        height, width = image.shape[:2]
        if (width, height) != self.size:
            raise ValueError(f"expected a frame of {self.size}, got {(width, height)}")
        if self._trouble is not None:
            raise self._trouble
        self._waiting.put(image)

    def _encode(self) -> None:
        import cv2

        while (image := self._waiting.get()) is not None:
            if self._trouble is None:
                try:
                    self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
                except Exception as error:  # noqa: BLE001 - raised where frames come from
                    self._trouble = error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting.put(None)
        self._encoder.join()
        with quiet_stderr():
            self._writer.release()
        if error is None and self._trouble is not None:
            trouble = self._trouble
            self._ending.__exit__(type(trouble), trouble, trouble.__traceback__)
            raise trouble
        self._ending.__exit__(kind, error, trace)


class GifWriter:
    """Frames into a `.gif` that repeats for ever, which they reach when the block ends well.

    Raises:
        ConfigError: another suffix, no such folder, or it cannot be written there.
        EnvironmentMissing: this OpenCV has no encoder for it.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        """`size` is (width, height)."""
        import cv2

        if path.suffix.lower() != GIF:
            raise ConfigError(f"{path}: expected a picture named {GIF}, got {path.suffix!r}")
        if not hasattr(cv2, "imwriteanimation"):
            raise EnvironmentMissing(
                f"this OpenCV ({cv2.__version__}) cannot encode {GIF}",
                "pip install --upgrade opencv-python-headless, or write a .webm",
            )
        require_writable(path)
        self._path, self._fps, self._size = path, min(fps, _GIF_SMOOTHEST_HZ), size
        self._frames: list[Image] = []

    def write(self, image: Image) -> None:
        """Append one (H, W, 3) RGB frame.

        Raises:
            ValueError: its size is another.
            ConfigError: there are too many for the memory.
        """
        if image.shape[1::-1] != self._size:
            raise ValueError(f"expected a frame of {self._size}, got {image.shape[1::-1]}")
        if (len(self._frames) + 1) * image.nbytes > GIF_MOST_BYTES:
            raise ConfigError(
                f"{self._path}: {len(self._frames)} frames of {self._size[0]} x {self._size[1]} "
                "are as many as a .gif can have here",
                "draw fewer --seconds, a smaller --size or --fps, or write a .webm",
            )
        self._frames.append(np.ascontiguousarray(image[..., ::-1]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self._frames:
            self._encode()
        self._frames = []

    def _encode(self) -> None:
        import cv2

        animation = cv2.Animation()
        animation.loop_count = 0
        animation.frames = self._frames
        animation.durations = [max(1, round(1000 / self._fps))] * len(self._frames)
        with whole_file(self._path) as unfinished:
            cv2.imwriteanimation(str(unfinished), animation)


def write_picture(path: Path, image: Image) -> None:
    """Write (H, W, 3) RGB: a PNG, or where the name says so a WebP, smaller and not exact.

    Raises:
        ConfigError: the name ends in neither, or it cannot be written there.
    """
    if path.suffix.lower() != WEBP:
        write_png(path, image)
        return
    import cv2

    require_writable(path)
    quality = [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY]
    _, encoded = cv2.imencode(WEBP, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    with whole_file(path) as unfinished:
        unfinished.write_bytes(encoded.tobytes())


def write_png(path: Path, image: Image) -> None:
    """Write (H, W, 3) RGB.

    Raises:
        ConfigError: the name does not end in .png, or it cannot be written there.
    """
    import cv2

    if path.suffix.lower() != ".png":
        raise ConfigError(f"{path}: expected a picture named .png, got {path.suffix!r}")
    require_writable(path)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    with whole_file(path) as unfinished:
        unfinished.write_bytes(encoded.tobytes())


def _open(path: Path, fps: float, size: tuple[int, int]) -> Any:
    import cv2

    codecs = CODECS[path.suffix]
    for codec in codecs:
        with quiet_stderr():  # FFmpeg comments on the tag of every WebM
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
        if writer.isOpened():
            return writer
    path.unlink(missing_ok=True)
    raise EnvironmentMissing(
        f"this OpenCV ({cv2.__version__}) cannot encode {path.suffix} with {' or '.join(codecs)}",
        "pip install --upgrade opencv-python-headless, or write the other of .webm and .mp4",
    )
