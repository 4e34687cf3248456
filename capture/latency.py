"""How late a phone tells what it sees: from the turning of the head and the opening of the jaw.

The head turns the reference gyroscope, and ARKit reports its rotation. The jaw turns the sensor on
the chin, relative to the head, and ARKit reports jawOpen. Rates are compared up to any rotation or
mirroring, so neither the mounting of sensors nor the phone's choice of signs matters. The whole
take tells, however it was performed; gestures, segments whose label begins with `sync`, tell it
again at the start and at the end. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.blendshapes import INDEX
from capture.offsets import (
    GRID_HZ,
    MAX_SPREAD_S,
    MIN_CORRELATION,
    Offset,
    agreement,
    combined,
    find_offset,
)
from capture.recording import FaceTrack
from capture.take import Segment
from firmware_host.samples import Floats

Times = NDArray[np.float64]
Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rates = tuple[Times, Array]

CHIN = "mentalis"
GESTURE = "sync"
MIN_OVERLAP_S = 3.0
MIN_JAW_PER_S = 0.1  # rms in the band, of jawOpen per second: less is a mouth that kept shut
MIN_CHIN_RAD_S = 0.02
# A phone may smooth the face otherwise than the head; nobody tells.
JAW_UNCERTAINTY_S = 0.003
_AROUND_S = 0.75  # of a gesture: the phone tells of it later


class Gesture(msgspec.Struct, frozen=True, kw_only=True):
    """The latency within one gesture, None where that part of it told nothing."""

    label: str
    start_s: float
    head_s: float | None = None
    jaw_s: float | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """What was found. offset: of both together. disagrees: whether they contradict each other."""

    offset: Offset | None = None
    head_s: float | None = None
    jaw_s: float | None = None
    gestures: tuple[Gesture, ...] = ()
    disagrees: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Signals:
    """On one grid. head, seen: (G, 3) turning rates. chin: (G, 3) without the head. jaw: (G, 1)."""

    grid: Times
    head: Array
    seen: Array
    chin: Array
    jaw: Array
    head_valid: Flags
    jaw_valid: Flags

    def by_head(self, rows: slice = slice(None)) -> Offset | None:
        return find_offset(self.head[rows], self.seen[rows], self.head_valid[rows])

    def by_jaw(self, rows: slice = slice(None)) -> Offset | None:
        """None as well where the two have little to do with each other."""
        chin, jaw, valid = self.chin[rows], self.jaw[rows], self.jaw_valid[rows]
        scaled = chin / MIN_CHIN_RAD_S, jaw / MIN_JAW_PER_S
        found = find_offset(*scaled, valid, least_moved=1.0)
        if found is None or found.correlation < MIN_CORRELATION or found.peak_ratio < 1.0:
            return None
        return replace(found, uncertainty_s=max(found.uncertainty_s, JAW_UNCERTAINTY_S))


def phone_latency(
    reference: Rates,
    chin: Rates,
    face_s: Times,
    faces: FaceTrack,
    segments: Sequence[Segment],
    notes: list[str],
) -> Latency:
    """The latency of faces that were mapped to `face_s` (M,) against sensors.

    Args:
        reference, chin: times and (K, 3) rates of the sensors on bone and chin, in seconds of the
            take. segments: of the take. notes: takes what speaks against the result.
    """
    signals = _signals(reference, chin, face_s, faces, notes)
    if signals is None:
        return Latency()
    head, jaw = signals.by_head(), signals.by_jaw()
    if head is None:
        notes.append(
            "the head did not turn enough to find the phone's latency: "
            + ("taken for zero" if jaw is None else "found by the jaw alone")
        )
    gestures = tuple(_gesture(signals, one) for one in segments if one.label.startswith(GESTURE))
    disagrees = _disagree(head, jaw, gestures, notes)
    offset = combined([one for one in (head, jaw) if one is not None])
    return Latency(offset, _seconds(head), _seconds(jaw), gestures, disagrees)


def head_agreement(reference: Rates, face_s: Times, faces: FaceTrack) -> tuple[Array, Array] | None:
    """(L,) offsets in s, and (L,) how well the head turns alike for sensor and phone at each.

    None where there is nothing to compare.
    """
    signals = _signals(reference, reference, face_s, faces, [])
    if signals is None or not signals.head_valid.any():
        return None
    return agreement(signals.head, signals.seen, signals.head_valid)


def _seconds(offset: Offset | None) -> float | None:
    return None if offset is None else round(offset.offset_s, 9)


def _gesture(signals: _Signals, segment: Segment) -> Gesture:
    bounds = (segment.start_s - _AROUND_S, segment.end_s + _AROUND_S)
    first, last = np.searchsorted(signals.grid, bounds)
    rows = slice(int(first), int(last))
    is_long = last - first >= MIN_OVERLAP_S * GRID_HZ
    return Gesture(
        label=segment.label,
        start_s=segment.start_s,
        head_s=_seconds(signals.by_head(rows)) if is_long else None,
        jaw_s=_seconds(signals.by_jaw(rows)) if is_long else None,
    )


def _disagree(
    head: Offset | None, jaw: Offset | None, gestures: Sequence[Gesture], notes: list[str]
) -> bool:
    """Whether parts of the evidence contradict each other; says so in notes."""
    found = False
    if head is not None and jaw is not None:
        apart_s = abs(head.offset_s - jaw.offset_s)
        if apart_s > MAX_SPREAD_S + head.uncertainty_s + jaw.uncertainty_s:
            notes.append(f"head and jaw disagree on the latency by {1000 * apart_s:.0f} ms")
            found = True
    told = [one.head_s for one in gestures if one.head_s is not None]
    if len(told) > 1 and np.ptp(told) > MAX_SPREAD_S:
        notes.append(f"the gestures disagree on the latency by {1000 * float(np.ptp(told)):.0f} ms")
        found = True
    return found


def _signals(
    reference: Rates, chin: Rates, face_s: Times, faces: FaceTrack, notes: list[str]
) -> _Signals | None:
    seen = _head_rates(face_s, faces.quat_world_from_head, faces.tracked)
    jaw = _jaw_rates(face_s, faces)
    gyro_s = reference[0]
    told_s = seen[0] if len(seen[0]) >= 2 else jaw[0]
    if len(told_s) < 2 or len(gyro_s) < 2:
        notes.append("no head rotation from the phone or the reference: latency taken for zero")
        return None
    start_s, end_s = max(gyro_s[0], told_s[0]), min(gyro_s[-1], told_s[-1])
    if end_s - start_s < MIN_OVERLAP_S:
        notes.append(f"reference and phone overlap for less than {MIN_OVERLAP_S:g} s")
        return None
    grid = np.arange(start_s, end_s, 1 / GRID_HZ)
    head, head_known = _on_grid(grid, *reference)
    on_chin, chin_known = _on_grid(grid, *chin)
    turned, turned_known = _on_grid(grid, *seen)
    opened, opened_known = _on_grid(grid, *jaw)
    jaw_valid = head_known & chin_known & opened_known
    return _Signals(
        grid,
        head,
        turned,
        _without_head(on_chin, head, jaw_valid),
        opened,
        head_known & turned_known,
        jaw_valid,
    )


def _without_head(chin: Array, head: Array, valid: Flags) -> Array:
    """The chin's turning that no turning of the head explains, whatever its mounting."""
    if valid.sum() < GRID_HZ:
        return np.zeros_like(chin)
    shared, *_ = np.linalg.lstsq(head[valid], chin[valid], rcond=None)
    return np.asarray(np.where(valid[:, None], chin - head @ shared, 0.0))


def _jaw_rates(time_s: Times, faces: FaceTrack) -> Rates:
    """(K,) times and (K, 1) of jawOpen per second, between frames that saw the face."""
    opened = np.asarray(faces.weights[:, INDEX["jawOpen"]], np.float64)
    known = faces.tracked & np.isfinite(opened)
    times, opened = time_s[known], opened[known]
    later = times > np.maximum.accumulate(np.concatenate([[-np.inf], times[:-1]]))
    times, opened = times[later], opened[later]
    if len(times) < 2:
        return np.zeros(0), np.zeros((0, 1))
    return 0.5 * (times[1:] + times[:-1]), (np.diff(opened) / np.diff(times))[:, None]


def gyro_rates(time_s: Times, gyro: Floats) -> tuple[Times, Array]:
    """(K,) times and (K, 3) turning rates, rad/s, where the sensor gave any, less its bias."""
    known = np.isfinite(gyro).all(axis=1)
    rates = np.asarray(gyro[known], np.float64)
    return time_s[known], rates - np.median(rates, axis=0) if len(rates) else rates


def _head_rates(time_s: Times, quat: Floats, tracked: Flags) -> tuple[Times, Array]:
    """(K,) times and (K, 3) turning rates in the head's frame between frames that saw the face."""
    known = tracked & np.isfinite(quat).all(axis=1)
    times, turns = time_s[known], np.asarray(quat[known], np.float64)
    later = times > np.maximum.accumulate(np.concatenate([[-np.inf], times[:-1]]))
    times, turns = times[later], turns[later]
    if len(times) < 2 or np.ptp(turns, axis=0).max() == 0.0:
        return np.zeros(0), np.zeros((0, 3))
    steps = rotations.multiply(rotations.conjugate(turns[:-1]), turns[1:])
    rates = rotations.to_vector(steps) / np.diff(times)[:, None]
    return 0.5 * (times[1:] + times[:-1]), rates


def _on_grid(grid: Times, time_s: Times, rates: Array) -> tuple[Array, Flags]:
    """(G, C) rates on the grid, and where a reading lies within a tenth of a second of it."""
    if len(time_s) < 2:
        return np.zeros((len(grid), rates.shape[1])), np.zeros(len(grid), bool)
    after = np.clip(np.searchsorted(time_s, grid), 1, len(time_s) - 1)
    near = np.minimum(np.abs(grid - time_s[after]), np.abs(grid - time_s[after - 1])) < 0.1
    return np.stack([np.interp(grid, time_s, column) for column in rates.T], axis=1), near
