"""Whether a sensor sits otherwise than when it was put on: rest against the rest of the donning.

The first take of a placement says how every sensor is turned against the reference. In a later
rest gravity, as the reference feels it, then says what each other sensor should feel. What is off
by more than a resting face can differ has slipped, or was stuck on anew. A turn about the vertical
is not seen. Pure, but for `slips_of`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.calibration import calibrate
from capture.merging import SlotReader
from capture.recording import Recording, read_recording
from capture.take import TAKE_FILE, Take, read_take
from firmware_host.errors import ImusicError

Array = NDArray[np.float64]

# A relaxed face is never the same twice: its skin lies a few degrees otherwise. Ours.
SLIPPED_DEG = 12.0
FEWEST = 50


@dataclass(frozen=True, slots=True)
class Slip:
    """A slot that sits otherwise, by so many degrees."""

    slot: str
    degrees: float


def slips(before: Recording, after: Recording) -> list[Slip]:
    """Slots of `after` that slipped since `before`, the worst first; none where rests are lacking.

    Both are of one donning and one layout.
    """
    layout = before.take.sensor_layout
    if after.take.sensor_layout.names != layout.names:
        return []
    rested, now = _rows(before, "rest"), _rows(after, "rest")
    if min(len(rested), len(now)) < FEWEST:
        return []
    routine = _rows(before, "routine")
    turning = routine[..., 3:] if len(routine) >= FEWEST else None
    quats = calibrate(layout, rested[..., :3], rested[..., 3:], turning).quat_head_from_sensor
    downs = [_felt(rested, quats), _felt(now, quats)]  # (S, 3) each, in the head's frame
    reference = layout.reference_index
    found = []
    for slot, name in enumerate(layout.names):
        # What the mounting was off by in the baseline itself is no slip.
        settled = _from_to(downs[0][slot], downs[0][reference])
        degrees = _degrees(rotations.rotate(settled, downs[1][slot]), downs[1][reference])
        if degrees > SLIPPED_DEG:
            found.append(Slip(name, round(degrees, 1)))
    return sorted(found, key=lambda slip: -slip.degrees)


def slips_of(folder: Path) -> list[Slip]:
    """Slips of a take against the first one of its donning beside it; none where it is the first.

    Only the beginnings are read.

    Raises:
        ImusicError: the take cannot be read.
    """
    take = read_take(folder)
    placement = take.origin.get("placement", "")
    if not placement:
        return []
    for path in sorted(folder.parent.glob(f"*/{TAKE_FILE}")):
        other = _readable(path.parent)
        if path.parent.name == folder.name or other is None:
            continue
        if other.origin.get("placement") != placement or other.created_utc > take.created_utc:
            continue
        if other.state == "recording" or other.segment("rest") is None:
            continue
        return slips(_opening(path.parent, other), _opening(folder, take))
    return []


def slip_lines(folder: Path) -> list[str]:
    """For the operator, after a take: what slipped since the sensors were put on."""
    try:
        found = slips_of(folder)
    except ImusicError:  # told elsewhere, by whoever reads the take
        return []
    return [
        f"ALARM: {slip.slot} sits {slip.degrees:.0f} degrees otherwise than when it was put on: "
        "stick it on again, and give the rig another session.placement"
        for slip in found
    ]


def _readable(folder: Path) -> Take | None:
    try:
        return read_take(folder)
    except ImusicError:
        return None


def _opening(folder: Path, take: Take) -> Recording:
    ends = [segment.end_s for segment in map(take.segment, ("rest", "routine")) if segment]
    return read_recording(folder, until_s=max(ends, default=0.0) + 1.0)


def _felt(rows: Array, quats: Array) -> Array:
    """(S, 3) what every slot felt, in the frame of the head; NaN where nothing."""
    known = np.isfinite(rows[..., :3])
    total = np.where(known, rows[..., :3], 0.0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean = total / known.sum(axis=0)
    return np.asarray(rotations.rotate(quats, mean))


def _degrees(a: Array, b: Array) -> float:
    """Between two directions; 0 where one is not known."""
    sizes = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not sizes > 0:  # NaN as well
        return 0.0
    return float(np.degrees(np.arccos(np.clip(a @ b / sizes, -1.0, 1.0))))


def _from_to(a: Array, b: Array) -> Array:
    """(4,) wxyz: the least turn from one direction to another; none where one is not known."""
    axis = np.cross(a, b)
    size = float(np.linalg.norm(axis))
    if not size > 1e-9:
        return np.array([1.0, 0.0, 0.0, 0.0])
    return np.asarray(rotations.from_vector(np.radians(_degrees(a, b)) * axis / size))


def _rows(recording: Recording, label: str) -> Array:
    """(N, S, 6) readings within a segment, corrected; none where it has no such segment."""
    segment = recording.take.segment(label)
    slots = len(recording.take.sensor_layout.slots)
    if segment is None or not len(recording):
        return np.zeros((0, slots, 6))
    since_s = (recording.arrival_ns - recording.arrival_ns[0]) / 1e9
    inside = (since_s >= segment.start_s) & (since_s <= segment.end_s)
    names = recording.take.sensor_layout.names
    reader = SlotReader(names, names, recording.take.corrections)
    accel, gyro = reader.read(recording.accel_m_s2[inside], recording.gyro_rad_s[inside])
    return np.concatenate([accel, gyro], axis=2).astype(np.float64)
