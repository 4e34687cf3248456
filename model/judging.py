"""Figures of tracks on the same ticks: the network and what it must beat, against the truth. Pure.

Baselines, worst first: `rest_face` and `mean_face` stand still; `constant` stands still at the
take's own median, which only the truth knows, so that what it leaves is movement; `ridge` is linear
in lagged features; `kalman` is the filter alone with the prior about anybody, `kalman_enrolled`
with the wearer's profile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, OBSERVABLE
from capture.resample import TICK_HZ
from model import metrics
from model.intervals import (
    Interval,
    interval_of_correlation,
    interval_of_mean,
    interval_over_takes,
    pieces,
)
from model.surface import standard_face, upper_face_deviation_mm, vertex_errors_mm

Array = NDArray[np.float64]

STILL = ("rest_face", "mean_face", "constant")
# Where the true skin moves less than this on average there is nothing to be good or bad at.
_MOVING_MM = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """weights: (T, 52). rest: (52,) the face that changes are counted from. deviation: (T, 52)
    what the track states about its own error, 0 where nothing; None where it states nothing.
    """

    weights: Array
    rest: Array
    deviation: Array | None = None

    @property
    def change(self) -> Array:
        """(T, 52) change from rest."""
        return self.weights - self.rest


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Tracks on the judged ticks, on the take's timeline.

    time_s: (T,) seconds after the first IMU sample. truth: what ARKit saw, with the face that it
    saw at rest. tracks: by name, `model` among them.
    """

    time_s: Array
    truth: Track
    tracks: dict[str, Track]

    def figures(self) -> dict[str, Any]:
        """All figures, plain values for JSON: by name of the figure, then of the track."""
        truth, cut = self.truth.weights, pieces(len(self.time_s))
        errors = {name: _errors(track, self.truth) for name, track in self.tracks.items()}
        return {
            "seconds_judged": round(len(self.time_s) / TICK_HZ, 3),
            **{
                figure: {name: float(of[figure].mean()) for name, of in errors.items()}
                for figure in errors["model"]
            },
            "mae_all": self._of_each(metrics.mae_all),
            "correlation": self._of_each(metrics.correlation, STILL),
            "mae_offset_free_by_region": self._of_each(metrics.mae_by_region),
            "jitter_ratio": self._of_each(_jitter_ratio, STILL),
            "upper_face_deviation_mm": self._of_each(_upper_face_deviation_mm),
            "activation_f1": {
                name: metrics.activation_f1(track.change, self.truth.change)
                for name, track in self.tracks.items()
            },
            "onset_delay_ms": self._of_each(metrics.onset_delay_ms, STILL),
            "spread_coverage_90": {
                name: metrics.coverage(track.change, self.truth.change, track.deviation)
                for name, track in self.tracks.items()
                if track.deviation is not None
            },
            "intervals": {
                "correlation": self._of_each(lambda p, t: _interval_of_r(p, t, cut), STILL),
                **{
                    figure: {n: interval_of_mean(of[figure], cut) for n, of in errors.items()}
                    for figure in errors["model"]
                },
            },
            "correlation_per_shape": {
                name: float(r)
                for name, r in zip(
                    ARKIT_NAMES,
                    metrics.correlation_per_shape(self.tracks["model"].weights, truth),
                    strict=True,
                )
                if np.isfinite(r)
            },
            "ten_seconds": _ten_seconds(errors, self.time_s, cut),
        }

    def _of_each(
        self, figure: Callable[[Array, Array], Any], but: Sequence[str] = ()
    ) -> dict[str, Any]:
        return {
            name: figure(track.weights, self.truth.weights)
            for name, track in self.tracks.items()
            if name not in but
        }


def over_takes(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over takes, each weighing the same, of every figure that is one number, as `figures`
    has them; intervals over takes.

    A take that lacks a figure (NaN, or nobody enrolled) does not count in it.
    """
    told: dict[str, Any] = {"takes": len(found), "intervals": {}}
    for figure in NUMBERS:
        told[figure], told["intervals"][figure] = {}, {}
        for name in dict.fromkeys(name for figures in found for name in figures[figure]):
            values = [figures[figure].get(name, float("nan")) for figures in found]
            values = [value for value in values if np.isfinite(value)]
            told[figure][name] = float(np.mean(values)) if values else float("nan")
            told["intervals"][figure][name] = interval_over_takes(values)
    return told


# Figures of one number per track, those that count first.
NUMBERS = (
    "correlation",
    "mae_offset_free",
    "vertex_error_offset_free_mm",
    "lip_error_offset_free_mm",
    "upper_face_deviation_mm",
    "jitter_ratio",
    "activation_f1",
    "onset_delay_ms",
    "spread_coverage_90",
    "mae",
    "mae_all",
    "vertex_error_mm",
    "lip_error_mm",
)


def _errors(track: Track, truth: Track) -> dict[str, Array]:
    """(T,) each: what is a mean over ticks, before that mean is taken."""
    face = standard_face()
    moved, moved_truth = (metrics.without_offset(t.weights) for t in (track, truth))
    vertex, lip = vertex_errors_mm(track.weights, truth.weights, face)
    free_vertex, free_lip = vertex_errors_mm(moved, moved_truth, face)
    return {
        "mae": _absolute(track.weights, truth.weights),
        "mae_offset_free": _absolute(moved, moved_truth),
        "vertex_error_mm": vertex,
        "lip_error_mm": lip,
        "vertex_error_offset_free_mm": free_vertex,
        "lip_error_offset_free_mm": free_lip,
    }


def _absolute(prediction: Array, truth: Array) -> Array:
    return np.asarray(np.abs(prediction - truth)[:, OBSERVABLE].mean(axis=1))


def _jitter_ratio(prediction: Array, truth: Array) -> float:
    return metrics.jitter(prediction) / max(metrics.jitter(truth), 1e-9)


def _upper_face_deviation_mm(prediction: Array, truth: Array) -> float:
    return upper_face_deviation_mm(prediction, truth, standard_face())


def _interval_of_r(prediction: Array, truth: Array, cut: Sequence[slice]) -> Interval | None:
    active = metrics.active_shapes(truth)
    return interval_of_correlation(prediction[:, active], truth[:, active], cut)


def _ten_seconds(
    errors: dict[str, dict[str, Array]], time_s: Array, cut: Sequence[slice]
) -> dict[str, Any]:
    """What the network leaves of the movement, piece by piece, and where that share is smallest and
    largest; None of a take in which fewer than two pieces move.

    A share, since otherwise the best seconds would be those in which nothing moves.
    """
    key, told = "vertex_error_offset_free_mm", []
    for piece in cut:
        left, moved = (float(errors[n][key][piece].mean()) for n in ("model", "constant"))
        start_s, end_s = (round(float(time_s[piece][k]), 3) for k in (0, -1))
        share = left / moved if moved > _MOVING_MM else None
        told.append(
            {
                "start_s": start_s,
                "end_s": end_s,
                "error_mm": left,
                "movement_mm": moved,
                "share": share,
            }
        )
    moving = sorted((one for one in told if one["share"] is not None), key=itemgetter("share"))
    several = len(moving) > 1
    return {
        "best": moving[0] if several else None,
        "worst": moving[-1] if several else None,
        "all": told,
    }
