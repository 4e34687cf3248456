"""`imusic predict --batch`: whole takes at once, faster than live and not quite the same. Pure.

    samples ─► rows of the take ─► features ─► filter, gains held ─► windows, half overlapping
               clocks by `capture.sync`         for `EVERY_ROWS` rows    last half of each kept

What differs from live: clocks are mapped with all of the take known; the filter keeps its gains for
a fifth of a second; and the network sees up to half a window beyond the row it answers for, where
live it answers for the last row of each window. `imusic predict --batch --compare` says how much.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.calibration import calibrate
from capture.merging import in_order
from capture.recording import Recording
from capture.resample import TICK_HZ, rows_of, tick_of, tick_time_ns
from capture.sync import align, sample_times_s
from firmware_host.errors import DataError
from firmware_host.samples import Floats
from firmware_host.sensor_profile import Corrector
from model.adjusting import KIND
from model.checkpoint import Checkpoint, select_slots
from model.diffusion import cosine_alphas_cumprod, inference_timesteps, sample_ddim
from model.features import features
from model.head import turned
from model.kalman import WeightFilter
from model.predict import Prediction, known_time_s, opening_of
from model.predictor import SETTLED_S, Denoise, fitted_layout
from model.wearer import Wearer

Array = NDArray[np.float64]
EVERY_ROWS = 12


def predict_batch(
    recording: Recording, checkpoint: Checkpoint, denoise: Denoise, wearer: Wearer | None = None
) -> Prediction:
    """The faces of a whole take.

    Raises:
        DataError: no samples, or it was re-zeroed while it was recorded.
        ConfigError: it has a slot that the checkpoint does not know.
    """
    take = recording.take
    if not len(recording):
        raise DataError(f"take {take.name!r} holds no IMU samples", "there is nothing to predict")
    if any(facts["kind"] == KIND for facts in recording.health):
        raise DataError(
            f"take {take.name!r} was re-zeroed, or changed its wearer, while it was recorded",
            "leave out --batch",
        )
    layout = fitted_layout(checkpoint.layout, take.sensor_layout)
    rows, first_tick = _rows(recording, checkpoint)
    opening = opening_of(take)
    rest = _between(rows, opening.rest_start_s, opening.rest_end_s)
    routine = None
    if opening.has_routine:
        routine = _between(rows, opening.routine_start_s, opening.routine_end_s)[:, :, 3:]
    calibration = calibrate(layout, rest[:, :, :3], rest[:, :, 3:], routine)
    seen = features(rows, layout, calibration)
    begins = min(round((opening.end_s + SETTLED_S) * TICK_HZ), len(rows))
    change = np.zeros((len(rows), len(ARKIT_NAMES)), np.float32)
    window = checkpoint.facts.window
    start = max(0, begins - window)
    if len(rows) - start > window:
        change[start:] = _answers(seen[start:], checkpoint, denoise, wearer)
    face = list(layout.face_indices)
    heard = np.asarray(np.isfinite(rows[:, face]).all(axis=-1))
    bone = np.asarray(np.isfinite(rows[:, layout.reference_index]).all(axis=-1))
    known = bone & heard.any(axis=1)
    drives = known & (np.arange(len(rows)) >= begins)
    change[~drives] = 0.0
    rest_weights = wearer.rest_weights if wearer else checkpoint.rest_weights
    quat, bias = (
        values[layout.reference_index]
        for values in (calibration.quat_head_from_sensor, calibration.gyro_bias_rad_s)
    )
    host_ns = np.array([tick_time_ns(first_tick + k) + 1 for k in range(len(rows))], np.int64)
    return Prediction(
        host_ns=host_ns,
        time_s=known_time_s(recording, host_ns),
        weights=np.clip(rest_weights + change, 0.0, 1.0).astype(np.float32),
        quat_world_from_head=_heads(rows[:, layout.reference_index], quat, bias),
        confidence=np.where(drives, heard.mean(axis=1), 0.0).astype(np.float32),
    )


def _rows(recording: Recording, checkpoint: Checkpoint) -> tuple[Array, int]:
    """(T, S, 6) in the slots of the checkpoint, and the tick of the first."""
    take = recording.take
    alignment = align(recording)
    time_ns = alignment.origin_ns + np.rint(1e9 * sample_times_s(recording, alignment)).astype(
        np.int64
    )
    corrector = Corrector(take.sensor_layout.names, take.corrections)
    accel, gyro = corrector.correct(recording.accel_m_s2, recording.gyro_rad_s)
    order = select_slots(checkpoint.layout, take.sensor_layout)
    ticks = tick_of(time_ns)
    first = int(ticks.min())
    count = int(ticks.max()) - first + 1
    return rows_of(time_ns, in_order(accel, order), in_order(gyro, order), first, count), first


def _between(rows: Array, start_s: float, end_s: float) -> Array:
    first, last = round(start_s * TICK_HZ), max(round(end_s * TICK_HZ), 1)
    return rows[first:last]


def _answers(
    seen: Floats, checkpoint: Checkpoint, denoise: Denoise, wearer: Wearer | None
) -> Floats:
    """(T, 52) changes from rest, of windows that overlap by half."""
    belief, of = checkpoint.belief, checkpoint.facts.diffusion
    responses = wearer.responses if wearer else belief.responses
    weight_filter = WeightFilter(responses, belief.dynamics)
    inputs = np.concatenate((seen, weight_filter.coarse(seen, EVERY_ROWS)), axis=1)
    window = checkpoint.facts.window
    step = window // 2
    signal = cosine_alphas_cumprod(of.num_train_timesteps)
    timesteps = inference_timesteps(of.num_train_timesteps, of.num_inference_steps)
    out = np.zeros((len(seen), len(ARKIT_NAMES)), np.float32)
    noise: Any = np.random.default_rng(0).standard_normal((1, window, len(ARKIT_NAMES)))
    noise = (of.noise_scale * noise).astype(np.float32)
    ends = [*range(window, len(seen), step), len(seen)]
    for end in ends:
        rows = inputs[None, end - window : end].astype(np.float32)

        def step_of(xt: Floats, t: int, rows: Floats = rows) -> Floats:
            return denoise(xt, t, rows)

        x0 = sample_ddim(step_of, noise, signal, timesteps)
        first = 0 if end == window else window - step
        out[end - window + first : end] = x0[0, first:]
    return np.asarray(out * checkpoint.target_scale)


def _heads(rows: Array, quat: Array, bias: Array) -> Floats:
    """(T, 4) head rotation from the reference's (T, 6) rows; held where it was silent."""
    from capture import rotations

    rate = rotations.rotate(quat, rows[:, 3:] - bias)
    force = rotations.rotate(quat, rows[:, :3])
    known = np.asarray(np.isfinite(np.concatenate((rate, force), axis=1)).all(axis=1))
    head = (1.0, 0.0, 0.0, 0.0)
    out = np.zeros((len(rows), 4), np.float32)
    for k, (turning, pulling) in enumerate(zip(rate.tolist(), force.tolist(), strict=True)):
        if known[k]:
            head = turned(head, tuple(turning), tuple(pulling))
        out[k] = head
    return out
