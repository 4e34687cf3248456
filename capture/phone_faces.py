"""A face as a phone saw it, whichever app sent it. No I/O.

Every app's decoder gives `PhoneFace`: 52 weights in canonical order, head and eyes in our frame
(+x the wearer's left, +y up, +z forward). Angles are yaw, pitch and roll in radians, and mean
Ry(yaw) · Rx(pitch) · Rz(roll): yaw turns to the wearer's left, pitch downwards, and roll lifts the
left ear. What an app does not send is NaN or None, never a number of ours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX, MAX_WEIGHT, MIRROR, canonical_name
from firmware_host.samples import Floats

Frame = TypeVar("Frame")
Signs = tuple[int, int, int]
# Two turns: what is beyond is no angle in degrees. Ours.
MAX_DEGREES = 720.0
# A mirror at x = 0 turns the other way about y and z, and the same way about x.
_MIRRORED_ANGLES = np.array([-1.0, 1.0, -1.0], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PhoneFace:
    """One frame.

    device_ns: on the phone's own clock; None where the app sends no time, so that only arrival is
    known. weights: (52,), NaN where the app sent none; None where it saw no face.
    head_yaw_pitch_roll: (3,) and eyes_yaw_pitch_roll: (2, 3) left and right, in rad, or None.
    arrival_ns: when the last byte of it came, on the host's monotonic clock. frame: number, and
    rate as numerator and denominator, zeros where the app counts none; sub_frame goes with it.
    sender: who says it is sending, "" where nobody does.
    """

    arrival_ns: int
    device_ns: int | None = None
    weights: Floats | None = None
    head_yaw_pitch_roll: Floats | None = None
    eyes_yaw_pitch_roll: Floats | None = None
    frame: tuple[int, int, int] = (0, 0, 0)
    sub_frame: float = 0.0
    sender: str = ""

    @property
    def tracked(self) -> bool:
        """Whether there was a face."""
        return self.weights is not None


@dataclass(frozen=True, slots=True)
class Malformed:
    """What is not a frame of the app it should be of, and why."""

    reason: str


def read_json(
    frames: msgspec.json.Decoder[Frame], data: bytes, most: int, whose: str
) -> Frame | Malformed:
    """A frame that is one JSON object of at most `most` bytes. Never raises, whatever arrives."""
    if len(data) > most:
        return Malformed(f"expected at most {most} bytes, got {len(data)}")
    try:
        return frames.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return Malformed(f"not a frame of {whose}: {str(error)[:100]}")


def unmirrored(face: PhoneFace) -> PhoneFace:
    """The face of an app that was set to show a mirror image: left and right exchanged."""
    weights, head, eyes = face.weights, face.head_yaw_pitch_roll, face.eyes_yaw_pitch_roll
    return replace(
        face,
        weights=None if weights is None else weights[MIRROR],
        head_yaw_pitch_roll=None if head is None else head * _MIRRORED_ANGLES,
        eyes_yaw_pitch_roll=None if eyes is None else eyes[::-1] * _MIRRORED_ANGLES,
    )


def weights_by_name(named: Iterable[tuple[str, float]]) -> Floats | Malformed:
    """(52,) weights of those given by name, in any usual spelling; NaN for the others.

    Names of no ARKit shape are passed over. Of a shape that is given in two spellings the one in
    Apple's own counts (`EyeBlinkLeft` before `eyeBlink_L`): a known app sends both.
    """
    weights = np.full(len(ARKIT_NAMES), np.nan, np.float32)
    spelled_out: set[str] = set()
    for name, value in named:
        shape = canonical_name(name)
        if shape is None:
            continue
        plain = name.lower() == shape.lower()
        if shape in spelled_out and not plain:
            continue
        if not abs(value) <= MAX_WEIGHT:  # also true for NaN
            return Malformed(f"expected weights from 0 to 1, got {value:.4g} for {name[:40]!r}")
        weights[INDEX[shape]] = value
        if plain:
            spelled_out.add(shape)
    return weights


def radians(degrees: Sequence[float], order: tuple[int, int, int], signs: Signs) -> Floats:
    """(3,) yaw, pitch, roll in rad: of `degrees`, element `order[i]` times `signs[i]`."""
    return np.radians([degrees[k] * sign for k, sign in zip(order, signs, strict=True)]).astype(
        np.float32
    )


def are_angles(degrees: Sequence[float]) -> bool:
    """Whether these can be angles in degrees: finite, and at most two turns."""
    return all(abs(value) <= MAX_DEGREES for value in degrees)
