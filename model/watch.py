"""What is looked for beside the face: minute movements, and sensors that slipped. Pure."""

from collections import deque

from firmware_host.samples import Floats
from model.minute import FloorLearner, MinuteDetector, MinuteEvent
from model.predictor import OpeningFeatures, Predictor
from model.slips import Slip, SlipWatch

# Rows of rest and routine that are learnt from, and rows that wait to be looked at, at one look: a
# frame must not be late for them.
_LEARN_ROWS, _LOOK_ROWS = 12, 30


class FaceWatch:
    """Looks at the feature rows of a predictor: ask after every frame, or whenever it suits.

    After rest and routine it takes some looks to learn the floor of these; rows wait meanwhile.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._learner: FloorLearner | None = None
        self._detector: MinuteDetector | None = None
        self._slips = SlipWatch(predictor.layout)
        self._version = -1
        self._waiting: deque[tuple[int, Floats]] = deque()

    @property
    def slipped(self) -> dict[str, float]:
        """Slots whose sensors sit otherwise than at rest then, and by how many degrees."""
        return dict(self._slips.slipped)

    def look(self) -> list[MinuteEvent | Slip]:
        """What happened since the last look; nothing before rest is known."""
        opening = self._predictor.opening_features()
        if opening is None:
            return []
        last_tick, rows = self._predictor.settled()
        if self._version != opening.version:
            self._begin(opening)
        rows = rows[max(0, opening.end_tick - last_tick + len(rows)) :]
        if len(rows):
            self._waiting.append((last_tick, rows))
        if self._learner is not None and (floor := self._learner.step(_LEARN_ROWS)) is not None:
            first_tick = opening.end_tick + 1
            self._detector = MinuteDetector(self._predictor.layout, floor, first_tick)
            self._learner = None
        return [] if self._detector is None else self._catch_up(self._detector)

    def _begin(self, opening: OpeningFeatures) -> None:
        sites = len(self._predictor.layout.face_indices)
        self._version = opening.version
        self._learner = FloorLearner(opening.rest, opening.routine, sites)
        self._detector = None
        self._slips = SlipWatch(self._predictor.layout)
        self._waiting.clear()

    def _catch_up(self, detector: MinuteDetector) -> list[MinuteEvent | Slip]:
        found: list[MinuteEvent | Slip] = []
        taken = 0
        while self._waiting and taken < _LOOK_ROWS:
            last_tick, rows = self._waiting.popleft()
            found += detector.advance(last_tick, rows)
            found += self._slips.advance(rows)
            taken += len(rows)
        return found
