"""The kinds of sinks there are, and what is usual for each. No I/O."""

from dataclasses import dataclass

import msgspec

from capture.facecap import PORT as FACECAP_PORT
from capture.sinks import facecap, livelink, phone_text, vmc, vrchat
from capture.sinks.phone_text import DIALECTS
from capture.sinks.unfelt import Unfelt


class NoOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of sink without settings of its own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What there is to know about a kind of sink.

    title: what people call it. options: its own settings. unfelt: what it shows of shapes that
    cannot be felt, unless told: avatars should not stare, and files should hold nothing made up.
    port: of an address, 0 where the target is a name; suffix: of a file's name.
    """

    scheme: str
    title: str
    options: type[msgspec.Struct]
    unfelt: Unfelt = "idle"
    host: str = "127.0.0.1"
    port: int = 0
    suffix: str = ""


_ALL = (
    Kind("livelink", "Live Link Face (Unreal)", livelink.LiveLinkOptions, port=livelink.PORT),
    Kind("vmc", "VMC protocol (VSeeFace, Warudo, Unity)", vmc.VmcOptions, port=vmc.PORT),
    Kind("vrchat", "VRChat (VRCFaceTracking names)", vrchat.VrchatOptions, port=vrchat.PORT),
    *(
        Kind(scheme, title, phone_text.PhoneTextOptions, port=DIALECTS[scheme].phone_port)
        for scheme, title in (("ifacialmocap", "iFacialMocap"), ("facemotion3d", "Facemotion3d"))
    ),
    Kind("facecap", "Face Cap", facecap.FaceCapOptions, port=FACECAP_PORT),
    Kind("lsl", "Lab Streaming Layer", NoOptions, "rest"),
    Kind("csv", "file, as Live Link Face records", NoOptions, "rest", suffix=".csv"),
    Kind("npz", "file of arrays", NoOptions, "rest", suffix=".npz"),
    Kind("glb", "file, a head that moves (Blender)", NoOptions, "rest", suffix=".glb"),
)
KINDS: dict[str, Kind] = {kind.scheme: kind for kind in _ALL}
