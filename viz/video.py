"""Pictures and video files, written whole or not at all.

Only encoders that OpenCV's own wheels bring along and that are free of the GPL: VP8 in WebM (plays
in browsers; VP9 takes five times as long for one fifth less), MPEG-4 Part 2 in MP4.
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from capture.outputs import require_writable, whole_file
from firmware_host.errors import ConfigError, EnvironmentMissing
from viz.quiet import quiet_stderr
from viz.scene import Image

CODECS = {".webm": ("VP80", "VP90"), ".mp4": ("mp4v", "vp09")}  # the first that opens is used


class VideoWriter:
    """Frames into a `.webm` or `.mp4`; the file takes its name when the block ends without error.

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

    def write(self, image: Image) -> None:
        """Append one (H, W, 3) RGB frame. Raises ValueError where its size is another."""
        height, width = image.shape[:2]
        if (width, height) != self.size:
            raise ValueError(f"expected a frame of {self.size}, got {(width, height)}")
        self._writer.write(np.ascontiguousarray(image[..., ::-1]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with quiet_stderr():
            self._writer.release()
        self._ending.__exit__(kind, error, trace)


def write_png(path: Path, image: Image) -> None:
    """Write (H, W, 3) RGB.

    Raises:
        ConfigError: the name does not end in .png, or it cannot be written there.
    """
    import cv2

    if path.suffix.lower() != ".png":
        raise ConfigError(f"{path}: expected a picture named .png, got {path.suffix!r}")
    require_writable(path)
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
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
