"""Face Cap: a face → the OSC messages of its live mode, one datagram each. No I/O.

Addresses and the order of shapes are in `capture.facecap`, which decodes them.
"""

import msgspec
import numpy as np

from capture.blendshapes import BlendshapeFrame
from capture.facecap import NAMES, PLACES
from capture.osc import Message
from capture.sinks.osc_template import OscDatagrams, OscTemplate, float_words
from capture.sinks.poses import degrees, eye_angles, head_angles

HOST = "127.0.0.1"


class FaceCapOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """bundle: all of a frame in a few bundles, for receivers that read these."""

    bundle: bool = False


class FaceCapEncoder:
    """A frame → 57 datagrams, or bundles."""

    def __init__(self, options: FaceCapOptions) -> None:
        messages = [
            Message("/HT", (0.0, 0.0, 0.0)),
            Message("/HR", (0.0, 0.0, 0.0)),
            Message("/HRQ", (0.0, 0.0, 0.0, 1.0)),
            Message("/ELR", (0.0, 0.0)),
            Message("/ERR", (0.0, 0.0)),
            *(Message("/W", (index, 0.0)) for index in range(len(NAMES))),
        ]
        self._template = OscTemplate(messages) if options.bundle else OscDatagrams(messages)

    def encode(self, frame: BlendshapeFrame) -> list[bytes]:
        """The datagrams of one face; none where it is lost, as the app does."""
        if not frame.tracked:
            return []
        quat = frame.quat_world_from_head
        w, x, y, z = (1.0, 0.0, 0.0, 0.0) if quat is None else quat.tolist()
        yaw, pitch, roll = degrees(head_angles(quat))
        eyes = [angle for eye in eye_angles(frame.weights) for angle in degrees(eye)[1::-1]]
        pose = np.array([0, 0, 0, pitch, yaw, roll, x, y, z, w, *eyes], np.float32)
        return self._template.fill(float_words(np.concatenate([pose, frame.weights[PLACES]])))
