"""`imusic adapt`: learn one wearer from a take in which ARKit watched, or a face was followed.

One part of what follows rest and routine teaches, another judges: the network with the new profile
against the network without any. The profile is then fitted to all of the take; whether it may be
used, the judging part has said. With ARKit the last part judges; where an animated face was
followed, what was shown for a second time. No torch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.guided import performed, script_from_dict
from capture.recording import Recording
from capture.resample import TICK_HZ, tick_before, tick_time_ns
from capture.sync import Alignment, align
from capture.take import Take, software
from firmware_host.errors import ConfigError, DataError
from firmware_host.samples import Floats
from model import metrics
from model.checkpoint import Checkpoint
from model.driving import due_between
from model.evaluate import resting_face, seen_around, truth_at
from model.features import perceived
from model.followed_poses import Turned, learned
from model.following import labelled
from model.predict import Prediction, opening_of, predict_recording
from model.responses import enrolled
from model.wearer import Wearer, WearerFacts

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ticks = NDArray[np.int64]

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
    (T,) ticks that judge and that teach. turned: what was felt of poses that were followed, where
    nobody watched. following: what became of the animation then.
    """

    seen: Floats
    change: Array
    rest: Array
    at: NDArray[np.int64]
    truth: Array
    taught: Mask
    judged: Mask
    turned: tuple[Turned, ...] = ()
    following: dict[str, float] = field(default_factory=dict)


def was_guided(take: Take) -> bool:
    """Whether the wearer was shown a face to follow."""
    return bool(take.guide)


def adapt_take(
    recording: Recording,
    checkpoint: Checkpoint,
    name: str,
    take_sha256: str,
    report: Callable[[float], None] | None = None,
    follow: bool = False,
) -> Adapted:
    """Learn the wearer of a take.

    Args:
        name: of the wearer. take_sha256: of the take's data, for the profile's facts.
        report: called now and then with the share done.
        follow: by the face that was shown, also where ARKit watched.

    Raises:
        DataError: less than `SHORTEST_S` of tracked faces after the opening, or of movements that
            were followed.
        ConfigError: nothing was shown that could have been followed.
    """
    if follow and not was_guided(recording.take):
        raise ConfigError(
            f"take {recording.take.name!r}: no face was shown to follow",
            "record one with `imusic enrol`, or leave out --follow",
        )
    tell = report or (lambda _: None)
    host_ns = _ticks(recording)
    learn = _followed if follow or _unseen(recording) else _watched
    lesson = learn(recording, checkpoint, host_ns)
    before = predict_recording(recording, checkpoint, lambda share: tell(0.5 * share))
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
        following=lesson.following,
    )
    trial = _taught(lesson, checkpoint, facts, False)
    after = predict_recording(recording, checkpoint, lambda share: tell(0.5 + 0.5 * share), trial)
    old, new = (_figures(track, lesson) for track in (before, after))
    facts = msgspec.structs.replace(facts, before=old, after=new)
    better = (
        new["mae_offset_free"] <= old["mae_offset_free"]
        and new["correlation"] >= old["correlation"]
    )
    return Adapted(_taught(lesson, checkpoint, facts, True), better)


def _ticks(recording: Recording) -> Ticks:
    """(T,) times of all frames that `predict_recording` gives."""
    arrival_ns = recording.arrival_ns
    host_ns = due_between(int(arrival_ns[0]), int(arrival_ns[-1])) if len(recording) else ()
    if not len(host_ns):
        raise DataError(f"take {recording.take.name!r} has no IMU samples for even one frame")
    return np.asarray(host_ns)


def _unseen(recording: Recording) -> bool:
    """Whether a face was shown, and no phone watched."""
    return was_guided(recording.take) and not recording.faces.tracked.any()


def _watched(recording: Recording, checkpoint: Checkpoint, host_ns: Ticks) -> _Lesson:
    """By what ARKit saw."""
    alignment = align(recording)
    seen, at = seen_around(host_ns, recording, checkpoint, alignment)
    at_s = (host_ns - alignment.origin_ns) / 1e9
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


def _followed(recording: Recording, checkpoint: Checkpoint, host_ns: Ticks) -> _Lesson:
    """By the face that was shown."""
    alignment = align(recording)
    seen, at = seen_around(host_ns, recording, checkpoint, alignment)
    row_s = _row_times_s(host_ns, at, len(seen), alignment)
    script = script_from_dict(recording.take.guide)
    steps = performed(script, recording.markers, alignment.origin_ns)
    felt = perceived(seen, len(checkpoint.belief.responses.mean))
    labels = labelled(steps, row_s, felt, checkpoint.belief.responses)
    usable = labels.taught | labels.judged
    teaches = not all(one.judges for one in labels.turned)
    can_judge = labels.judged[at].any() and teaches
    if (seconds := float(usable.sum()) / TICK_HZ) < SHORTEST_S or not can_judge:
        raise DataError(
            f"take {recording.take.name!r}: expected at least {SHORTEST_S:g} s of movements that "
            f"were followed, got {seconds:.1f} s ({labels.followed} of {labels.shown} movements)",
            "record it again: imusic enrol; and do what the face on the screen does",
        )
    rest = np.asarray(checkpoint.rest_weights, float)
    facts = {
        "delay_s": round(labels.delay_s, 3),
        "followed": float(labels.followed),
        "shown": float(labels.shown),
    }
    return _Lesson(
        seen, labels.change, rest, at, np.clip(rest + labels.change[at], 0.0, 1.0),
        labels.taught[at], labels.judged[at], labels.turned, facts,
    )  # fmt: skip


def _row_times_s(host_ns: Ticks, at: NDArray[np.int64], count: int, alignment: Alignment) -> Array:
    """(N,) times in the take of feature rows, of which rows `at` are at `host_ns`."""
    first = int(tick_before(host_ns[:1])[0]) - int(at[0])
    ticks = first + np.arange(count)
    return np.asarray([(tick_time_ns(int(k)) - alignment.origin_ns) / 1e9 for k in ticks])


def _taught(lesson: _Lesson, checkpoint: Checkpoint, facts: WearerFacts, by_all: bool) -> Wearer:
    """What the part that teaches has taught, or all of it."""
    belief = checkpoint.belief
    if lesson.turned:
        turned = [one for one in lesson.turned if by_all or not one.judges]
        responses = learned(turned, belief.responses, belief.dynamics.noise)
    else:
        teaching = np.zeros(len(lesson.seen), bool)
        teaching[lesson.at[lesson.taught | (by_all & lesson.judged)]] = True
        responses = enrolled(belief.responses, lesson.seen, lesson.change, teaching)
    return Wearer(facts, responses, np.asarray(lesson.rest, np.float32))


def _figures(prediction: Prediction, lesson: _Lesson) -> dict[str, float]:
    predicted = np.asarray(prediction.weights[lesson.judged], float)
    truth = lesson.truth[lesson.judged]
    return {
        "correlation": metrics.correlation(predicted, truth),
        "mae_offset_free": metrics.mae_offset_free(predicted, truth),
        "mae": metrics.mae(predicted, truth),
    }
