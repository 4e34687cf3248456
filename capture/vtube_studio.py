"""VTube Studio's data for third-party PC clients, as MeowFace on Android sends it too. No I/O.

The host asks by UDP, port 21412 of the phone, and is answered with one JSON object per frame for as
many seconds as it asked for: Timestamp (Unix ms), FaceFound, Rotation, Position, EyeLeft, EyeRight
(x, y, z each) and BlendShapes, a list of `{"k": name, "v": weight}`. Source: the maker's repository
DenchiSoft/VTubeStudioBlendshapeUDPReceiverTest (README and VTubeStudioRawTrackingData.cs), which
reserves further keys for later.

Rotation is in degrees. The maker's example shows it as the Unity angles (-y, -x, z); taken into our
right-handed frame yaw is x, pitch is -y, and roll is -z. A recorded frame agrees: its head is at
x = -11.1 while the eyes look 11.0 degrees to the left, as of one who looks at the phone. Eyes are
about ARKit's axes: x goes with eyeLookDown, y with looking to the left (same frame).
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.phone_faces import (
    Malformed,
    PhoneFace,
    Signs,
    are_angles,
    radians,
    read_json,
    weights_by_name,
)
from firmware_host.clock import NS_PER_S
from firmware_host.samples import Floats

PHONE_PORT = 21412
PORT = 11125  # of the maker's example
REQUEST_S = 5.0  # the maker's advice: ask every second for five
MAX_FRAME_BYTES = 32 * 1024
MAX_SHAPES = 512
MAX_TIMESTAMP_MS = 1 << 43  # the year 2248; nanoseconds still fit 64 bits
SENT_BY = "imusic"

_NS_PER_MS = NS_PER_S // 1000
_HEAD: tuple[Signs, Signs] = (0, 1, 2), (1, -1, -1)
_EYE: tuple[Signs, Signs] = (1, 0, 2), (1, 1, 1)


class _Vector(msgspec.Struct):
    x: float
    y: float
    z: float

    def values(self) -> tuple[float, float, float]:
        return self.x, self.y, self.z


class _Shape(msgspec.Struct):
    k: str
    v: float


class _Frame(msgspec.Struct, rename="pascal"):
    face_found: bool
    blend_shapes: list[_Shape] = []
    timestamp: int | None = None
    rotation: _Vector | None = None
    eye_left: _Vector | None = None
    eye_right: _Vector | None = None


class _Request(msgspec.Struct, rename="camel"):
    message_type: str
    time: float
    sent_by: str
    ports: list[int]


_frames = msgspec.json.Decoder(_Frame)


def request(port: int, seconds: float = REQUEST_S) -> bytes:
    """Ask for frames at `port` of this host for a time; the phone allows 0.5 to 10 s."""
    return msgspec.json.encode(_Request("iOSTrackingDataRequest", seconds, SENT_BY, [port]))


def read_request(data: bytes) -> tuple[tuple[int, ...], float] | None:
    """(ports, seconds) of a request, as the phone reads it; None where it is none."""
    try:
        asked = msgspec.json.decode(data, type=_Request)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if asked.message_type != "iOSTrackingDataRequest" or not 0.5 <= asked.time <= 10.0:
        return None
    return tuple(asked.ports), asked.time


def decode(data: bytes, arrival_ns: int = 0) -> PhoneFace | Malformed:
    """Read one frame. Never raises, whatever arrives."""
    frame = read_json(_frames, data, MAX_FRAME_BYTES, "VTube Studio")
    if isinstance(frame, Malformed):
        return frame
    if len(frame.blend_shapes) > MAX_SHAPES:
        return Malformed(f"expected at most {MAX_SHAPES} shapes, got {len(frame.blend_shapes)}")
    vectors = (frame.rotation, frame.eye_left, frame.eye_right)
    if not all(vector is None or are_angles(vector.values()) for vector in vectors):
        return Malformed("an angle is beyond two turns")
    stamp = frame.timestamp
    if stamp is not None and not 0 <= stamp <= MAX_TIMESTAMP_MS:
        return Malformed(f"a timestamp of {stamp} is no Unix time in ms")
    weights = weights_by_name((shape.k, shape.v) for shape in frame.blend_shapes)
    if isinstance(weights, Malformed):
        return weights
    device_ns = None if stamp is None else stamp * _NS_PER_MS
    if not frame.face_found:
        return PhoneFace(arrival_ns, device_ns)
    if np.isnan(weights).all():
        return Malformed("a face without any ARKit shape")
    return PhoneFace(
        arrival_ns,
        device_ns,
        weights,
        None if frame.rotation is None else radians(frame.rotation.values(), *_HEAD),
        _eyes(frame.eye_left, frame.eye_right),
    )


def _eyes(left: _Vector | None, right: _Vector | None) -> Floats | None:
    if left is None or right is None:
        return None
    return np.stack([radians(eye.values(), *_EYE) for eye in (left, right)])


def encode(face: PhoneFace) -> bytes:
    """The frame that the app would send; a shape that is NaN is left out."""
    head = np.zeros(3) if face.head_yaw_pitch_roll is None else face.head_yaw_pitch_roll
    eyes = np.zeros((2, 3)) if face.eyes_yaw_pitch_roll is None else face.eyes_yaw_pitch_roll
    shown = [] if face.weights is None else np.asarray(face.weights, np.float64).tolist()
    return msgspec.json.encode(
        _Frame(
            face.tracked,
            [
                _Shape(name[0].upper() + name[1:], value)
                for name, value in zip(ARKIT_NAMES, shown, strict=face.tracked)
                if value == value
            ],
            None if face.device_ns is None else face.device_ns // _NS_PER_MS,
            _vector(head, *_HEAD),
            _vector(eyes[0], *_EYE),
            _vector(eyes[1], *_EYE),
        )
    )


def _vector(yaw_pitch_roll: Floats | NDArray[np.float64], order: Signs, signs: Signs) -> _Vector:
    values = [0.0, 0.0, 0.0]
    for angle, k, sign in zip(np.degrees(yaw_pitch_roll).tolist(), order, signs, strict=True):
        values[k] = angle * sign
    return _Vector(*values)
