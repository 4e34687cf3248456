"""Takes from samples recorded elsewhere, in an NPZ file.

Times of an imported file are kept: host ns = (time_s − origin.time_zero_s) · 1e9, and `arrival_ns`
is the time of the sample itself. Readings stay float32 as given; there is no raw channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.npz_files import faces_of, increasing_times, numbers, read_npz, texts
from capture.provenance import file_sha256
from capture.resample import tick_of
from capture.rig_csv import read_rig_csv
from capture.take import Segment, Take, new_take
from capture.take_folders import known_name, whole_take
from capture.take_writer import TakeWriter
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12, SensorLayout, select
from firmware_host.samples import Floats, Ints

Array = NDArray[Any]
Times = NDArray[np.float64]

REST_S = 2.0
# Slower says nothing of a face, faster is no face IMU: a wrong unit is what lies beyond. Ours.
MIN_RATE_HZ, MAX_RATE_HZ = 10.0, 5000.0
# Longer holes are noted, and such as no single sitting has refused: every tick of them would be
# predicted. Ours.
HOLE_S, MAX_HOLE_S = 1.0, 60.0
# How far a stretch may reach beyond the samples: (0, 2) is meant where they begin at 0.003. Ours.
BOUNDS_SLACK_S = 0.1
WRITE_ROWS = 20_000

GRAVITY = 9.80665
# No head turns faster than 20 rad/s for longer than an instant; degrees make such numbers daily.
MAX_HEAD_RAD_S = 20.0
RESTLESS_RAD_S = 0.3

_REQUIRED = ("slots", "time_s", "accel_m_s2", "gyro_rad_s")
_OPTIONAL = (
    "weights",
    "weight_names",
    "weights_time_s",
    "rest_s",
    "routine_s",
    "quat_head_from_sensor",
)


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    layout: SensorLayout
    time_s: Times
    accel: Floats
    gyro: Floats
    rest_s: tuple[float, float]
    routine_s: tuple[float, float] | None
    faces: "_Faces | None"
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Faces:
    time_s: Times
    weights: Floats


def import_samples(npz: Path, out_dir: Path) -> Take:
    """Make `out_dir` a take of the samples in `npz`; keys as in `docs/take-format.md`.

    A `.csv` is read as `capture.rig_csv` has it.

    Raises:
        DataError: unreadable, a key missing or of the wrong shape, times out of order, an unknown
            slot, or numbers that cannot be in the units asked for.
        ConfigError: `out_dir` exists and is not empty.
    """
    samples = _read_samples(npz)
    # Whole seconds, so that ticks stay where they were; always, so that Unix times fit in ns.
    zero_s = float(np.floor(_first_time(samples)))
    start_s = float(samples.time_s[0])
    segments = [_segment("rest", samples.rest_s, start_s)]
    if samples.routine_s is not None:
        segments.append(_segment("routine", samples.routine_s, start_s))
    origin = {
        "kind": "samples",
        "file": known_name(npz),
        "source_sha256": file_sha256(npz),
        "one_clock": True,
        "time_zero_s": zero_s,
        "notes": list(samples.notes),
    }
    take = new_take(known_name(out_dir), samples.layout, origin, tuple(segments))
    with whole_take(out_dir, take) as writer:
        host_ns = host_ns_of(samples.time_s, zero_s)
        write_samples(writer, host_ns, samples.accel, samples.gyro)
        if samples.faces is not None:
            _write_faces(writer, samples.faces, zero_s)
        return writer.close()


def host_ns_of(time_s: Times, zero_s: float) -> Ints:
    """Seconds since `zero_s` as the host's clock of an imported take shows them."""
    host: Ints = np.rint((time_s - zero_s) * NS_PER_S).astype(np.int64)
    return host


def _segment(label: str, bounds: tuple[float, float], start_s: float) -> Segment:
    return Segment(label, bounds[0] - start_s, bounds[1] - start_s)


def _first_time(samples: _Samples) -> float:
    first = float(samples.time_s[0])
    if samples.faces is not None and len(samples.faces.time_s):
        first = min(first, float(samples.faces.time_s[0]))
    return first


def write_samples(writer: TakeWriter, host_ns: Ints, accel: Floats, gyro: Floats) -> None:
    """Write all ticks (N,), (N, S, 3), (N, S, 3) of a recording whose only clock is the host's.

    Those between two ticks form one block, whose arrival is its last sample: at each tick all
    before it has arrived, and nothing after it.
    """
    tick_us = (host_ns + 500) // 1000
    block = block_numbers(host_ns)
    last_of_block = np.append(np.flatnonzero(np.diff(block)), len(block) - 1)
    arrival_ns = host_ns[last_of_block][block]
    for start in range(0, len(host_ns), WRITE_ROWS):
        part = slice(start, start + WRITE_ROWS)
        writer.samples(
            tick_us[part],
            np.arange(len(host_ns))[part],
            accel[part],
            gyro[part],
            arrival_ns[part],
            block[part],
        )


def block_numbers(host_ns: Ints) -> Ints:
    """(N,) which tick's block each sample falls in, numbered without holes.

    Ticks are the predictor's, at k/60 s of the host's clock.
    """
    # What arrives in the nanosecond after a tick is still heard at that tick (`model.driving`).
    ticks = tick_of(host_ns - 1)
    return np.cumsum(np.diff(ticks, prepend=ticks[:1]) > 0, dtype=np.int64)


def _write_faces(writer: TakeWriter, faces: _Faces, zero_s: float) -> None:
    host_ns = host_ns_of(faces.time_s, zero_s)
    tracked = np.asarray(np.isfinite(faces.weights).all(axis=1), np.bool_)
    for start in range(0, len(host_ns), WRITE_ROWS):
        part = slice(start, start + WRITE_ROWS)
        writer.faces(host_ns[part], host_ns[part], faces.weights[part], tracked[part])


def _read_samples(npz: Path) -> _Samples:
    data = read_rig_csv(npz) if npz.suffix.lower() == ".csv" else read_npz(npz)
    for key in _REQUIRED:
        if key not in data:
            raise DataError(
                f"{npz}: key {key!r} is missing", f"found: {', '.join(data) or 'nothing'}"
            )
    layout = _layout(npz, data)
    time_s = increasing_times(npz, data["time_s"], "time_s")
    if len(time_s) < 2:
        raise DataError(f"{npz}: time_s: expected at least two times, got {len(time_s)}")
    notes = _check_pace(npz, time_s)
    shape = (len(time_s), len(layout.slots), 3)
    accel = _readings(npz, data["accel_m_s2"], "accel_m_s2", shape)
    gyro = _readings(npz, data["gyro_rad_s"], "gyro_rad_s", shape)
    rest = _bounds(npz, data, "rest_s", time_s) or _default_rest(npz, time_s)
    _check_reference(npz, layout, accel, gyro)
    faces, told = _beside(_faces(npz, data), time_s)
    notes += told
    notes += [f"unknown key {key!r} ignored" for key in data if key not in _REQUIRED + _OPTIONAL]
    notes += _check_units(npz, layout, time_s, accel, gyro, rest)
    return _Samples(
        layout=layout,
        time_s=time_s,
        accel=accel,
        gyro=gyro,
        rest_s=rest,
        routine_s=_bounds(npz, data, "routine_s", time_s),
        faces=faces,
        notes=tuple(notes),
    )


def _layout(npz: Path, data: Mapping[str, Array]) -> SensorLayout:
    names = tuple(texts(npz, data["slots"], "slots"))
    if FACE_12.reference not in names:
        raise DataError(
            f"{npz}: slots: the head reference {FACE_12.reference!r} is missing",
            "without it the head's own motion cannot be told from the face's",
        )
    try:
        layout = select(FACE_12, names)
    except ConfigError as error:
        raise DataError(f"{npz}: slots: {error}", error.hint) from error
    if "quat_head_from_sensor" not in data:
        return layout
    return _mounted(npz, layout, numbers(npz, data["quat_head_from_sensor"], "quat_head"))


def _mounted(npz: Path, layout: SensorLayout, quats: Array) -> SensorLayout:
    """The layout with these nominal mountings, (S, 4) wxyz."""
    if quats.shape != (len(layout.slots), 4):
        raise DataError(
            f"{npz}: quat_head_from_sensor: expected {(len(layout.slots), 4)}, got {quats.shape}"
        )
    lengths = np.linalg.norm(np.asarray(quats, np.float64), axis=1)
    if not np.all(np.abs(lengths - 1) < 0.01):  # also true for NaN
        raise DataError(f"{npz}: quat_head_from_sensor: expected unit quaternions wxyz")
    unit = np.asarray(quats, np.float64) / lengths[:, None]
    slots = tuple(
        replace(slot, quat_head_from_sensor=tuple(quat.tolist()))
        for slot, quat in zip(layout.slots, unit, strict=True)
    )
    return SensorLayout(layout.name, slots, layout.reference)


def _check_pace(npz: Path, time_s: Times) -> list[str]:
    """Notes on holes. Raises DataError where the times cannot be those of one recording."""
    steps = np.diff(time_s)
    rate_hz = 1.0 / float(np.median(steps))
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise DataError(
            f"{npz}: time_s: expected {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} samples per second, "
            f"got {rate_hz:.3g}",
            _rate_hint(rate_hz),
        )
    at = int(np.argmax(steps))
    if steps[at] > MAX_HOLE_S:
        raise DataError(
            f"{npz}: time_s: a hole of {steps[at]:.6g} s after {time_s[at]:.9g} s, index {at}",
            "import what lies before and after it as two files",
        )
    holes = np.flatnonzero(steps > HOLE_S)
    return [f"time_s has a hole of {steps[i]:.3g} s after {time_s[i]:.9g} s" for i in holes[:10]]


def _rate_hint(rate_hz: float) -> str:
    for unit, per_second in (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)):
        if MIN_RATE_HZ <= rate_hz * per_second <= MAX_RATE_HZ:
            return f"these look like {unit}; divide by {per_second:.0f}"
    return "give seconds"


def _readings(npz: Path, array: Array, key: str, shape: tuple[int, int, int]) -> Floats:
    if array.shape != shape:
        raise DataError(f"{npz}: {key}: expected {shape} (times, slots, xyz), got {array.shape}")
    with np.errstate(over="ignore"):  # becomes infinite
        readings = np.asarray(numbers(npz, array, key), np.float32)
    if np.isinf(readings).any():
        raise DataError(f"{npz}: {key}: a reading is infinite; NaN says that there is none")
    return readings


def _bounds(
    npz: Path, data: Mapping[str, Array], key: str, time_s: Times
) -> tuple[float, float] | None:
    """The stretch `key` names, within the samples; None where it is not given."""
    if key not in data:
        return None
    bounds = np.asarray(numbers(npz, data[key], key), np.float64)
    if bounds.shape != (2,) or not np.isfinite(bounds).all() or not bounds[0] < bounds[1]:
        raise DataError(f"{npz}: {key}: expected (start, end) in seconds, got {bounds.tolist()}")
    first, last = float(time_s[0]), float(time_s[-1])
    if bounds[0] < first - BOUNDS_SLACK_S or bounds[1] > last + BOUNDS_SLACK_S:
        raise DataError(
            f"{npz}: {key}: {bounds.tolist()} does not lie within time_s, {first:g} to {last:g}",
            "both are seconds on the clock of time_s",
        )
    return float(bounds[0]), float(bounds[1])


def _default_rest(npz: Path, time_s: Times) -> tuple[float, float]:
    first, last = float(time_s[0]), float(time_s[-1])
    if last - first < REST_S:
        raise DataError(
            f"{npz}: time_s: {last - first:.3g} s is shorter than the rest it should begin with, "
            f"{REST_S:g} s",
            "record longer, or say with rest_s when the wearer rests",
        )
    return first, first + REST_S


def _check_reference(npz: Path, layout: SensorLayout, accel: Floats, gyro: Floats) -> None:
    both = np.concatenate([accel, gyro], axis=2)[:, layout.reference_index]
    if not np.isfinite(both).all(axis=1).any():
        raise DataError(
            f"{npz}: {layout.reference!r} never gives both acceleration and rate",
            "without it the head's own motion cannot be told from the face's",
        )


def _check_units(
    npz: Path,
    layout: SensorLayout,
    time_s: Times,
    accel: Floats,
    gyro: Floats,
    rest_s: tuple[float, float],
) -> list[str]:
    """Notes on what looks odd. Raises DataError for what cannot be in m/s² and rad/s."""
    resting = (time_s >= rest_s[0]) & (time_s <= rest_s[1])
    for index, slot in enumerate(layout.names):
        force = np.linalg.norm(accel[resting, index], axis=1)
        force = force[np.isfinite(force)]
        if len(force) and not 0.5 < (median := float(np.median(force))) / GRAVITY < 1.5:
            raise DataError(
                f"{npz}: accel_m_s2: expected about {GRAVITY:.2f} m/s² at rest (specific force, "
                f"gravity included), got {median:.3g} at {slot!r}",
                _accel_hint(median),
            )
    speed = np.linalg.norm(gyro[:, layout.reference_index], axis=1)
    speed = speed[np.isfinite(speed)]
    if len(speed) and (fast := float(np.percentile(speed, 99.5))) > MAX_HEAD_RAD_S:
        raise DataError(
            f"{npz}: gyro_rad_s: the head reference turns at {fast:.3g} rad/s, which no head does",
            "these look like degrees per second; multiply by pi/180",
        )
    turning = np.linalg.norm(gyro[resting, layout.reference_index], axis=1)
    turning = turning[np.isfinite(turning)]
    if len(turning) and (median := float(np.median(turning))) > RESTLESS_RAD_S:
        return [f"the head turns at {median:.2g} rad/s where it should rest; are these rad/s?"]
    return []


def _accel_hint(median: float) -> str:
    if 0.5 < median < 1.5:
        return "these look like multiples of g; multiply by 9.80665"
    if median < 0.5:
        return "is gravity taken out? specific force has it: a level sensor reads +9.81 upwards"
    return "give metres per second squared"


def _faces(npz: Path, data: Mapping[str, Array]) -> _Faces | None:
    if "weights" not in data:
        return None
    return _Faces(*faces_of(npz, data, ("weight_names", "weights_time_s", "weights")))


def _beside(faces: _Faces | None, time_s: Times) -> tuple[_Faces | None, list[str]]:
    """Those faces that may belong to the samples, and notes on the others."""
    if faces is None:
        return None, []
    first, last = float(time_s[0]), float(time_s[-1])
    notes = []
    if not np.any((faces.time_s >= first) & (faces.time_s <= last)):
        notes.append("no weights lie within time_s; are weights_time_s on the same clock?")
    near = (faces.time_s >= first - MAX_HOLE_S) & (faces.time_s <= last + MAX_HOLE_S)
    if far := int(np.count_nonzero(~near)):
        notes.append(f"{far} weights further than {MAX_HOLE_S:g} s from the samples left out")
    return _Faces(faces.time_s[near], faces.weights[near]), notes
