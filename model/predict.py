"""`imusic predict`: the live predictor over a recorded take, into NPZ or Live Link CSV."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from capture.outputs import require_writable, whole_file
from capture.recording import Recording, read_recording
from capture.sync import align, aligned_faces
from capture.take import Take
from firmware_host.errors import ConfigError, DataError
from firmware_host.samples import Floats
from model.adjusting import adjustments
from model.checkpoint import Checkpoint
from model.driving import drive
from model.hybrid import repaired
from model.network import open_network
from model.predictor import SETTLED_S, Denoise, Opening, Predictor
from model.wearer import Wearer


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A predicted track.

    host_ns: (T,) ticks on the take's host clock. time_s: (T,) the same on the clock people know:
    that of the imported file, or seconds since the take's first IMU sample.
    weights: (T, 52). quat_world_from_head: (T, 4). confidence: (T,). note: why the face rests in
    every frame, in one line; empty where it moves. spread: (T, 52) standard deviation of the truth
    about the weights, NaN where nothing is heard; None of a checkpoint that states none.
    doubt: what speaks against the timeline of the take, for people; "" where nothing does.
    """

    host_ns: NDArray[np.int64]
    time_s: NDArray[np.float64]
    weights: Floats
    quat_world_from_head: Floats
    confidence: Floats
    note: str = ""
    spread: Floats | None = None
    doubt: str = ""


def opening_of(take: Take) -> Opening:
    """When the wearer rests and when the head routine runs, by the take's segments."""
    rest, routine = take.segment("rest"), take.segment("routine")
    return Opening(
        rest_start_s=rest.start_s if rest else 0.0,
        rest_end_s=rest.end_s if rest else 2.0,
        routine_start_s=routine.start_s if routine else 0.0,
        routine_end_s=routine.end_s if routine else 0.0,
    )


def predict_take(
    folder: Path,
    checkpoint: Checkpoint,
    report: Callable[[float], None] | None = None,
    wearer: Wearer | None = None,
) -> Prediction:
    """Predict a whole take as it would have been predicted live.

    Args:
        report: called now and then with the share done.
        wearer: the profile of who wore the sensors; None of a stranger.

    Raises:
        DataError: the take is damaged or holds no samples.
        ConfigError: it has a slot that the checkpoint does not know.
    """
    recording = read_recording(folder)
    return predict_recording(recording, checkpoint, report, wearer)


def predict_recording(
    recording: Recording,
    checkpoint: Checkpoint,
    report: Callable[[float], None] | None = None,
    wearer: Wearer | None = None,
) -> Prediction:
    """As `predict_take`, of a take that was read already."""
    take = recording.take
    if not len(recording):
        raise DataError(f"take {take.name!r} holds no IMU samples", "there is nothing to predict")
    predictor = predictor_of(recording, checkpoint, open_network(checkpoint), wearer)
    expected = max(1, int((recording.arrival_ns[-1] - recording.arrival_ns[0]) * 6e-8))
    frames = []
    for frame in drive(predictor, recording.blocks(), adjustments(recording.health)):
        frames.append(frame)
        if report is not None and len(frames) % 60 == 0:
            report(min(1.0, len(frames) / expected))
    if not frames:
        raise DataError(f"take {take.name!r} is shorter than one tick of 1/60 s")
    host_ns = np.array([f.time_ns for f in frames], np.int64)
    confidence = np.array([f.confidence for f in frames], np.float32)
    return Prediction(
        host_ns=host_ns,
        time_s=known_time_s(recording, host_ns),
        weights=np.stack([f.weights for f in frames]),
        quat_world_from_head=np.stack([f.quat_world_from_head for f in frames]),  # type: ignore[misc]
        confidence=confidence,
        note=_why_still(recording, confidence),
        spread=_spread(frames) if checkpoint.spread is not None else None,
    )


def _spread(frames: list[BlendshapeFrame]) -> Floats:
    nothing = np.full(len(ARKIT_NAMES), np.nan, np.float32)
    return np.stack([nothing if f.spread is None else f.spread for f in frames])


def predictor_of(
    recording: Recording, checkpoint: Checkpoint, denoise: Denoise, wearer: Wearer | None = None
) -> Predictor:
    """The predictor of a take, as live would have made it. Raises ConfigError as `Predictor`."""
    take = recording.take
    return Predictor(
        checkpoint,
        take.sensor_layout,
        denoise,
        opening_of(take),
        wearer=wearer,
        devices=[device.slots for device in take.sources],
        corrections=take.corrections,
    )


def with_camera(prediction: Prediction, recording: Recording) -> Prediction:
    """The face that the phone saw, and in its gaps the predicted one (`model.hybrid`).

    Raises:
        DataError: the take has no faces.
    """
    if not recording.faces.tracked.any():
        raise DataError(
            f"take {recording.take.name!r} holds no tracked face of a phone",
            "without one, predict from the sensors alone: leave out --hybrid",
        )
    alignment = align(recording)
    seen_s, seen, _, _ = aligned_faces(recording, alignment)
    time_s = (prediction.host_ns - alignment.origin_ns) / 1e9
    weights, tracked = repaired(time_s, prediction.weights, seen_s, seen)
    confidence = np.where(tracked, np.float32(1.0), prediction.confidence)
    note = "" if tracked.any() else prediction.note
    spread = prediction.spread
    if spread is not None:  # what a phone saw is the truth that it speaks of
        spread = np.where(tracked[:, None], np.float32(0.0), spread)
    return replace(prediction, weights=weights, confidence=confidence, note=note, spread=spread)


def _why_still(recording: Recording, confidence: Floats) -> str:
    if (confidence > 0).any():
        return ""
    end_s = opening_of(recording.take).end_s
    moves_s = end_s + SETTLED_S
    length_s = (recording.arrival_ns[-1] - recording.arrival_ns[0]) / 1e9
    if length_s < moves_s:
        return (
            f"the face rests in all frames: rest and routine take {end_s:g} s, and the take is "
            f"{length_s:.1f} s long"
        )
    layout = recording.take.sensor_layout
    after = recording.arrival_ns >= recording.arrival_ns[0] + round(moves_s * 1e9)
    slot = layout.reference_index
    heard = np.isfinite(recording.accel_m_s2[after, slot]).all(axis=-1)
    heard &= np.isfinite(recording.gyro_rad_s[after, slot]).all(axis=-1)
    missing = "no sensor on the face" if heard.any() else f"no head reference {layout.reference!r}"
    return f"the face rests in all frames: {missing} was heard after rest and routine"


def known_time_s(recording: Recording, host_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Ticks (T,) of the host on the clock people know, see `Prediction`."""
    origin = recording.take.origin
    if origin.get("one_clock"):
        return host_ns / 1e9 + float(origin.get("time_zero_s", 0.0))
    return np.asarray((host_ns - align(recording).origin_ns) / 1e9)


def check_output(out: Path) -> None:
    """Refuse an output early.

    Raises:
        ConfigError: it exists, is neither NPZ nor CSV, or cannot be written there.
    """
    if out.suffix not in (".npz", ".csv"):
        raise ConfigError(f"{out}: expected .npz or .csv, got {out.suffix!r}")
    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another name; nothing is overwritten")
    require_writable(out)


def write_prediction(prediction: Prediction, out: Path) -> None:
    """Write NPZ (names, time_s, weights, …) or Live Link CSV, by the suffix; never overwrites.

    Raises:
        ConfigError: see `check_output`.
    """
    check_output(out)
    write = _write_csv if out.suffix == ".csv" else _write_npz
    with whole_file(out) as beside:
        write(prediction, beside)


def _write_npz(prediction: Prediction, out: Path) -> None:
    arrays: dict[str, Any] = {
        "names": np.array(ARKIT_NAMES),
        "time_s": prediction.time_s,
        "weights": prediction.weights,
        "quat_world_from_head": prediction.quat_world_from_head,
        "confidence": prediction.confidence,
        "host_ns": prediction.host_ns,
    }
    if prediction.spread is not None:
        arrays["spread"] = prediction.spread
    if prediction.doubt:
        arrays["doubt"] = np.array(prediction.doubt)
    np.savez_compressed(out, **arrays)


def _write_csv(prediction: Prediction, out: Path) -> None:
    from capture.livelink import head_angles_from_quat
    from capture.livelink_csv import write_livelink_csv

    write_livelink_csv(
        out,
        prediction.time_s - prediction.time_s[0],
        prediction.weights,
        head_yaw_pitch_roll=head_angles_from_quat(prediction.quat_world_from_head),
    )
