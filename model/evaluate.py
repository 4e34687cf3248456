"""Judge a take: the network, the mean face and ridge regression against ARKit on the same ticks.

Rest and routine are left out: nothing moves there but the head. Figures are those of
`model.metrics`; on takes of virtual wearers they are accuracy on simulated IMUs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.recording import Recording
from capture.resample import TICK_HZ, rows_of, tick_before
from capture.sync import Alignment, align, aligned_faces, sample_times_s
from firmware_host.errors import DataError
from firmware_host.samples import Floats
from model import metrics
from model.checkpoint import Checkpoint
from model.features import HISTORY_ROWS, features
from model.predict import Prediction, opening_of
from model.predictor import Opening, Predictor, in_order

Array = NDArray[np.float64]

# The face leaves the baseline within this long after the routine; judging begins then.
_SETTLE_S = 1.0
# Truth between two ARKit frames further apart than this is not truth.
_LARGEST_HOLE_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Tracks on the judged ticks, on the take's timeline.

    time_s: (T,) seconds after the first IMU sample. truth, model, ridge: (T, 52). mean_face: (52,).
    """

    time_s: Array
    truth: Array
    model: Array
    ridge: Array
    mean_face: Array

    def figures(self) -> dict[str, Any]:
        """All figures, plain values for JSON."""
        still = np.broadcast_to(self.mean_face, self.truth.shape)
        tracks = {"model": self.model, "mean_face": still, "ridge": self.ridge}
        moving = {"model": self.model, "ridge": self.ridge}
        truth_jitter = metrics.jitter(self.truth)
        per_shape = metrics.correlation_per_shape(self.model, self.truth)
        return {
            "seconds_judged": round(len(self.time_s) / TICK_HZ, 3),
            "mae": {k: metrics.mae(v, self.truth) for k, v in tracks.items()},
            "mae_offset_free": {
                k: metrics.mae_offset_free(v, self.truth) for k, v in tracks.items()
            },
            "correlation": {k: metrics.correlation(v, self.truth) for k, v in moving.items()},
            "mae_offset_free_by_region": {
                k: metrics.mae_by_region(v, self.truth) for k, v in tracks.items()
            },
            "jitter_ratio": {
                k: metrics.jitter(v) / max(truth_jitter, 1e-9) for k, v in moving.items()
            },
            "correlation_per_shape": {
                name: float(r)
                for name, r in zip(ARKIT_NAMES, per_shape, strict=True)
                if np.isfinite(r)
            },
        }


def judge_take(
    recording: Recording,
    checkpoint: Checkpoint,
    prediction: Prediction,
    alignment: Alignment | None = None,
) -> Judged:
    """Put truth, prediction and baselines on the same ticks.

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
    ridge = ridge_at(prediction.host_ns, recording, checkpoint, alignment)
    mean_face = np.clip(checkpoint.rest_weights + checkpoint.mean_change, 0.0, 1.0)
    return Judged(
        at[judged],
        truth[judged],
        np.asarray(prediction.weights[judged], float),
        np.asarray(ridge[judged], float),
        np.asarray(mean_face, float),
    )


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


def ridge_at(
    host_ns: NDArray[np.int64], recording: Recording, checkpoint: Checkpoint, alignment: Alignment
) -> Floats:
    """Ridge's (T, 52) on the same features as the network, calibrated on the same opening.

    host_ns: (T,) when faces were predicted, increasing; ticks may be missing between them.
    """
    seen, at = seen_around(host_ns, recording, checkpoint, alignment)
    change = checkpoint.ridge.predict(np.clip(seen, -20.0, 20.0))
    return np.asarray(np.clip(checkpoint.rest_weights + change, 0.0, 1.0)[at])


def seen_around(
    host_ns: NDArray[np.int64], recording: Recording, checkpoint: Checkpoint, alignment: Alignment
) -> tuple[Floats, NDArray[np.int64]]:
    """Feature rows without a hole from some seconds before the first of `host_ns` to the last, and
    which of them are at host_ns.
    """
    predictor = _calibrated(recording, checkpoint)
    times = sample_times_s(recording, alignment)
    time_ns = np.rint(times * 1e9).astype(np.int64) + alignment.origin_ns
    ticks = tick_before(host_ns)
    last, first = int(ticks[-1]), int(ticks[0]) - HISTORY_ROWS
    order = predictor.slot_order
    rows = rows_of(
        time_ns,
        in_order(recording.accel_m_s2, order),
        in_order(recording.gyro_rad_s, order),
        first,
        last - first + 1,
    )
    return features(rows, predictor.layout, predictor.calibration), ticks - first


def _calibrated(recording: Recording, checkpoint: Checkpoint) -> Predictor:
    """A predictor that has seen the opening of the take and nothing else."""
    opening: Opening = opening_of(recording.take)
    predictor = Predictor(checkpoint, recording.take.sensor_layout, _unmoved, opening)
    for block in recording.blocks():
        predictor.push(block)
        predictor.frame_at(block.arrival_ns)
        if predictor.calibrated:
            break
    return predictor


def _unmoved(xt: Floats, t: int, features: Floats) -> Floats:  # noqa: ARG001
    """In place of a network where only the calibration is wanted."""
    return xt
