"""iFacialMocap and Facemotion3d: a face → their text frame, and who is answered. No I/O.

Both are phones that are asked: a program sends the maker's word to the phone's port, and frames
come back to the same port of the machine that asked, whatever port it asked from
(ifacialmocap.com/for-developer, facemotion3d.net/for-developer, whose examples ask from a port of
chance). Programs that set `sendDataVersion=v2` get `&` before values, others `-`.
"""

import msgspec
import numpy as np

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from capture.ifacialmocap import FACEMOTION3D, IFACIALMOCAP, PERCENT, Dialect, spelled
from capture.sinks.poses import Angles, degrees, eye_angles, head_angles

HOST = "127.0.0.1"
_V2 = b"|sendDataVersion=v2"
MAX_ASKERS = 8  # ours: more than programs on a desk

_NEUTRAL = np.zeros(len(ARKIT_NAMES), np.float32)

Address = tuple[str, int]


class PhoneTextOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """listen: the address is ours, and faces go to who asks there, as a phone does.

    Without it faces go straight to the address. allow: who may ask, by IP, comma between them.
    """

    listen: bool = False
    allow: str = "127.0.0.1"


class PhoneTextEncoder:
    """A frame → one text. separator: before a value."""

    def __init__(self, dialect: Dialect, separator: str = "&") -> None:
        names = [spelled(name, dialect) for name in ARKIT_NAMES]
        self._shapes = "|".join(f"{name}{separator}%d" for name in names)
        if not dialect.full_names:
            self._shapes = f"trackingStatus{separator}%d|{self._shapes}"
        self._status = not dialect.full_names

    def encode(self, frame: BlendshapeFrame) -> list[bytes]:
        """The datagram of one face; a lost one is all zeros, as the app sends."""
        shown = frame.weights if frame.tracked else _NEUTRAL
        values = np.rint(shown * np.float32(PERCENT)).astype(int).tolist()
        head = degrees(head_angles(frame.quat_world_from_head if frame.tracked else None))
        left, right = map(degrees, eye_angles(shown))
        text = self._shapes % tuple([int(frame.tracked), *values] if self._status else values)
        text += f"|=head#{_angles(head)},0,0,0|rightEye#{_angles(right)}|leftEye#{_angles(left)}|"
        return [text.encode("ascii")]


def _angles(yaw_pitch_roll: Angles) -> str:
    yaw, pitch, roll = yaw_pitch_roll
    return f"{pitch:.6g},{yaw:.6g},{roll:.6g}"


class Asked:
    """Who wants frames, by what was heard: at most MAX_ASKERS, the newest stay.

    Args:
        dialect: whose phone this is.
        allowed: IPs that may ask.
    """

    def __init__(self, dialect: Dialect, allowed: frozenset[str]) -> None:
        self._dialect, self._allowed = dialect, allowed
        self._start = dialect.start.removesuffix(_V2)
        self.targets: dict[Address, str] = {}
        self.refused: set[str] = set()

    def hear(self, data: bytes, sender: Address) -> None:
        """Take one datagram from `sender`; what is no word of the maker's is passed over."""
        host = sender[0]
        if data not in (self._start, self._start + _V2, *self._dialect.stop):
            return
        if host not in self._allowed:
            self.refused.add(host)
            return
        target = host, self._dialect.phone_port
        self.targets.pop(target, None)
        if data not in self._dialect.stop:
            v2 = data.endswith(_V2) or self._dialect.full_names
            self.targets[target] = "&" if v2 else "-"
        while len(self.targets) > MAX_ASKERS:
            del self.targets[next(iter(self.targets))]


DIALECTS = {"ifacialmocap": IFACIALMOCAP, "facemotion3d": FACEMOTION3D}
