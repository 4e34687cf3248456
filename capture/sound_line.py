"""A sound input that carries LTC: a card's line, or a WAV file that plays in real time.

Sound is decoded in the thread that brings it; frames are handed to the event loop with the host's
monotonic time at which they began. What a card's own delay is, nobody tells exactly: the driver's
word for it is taken, good to some milliseconds.
"""

import asyncio
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from capture.ltc import LtcDecoder, LtcFrame
from firmware_host.clock import NS_PER_S
from firmware_host.closing import Closing
from firmware_host.errors import ConfigError, EnvironmentMissing, TransportError

FILE = "file:"
RATE_HZ = 48_000
_BLOCK_S = 0.02

OnFrame = Callable[[LtcFrame, int], None]


def _wav(path: Path) -> tuple[Any, int]:
    """(N,) samples of the first channel, from −1 to 1, and their rate. Raises ConfigError."""
    try:
        with wave.open(str(path), "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            raw = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigError(f"timecode.sound: {path}: {error}", "expected a WAV file") from error
    if width == 1:
        return np.frombuffer(raw, np.uint8)[::channels].astype(np.float64) / 128.0 - 1.0, rate
    if width == 2:
        return np.frombuffer(raw, "<i2")[::channels].astype(np.float64) / 32768.0, rate
    raise ConfigError(f"timecode.sound: {path}: expected 8 or 16 bit, got {8 * width}")


class SoundLine(Closing):
    """Listens until it is closed. To be made in the event loop, where `on_frame` is called.

    Args:
        name: of an input, as `python -m sounddevice` lists them; "default"; or file:NAME.wav.
        on_frame: a frame, and when it began.

    Raises:
        EnvironmentMissing: sounddevice is not installed, or finds no sound system.
        TransportError: no such input. ConfigError: no such file, or no WAV.
    """

    def __init__(self, name: str, on_frame: OnFrame) -> None:
        self._loop, self._on_frame = asyncio.get_running_loop(), on_frame
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._stream: Any = None
        if name.startswith(FILE):
            self._play(Path(name.removeprefix(FILE)))
        else:
            self._listen(name)

    def _play(self, path: Path) -> None:
        samples, rate = _wav(path)
        self._thread = threading.Thread(
            target=self._feed_file, args=(samples, rate), name="timecode", daemon=True
        )
        self._thread.start()

    def _feed_file(self, samples: Any, rate: int) -> None:
        decoder, block = LtcDecoder(rate), max(1, round(_BLOCK_S * rate))
        begun_ns = time.monotonic_ns()
        for start in range(0, len(samples), block):
            due_ns = begun_ns + (start + block) * NS_PER_S // rate
            if self._is_over.wait(max(0.0, (due_ns - time.monotonic_ns()) / NS_PER_S)):
                return
            for frame in decoder.feed(samples[start : start + block]):
                self._tell(frame, begun_ns + round(frame.at * NS_PER_S / rate))

    def _listen(self, name: str) -> None:
        try:
            import sounddevice
        except (ImportError, OSError) as error:  # OSError: without its PortAudio
            raise EnvironmentMissing(
                f"timecode.sound needs sounddevice and PortAudio: {error}",
                "pip install 'imusic[audio]'",
            ) from error
        decoder, fed = LtcDecoder(RATE_HZ), 0

        def heard(block: Any, count: int, times: Any, _: Any) -> None:
            nonlocal fed
            # When its first sample was at the input, on our clock.
            first_ns = time.monotonic_ns() - round(
                (times.currentTime - times.inputBufferAdcTime) * NS_PER_S
            )
            for frame in decoder.feed(block[:, 0]):
                self._tell(frame, first_ns + round((frame.at - fed) * NS_PER_S / RATE_HZ))
            fed += count

        device = None if name == "default" else name
        try:
            self._stream = sounddevice.InputStream(
                samplerate=RATE_HZ, channels=1, device=device, dtype="float32", callback=heard
            )
            self._stream.start()
        except (ValueError, sounddevice.PortAudioError) as error:
            raise TransportError(
                f"cannot listen for timecode at {name!r}: {error}",
                "`python -m sounddevice` lists the inputs; write one as timecode.sound",
            ) from error

    def _tell(self, frame: LtcFrame, host_ns: int) -> None:
        if not self._is_over.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_frame, frame, host_ns)

    def close(self) -> None:
        """Listen no more."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
        if self._stream is not None:
            self._stream.close()
