"""Face Cap's live mode: OSC over UDP ⇄ faces. No I/O.

`/W` index weight for each shape, `/HT` position, `/HR` degrees (x, y, z), `/HRQ` quaternion
(x, y, z, w), `/ELR` and `/ERR` the eyes (x, y). Each value is a message, and each message as a rule
a datagram of its own, so a frame must be put together. Nothing in them says which frame they are
of, nor when: a frame is over when all its 57 values are there, or one comes again. What was lost on
the way is NaN.

Source of addresses: bannaflak.com/face-cap/livemode.html. The page numbers the shapes; those after
the tenth were checked against the targets of the maker's own head, facecap.glb, whose order is the
same. Rotations are about ARKit's axes by an independent receiver; no document says so.
"""

import math
from collections.abc import Sequence

import numpy as np

from capture import osc
from capture.blendshapes import ARKIT_NAMES, INDEX, MAX_WEIGHT
from capture.livelink import head_angles_from_quat, quat_from_head_angles
from capture.phone_faces import Malformed, PhoneFace, are_angles, radians
from firmware_host.samples import Floats

PORT = 8080

NAMES: tuple[str, ...] = (
    "browInnerUp", "browDownLeft", "browDownRight", "browOuterUpLeft", "browOuterUpRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight",
    "jawOpen", "jawForward", "jawLeft", "jawRight",
    "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight",
    "mouthRollUpper", "mouthRollLower", "mouthShrugUpper", "mouthShrugLower", "mouthClose",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight",
    "mouthStretchLeft", "mouthStretchRight", "tongueOut",
)  # fmt: skip

PLACES = np.array([INDEX[name] for name in NAMES])
_POSES = {"/HT": 3, "/HR": 3, "/HRQ": 4, "/ELR": 2, "/ERR": 2}
_WHOLE = len(NAMES) + len(_POSES)
Key = str | int


class FaceCapDecoder:
    """Puts frames together; feed it datagrams in order of arrival."""

    def __init__(self) -> None:
        self._values: dict[Key, tuple[float, ...]] = {}
        self._newest_ns = 0

    def receive(self, data: bytes, arrival_ns: int) -> list[PhoneFace | Malformed]:
        """The frames that this datagram completes. Never raises, whatever arrives."""
        messages = osc.decode(data)
        if isinstance(messages, Malformed):
            return [messages]
        found: list[PhoneFace | Malformed] = []
        for message in messages:
            value = _value(message)
            if isinstance(value, Malformed):
                found.append(value)
            elif value is not None:
                found += self._take(*value, arrival_ns)
        return found

    def _take(self, key: Key, values: tuple[float, ...], arrival_ns: int) -> list[PhoneFace]:
        found = self._end() if key in self._values else []
        self._values[key] = values
        self._newest_ns = arrival_ns
        return found + (self._end() if len(self._values) == _WHOLE else [])

    def _end(self) -> list[PhoneFace]:
        """The frame there is, unless it has no shape at all; the next one begins empty."""
        values, self._values = self._values, {}
        return [self._frame(values)] if any(isinstance(key, int) for key in values) else []

    def _frame(self, values: dict[Key, tuple[float, ...]]) -> PhoneFace:
        shapes = np.full(len(NAMES), np.nan, np.float32)
        for key, numbers in values.items():
            if isinstance(key, int):
                shapes[key] = numbers[0]
        weights = np.empty_like(shapes)
        weights[PLACES] = shapes
        return PhoneFace(
            self._newest_ns,
            weights=weights,
            head_yaw_pitch_roll=_head(values.get("/HRQ"), values.get("/HR")),
            eyes_yaw_pitch_roll=_eyes(values.get("/ELR"), values.get("/ERR")),
        )


def _value(message: osc.Message) -> tuple[Key, tuple[float, ...]] | Malformed | None:
    """What a message tells: (address or index of a shape, numbers); None where nothing to us."""
    if message.address != "/W" and message.address not in _POSES:
        return None
    numbers = [float(a) for a in message.arguments if isinstance(a, int | float)]
    if message.address == "/W":
        index = message.arguments[0] if message.arguments else None
        if len(numbers) != 2 or type(index) is not int or not 0 <= index < len(NAMES):
            return Malformed(f"/W: expected index and weight, got {message.arguments!r:.60}")
        if not abs(numbers[1]) <= MAX_WEIGHT:  # also true for NaN
            return Malformed(f"/W: expected a weight from 0 to 1, got {numbers[1]:.4g}")
        return index, (numbers[1],)
    if len(numbers) != _POSES[message.address] or not all(map(math.isfinite, numbers)):
        return Malformed(
            f"{message.address}: expected {_POSES[message.address]} numbers, "
            f"got {message.arguments!r:.60}"
        )
    if message.address in ("/HR", "/ELR", "/ERR") and not are_angles(numbers):
        return Malformed(f"{message.address}: an angle is beyond two turns")
    return message.address, tuple(numbers)


def _head(quat: tuple[float, ...] | None, degrees: tuple[float, ...] | None) -> Floats | None:
    """Angles by the quaternion where there is one: it leaves no doubt about the order of turns."""
    if quat is not None:
        x, y, z, w = quat
        length = math.hypot(x, y, z, w)
        if 0.5 < length < 2.0:
            return head_angles_from_quat(np.array([w, x, y, z]) / length)
    return None if degrees is None else radians(degrees, (1, 0, 2), (1, 1, 1))


def _eyes(left: tuple[float, ...] | None, right: tuple[float, ...] | None) -> Floats | None:
    if left is None or right is None:
        return None
    return np.stack([radians((*eye, 0.0), (1, 0, 2), (1, 1, 1)) for eye in (left, right)])


def encode(face: PhoneFace) -> list[bytes]:
    """The datagrams of one frame as the app sends them; none for a lost face, or a NaN."""
    if face.weights is None:
        return []
    head = np.zeros(3) if face.head_yaw_pitch_roll is None else face.head_yaw_pitch_roll
    eyes = np.zeros((2, 3)) if face.eyes_yaw_pitch_roll is None else face.eyes_yaw_pitch_roll
    w, *xyz = quat_from_head_angles(head).tolist()
    yaw, pitch, roll = np.degrees(head).tolist()
    sent = [
        osc.Message("/HT", (0.0, 0.0, 0.0)),
        osc.Message("/HR", (pitch, yaw, roll)),
        osc.Message("/HRQ", (*xyz, w)),
        *(
            osc.Message(address, tuple(np.degrees(eye[[1, 0]]).tolist()))
            for address, eye in zip(("/ELR", "/ERR"), eyes, strict=True)
        ),
        *_shapes(face.weights[PLACES].tolist()),
    ]
    return [osc.encode(message) for message in sent]


def _shapes(values: Sequence[float]) -> list[osc.Message]:
    return [osc.Message("/W", (i, v)) for i, v in enumerate(values) if math.isfinite(v)]


assert sorted(NAMES) == sorted(ARKIT_NAMES)
