"""iFacialMocap and Facemotion3d: their text frames ⇄ values. No I/O.

A frame is `name-value|…|=head#rx,ry,rz,px,py,pz|rightEye#rx,ry,rz|leftEye#rx,ry,rz|`, in any order,
values from 0 to 100; after `sendDataVersion=v2`, and always from Facemotion3d, `&` stands for the
`-`. iFacialMocap writes `_L` and `_R`, Facemotion3d Left and Right, and `FM_…` shapes of its own.
Over TCP the maker's word ends a frame. Neither app sends a time. `trackingStatus-0` (in recorded
frames, not in the documents) is no face. Sources: ifacialmocap.com/for-developer,
facemotion3d.net/for-developer.

Angles are degrees about ARKit's own axes, which are ours. That is measured for the eyes, on the
makers' example frames and two recorded ones: rx goes with eyeLookDown, ry with eyes turned to the
left. For the head it is taken to be the same; no document says so.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.phone_faces import Malformed, PhoneFace, are_angles, radians, weights_by_name
from firmware_host.samples import Floats

MAX_FRAME_BYTES = 8192  # the makers' examples receive into so much
MAX_ITEMS = 256
PERCENT = 100.0

_SHAPE = re.compile(r"([A-Za-z_][A-Za-z_0-9]*)[-&](.+)")
_STATUS = "trackingStatus"
_BONES = {"=head": 6, "rightEye": 3, "leftEye": 3}
_ORDER, _SIGNS = (1, 0, 2), (1, 1, 1)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one of the two apps is asked and how it ends a frame over TCP.

    start, start_tcp: what is sent to the phone by UDP; stop: likewise, after the last frame.
    phone_port: where the phone listens. port: where frames are answered to; tcp_port: likewise.
    """

    start: bytes
    start_tcp: bytes
    stop: tuple[bytes, ...]
    end: bytes
    phone_port: int
    full_names: bool
    tcp_port: int = 49986


_WORD = b"sahuasouryya9218sauhuiayeta91555dy3719"
IFACIALMOCAP = Dialect(
    start=b"iFacialMocap_" + _WORD + b"|sendDataVersion=v2",
    start_tcp=b"iFacialMocap_UDPTCP_" + _WORD + b"|sendDataVersion=v2",
    stop=(b"iFacialMocap_UDPTCPSTOP_" + _WORD,),
    end=b"___iFacialMocap",
    phone_port=49983,
    full_names=False,
)
FACEMOTION3D = Dialect(
    start=b"FACEMOTION3D_OtherStreaming",
    start_tcp=b"FACEMOTION3D_OtherStreaming|protocol=tcp",
    stop=(b"StopStreaming_FACEMOTION3D",),
    end=b"___FACEMOTION3D",
    phone_port=49993,
    full_names=True,
)


def decode(data: bytes, arrival_ns: int = 0) -> PhoneFace | Malformed:
    """Read one frame, without the word that ends it over TCP. Never raises, whatever arrives."""
    if len(data) > MAX_FRAME_BYTES:
        return Malformed(f"expected at most {MAX_FRAME_BYTES} bytes, got {len(data)}")
    try:
        items = data.decode("ascii").strip("|\r\n\0 ").split("|")
    except UnicodeDecodeError:
        return Malformed("not ASCII text")
    if len(items) > MAX_ITEMS:
        return Malformed(f"expected at most {MAX_ITEMS} items, got {len(items)}")
    named: dict[str, float] = {}
    bones: dict[str, list[float]] = {}
    for item in items:
        if problem := _take(item, named, bones):
            return Malformed(problem)
    return _face(named, bones, arrival_ns)


def _take(item: str, named: dict[str, float], bones: dict[str, list[float]]) -> str:
    """Put one item where it belongs; what is wrong with it, or ""."""
    bone, is_bone, numbers = item.partition("#")
    if is_bone:
        if bone not in _BONES:
            return ""  # a bone of a later version
        values = [_number(text) for text in numbers.split(",")]
        if len(values) != _BONES[bone] or not are_angles(values):
            return f"expected {_BONES[bone]} numbers for {bone}, got {numbers[:60]!r}"
        bones[bone] = values
        return ""
    match = _SHAPE.fullmatch(item)
    value = _number(match[2]) if match else math.nan
    if match is None or not math.isfinite(value):
        return f"expected name and value, got {item[:60]!r}"
    named[match[1]] = value
    return ""


def _number(text: str) -> float:
    try:
        return float(text) if len(text) <= 32 and "_" not in text else math.nan
    except ValueError:
        return math.nan


def _face(
    named: dict[str, float], bones: dict[str, list[float]], arrival_ns: int
) -> PhoneFace | Malformed:
    status = named.pop(_STATUS, 1.0)
    weights = weights_by_name((name, value / PERCENT) for name, value in named.items())
    if isinstance(weights, Malformed):
        return weights
    if np.isnan(weights).all() and status:
        return Malformed("no ARKit shape in it")
    if not status or not (np.nan_to_num(weights).any() or any(map(any, bones.values()))):
        return PhoneFace(arrival_ns)
    head = bones.get("=head")
    eyes = [bones.get("leftEye"), bones.get("rightEye")]
    return PhoneFace(
        arrival_ns,
        weights=weights,
        head_yaw_pitch_roll=None if head is None else radians(head, _ORDER, _SIGNS),
        eyes_yaw_pitch_roll=None
        if eyes[0] is None or eyes[1] is None
        else np.stack([radians(eye, _ORDER, _SIGNS) for eye in eyes if eye is not None]),
    )


def encode(face: PhoneFace, dialect: Dialect = IFACIALMOCAP) -> bytes:
    """The frame an app of this dialect would send over UDP: whole percent, `&` before the value."""
    tracked = face.weights is not None
    shown = np.zeros(len(ARKIT_NAMES)) if face.weights is None else face.weights
    items = [] if dialect.full_names else [f"{_STATUS}&{int(tracked)}"]
    for name, value in zip(ARKIT_NAMES, shown, strict=True):
        if math.isfinite(value):
            items.append(f"{spelled(name, dialect)}&{round(float(value) * PERCENT)}")
    head = np.zeros(3) if face.head_yaw_pitch_roll is None else face.head_yaw_pitch_roll
    eyes = np.zeros((2, 3)) if face.eyes_yaw_pitch_roll is None else face.eyes_yaw_pitch_roll
    items.append(f"=head#{_degrees(head)},0,0,0")
    items += [f"rightEye#{_degrees(eyes[1])}", f"leftEye#{_degrees(eyes[0])}"]
    return ("|".join(items) + "|").encode("ascii")


def spelled(name: str, dialect: Dialect) -> str:
    """iFacialMocap shortens Left and Right, but not in the four shapes that move sideways."""
    sideways = name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
    if dialect.full_names or sideways or not name.endswith(("Left", "Right")):
        return name
    return name.removesuffix("Left") + "_L" if name.endswith("Left") else name[:-5] + "_R"


def _degrees(yaw_pitch_roll: Floats | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    yaw, pitch, roll = np.degrees(np.asarray(yaw_pitch_roll, np.float64)).tolist()
    return f"{pitch:.7g},{yaw:.7g},{roll:.7g}"
