"""Where the eyes look, as angles: some programs want these beside the eight shapes. No I/O."""

import numpy as np

from capture.blendshapes import INDEX
from capture.gaze import FULL_WEIGHT_RAD
from firmware_host.samples import Floats

# Yaw to the wearer's left and pitch downwards, of the left and of the right eye.
_TOWARDS = np.array(
    [INDEX[name] for name in (
        "eyeLookOutLeft", "eyeLookDownLeft", "eyeLookInRight", "eyeLookDownRight",
    )]
)  # fmt: skip
_AWAY = np.array(
    [INDEX[name] for name in (
        "eyeLookInLeft", "eyeLookUpLeft", "eyeLookOutRight", "eyeLookUpRight",
    )]
)  # fmt: skip


def eye_angles(weights: Floats) -> Floats:
    """(2, 3) yaw, pitch and roll in rad of the left and right eye, as `capture.phone_faces` has it.

    A weight of 1 is taken for 30 degrees, which is ours; roll is 0.
    """
    angles = np.zeros((2, 3), np.float32)
    angles[:, :2] = ((weights[_TOWARDS] - weights[_AWAY]) * FULL_WEIGHT_RAD).reshape(2, 2)
    return angles
