"""What `imusic webcam` sends of each picture: MediaPipe's blendshapes, as one JSON object. No I/O.

`time_ns`: when the picture came, on the sender's monotonic clock. `shapes`: categories of the face
landmarker by name and score, all that it gave; absent where it saw no face. `matrix`: its facial
transformation matrix, row by row.

The categories are `_neutral` and Apple's 52 names without `tongueOut` (face_blendshapes.tflite of
Google's face_landmarker.task), so tongueOut stays NaN. The matrix takes a canonical face (+x the
wearer's left, +y up, +z forward) into the camera's space, whose axes are the same as long as the
camera is level: x to the right of the picture, y up, z towards the camera. So its rotation is ours.
Both were tried on a photograph with MediaPipe 1.2.3: an eye that was painted over, a picture that
was turned, and one that was squeezed on one side.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.phone_faces import Malformed, PhoneFace, read_json, weights_by_name
from firmware_host.samples import Floats

PORT = 11126  # ours
MAX_FRAME_BYTES = 32 * 1024
MAX_SHAPES = 512
MAX_TIME_NS = 1 << 62
# A rotation that comes as float32 is off by 1e-6; what is off by more than this is none.
MAX_SKEW = 0.01

Matrix = NDArray[np.float64]


class _Frame(msgspec.Struct, omit_defaults=True):
    webcam: int  # version of this format
    time_ns: int
    shapes: dict[str, float] | None = None
    matrix: list[float] | None = None


_frames = msgspec.json.Decoder(_Frame)


def decode(data: bytes, arrival_ns: int = 0) -> PhoneFace | Malformed:
    """Read one frame. Never raises, whatever arrives."""
    frame = read_json(_frames, data, MAX_FRAME_BYTES, "`imusic webcam`")
    if isinstance(frame, Malformed):
        return frame
    if frame.webcam != 1:
        return Malformed(f"expected format 1 of `imusic webcam`, got {frame.webcam}")
    if not 0 <= frame.time_ns <= MAX_TIME_NS:
        return Malformed(f"{frame.time_ns} is no time in ns")
    if frame.shapes is None:
        return PhoneFace(arrival_ns, frame.time_ns)
    if len(frame.shapes) > MAX_SHAPES:
        return Malformed(f"expected at most {MAX_SHAPES} shapes, got {len(frame.shapes)}")
    weights = weights_by_name(frame.shapes.items())
    if isinstance(weights, Malformed):
        return weights
    if np.isnan(weights).all():
        return Malformed("a face without any ARKit shape")
    head = None
    if frame.matrix is not None:
        head = _head(frame.matrix)
        if head is None:
            return Malformed("expected a rotation in a matrix of 4 x 4")
    return PhoneFace(arrival_ns, frame.time_ns, weights, head)


def encode(time_ns: int, shapes: dict[str, float] | None, matrix: Matrix | None) -> bytes:
    """One frame: scores by category, and (4, 4) the facial transformation; None for no face."""
    rows = None if matrix is None else np.asarray(matrix, np.float64).ravel().tolist()
    return msgspec.json.encode(_Frame(1, time_ns, shapes, rows))


def encode_face(face: PhoneFace) -> bytes:
    """The frame of a face, as if MediaPipe had seen it; a shape that is NaN is left out."""
    time_ns = face.device_ns or 0
    if face.weights is None:
        return encode(time_ns, None, None)
    named = zip(ARKIT_NAMES, np.asarray(face.weights, np.float64).tolist(), strict=True)
    shapes = {name: weight for name, weight in named if weight == weight}
    head = face.head_yaw_pitch_roll
    return encode(time_ns, shapes, None if head is None else _matrix(head))


def _head(values: list[float]) -> Floats | None:
    """(3,) yaw, pitch, roll of Ry(yaw) · Rx(pitch) · Rz(roll); None where it is no rotation."""
    if len(values) != 16 or not all(abs(value) < 1e6 for value in values):  # also not of NaN
        return None
    turn = np.array(values, np.float64).reshape(4, 4)[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > MAX_SKEW or np.linalg.det(turn) < 0.0:
        return None
    return np.array(
        [
            math.atan2(turn[0, 2], turn[2, 2]),
            math.asin(min(1.0, max(-1.0, -turn[1, 2]))),
            math.atan2(turn[1, 0], turn[1, 1]),
        ],
        np.float32,
    )


def _matrix(yaw_pitch_roll: Floats) -> Matrix:
    yaw, pitch, roll = (float(angle) for angle in yaw_pitch_roll)
    about_y = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    about_x = [
        [1, 0, 0],
        [0, math.cos(pitch), -math.sin(pitch)],
        [0, math.sin(pitch), math.cos(pitch)],
    ]
    about_z = [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    found = np.eye(4)
    found[:3, :3] = np.array(about_y) @ np.array(about_x) @ np.array(about_z)
    return found
