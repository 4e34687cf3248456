"""Judge a take: the network and its baselines against ARKit, on the same ticks.

Rest and routine are left out: nothing moves there but the head. Figures are those of
`model.judging`; on takes of virtual wearers they are accuracy on simulated IMUs.
"""

import numpy as np
from numpy.typing import NDArray

from capture.merging import SlotReader
from capture.recording import Recording
from capture.resample import TICK_HZ, rows_of, tick_before
from capture.sync import Alignment, align, aligned_faces, sample_times_s
from firmware_host.errors import DataError
from firmware_host.samples import Floats
from model.checkpoint import Checkpoint
from model.features import HISTORY_ROWS, features
from model.judging import Judged, Track
from model.kalman import WeightFilter, filtered
from model.predict import Prediction, opening_of
from model.predictor import Opening, Predictor
from model.responses import SiteResponses
from model.wearer import Wearer

Array = NDArray[np.float64]

# The face leaves the baseline within this long after the routine; judging begins then.
_SETTLE_S = 1.0
# Truth between two ARKit frames further apart than this is not truth.
_LARGEST_HOLE_S = 0.1
_FEWEST_REST_FRAMES = 15


def judge_take(
    recording: Recording,
    checkpoint: Checkpoint,
    prediction: Prediction,
    alignment: Alignment | None = None,
    wearer: Wearer | None = None,
) -> Judged:
    """Put truth, prediction and baselines on the same ticks.

    wearer: the profile that the prediction was made with.

    Raises:
        DataError: no tracked ARKit face after the routine.
    """
    alignment = alignment or align(recording)
    at = (prediction.host_ns - alignment.origin_ns) / 1e9
    truth, known = truth_at(at, recording, alignment)
    judged = known & (at > opening_of(recording.take).end_s + _SETTLE_S)
    if judged.sum() < TICK_HZ:
        raise DataError(
            f"take {recording.take.name!r}: expected at least 1 s of tracked ARKit faces after the "
            f"routine, got {judged.sum() / TICK_HZ:.1f} s",
            "only takes with a face stream can be judged",
        )
    rest = np.asarray((wearer or checkpoint).rest_weights, float)
    host_ns, truth = prediction.host_ns[judged], truth[judged]
    stated = None
    if prediction.spread is not None:
        stated = np.nan_to_num(np.asarray(prediction.spread[judged], float))
    usual = np.clip(checkpoint.rest_weights + checkpoint.mean_change, 0.0, 1.0)
    own = np.median(truth, axis=0)
    tracks = {
        "model": Track(np.asarray(prediction.weights[judged], float), rest, stated),
        **moving_baselines(host_ns, recording, checkpoint, alignment, wearer),
        "mean_face": _still(usual, np.asarray(checkpoint.rest_weights, float), truth),
        "rest_face": _still(rest, rest, truth),
        "constant": _still(own, own, truth),
    }
    seen_resting = Track(truth, resting_face(recording, alignment, checkpoint))
    return Judged(at[judged], seen_resting, tracks)


def _still(weights: Array, rest: Array, truth: Array) -> Track:
    return Track(np.broadcast_to(np.asarray(weights, float), truth.shape), rest)


def resting_face(recording: Recording, alignment: Alignment, checkpoint: Checkpoint) -> Array:
    """(52,) what ARKit saw while the wearer rested; the checkpoint's prior where it saw nothing."""
    time_s, weights, _, tracked = aligned_faces(recording, alignment)
    opening = opening_of(recording.take)
    inside = tracked & (time_s >= opening.rest_start_s) & (time_s <= opening.rest_end_s)
    if inside.sum() < _FEWEST_REST_FRAMES:
        return np.asarray(checkpoint.rest_weights, float)
    return np.asarray(np.clip(np.median(weights[inside], axis=0), 0.0, 1.0), float)


def truth_at(
    at_s: Array, recording: Recording, alignment: Alignment
) -> tuple[Array, NDArray[np.bool_]]:
    """ARKit weights (T, 52) at times on the take's timeline, and where they are known."""
    time_s, weights, _, tracked = aligned_faces(recording, alignment)
    time_s, weights = time_s[tracked], np.asarray(weights[tracked], float)
    if len(time_s) < 2:
        return np.zeros((len(at_s), weights.shape[1])), np.zeros(len(at_s), bool)
    right = np.clip(np.searchsorted(time_s, at_s), 1, len(time_s) - 1)
    hole = time_s[right] - time_s[right - 1]
    known = (hole <= _LARGEST_HOLE_S) & (at_s >= time_s[0]) & (at_s <= time_s[-1])
    share = np.clip((at_s - time_s[right - 1]) / np.maximum(hole, 1e-9), 0.0, 1.0)[:, None]
    truth = weights[right - 1] * (1.0 - share) + weights[right] * share
    return np.clip(truth, 0.0, 1.0), known


def moving_baselines(
    host_ns: NDArray[np.int64],
    recording: Recording,
    checkpoint: Checkpoint,
    alignment: Alignment,
    wearer: Wearer | None = None,
) -> dict[str, Track]:
    """Ridge and the Kalman filter on the features of the network, calibrated on the same opening.

    host_ns: (T,) when faces were predicted, increasing; ticks may be missing between them.
    """
    seen, at = seen_around(host_ns, recording, checkpoint, alignment)
    rest = np.asarray(checkpoint.rest_weights, float)
    change = np.asarray(checkpoint.ridge.predict(np.clip(seen, -20.0, 20.0)), float)
    tracks = {"ridge": Track(np.clip(rest + change[at], 0.0, 1.0), rest)}
    tracks["kalman"] = _filtered(seen, at, checkpoint, checkpoint.belief.responses, rest)
    if wearer is not None:
        own = np.asarray(wearer.rest_weights, float)
        tracks["kalman_enrolled"] = _filtered(seen, at, checkpoint, wearer.responses, own)
    return tracks


def _filtered(
    seen: Floats,
    at: NDArray[np.int64],
    checkpoint: Checkpoint,
    responses: SiteResponses,
    rest: Array,
) -> Track:
    """The filter alone. It starts some seconds before the first face, as it would live."""
    rows = filtered(WeightFilter(responses, checkpoint.belief.dynamics), seen)[at].astype(float)
    change, deviation = np.split(rows, 2, axis=1)
    return Track(np.clip(rest + change, 0.0, 1.0), rest, deviation)


def seen_around(
    host_ns: NDArray[np.int64], recording: Recording, checkpoint: Checkpoint, alignment: Alignment
) -> tuple[Floats, NDArray[np.int64]]:
    """Feature rows without a hole from some seconds before the first of `host_ns` to the last, and
    which of them are at host_ns.
    """
    rows, at, predictor = rows_around(host_ns, recording, checkpoint, alignment)
    return features(rows, predictor.layout, predictor.calibration), at


def rows_around(
    host_ns: NDArray[np.int64], recording: Recording, checkpoint: Checkpoint, alignment: Alignment
) -> tuple[Array, NDArray[np.int64], Predictor]:
    """The readings (N, S, 6) that those features are made of, which of them are at host_ns, and a
    predictor that knows calibration and layout.
    """
    predictor = _calibrated(recording, checkpoint)
    times = sample_times_s(recording, alignment)
    time_ns = np.rint(times * 1e9).astype(np.int64) + alignment.origin_ns
    ticks = tick_before(host_ns)
    last, first = int(ticks[-1]), int(ticks[0]) - HISTORY_ROWS
    take = recording.take
    reader = SlotReader(checkpoint.layout.names, take.sensor_layout.names, take.corrections)
    accel, gyro = reader.read(recording.accel_m_s2, recording.gyro_rad_s)
    return rows_of(time_ns, accel, gyro, first, last - first + 1), ticks - first, predictor


def _calibrated(recording: Recording, checkpoint: Checkpoint) -> Predictor:
    """A predictor that has seen the opening of the take and nothing else."""
    opening: Opening = opening_of(recording.take)
    take = recording.take
    devices = [device.slots for device in take.sources]
    predictor = Predictor(
        checkpoint,
        take.sensor_layout,
        _unmoved,
        opening,
        devices=devices,
        corrections=take.corrections,
    )
    for block in recording.blocks():
        predictor.push(block)
        predictor.frame_at(block.arrival_ns)
        if predictor.calibrated:
            break
    return predictor


def _unmoved(xt: Floats, t: int, features: Floats) -> Floats:  # noqa: ARG001
    """In place of a network where only the calibration is wanted."""
    return xt
