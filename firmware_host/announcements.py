"""How a hub in the network says that it is there: one small datagram a second. No I/O.

The layout is in `docs/hub-protocol.md`. Anybody in the network can send one: nothing in it is
believed beyond being shown and tried, and texts that could steer a terminal are refused.
"""

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

from firmware_host import frames
from firmware_host.frames import Frame, FrameDecoder

ANNOUNCE_PORT = 19_710  # of no registered service
ANNOUNCE_EVERY_S = 1.0
MAX_ANNOUNCEMENT = 256  # bytes of a datagram that is looked at
_KIND = 0xA0
_HEAD = struct.Struct("<BBHBB")
_STREAMING = 0x01
_NO_BATTERY = 255
_MAX_TEXT = 64  # bytes


class Link(IntEnum):
    """By which transport a hub serves its host; the name is that of the url."""

    UDP = 1
    TCP = 2


@dataclass(frozen=True, slots=True)
class Announcement:
    """One hub that says where it listens; its address is the sender's.

    is_streaming: to some host already. battery: charge in [0, 1], NaN where there is none.
    """

    device_id: str
    firmware: str
    link: Link
    port: int
    protocol_version: int
    is_streaming: bool
    battery: float


def encode_announcement(announcement: Announcement) -> bytes:
    """The datagram. Raises ValueError for a text that `decode_announcement` would refuse."""
    texts = b""
    for text in (announcement.device_id, announcement.firmware):
        data = text.encode()
        if not _is_plain(text) or len(data) > _MAX_TEXT:
            raise ValueError(f"expected a printable text of 1 to {_MAX_TEXT} bytes, got {text!r}")
        texts += bytes((len(data),)) + data
    nothing = math.isnan(announcement.battery)
    head = _HEAD.pack(
        announcement.protocol_version,
        announcement.link,
        announcement.port,
        _STREAMING if announcement.is_streaming else 0,
        _NO_BATTERY if nothing else round(100 * announcement.battery),
    )
    return frames.encode(_KIND, head + texts)


def decode_announcement(datagram: bytes) -> Announcement | None:
    """Read one datagram; None where it is no announcement. Never raises.

    What follows the last text is for later versions and ignored.
    """
    if len(datagram) > MAX_ANNOUNCEMENT:
        return None
    match FrameDecoder().feed(datagram):
        case [Frame(kind=kind, payload=payload)] if kind == _KIND:
            return _decode_payload(payload)
    return None


def _decode_payload(payload: bytes) -> Announcement | None:
    try:
        version, link, port, flags, battery = _HEAD.unpack_from(payload)
        device_id, at = _text(payload, _HEAD.size)
        firmware, _ = _text(payload, at)
        known = Link(link)
    except (struct.error, IndexError, ValueError):  # UnicodeDecodeError is a ValueError
        return None
    if not port or (battery > 100 and battery != _NO_BATTERY):
        return None
    charge = math.nan if battery == _NO_BATTERY else battery / 100
    return Announcement(device_id, firmware, known, port, version, bool(flags & _STREAMING), charge)


def _text(payload: bytes, at: int) -> tuple[str, int]:
    """(text, where the next one begins). Raises ValueError for what a terminal should not see."""
    end = at + 1 + payload[at]
    text = payload[at + 1 : end].decode()
    if end > len(payload) or payload[at] > _MAX_TEXT or not _is_plain(text):
        raise ValueError(f"no text of an announcement: {text!r}")
    return text, end


def _is_plain(text: str) -> bool:
    return bool(text) and text.isprintable()
