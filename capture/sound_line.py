"""Sound inputs: a card's line, or a WAV file that plays in real time; and LTC heard on one.

Sound is taken in the thread that brings it, with the host's monotonic time at which it was at the
input. What a card's own delay is, nobody tells exactly: the driver's word for it is taken, good to
some milliseconds.
"""

import asyncio
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.ltc import LtcDecoder, LtcFrame
from firmware_host.clock import NS_PER_S
from firmware_host.closing import Closing
from firmware_host.errors import ConfigError, EnvironmentMissing, TransportError

FILE = "file:"
RATE_HZ = 48_000
_BLOCK_S = 0.02

Sound = NDArray[Any]  # (N,) from −1 to 1
OnFrame = Callable[[LtcFrame, int], None]
OnSound = Callable[[Sound, int, bool], None]


def _wav(path: Path, key: str) -> tuple[Sound, int]:
    """(N,) samples of the first channel, from −1 to 1, and their rate. Raises ConfigError."""
    try:
        with wave.open(str(path), "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            raw = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigError(f"{key}: {path}: {error}", "expected a WAV file") from error
    if width == 1:
        return np.frombuffer(raw, np.uint8)[::channels].astype(np.float64) / 128.0 - 1.0, rate
    if width == 2:
        return np.frombuffer(raw, "<i2")[::channels].astype(np.float64) / 32768.0, rate
    raise ConfigError(f"{key}: {path}: expected 8 or 16 bit, got {8 * width}")


class SoundInput(Closing):
    """Listens from `start` until it is closed.

    Args:
        name: of an input, as `python -m sounddevice` lists them; "default"; or file:NAME.wav.
        key: where the rig names it, for messages.

    Raises:
        EnvironmentMissing: sounddevice is not installed, or finds no sound system.
        TransportError: no such input. ConfigError: no such file, or no WAV.
    """

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key
        self._refusals: tuple[type[Exception], ...] = ()
        self.rate_hz = RATE_HZ
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._stream: Any = None
        self._sound: Sound | None = None
        self._heard: OnSound | None = None
        if name.startswith(FILE):
            self._sound, self.rate_hz = _wav(Path(name.removeprefix(FILE)), key)
        else:
            self._stream = self._opened(name)

    def start(self, heard: OnSound) -> None:
        """Begin. `heard`, called in a thread of ours: sound, when its first sample was at the
        input, and whether the driver lost some before it. Raises TransportError: it will not."""
        self._heard = heard
        if self._stream is not None:
            try:
                self._stream.start()
            except self._refusals as error:
                raise self._deaf(error) from error
            return
        self._thread = threading.Thread(target=self._play, name=self._key, daemon=True)
        self._thread.start()

    def _play(self) -> None:
        assert self._sound is not None
        assert self._heard is not None
        sound, rate = self._sound, self.rate_hz
        block = max(1, round(_BLOCK_S * rate))
        begun_ns = time.monotonic_ns()
        for start in range(0, len(sound), block):
            due_ns = begun_ns + (start + block) * NS_PER_S // rate
            if self._is_over.wait(max(0.0, (due_ns - time.monotonic_ns()) / NS_PER_S)):
                return
            self._heard(sound[start : start + block], begun_ns + start * NS_PER_S // rate, False)

    def _opened(self, name: str) -> Any:
        try:
            import sounddevice
        except (ImportError, OSError) as error:  # OSError: without its PortAudio
            raise EnvironmentMissing(
                f"{self._key} needs sounddevice and PortAudio: {error}",
                "pip install 'imusic[audio]'",
            ) from error

        def heard(block: Any, _: int, times: Any, status: Any) -> None:
            waited_s = times.currentTime - times.inputBufferAdcTime
            first_ns = time.monotonic_ns() - round(waited_s * NS_PER_S)
            assert self._heard is not None
            self._heard(block[:, 0].copy(), first_ns, bool(status.input_overflow))

        device = None if name == "default" else name
        self._refusals = (ValueError, sounddevice.PortAudioError)
        try:
            return sounddevice.InputStream(
                samplerate=RATE_HZ, channels=1, device=device, dtype="float32", callback=heard
            )
        except self._refusals as error:
            raise self._deaf(error) from error

    def _deaf(self, error: Exception) -> TransportError:
        return TransportError(
            f"cannot listen at {self._name!r}: {error}",
            f"`python -m sounddevice` lists the inputs; write one as {self._key}",
        )

    @property
    def is_over(self) -> bool:
        """Whether it was closed."""
        return self._is_over.is_set()

    def close(self) -> None:
        """Listen no more."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
        if self._stream is not None:
            self._stream.close()


class SoundLine(Closing):
    """Hears LTC. To be made in the event loop, where `on_frame` is called.

    Args:
        name: as of `SoundInput`.
        on_frame: a frame, and when it began: host monotonic ns.

    Raises:
        EnvironmentMissing, TransportError, ConfigError: as `SoundInput`.
    """

    def __init__(self, name: str, on_frame: OnFrame) -> None:
        self._loop, self._on_frame = asyncio.get_running_loop(), on_frame
        self._input = SoundInput(name, "timecode.sound")
        self._decoder, self._fed = LtcDecoder(self._input.rate_hz), 0
        try:
            self._input.start(self._hear)
        except TransportError:
            self._input.close()
            raise

    def _hear(self, sound: Sound, first_ns: int, _: bool) -> None:
        rate_hz = self._input.rate_hz
        for frame in self._decoder.feed(sound):
            host_ns = first_ns + round((frame.at - self._fed) * NS_PER_S / rate_hz)
            if not self._input.is_over and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._on_frame, frame, host_ns)
        self._fed += len(sound)

    def close(self) -> None:
        """Listen no more."""
        self._input.close()
