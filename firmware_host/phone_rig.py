"""What `rig.toml` says of the phone: which app, where it is, whether it records too."""

from typing import Literal

import msgspec

PhoneAppName = Literal[
    "livelink", "ifacialmocap", "facemotion3d", "facecap", "vtube-studio", "mediapipe"
]
# Where each app sends to unless it is told otherwise, by its maker's documents; mediapipe is ours.
PHONE_PORTS: dict[str, int] = {
    "livelink": 11111,
    "ifacialmocap": 49983,
    "facemotion3d": 49993,
    "facecap": 8080,
    "vtube-studio": 11125,
    "mediapipe": 11126,
}
PHONE_TCP_PORT = 49986


class PhoneRemoteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Remote control of Live Link Face: it records with us, and tells battery and heat.

    port: where the app listens for OSC. stream: whether to tell it to send its faces here. fetch:
    whether to have it send the CSV of its take after ours, into ours.
    """

    port: int = 8000
    stream: bool = True
    fetch: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.port <= 65535:
            raise ValueError(f"phone.remote.port must be in [1, 65535], got {self.port}")


class PhoneConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A phone, or `imusic webcam`, that sends faces to this host (docs/phones.md).

    port: where it sends to; None takes what is usual for the app, 0 a free one. address: the
    phone's, `HOST` or `HOST:PORT`: asked for faces where the app wants to be asked, and then the
    only sender listened to. mirrored: the app is set to show a mirror image.
    """

    app: PhoneAppName = "livelink"
    bind: str = "0.0.0.0"
    port: int | None = None
    transport: Literal["udp", "tcp"] = "udp"
    address: str = ""
    mirrored: bool = False
    required: bool = True
    remote: PhoneRemoteConfig | None = None

    def __post_init__(self) -> None:
        if self.port is None:
            usual = PHONE_TCP_PORT if self.transport == "tcp" else PHONE_PORTS[self.app]
            msgspec.structs.force_setattr(self, "port", usual)
        if not 0 <= self.listen_port <= 65535:
            raise ValueError(f"phone.port must be in [0, 65535], got {self.port}")
        if self.transport == "tcp" and self.app not in ("ifacialmocap", "facemotion3d"):
            raise ValueError(f"phone.transport: {self.app} speaks no tcp")
        if not self.address and (self.transport == "tcp" or self.app == "vtube-studio"):
            raise ValueError(
                f"phone.address: give the phone's IP; {self.app} must be asked for faces"
            )
        if self.address:
            self.endpoint(0)
        if self.remote is not None and (self.app != "livelink" or not self.address):
            raise ValueError("phone.remote: only for app livelink, and needs phone.address")

    @property
    def listen_port(self) -> int:
        """`port`, which is a number once this is made."""
        assert self.port is not None
        return self.port

    def endpoint(self, usual_port: int) -> tuple[str, int]:
        """(host, port) of the phone. Raises ValueError where `address` is none."""
        host, colon, port = self.address.partition(":")
        if not host or (colon and not (port.isdecimal() and 0 < int(port) <= 65535)):
            raise ValueError(f"phone.address: expected HOST or HOST:PORT, got {self.address!r}")
        return host, int(port) if colon else usual_port
