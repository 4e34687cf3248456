"""`imusic adapt`: learn one wearer from a take in which ARKit watched. No torch.

The first part of what follows rest and routine teaches, the last part judges: the network with the
new profile against the network without any. The profile is then fitted to all of the take; whether
it may be used, the last part has said.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.recording import Recording
from capture.resample import TICK_HZ
from capture.sync import align
from capture.take import software
from firmware_host.errors import DataError
from firmware_host.samples import Floats
from model import metrics
from model.checkpoint import Checkpoint
from model.evaluate import resting_face, seen_around, truth_at
from model.predict import Prediction, opening_of, predict_recording
from model.responses import enrolled
from model.wearer import Wearer, WearerFacts

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Shorter takes cannot both teach and judge.
SHORTEST_S = 20.0
_TAUGHT_SHARE = 0.7
# The face leaves the baseline within this long after the routine.
_SETTLE_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """The profile, and whether it worsened nothing on the part it was not fitted to."""

    wearer: Wearer
    better: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """A take whose face is known.

    seen: (N, F) feature rows without a hole. change: (N, 52) from rest, interpolated over holes.
    rest: (52,). at: (T,) rows of them at the T predicted ticks. truth: (T, 52). judged, taught:
    (T,) ticks that judge and that teach.
    """

    seen: Floats
    change: Array
    rest: Array
    at: NDArray[np.int64]
    truth: Array
    taught: Mask
    judged: Mask


def adapt_take(
    recording: Recording,
    checkpoint: Checkpoint,
    name: str,
    take_sha256: str,
    report: Callable[[float], None] | None = None,
) -> Adapted:
    """Learn the wearer of a take.

    Args:
        name: of the wearer. take_sha256: of the take's data, for the profile's facts.
        report: called now and then with the share done.

    Raises:
        DataError: less than `SHORTEST_S` of tracked faces after the opening.
    """
    tell = report or (lambda _: None)
    before = predict_recording(recording, checkpoint, lambda share: tell(0.5 * share))
    lesson = _lesson(recording, checkpoint, before)
    facts = WearerFacts(
        name=name,
        slots=tuple(checkpoint.layout.slots[i].name for i in checkpoint.layout.face_indices),
        take=recording.take.name,
        take_sha256=take_sha256,
        seconds=round(float((lesson.taught | lesson.judged).sum()) / TICK_HZ, 1),
        simulated=recording.take.simulated,
        before={},
        after={},
        software=software(),
    )
    trial = _taught(lesson, lesson.taught, checkpoint, facts)
    after = predict_recording(recording, checkpoint, lambda share: tell(0.5 + 0.5 * share), trial)
    old, new = (_figures(track, lesson) for track in (before, after))
    facts = msgspec.structs.replace(facts, before=old, after=new)
    better = (
        new["mae_offset_free"] <= old["mae_offset_free"]
        and new["correlation"] >= old["correlation"]
    )
    return Adapted(_taught(lesson, lesson.taught | lesson.judged, checkpoint, facts), better)


def _lesson(recording: Recording, checkpoint: Checkpoint, prediction: Prediction) -> _Lesson:
    alignment = align(recording)
    seen, at = seen_around(prediction.host_ns, recording, checkpoint, alignment)
    at_s = (prediction.host_ns - alignment.origin_ns) / 1e9
    truth, known = truth_at(at_s, recording, alignment)
    usable = known & (at_s > opening_of(recording.take).end_s + _SETTLE_S)
    seconds = float(usable.sum()) / TICK_HZ
    if seconds < SHORTEST_S:
        raise DataError(
            f"take {recording.take.name!r}: expected at least {SHORTEST_S:g} s of tracked ARKit "
            f"faces after rest and routine, got {seconds:.1f} s",
            "record the wearer with the phone in view: rest, the routine, then two minutes of "
            "moving every part of the face",
        )
    rest = resting_face(recording, alignment, checkpoint)
    ticks = np.arange(len(seen))
    columns = [np.interp(ticks, at[known], column) for column in truth[known].T]
    turn = int(np.flatnonzero(usable)[int(_TAUGHT_SHARE * usable.sum())])
    early = np.arange(len(at)) < turn
    return _Lesson(
        seen, np.stack(columns, axis=1) - rest, rest, at, truth, usable & early, usable & ~early
    )


def _taught(lesson: _Lesson, ticks: Mask, checkpoint: Checkpoint, facts: WearerFacts) -> Wearer:
    teaching = np.zeros(len(lesson.seen), bool)
    teaching[lesson.at[ticks]] = True
    prior = checkpoint.belief.responses
    responses = enrolled(prior, lesson.seen, lesson.change, teaching)
    return Wearer(facts, responses, np.asarray(lesson.rest, np.float32))


def _figures(prediction: Prediction, lesson: _Lesson) -> dict[str, float]:
    predicted = np.asarray(prediction.weights[lesson.judged], float)
    truth = lesson.truth[lesson.judged]
    return {
        "correlation": metrics.correlation(predicted, truth),
        "mae_offset_free": metrics.mae_offset_free(predicted, truth),
        "mae": metrics.mae(predicted, truth),
    }
