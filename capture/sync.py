"""All clocks of a take on one timeline: seconds since its first IMU sample, on the host's clock.

Two steps. Each device's clock is mapped to the host's by the floor under its arrival times
(`firmware_host.clock`). What that cannot see is how long the phone sits on a frame before
sending it: that constant is found from the head, whose turning both the reference gyroscope and
ARKit report. Turning rates are compared as vectors, up to any rotation or mirroring between the two
(the sum of singular values of their cross-covariance), so neither the mounting of the reference nor
the phone's choice of signs matters. Pure but for the functions that keep the result as `sync.json`.

    phone frame ──map──► when it would arrive at best ──− phone_latency_s──► when it was true
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.face_holes import never_sent, whole_faces
from capture.recording import DeviceTrack, FaceTrack, Recording
from capture.source_clock import SourceClock, fit_source, proven_by
from capture.take import SYNC_FILE
from firmware_host.clock import NS_PER_S
from firmware_host.errors import DataError
from firmware_host.rig import HUB
from firmware_host.samples import Floats, Ints, RoundTrip

Times = NDArray[np.float64]
Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Clocks = Sequence[SourceClock | None]  # of the tracks of a recording

GRID_HZ = 240.0
BAND_HZ = (0.25, 8.0)  # slower is drift of either sensor, faster is noise of ARKit
MAX_OFFSET_S = 0.5
DAY_NS = 86_400 * NS_PER_S
MIN_OVERLAP_S = 3.0
MIN_RATE_RAD_S = 0.05  # rms in the band: less is a head that did not move
MIN_CORRELATION = 0.5
MIN_PEAK_RATIO = 1.1
MAX_CONTRADICTION_S = 0.001  # of round trips: less is the noise of a floor
MAX_SPREAD_S = 0.008  # of the offsets of thirds: half a frame of the phone

Verdict = Literal["good", "doubtful", "bad"]


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """How to put a take on its timeline, and how far to trust that.

    hub: the clock of the only device, devices: those of several by name; a device that gave next to
    nothing, or tells no time, has none, and its samples lie where they arrived. origin_ns: host
    time of the first IMU sample (of the first face where there is no device).
    phone_latency_s: how much later than the samples of the same moment the phone's frames arrive;
    taken off every face. correlation: of the two turning rates at that offset. peak_ratio: to the
    next best offset elsewhere. thirds_s: the offset found in each third of the take where the head
    moved, less `phone_latency_s`.
    """

    take: str
    origin_ns: int
    hub: SourceClock | None
    phone: SourceClock | None
    phone_latency_s: float
    phone_latency_uncertainty_s: float
    correlation: float
    peak_ratio: float
    thirds_s: tuple[float, ...]
    verdict: Verdict
    notes: tuple[str, ...] = ()
    schema_version: int = 1
    devices: dict[str, SourceClock] = {}

    @property
    def clocks(self) -> dict[str, SourceClock]:
        """The clocks of all devices, by what they are called."""
        return self.devices or ({HUB: self.hub} if self.hub else {})


@dataclass(frozen=True, slots=True)
class Offset:
    """The delay of one signal against another, and what speaks for it."""

    offset_s: float
    uncertainty_s: float
    correlation: float
    peak_ratio: float
    thirds_s: tuple[float, ...]


def align(recording: Recording) -> Alignment:
    """Map the clocks of a take. The same take gives the same alignment.

    Raises:
        DataError: the take holds neither samples nor faces.
    """
    faces = recording.faces
    if not len(recording) and not len(faces):
        raise DataError(f"take {recording.take.name!r}: expected samples or faces, got neither")
    one_clock = bool(recording.take.origin.get("one_clock", False))
    notes: list[str] = []
    clocks = [_device_clock(track, one_clock) for track in recording.tracks]
    phone = _phone_clock(faces, one_clock)
    offset: Offset | None = None
    is_felt = len(recording) > 1
    if is_felt and phone and not one_clock:
        offset = _head_offset(recording, clocks, phone, notes)
    if one_clock:
        notes.append("all times of this take were given on one clock")
    notes += _clockless(recording)
    names = [track.name for track in recording.tracks]
    known = {
        name: proven_by(clock, round_trips(recording, name))
        for name, clock in zip(names, clocks, strict=True)
        if clock
    }
    # Where there is nothing to compare with, nothing can be wrong between the two.
    alone = one_clock or not is_felt or phone is None
    verdict = _verdict(known, phone, offset, alone, notes)
    if _by_arrival(recording):
        notes.append("the phone's app sends no time of its own: its frames are placed by arrival")
        verdict = "doubtful" if verdict == "good" else verdict
    if absent := never_sent(faces.weights, faces.tracked):
        notes.append(f"the phone never sent {', '.join(absent)}: no face of it can serve as truth")
    is_rig = bool(recording.take.devices)
    return Alignment(
        take=recording.take.name,
        origin_ns=_origin_ns(recording, clocks, phone),
        hub=None if is_rig else known.get(names[0]),
        phone=phone,
        phone_latency_s=round(offset.offset_s, 9) if offset else 0.0,
        phone_latency_uncertainty_s=round(offset.uncertainty_s, 9) if offset else 0.0,
        correlation=round(offset.correlation, 6) if offset else 0.0,
        peak_ratio=round(offset.peak_ratio, 6) if offset else 0.0,
        thirds_s=tuple(round(t, 9) for t in offset.thirds_s) if offset else (),
        verdict=verdict,
        notes=tuple(notes),
        devices=known if is_rig else {},
    )


def round_trips(recording: Recording, device: str) -> tuple[RoundTrip, ...]:
    """What PING and PONG told of a device's clock, in order of arrival."""
    kept = [f for f in recording.health if f["kind"] == "round_trip"]
    return tuple(
        RoundTrip(int(f["tick_us"]), int(f["sent_ns"]), int(f["received_ns"]))
        for f in kept
        if f.get("device", device) == device  # takes of before name none: there was only one
    )


def _by_arrival(recording: Recording) -> bool:
    """Whether some face has no time but that at which it arrived."""
    told = (facts for facts in recording.health if facts["kind"] == "phone")
    return any(not facts["tells_time"] for facts in told)


def _clockless(recording: Recording) -> list[str]:
    return [
        f"{track.name} tells no time that can be used: its samples carry their arrival, with all "
        "the jitter of its link"
        for track in recording.tracks
        if track.no_clock_ns is not None
    ]


def _origin_ns(recording: Recording, clocks: Clocks, phone: SourceClock | None) -> int:
    if len(recording) > 1:
        return int(_sample_ns(recording, clocks).min())
    if phone:
        return int(_face_ns(recording.faces, phone)[0])
    first = recording.arrival_ns if len(recording) else recording.faces.arrival_ns
    return int(first[0])


def _sample_ns(recording: Recording, clocks: Clocks) -> Ints:
    """(N,) host times of all samples, those of each device by its own clock."""
    return recording.merged([_own_ns(*pair) for pair in zip(recording.tracks, clocks, strict=True)])


def _own_ns(track: DeviceTrack, clock: SourceClock | None) -> Ints:
    """(N,) host times of the samples of one device; their arrival where it has no map."""
    return clock.to_host(track.tick_us * 1000, track.arrival_ns) if clock else track.arrival_ns


def _face_ns(faces: FaceTrack, phone: SourceClock) -> Ints:
    return phone.to_host(phone_time_ns(faces), faces.arrival_ns)


def _device_clock(track: DeviceTrack, one_clock: bool) -> SourceClock | None:
    if len(track) < 2 or track.no_clock_ns is not None:
        return None
    # A block arrives with its newest tick: the older ones in it only waited.
    newest = track.block_starts[1:] - 1
    if len(newest) < 2 or one_clock:
        newest = np.arange(len(track))
    device_ns = track.tick_us[newest] * 1000
    arrival_ns = device_ns if one_clock else track.arrival_ns[newest]
    return fit_source(device_ns, arrival_ns)


def _phone_clock(faces: FaceTrack, one_clock: bool) -> SourceClock | None:
    if len(faces) < 2:
        return None
    device_ns = phone_time_ns(faces)
    return fit_source(device_ns, device_ns if one_clock else faces.arrival_ns)


def phone_time_ns(faces: FaceTrack) -> Ints:
    """(M,) the phone's clock, a time of day, without its steps at midnight.

    Every frame is put on the day that brings it nearest to the one before, so frames that overtook
    each other at midnight stay where they belong.
    """
    return np.asarray(np.unwrap(faces.device_ns, period=DAY_NS), np.int64)  # integers throughout


def _head_offset(
    recording: Recording, clocks: Clocks, phone: SourceClock, notes: list[str]
) -> Offset | None:
    """The phone's latency by the head's turning speed, or None with a note saying why."""
    turning = _turning(recording, clocks, phone, notes)
    if turning is None:
        return None
    offset = find_offset(*turning)
    if offset is None:
        notes.append("the head did not turn enough to find the phone's latency: taken for zero")
    return offset


def offset_curve(recording: Recording, alignment: Alignment) -> tuple[Times, Array] | None:
    """(L,) offsets in s, and (L,) how well the head's two turning rates agree at each, 0 to 1.

    The highest point is where `align` looks for the phone's latency. None where there is nothing to
    compare.
    """
    if alignment.phone is None or len(recording) < 2:
        return None
    clocks = [alignment.clocks.get(track.name) for track in recording.tracks]
    turning = _turning(recording, clocks, alignment.phone, [])
    if turning is None:
        return None
    reference, delayed, valid = turning
    curve = _correlations(_band(reference, valid), _band(delayed, valid), valid)
    lags = np.arange(len(curve), dtype=np.float64) - (len(curve) - 1) / 2
    return np.asarray(lags / GRID_HZ, np.float64), curve


def _turning(
    recording: Recording, clocks: Clocks, phone: SourceClock, notes: list[str]
) -> tuple[Array, Array, Flags] | None:
    """(G, 3) turning rates of reference and phone on one grid, and where both are known."""
    origin_ns = _origin_ns(recording, clocks, phone)
    gyro_times, gyro_rates = _reference_rates(recording, clocks, origin_ns)
    face_s = _since(_face_ns(recording.faces, phone), origin_ns)
    face_times, face_rates = _head_rates(
        face_s, recording.faces.quat_world_from_head, recording.faces.tracked
    )
    if len(face_times) < 2 or len(gyro_times) < 2:
        notes.append("no head rotation from the phone or the reference: latency taken for zero")
        return None
    start_s = max(gyro_times[0], face_times[0])
    end_s = min(gyro_times[-1], face_times[-1])
    if end_s - start_s < MIN_OVERLAP_S:
        notes.append(f"reference and phone overlap for less than {MIN_OVERLAP_S:g} s")
        return None
    grid = np.arange(start_s, end_s, 1 / GRID_HZ)
    imu, imu_valid = _on_grid(grid, gyro_times, gyro_rates)
    face, face_valid = _on_grid(grid, face_times, face_rates)
    return imu, face, imu_valid & face_valid


def _reference_rates(recording: Recording, clocks: Clocks, origin_ns: int) -> tuple[Times, Array]:
    """(K,) times and (K, 3) turning rates of the sensor on bone, by whichever device has it."""
    reference = recording.take.sensor_layout.reference_index
    for track, clock in zip(recording.tracks, clocks, strict=True):
        if reference in track.slots:
            gyro = track.gyro_rad_s[:, track.slots.index(reference)]
            return _gyro_rates(_since(_own_ns(track, clock), origin_ns), gyro)
    return np.zeros(0), np.zeros((0, 3))


def _since(host_ns: Ints, origin_ns: int) -> Times:
    seconds: Times = (host_ns - origin_ns) / NS_PER_S
    return seconds


def _gyro_rates(time_s: Times, gyro: Floats) -> tuple[Times, Array]:
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
    """(G, 3) rates on the grid, and where a reading lies within a tenth of a second of it."""
    after = np.clip(np.searchsorted(time_s, grid), 1, len(time_s) - 1)
    near = np.minimum(np.abs(grid - time_s[after]), np.abs(grid - time_s[after - 1])) < 0.1
    return np.stack([np.interp(grid, time_s, column) for column in rates.T], axis=1), near


def find_offset(reference: Array, delayed: Array, valid: Flags) -> Offset | None:
    """How much later `delayed` tells what `reference` tells, both (N, 3) on the GRID_HZ grid.

    None where either hardly moves, or the best offset lies at the end of the range searched.
    """
    a, b = _band(reference, valid), _band(delayed, valid)
    if not valid.any() or min(_rms(a[valid]), _rms(b[valid])) < MIN_RATE_RAD_S:
        return None
    curve = _correlations(a, b, valid)
    peak = int(np.argmax(curve))
    if peak in (0, len(curve) - 1):
        return None
    offset_s = _vertex_s(curve, peak)
    thirds = _thirds(a, b, valid, peak)
    spread = float(np.std(thirds)) if len(thirds) > 1 else MAX_SPREAD_S
    return Offset(
        offset_s=offset_s,
        uncertainty_s=max(spread / np.sqrt(max(len(thirds), 1)), 0.25 / GRID_HZ),
        correlation=float(curve[peak]),
        peak_ratio=_peak_ratio(curve, peak),
        thirds_s=tuple(t - offset_s for t in thirds),
    )


def _rms(rates: Array) -> float:
    return float(np.sqrt(np.mean(np.sum(rates**2, axis=1))))


def _band(signal: Array, valid: Flags) -> Array:
    """(N, 3) within BAND_HZ, zero where not valid."""
    from scipy.signal import butter, sosfiltfilt

    mean = signal[valid].mean(axis=0) if valid.any() else 0.0
    centred = np.where(valid[:, None], signal - mean, 0.0)
    sections = butter(2, BAND_HZ, "bandpass", fs=GRID_HZ, output="sos")
    padding = min(len(signal) - 1, int(GRID_HZ))
    smooth = sosfiltfilt(sections, centred, axis=0, padlen=padding)
    filtered: Array = np.where(valid[:, None], smooth, 0.0)
    return filtered


def _correlations(a: Array, b: Array, valid: Flags) -> Array:
    """Correlation of a(t) with b(t + lag), in [0, 1], for every lag within MAX_OFFSET_S."""
    reach = round(MAX_OFFSET_S * GRID_HZ)
    known = valid.astype(np.float64)
    power_a, power_b = np.sum(a**2, axis=1), np.sum(b**2, axis=1)
    curve = np.zeros(2 * reach + 1)
    for i, lag in enumerate(range(-reach, reach + 1)):
        here = slice(max(0, -lag), len(a) - max(0, lag))
        there = slice(max(0, lag), len(a) + min(0, lag))
        power = np.dot(power_a[here], known[there]) * np.dot(power_b[there], known[here])
        if power > 0:
            shared = np.linalg.svd(a[here].T @ b[there], compute_uv=False).sum()
            curve[i] = shared / np.sqrt(power)
    return curve


def _vertex_s(curve: Array, peak: int) -> float:
    """Where the parabola through the peak and its neighbours is highest, as an offset."""
    left, top, right = curve[peak - 1 : peak + 2]
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float((peak + shift - (len(curve) - 1) / 2) / GRID_HZ)


def _peak_ratio(curve: Array, peak: int) -> float:
    """The peak against the highest other local maximum (99 where there is none above zero)."""
    inner = curve[1:-1]
    local = np.flatnonzero((inner >= curve[:-2]) & (inner > curve[2:])) + 1
    others = curve[local[local != peak]]
    rival = float(others.max()) if len(others) else 0.0
    return min(float(curve[peak]) / rival, 99.0) if rival > 0 else 99.0


def _thirds(a: Array, b: Array, valid: Flags, peak: int) -> list[float]:
    """The offset of each third in which the head moved, looked for near the peak of the whole."""
    near = round(0.05 * GRID_HZ)
    found = []
    for part in np.array_split(np.arange(len(a)), 3):
        if _rms(a[part]) < MIN_RATE_RAD_S:
            continue
        curve = _correlations(a[part], b[part], valid[part])
        lowest = max(1, peak - near)
        best = lowest + int(np.argmax(curve[lowest : min(len(curve) - 1, peak + near + 1)]))
        if curve[best] >= MIN_CORRELATION:
            found.append(_vertex_s(curve, best))
    return found


def _verdict(
    devices: dict[str, SourceClock],
    phone: SourceClock | None,
    offset: Offset | None,
    alone: bool,
    notes: list[str],
) -> Verdict:
    """Good where everything is supported, doubtful where something is assumed, bad on conflict."""
    clocks = devices | ({"phone": phone} if phone else {})
    for name, clock in clocks.items():
        if clock.resets:
            notes.append(
                f"the {name}'s clock jumped {clock.resets} times; each stretch has its own map"
            )
        if clock.late_s and (apart_s := clock.late_s[0] - clock.late_s[1]) > MAX_CONTRADICTION_S:
            notes.append(
                f"no constant error explains all {clock.round_trips} round trips of the {name}: "
                f"its map wanders by {1000 * apart_s:.1f} ms or more"
            )
        if abs(clock.drift_ppm) > 5000:
            notes.append(f"the {name}'s clock is off by {clock.drift_ppm:.0f} ppm")
            return "bad"
    if alone:
        return "good"
    if offset is None:
        return "doubtful"
    spread = max((abs(t) for t in offset.thirds_s), default=0.0)
    if spread > 3 * MAX_SPREAD_S:
        notes.append(f"parts of the take disagree on the latency by {1000 * spread:.0f} ms")
        return "bad"
    if offset.correlation < MIN_CORRELATION or offset.peak_ratio < MIN_PEAK_RATIO:
        notes.append(
            f"the head's turning rates agree weakly (correlation {offset.correlation:.2f}, "
            f"peak ratio {offset.peak_ratio:.2f})"
        )
        return "doubtful"
    resets = sum(clock.resets for clock in clocks.values())
    return "good" if spread <= MAX_SPREAD_S and len(offset.thirds_s) and not resets else "doubtful"


def sample_times_s(recording: Recording, alignment: Alignment) -> Times:
    """(N,) of every tick, in seconds on the take's timeline; the first is 0."""
    clocks = [alignment.clocks.get(track.name) for track in recording.tracks]
    return _since(_sample_ns(recording, clocks), alignment.origin_ns)


def aligned_faces(
    recording: Recording, alignment: Alignment
) -> tuple[Times, Floats, Floats, Flags]:
    """(time_s, weights, quat_world_from_head, tracked) on the take's timeline, in order of time.

    Shapes (M,), (M, 52), (M, 4), (M,). Repeated frames are left out. Weights are NaN where not
    tracked, quat where unknown. Tracked are whole faces only (`capture.face_holes`).
    """
    faces = recording.faces
    if alignment.phone is None:
        kept, host_ns = np.arange(len(faces)), faces.arrival_ns
    else:
        host_ns, kept = np.unique(_face_ns(faces, alignment.phone), return_index=True)
    time_s = _since(host_ns, alignment.origin_ns) - alignment.phone_latency_s
    weights, tracked = whole_faces(time_s, faces.weights[kept], faces.tracked[kept])
    return time_s, weights, faces.quat_world_from_head[kept], tracked


def report(alignment: Alignment) -> dict[str, Any]:
    """Plain values of an alignment, for JSON."""
    found: dict[str, Any] = msgspec.to_builtins(alignment)
    return found


def write_alignment(alignment: Alignment, folder: Path) -> Path:
    """Keep the alignment as `sync.json` in the take; the same alignment gives the same bytes."""
    path = folder / SYNC_FILE
    path.write_bytes(msgspec.json.format(msgspec.json.encode(alignment), indent=2) + b"\n")
    return path


def read_alignment(folder: Path) -> Alignment:
    """Read `sync.json`. Raises DataError where there is none, or it is not one."""
    path = folder / SYNC_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Alignment)
    except FileNotFoundError as error:
        raise DataError(f"{folder} is not aligned yet", f"run `imusic align {folder}`") from error
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: {error}", f"run `imusic align {folder}`") from error
