"""Rules on ARKit frames: lost, frozen, repeated, out of range, mirrored sideways. Pure."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX
from dataset_tools.sets.findings import Finding, Seen, Severity, at, runs, span
from firmware_host.clock import NS_PER_S

# Truth that is away for longer, or for a larger share, is worth a look. Ours.
LOST_S, LOST_SHARE = 0.5, 0.2
FROZEN_S = 0.5  # ARKit's weights move in their last digits while it sees a face
REPEATED, DROPPED = 0.05, 0.05
# Real recordings reach -0.02 and 1.08; percent reach 100.
LOW, HIGH, FAR = -0.05, 1.15, 2.0
# Of mouthLeft - mouthRight with mouthStretchLeft - mouthStretchRight: -0.1 to -0.95 in files that
# name jaw and mouth the other way round, +0.3 to +0.98 in all others.
MIRRORED, MIN_SPREAD = -0.1, 0.01


def lost_face(seen: Seen) -> Iterator[Finding]:
    """The phone did not see the face."""
    faces = seen.sequence.faces
    if not len(faces):
        return
    time_s = faces.time_ns / NS_PER_S
    share = float(np.mean(~faces.tracked))
    if share > LOST_SHARE:
        yield _finding(
            seen, "face_lost", "fail", "", f"no face in {100 * share:.0f} % of the frames",
            "keep the face in front of the phone; trim the take, or drop it",
        )  # fmt: skip
    for start, end in runs(~faces.tracked):
        left, right = time_s[max(start - 1, 0)], time_s[min(end, len(time_s) - 1)]
        if right - left > LOST_S:
            yield _finding(
                seen, "face_lost", "warn", span(left, right),
                f"no face for {right - left:.2f} s", "nothing: there is no truth here; or trim it",
            )  # fmt: skip


def frozen_face(seen: Seen) -> Iterator[Finding]:
    """All weights stand still although the face is tracked."""
    faces = seen.sequence.faces
    if len(faces) < 2:
        return
    time_s = faces.time_ns / NS_PER_S
    same = _repeats(seen)
    for start, end in runs(same):
        if time_s[end] - time_s[start] > FROZEN_S:
            yield _finding(
                seen, "face_frozen", "fail", span(time_s[start], time_s[end]),
                f"the same weights in {end - start + 1} frames", "trim it: this is no truth",
            )  # fmt: skip


def repeated_frames(seen: Seen) -> Iterator[Finding]:
    """Frames that are copies of the one before, here and there."""
    faces = seen.sequence.faces
    if len(faces) < 2:
        return
    share = float(np.mean(_repeats(seen)))
    if share > REPEATED:
        yield _finding(
            seen, "face_repeated", "warn", "",
            f"{100 * share:.0f} % of the frames repeat the one before",
            "the app counts faster than it sees: let it send at its own rate",
        )  # fmt: skip


def dropped_frames(seen: Seen) -> Iterator[Finding]:
    """Frames that are missing between others."""
    faces = seen.sequence.faces
    if len(faces) < 3:
        return
    steps = np.diff(faces.time_ns).astype(np.float64)
    missing = np.maximum(np.rint(steps / np.median(steps)) - 1, 0)
    share = float(missing.sum() / (missing.sum() + len(faces)))
    if share > DROPPED:
        yield _finding(
            seen, "face_dropped", "warn", "",
            f"{100 * share:.0f} % of the frames are missing, for {steps.max() / 1e9:.2f} s at most",
            "record on the phone too (`--phone-records`), or bring the network nearer",
        )  # fmt: skip


def out_of_range(seen: Seen) -> Iterator[Finding]:
    """Weights that no coefficient from 0 to 1 has."""
    faces = seen.sequence.faces
    weights = faces.weights[faces.tracked]
    if not len(weights):
        return
    low, high = np.nanmin(weights, axis=0), np.nanmax(weights, axis=0)
    for shape in np.flatnonzero((low < LOW) | (high > HIGH)):
        far = high[shape] > FAR or low[shape] < -FAR / 2
        yield _finding(
            seen, "weight_range", "fail" if far else "warn", ARKIT_NAMES[shape],
            f"reaches from {low[shape]:.3g} to {high[shape]:.3g}, expected 0 to 1",
            "percent? divide by 100; a damaged cell? trim it",
        )  # fmt: skip


def mirrored_sideways(seen: Seen) -> Iterator[Finding]:
    """mouthLeft goes against mouthStretchLeft: jaw and mouth were named the other way round."""
    faces = seen.sequence.faces
    weights = faces.weights[faces.tracked].astype(np.float64)
    if len(weights) < 60:
        return
    mouth, stretch = (_left_less_right(weights, name) for name in ("mouth", "mouthStretch"))
    if min(np.std(mouth), np.std(stretch)) < MIN_SPREAD:
        return
    correlation = float(np.corrcoef(mouth, stretch)[0, 1])
    if correlation < MIRRORED:
        yield _finding(
            seen, "shapes_mirrored", "warn", "jawLeft, jawRight, mouthLeft, mouthRight",
            f"mouth and mouthStretch go to opposite sides (correlation {correlation:+.2f})",
            "import again with --swap-sideways, or --keep-sideways where that was given",
        )  # fmt: skip


def _repeats(seen: Seen) -> NDArray[np.bool_]:
    """(M - 1,) frames that hold exactly what the one before them held.

    Virtual wearers are still to the last digit while they rest and nod: that is no fault.
    """
    faces = seen.sequence.faces
    same = (faces.weights[1:] == faces.weights[:-1]).all(axis=1)
    same &= faces.tracked[1:] & faces.tracked[:-1]
    if seen.facts["simulated"]:
        for start_s, end_s in filter(None, map(seen.stretch, ("rest", "routine"))):
            time_s = faces.time_ns[1:] / NS_PER_S
            same &= (time_s < start_s) | (time_s > end_s)
    return np.asarray(same, np.bool_)


def _left_less_right(weights: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = (
        weights[:, INDEX[f"{name}Left"]] - weights[:, INDEX[f"{name}Right"]]
    )
    return difference


def _finding(
    seen: Seen, rule: str, severity: Severity, place: str, what: str, remedy: str
) -> Finding:
    return Finding(rule, severity, at(seen.facts, place), what, remedy, seen.sequence.number)


FACE_RULES = (
    lost_face, frozen_face, repeated_frames, dropped_frames, out_of_range, mirrored_sideways,
)  # fmt: skip
