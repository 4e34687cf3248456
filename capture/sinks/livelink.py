"""Live Link Face: a face → the packet of an iPhone, for Unreal and whoever else hears it. No I/O.

Unreal reads the sideways shapes in the order of `EARFaceBlendShape` (jawLeft before jawRight), and
so do most. At least one receiver has them the other way round, and the app's own CSV files do:
`sideways = "swapped"` exchanges jaw and mouth, left and right, for these.
"""

from typing import Literal

import msgspec
import numpy as np

from capture import livelink
from capture.blendshapes import BlendshapeFrame
from capture.livelink import LiveLinkPacket
from capture.livelink_csv import swap_sideways_pairs
from capture.sinks.poses import eye_angles, head_angles
from firmware_host.clock import NS_PER_S

HOST, PORT = "127.0.0.1", livelink.PORT
RATE_HZ = 60


class LiveLinkOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """subject: the name Unreal lists. device_id: 32 characters as the app sends, or others."""

    subject: str = "imusic"
    device_id: str = "1305C0DE1305C0DE1305C0DE1305C0DE"
    sideways: Literal["arkit", "swapped"] = "arkit"

    def __post_init__(self) -> None:
        for text in (self.subject, self.device_id):
            if not 0 < len(text.encode("utf-8")) <= 255:
                raise ValueError(f"expected 1 to 255 bytes of text, got {text[:40]!r}")


class LiveLinkEncoder:
    """A frame → one packet. day_ns: what, added to a frame's time, gives the time of the day."""

    def __init__(self, options: LiveLinkOptions, day_ns: int = 0) -> None:
        self._options, self._day_ns = options, day_ns

    def encode(self, frame: BlendshapeFrame) -> list[bytes]:
        """The datagram of one face; where it is lost, a header alone as the app sends."""
        number, rest_ns = divmod((frame.time_ns + self._day_ns) * RATE_HZ, NS_PER_S)
        weights = frame.weights
        if self._options.sideways == "swapped":
            weights = swap_sideways_pairs(weights)
        packet = LiveLinkPacket(
            self._options.device_id,
            self._options.subject,
            number % 2**31,
            rest_ns / NS_PER_S,
            RATE_HZ,
            1,
            weights if frame.tracked else None,
            np.array(head_angles(frame.quat_world_from_head), np.float32),
            np.array(eye_angles(frame.weights), np.float32),
        )
        return [livelink.encode(packet)]
