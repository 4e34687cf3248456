"""The timecode of a take: from the sound line where there is one, else from the phone's frames.

While a take is recorded frames' numbers are collected with the host's time; at its end they say
which frame it began with (`capture.timecode.jam`). What an LTC line tells is kept in `health` too.
"""

import contextlib
from collections.abc import Callable
from typing import Any, Self

from capture.ltc import LtcFrame
from capture.phone_faces import PhoneFace
from capture.sound_line import SoundLine
from capture.timecode import Reading, from_count, jam
from firmware_host.clock import NS_PER_S
from firmware_host.closing import Closing
from firmware_host.rig import TimecodeConfig

LTC, PHONE_CODE = "ltc", "phone"
_EVERY_NS = NS_PER_S // 4
_MOST = 100_000  # readings: seven hours

Keep = Callable[..., None]


class TakeTimecode(Closing):
    """Collects; `with TakeTimecode(config, keep) as timecode` listens to the line meanwhile.

    Args:
        config: of the rig; None listens to no line.
        keep: called as a method of the take's writer would be, from the event loop.
    """

    def __init__(self, config: TimecodeConfig | None, keep: Keep) -> None:
        self._config, self._keep = config, keep
        self._readings: dict[str, list[Reading]] = {LTC: [], PHONE_CODE: []}
        self._rate = 0
        self._open = contextlib.ExitStack()

    def take_face(self, face: PhoneFace) -> None:
        """A face; of apps that count frames its number is the time of day."""
        number, numerator, denominator = face.frame
        if not denominator or not numerator:
            return
        self._rate = round(numerator / denominator)
        if self._is_due(PHONE_CODE, face.arrival_ns):
            code = from_count(number, self._rate)
            self._readings[PHONE_CODE].append(Reading(code, face.arrival_ns))

    def take_ltc(self, frame: LtcFrame, host_ns: int) -> None:
        """A frame of the line, which began at `host_ns`."""
        if self._is_due(LTC, host_ns):
            self._readings[LTC].append(Reading(frame.timecode, host_ns))
            self._keep("health", LTC, host_ns, timecode=str(frame.timecode))

    def _is_due(self, source: str, host_ns: int) -> bool:
        known = self._readings[source]
        return len(known) < _MOST and (not known or host_ns - known[-1].host_ns >= _EVERY_NS)

    def facts(self, start_ns: int | None) -> dict[str, Any]:
        """`timecode` for the `take.toml` of a take that began then; {} where none was heard."""
        if start_ns is None:
            return {}
        for source, rate in ((LTC, 0), (PHONE_CODE, self._rate)):
            readings = [r for r in self._readings[source] if r.host_ns >= start_ns]
            if (found := jam(readings, start_ns, source, rate)) is not None:
                return {"timecode": found.facts()}
        return {}

    def __enter__(self) -> Self:
        if self._config is not None:
            self._open.enter_context(SoundLine(self._config.sound, self.take_ltc))
        return self

    def close(self) -> None:
        """Listen no longer. Safe to call twice."""
        self._open.close()
