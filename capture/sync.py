"""All clocks of a take on one timeline: seconds since its first IMU sample, on the host's clock.

Two steps. Each device's clock is mapped to the host's by the floor under its arrival times
(`firmware_host.clock`). What that cannot see is how long the phone sits on a frame before
sending it: that constant is found from what both feel and see, the turning of the head and the
opening of the jaw (`capture.latency`). Pure but for the functions that keep the result as
`sync.json`.

    phone frame ──map──► when it would arrive at best ──− phone_latency_s──► when it was true
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.face_holes import never_sent, whole_faces
from capture.latency import (
    CHIN,
    Gesture,
    Latency,
    gyro_rates,
    head_agreement,
    phone_latency,
)
from capture.offsets import MAX_SPREAD_S, MIN_CORRELATION
from capture.recording import DeviceTrack, FaceTrack, Recording
from capture.source_clock import SourceClock, fit_source, proven_by
from capture.take import SYNC_FILE
from firmware_host.clock import NS_PER_S
from firmware_host.errors import DataError
from firmware_host.index_clock import IndexClock
from firmware_host.rig import HUB
from firmware_host.samples import Floats, Ints, RoundTrip

Times = NDArray[np.float64]
Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Clocks = Sequence[SourceClock | None]  # of the tracks of a recording

DAY_NS = 86_400 * NS_PER_S
MIN_PEAK_RATIO = 1.1
MAX_CONTRADICTION_S = 0.001  # of round trips: less is the noise of a floor

Verdict = Literal["good", "doubtful", "bad"]


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """How to put a take on its timeline, and how far to trust that.

    hub: the clock of the only device, devices: those of several by name; a device that gave next to
    nothing has none, and its samples lie where they arrived; nor has one that tells no time, whose
    samples are placed by their count (`firmware_host.index_clock`). origin_ns: host time of the
    first IMU sample (of the first face where there is no device).
    phone_latency_s: how much later than the samples of the same moment the phone's frames arrive;
    taken off every face. correlation: of the two turning rates at that offset. peak_ratio: to the
    next best offset elsewhere. thirds_s: the offset found in each third of the take where the head
    moved, less `phone_latency_s`. head_s, jaw_s: the latency by the head's turning alone and by the
    jaw's opening alone, where they could tell. gestures: the same within each gesture of the take.
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
    head_s: float | None = None
    jaw_s: float | None = None
    gestures: tuple[Gesture, ...] = ()

    @property
    def clocks(self) -> dict[str, SourceClock]:
        """The clocks of all devices, by what they are called."""
        return self.devices or ({HUB: self.hub} if self.hub else {})


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
    latency = Latency()
    is_felt = len(recording) > 1
    if is_felt and phone and not one_clock:
        latency = _latency(recording, clocks, phone, notes)
    offset = latency.offset
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
    verdict = _verdict(known, phone, latency, alone, notes)
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
        head_s=latency.head_s,
        jaw_s=latency.jaw_s,
        gestures=latency.gestures,
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
        f"{track.name} tells no time that can be used: its samples are placed by their count, and "
        "how late its link is cannot be told"
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
    """(N,) host times of the samples of one device; their arrival where they are too few."""
    if clock is not None:
        return clock.to_host(track.tick_us * 1000, track.arrival_ns)
    return track.arrival_ns if track.no_clock_ns is None else _counted_ns(track, track.no_clock_ns)


def _counted_ns(track: DeviceTrack, since_ns: int) -> Ints:
    """(N,) host times of samples without a time of their own, by their count from then on."""
    times_ns, count = track.arrival_ns.copy(), IndexClock()
    for start, end in pairwise(track.block_starts.tolist()):
        if track.arrival_ns[start] >= since_ns:
            times_ns[start:end] = count.place(end - start, int(track.arrival_ns[start]))
    return times_ns


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


def _latency(recording: Recording, clocks: Clocks, phone: SourceClock, notes: list[str]) -> Latency:
    """The phone's latency by the head and the jaw, with notes on what speaks against it."""
    origin_ns = _origin_ns(recording, clocks, phone)
    layout = recording.take.sensor_layout
    chin = layout.names.index(CHIN) if CHIN in layout.names else layout.reference_index
    return phone_latency(
        _slot_rates(recording, clocks, origin_ns, layout.reference_index),
        _slot_rates(recording, clocks, origin_ns, chin),
        _since(_face_ns(recording.faces, phone), origin_ns),
        recording.faces,
        recording.take.segments,
        notes,
    )


def offset_curve(recording: Recording, alignment: Alignment) -> tuple[Times, Array] | None:
    """(L,) offsets of the phone in s, and (L,) how well the head's turning agrees at each.

    None where there is nothing to compare.
    """
    if alignment.phone is None or len(recording) < 2:
        return None
    clocks = [alignment.clocks.get(track.name) for track in recording.tracks]
    reference = recording.take.sensor_layout.reference_index
    return head_agreement(
        _slot_rates(recording, clocks, alignment.origin_ns, reference),
        _since(_face_ns(recording.faces, alignment.phone), alignment.origin_ns),
        recording.faces,
    )


def _slot_rates(
    recording: Recording, clocks: Clocks, origin_ns: int, slot: int
) -> tuple[Times, Array]:
    """(K,) times and (K, 3) turning rates of a sensor, by whichever device has it."""
    for track, clock in zip(recording.tracks, clocks, strict=True):
        if slot in track.slots:
            gyro = track.gyro_rad_s[:, track.slots.index(slot)]
            return gyro_rates(_since(_own_ns(track, clock), origin_ns), gyro)
    return np.zeros(0), np.zeros((0, 3))


def _since(host_ns: Ints, origin_ns: int) -> Times:
    seconds: Times = (host_ns - origin_ns) / NS_PER_S
    return seconds


def _verdict(
    devices: dict[str, SourceClock],
    phone: SourceClock | None,
    latency: Latency,
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
    if (offset := latency.offset) is None:
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
    if latency.disagrees:
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
