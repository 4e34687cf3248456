"""VMC protocol, perfect sync: a face → OSC bundles, for VSeeFace, Warudo, Unity. No I/O.

`/VMC/Ext/OK`, `/VMC/Ext/T`, one `/VMC/Ext/Blend/Val` for each of the 52 clips, and
`/VMC/Ext/Blend/Apply` in the last bundle. Source: protocol.vmc.info/english. Names of clips are
case sensitive: perfect sync spells them as ARKit does, most avatars with a capital.

The head, on request, is the local rotation of the bone `Head`. The protocol wants a position too,
which belongs to the avatar and is not known here: zeros, as iFacialMocap's desktop program sends;
its maker asks that receivers switch off `Bone Position Synchronize`
(ifacialmocap.com/tutorial/vmc-protocol). Axes are Unity's: +x is the avatar's right.
"""

from typing import Literal

import msgspec
import numpy as np

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from capture.osc import Message
from capture.sinks.osc_template import OscTemplate, float_words
from firmware_host.clock import NS_PER_S

HOST, PORT = "127.0.0.1", 39539


class VmcOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """names: `pascal` says JawOpen, `camel` jawOpen. head: turn the avatar's head as well."""

    names: Literal["pascal", "camel"] = "pascal"
    head: bool = False


class VmcEncoder:
    """A frame → bundles below 1400 bytes."""

    def __init__(self, options: VmcOptions) -> None:
        pascal = options.names == "pascal"
        names = [name[0].upper() + name[1:] if pascal else name for name in ARKIT_NAMES]
        head = [Message("/VMC/Ext/Bone/Pos", ("Head", *[0.0] * 7))] if options.head else []
        self._head = options.head
        self._template = OscTemplate(
            [
                Message("/VMC/Ext/T", (0.0,)),
                *head,
                *(Message("/VMC/Ext/Blend/Val", (name, 0.0)) for name in names),
            ],
            first=[Message("/VMC/Ext/OK", (1,))],
            last=[Message("/VMC/Ext/Blend/Apply")],
        )
        self._lost = OscTemplate([Message("/VMC/Ext/T", (0.0,))], [Message("/VMC/Ext/OK", (0,))])

    def encode(self, frame: BlendshapeFrame) -> list[bytes]:
        """The datagrams of one face; where it is lost, that alone is said."""
        time_s = np.array([frame.time_ns / NS_PER_S], np.float32)
        if not frame.tracked:
            return self._lost.fill(float_words(time_s))
        parts = [time_s, frame.weights]
        if self._head:
            parts.insert(1, _bone(frame))
        return self._template.fill(float_words(np.concatenate(parts)))


def _bone(frame: BlendshapeFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(7,) position, then rotation xyzw in left-handed axes."""
    bone = np.array([0, 0, 0, 0, 0, 0, 1], np.float32)
    if frame.quat_world_from_head is not None:
        w, x, y, z = frame.quat_world_from_head
        bone[3:] = x, -y, -z, w
    return bone
