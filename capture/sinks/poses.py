"""Head and eyes as angles: some programs want these beside the shapes. No I/O.

Yaw, pitch and roll in rad, as `capture.phone_faces` defines them. In plain numbers: for one face
that takes a fifth of the time that arrays take, and every frame goes to many sinks.
"""

import math

from capture.blendshapes import INDEX
from capture.gaze import FULL_WEIGHT_RAD
from firmware_host.samples import Floats

Angles = tuple[float, float, float]

_LOOKS = [
    [INDEX[f"eyeLook{way}{side}"] for way in ("In", "Out", "Down", "Up")]
    for side in ("Left", "Right")
]


def head_angles(quat: Floats | None) -> Angles:
    """Those of `capture.livelink.head_angles_from_quat`; zeros where the rotation is unknown."""
    if quat is None:
        return 0.0, 0.0, 0.0
    w, x, y, z = quat.tolist()
    return (
        math.atan2(2 * (x * z + w * y), 1 - 2 * (x * x + y * y)),
        math.asin(min(max(2 * (w * x - y * z), -1.0), 1.0)),
        math.atan2(2 * (x * y + w * z), 1 - 2 * (x * x + z * z)),
    )


def eye_angles(weights: Floats) -> tuple[Angles, Angles]:
    """Of the left and the right eye. A weight of 1 is taken for 30 degrees, which is ours."""
    (in_l, out_l, down_l, up_l), (in_r, out_r, down_r, up_r) = weights[_LOOKS].tolist()
    full = FULL_WEIGHT_RAD
    return (
        ((out_l - in_l) * full, (down_l - up_l) * full, 0.0),
        ((in_r - out_r) * full, (down_r - up_r) * full, 0.0),
    )


def degrees(angles: Angles) -> Angles:
    """The same in degrees."""
    yaw, pitch, roll = angles
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)
