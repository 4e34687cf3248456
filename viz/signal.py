"""What is known of a stream of faces, from the messages that arrived. No I/O, no clock."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.wire import FaceMessage, decode, frame_from_message
from firmware_host.errors import ProtocolError
from firmware_host.samples import Floats

NO_SIGNAL_S = 0.5
RATE_OVER_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face to show. weights: (52,) in [0, 1]. quat_world_from_head: (4,), None where unknown.

    confidence: None where nothing is said of it. by_shape: (52,), likewise.
    """

    weights: Floats
    quat_world_from_head: Floats | None = None
    confidence: float | None = None
    by_shape: Floats | None = None
    tracked: bool = True


NEUTRAL = Face(np.zeros(len(ARKIT_NAMES), np.float32))


def face_of(message: FaceMessage) -> Face:
    """What a message holds, with everything in range."""
    frame = frame_from_message(message)
    weights = np.clip(np.nan_to_num(frame.weights), 0.0, 1.0)
    quat = frame.quat_world_from_head
    if quat is not None and not 0.5 < float(np.linalg.norm(quat)) < 2.0:  # NaN as well
        quat = None
    confidence = float(np.clip(np.nan_to_num(frame.confidence), 0.0, 1.0))
    return Face(weights, quat, confidence, frame.shape_confidence, frame.tracked)


class Signal:
    """What is known of the stream from the messages seen. Pure: times are arguments."""

    def __init__(self) -> None:
        self.newest: FaceMessage | None = None
        self.received = 0
        self.shown = 0
        self.dropped = 0
        self.malformed = 0
        self._arrivals_s: deque[float] = deque()
        self._latency_s = float("nan")
        self._last_s = float("-inf")

    def take(self, messages: Sequence[bytes], now_s: float, unix_ns: int) -> bool:
        """Take what arrived, oldest first; True if there is a new face to show."""
        fresh: FaceMessage | None = None
        for data in messages:
            try:
                message = decode(data)
            except ProtocolError:
                self.malformed += 1
                continue
            self.dropped += self._missing(fresh or self.newest, message) + (fresh is not None)
            self.received += 1
            self._arrivals_s.append(now_s)
            fresh = message
        while self._arrivals_s and self._arrivals_s[0] < now_s - RATE_OVER_S:
            self._arrivals_s.popleft()
        if fresh is None:
            return False
        self.newest, self._latency_s = fresh, (unix_ns - fresh.unix_ns) * 1e-9
        self.shown += 1
        self._last_s = now_s
        return True

    @staticmethod
    def _missing(last: FaceMessage | None, message: FaceMessage) -> int:
        """How many faces between two never arrived."""
        # A publisher that begins again counts from the start: nothing was lost.
        if last is None or message.source != last.source or message.sequence <= last.sequence:
            return 0
        return message.sequence - last.sequence - 1

    def is_stale(self, now_s: float) -> bool:
        """No face for `NO_SIGNAL_S`."""
        return self.newest is None or now_s - self._last_s > NO_SIGNAL_S

    def rate_hz(self) -> float:
        """Faces received in the last second."""
        return len(self._arrivals_s) / RATE_OVER_S

    def status(self, now_s: float) -> str:
        """One line for the operator: source, rate, latency, drops; or that there is no signal."""
        if self.newest is None:
            return "no signal"
        if self.is_stale(now_s):
            return f"no signal for {now_s - self._last_s:.1f} s · {self.newest.source}"
        face = "" if self.newest.tracked else " · no face"
        return (
            f"{self.newest.source} · {self.rate_hz():.0f} Hz · {self._latency_s * 1e3:.0f} ms · "
            f"{self.dropped} dropped{face}"
        )

    def summary(self) -> str:
        """What became of the messages, for the end."""
        bad = f", {self.malformed} not understood" if self.malformed else ""
        return f"{self.received} faces received, {self.shown} shown, {self.dropped} dropped{bad}"

    def face(self) -> Face:
        """The newest face, neutral before the first."""
        return NEUTRAL if self.newest is None else face_of(self.newest)
