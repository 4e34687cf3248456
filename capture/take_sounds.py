"""What a recorder hears by sound: timecode on one input, and people on another, where it is asked.

Sound of people is recorded only where the rig has `[audio]` and the subject agreed to "audio"
(`capture.take_opening.consent_of`): a voice names who speaks.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from capture.phone_faces import PhoneFace
from capture.preflight import Problem
from capture.sound_line import Sound, SoundInput
from capture.take_timecode import TakeTimecode
from firmware_host.clock import NS_PER_S
from firmware_host.closing import Closing
from firmware_host.rig import Rig

AUDIO = "audio"
SILENT_S = 1.0  # blocks come every 20 ms or so

Keep = Callable[..., None]


class TakeSounds(Closing):
    """`with TakeSounds(rig, keep) as sounds` listens meanwhile, in the event loop.

    Args:
        rig: whose `[timecode]` and `[audio]` say where to listen.
        keep: called as a method of the take's writer would be, from the event loop.
    """

    def __init__(self, rig: Rig, keep: Keep) -> None:
        self._timecode = TakeTimecode(rig.timecode, keep)
        self._keep = keep
        self._wanted = None if rig.audio is None else rig.audio.sound
        self._heard_ns: int | None = None
        self._open = contextlib.ExitStack()

    def take_face(self, face: PhoneFace) -> None:
        """A face of the phone, which may count frames."""
        self._timecode.take_face(face)

    def facts(self, start_ns: int | None) -> dict[str, Any]:
        """For the `take.toml` of a take that began then."""
        return self._timecode.facts(start_ns)

    def problems(self, now_ns: int) -> list[Problem]:
        """What stands against beginning: a microphone that gives nothing."""
        if self._wanted is None or not self._is_silent(now_ns):
            return []
        hint = "is it plugged in and allowed? or leave [audio] out of the rig"
        return [Problem(AUDIO, f"the microphone {self._wanted!r} gives nothing", hint)]

    def warnings(self, now_ns: int) -> tuple[str, ...]:
        """The same for whoever records already."""
        return tuple(f"{p.text}: the take goes on without it" for p in self.problems(now_ns))

    def _is_silent(self, now_ns: int) -> bool:
        return self._heard_ns is None or now_ns - self._heard_ns > SILENT_S * NS_PER_S

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:  # one that fails leaves none behind
            opening.enter_context(self._timecode)
            if self._wanted is not None:
                self._listen(opening.enter_context(SoundInput(self._wanted, "audio.sound")))
            self._open = opening.pop_all()
        return self

    def _listen(self, line: SoundInput) -> None:
        loop = asyncio.get_running_loop()

        def heard(sound: Sound, first_ns: int, lost: bool) -> None:
            pcm = np.rint(np.clip(sound, -1.0, 1.0) * 32767).astype("<i2").tobytes()
            if not line.is_over and not loop.is_closed():
                loop.call_soon_threadsafe(self._take, pcm, first_ns, line.rate_hz, lost)

        line.start(heard)

    def _take(self, pcm: bytes, first_ns: int, rate_hz: int, lost: bool) -> None:
        self._heard_ns = time.monotonic_ns()
        self._keep("sound", pcm, first_ns, rate_hz, lost)

    def close(self) -> None:
        """Listen no longer. Safe to call twice."""
        self._open.close()
