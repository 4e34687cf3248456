"""What a run of `imusic latency` says: figures from what a subscriber heard. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

TICK_HZ = 60
_NS_PER_S = 1_000_000_000
HISTOGRAM_MS = 2.0
_BARS = 40
# Lag is looked for between these, on a grid of so many steps a second, in shapes that move so much
# and follow the truth so well.
_LAGS_S, _GRID_HZ = (-0.05, 0.25), 240.0
_MOVES, _FOLLOWS = 0.02, 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What arrived at the subscriber, in order; (N,) each, and (N, 52) weights.

    received_ns: host monotonic. The rest is of the messages.
    """

    received_ns: Ints
    time_ns: Ints
    unix_ns: Ints
    newest_ns: Ints
    sequence: Ints
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.received_ns)


@dataclass(frozen=True, slots=True, eq=False)
class Performed:
    """What was truly done. time_ns: (M,) host monotonic. weights: (M, 52)."""

    time_ns: Ints
    weights: Array


def figures(
    heard: Heard,
    bare_late_ms: Sequence[float],
    unix_ahead_ns: int,
    truth: Performed | None = None,
) -> dict[str, Any]:
    """Latency, ticks, jitter and lag.

    Args:
        bare_late_ms: how late a loop that only sleeps woke, in the same run.
        unix_ahead_ns: Unix time minus the monotonic clock.
    """
    late_ms = (heard.received_ns - heard.newest_ns) / 1e6
    left_ms = (heard.unix_ns - unix_ahead_ns - heard.time_ns) / 1e6
    ticks = heard.time_ns * TICK_HZ // _NS_PER_S
    told = {
        "faces": len(heard),
        "seconds": float((heard.time_ns[-1] - heard.time_ns[0]) / 1e9),
        "missed_messages": int(np.diff(heard.sequence).sum() - (len(heard) - 1)),
        "missed_ticks": int(np.diff(ticks).sum() - (len(heard) - 1)),
        "off_grid": int(np.count_nonzero(heard.time_ns != grid_ns(ticks))),
        "latency_ms": _spread(late_ms),
        "histogram_ms": histogram(late_ms),
        "emission_late_ms": _spread(left_ms),
        "bare_loop_late_ms": _spread(np.asarray(bare_late_ms)) if len(bare_late_ms) else {},
    }
    if truth is not None:
        told["motion_lag_ms"] = motion_lag_ms(heard, truth)
    return told


def grid_ns(ticks: Ints) -> Ints:
    """When ticks are due, as `model.driving` counts them."""
    seconds, rest = np.divmod(ticks, TICK_HZ)
    due: Ints = seconds * _NS_PER_S + rest * _NS_PER_S // TICK_HZ + 1
    return due


def _spread(values: Array) -> dict[str, float]:
    p50, p99 = np.percentile(values, (50, 99))
    return {"p50": float(p50), "p99": float(p99), "max": float(values.max())}


def histogram(late_ms: Array) -> dict[str, int]:
    """Counts by steps of HISTOGRAM_MS, from the first that has any to the last."""
    steps = np.floor(late_ms / HISTOGRAM_MS).astype(int)
    counts = {}
    for step in range(int(steps.min()), min(int(steps.max()), int(steps.min()) + 100) + 1):
        counts[f"{step * HISTOGRAM_MS:g}"] = int(np.count_nonzero(steps == step))
    return counts


def motion_lag_ms(heard: Heard, truth: Performed) -> float | None:
    """How much later than it happened a motion arrives, by cross-correlation; None if none moved.

    Of every shape that moves and is followed, the lag at which it agrees best with the truth, to a
    part of a step; the median over shapes. Filters, sensors and everything else are in it.
    """
    start_ns = int(heard.received_ns[0])
    at = np.arange(0.0, (heard.received_ns[-1] - start_ns) / 1e9, 1.0 / _GRID_HZ)
    felt_s = (heard.received_ns - start_ns) / 1e9
    true_s = (truth.time_ns - start_ns) / 1e9
    lags = np.arange(_LAGS_S[0], _LAGS_S[1] + 1e-9, 1.0 / _GRID_HZ)
    found = []
    for shape in range(heard.weights.shape[1]):
        told = np.interp(at, felt_s, heard.weights[:, shape])
        if told.std() < _MOVES or truth.weights[:, shape].std() < _MOVES:
            continue
        agreement = np.array(
            [
                _correlation(told, np.interp(at - lag, true_s, truth.weights[:, shape]))
                for lag in lags
            ]
        )
        best = int(agreement.argmax())
        if agreement[best] >= _FOLLOWS and 0 < best < len(lags) - 1:
            left, top, right = agreement[best - 1 : best + 2]
            bend = left - 2 * top + right
            step = 0.5 * (left - right) / bend if bend < 0 else 0.0
            found.append(1000.0 * (lags[best] + step / _GRID_HZ))
    return float(np.median(found)) if found else None


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0


def lines(told: dict[str, Any]) -> list[str]:
    """The figures for people, with a histogram."""
    late, left, bare = (
        told[key] for key in ("latency_ms", "emission_late_ms", "bare_loop_late_ms")
    )
    out = [
        f"{told['faces']} faces in {told['seconds']:.0f} s, {told['missed_messages']} missed, "
        f"{told['missed_ticks']} ticks missed, {told['off_grid']} off the grid",
        f"last byte to subscriber   p50 {late['p50']:.2f} ms   p99 {late['p99']:.2f} ms   "
        f"max {late['max']:.2f} ms",
        f"emission after the tick   p50 {left['p50']:.2f} ms   p99 {left['p99']:.2f} ms",
    ]
    if bare:
        out.append(f"a loop that only sleeps   p50 {bare['p50']:.2f} ms   p99 {bare['p99']:.2f} ms")
    lag = told.get("motion_lag_ms")
    out.append("motion lag                " + ("not told" if lag is None else f"{lag:.0f} ms"))
    if told.get("first_face_s") is not None:
        out.append(f"start to the first face   {told['first_face_s']:.2f} s")
    if told.get("resident_mb") is not None:
        out.append(
            f"live process              {told['resident_mb']:.0f} MB at most, "
            f"{100 * told['core_share']:.0f} % of a core"
        )
    most = max(told["histogram_ms"].values())
    out += [
        f"{float(start):5.0f} ms {'█' * -(-_BARS * count // most)} {count}"
        for start, count in told["histogram_ms"].items()
        if count
    ]
    return out
