"""Face Cap: a face → the OSC messages of its live mode, one datagram each. No I/O.

Addresses and the order of shapes are in `capture.facecap`, which decodes them.
"""

import msgspec
import numpy as np

from capture.blendshapes import BlendshapeFrame
from capture.facecap import NAMES, PLACES
from capture.livelink import head_angles_from_quat
from capture.osc import Message
from capture.sinks.eyes import eye_angles
from capture.sinks.osc_template import OscDatagrams, OscTemplate, float_words

HOST = "127.0.0.1"


class FaceCapOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """bundle: all of a frame in a few bundles, for receivers that read these."""

    bundle: bool = False


class FaceCapEncoder:
    """A frame → 57 datagrams, or bundles."""

    def __init__(self, options: FaceCapOptions = FaceCapOptions()) -> None:
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
        head = np.zeros(10, np.float32)  # position, degrees x y z, quaternion x y z w
        head[9] = 1.0
        if (quat := frame.quat_world_from_head) is not None:
            head[3:6] = np.degrees(head_angles_from_quat(quat))[[1, 0, 2]]
            head[6:] = quat[[1, 2, 3, 0]]
        eyes = np.degrees(eye_angles(frame.weights))[:, [1, 0]].ravel()
        return self._template.fill(float_words(np.concatenate([head, eyes, frame.weights[PLACES]])))
