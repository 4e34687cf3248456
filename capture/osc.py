"""Open Sound Control 1.0: messages and bundles ⇄ bytes. Bounded, total, no I/O.

A message is an address, a type tag and its arguments, each padded to four bytes; a bundle is
`#bundle`, a time tag and elements with their sizes. Source: opensoundcontrol.stanford.edu/spec-1_0.
Elements of a size that does not fit, nesting deeper than MAX_DEPTH and a message without a type tag
are malformed: a library that is patient here can be made to loop for ever.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from capture.phone_faces import Malformed

MAX_DATAGRAM_BYTES = 65_507
MAX_DEPTH = 4
MAX_ARGUMENTS = 256
MAX_MESSAGES = 512  # of one datagram: a frame of any app has fewer
IMMEDIATELY = b"\0\0\0\0\0\0\0\1"

Argument = int | float | str | bytes | bool | None
_BUNDLE = b"#bundle\0"
_NUMBERS = {"i": ">i", "f": ">f", "h": ">q", "d": ">d", "t": ">Q", "c": ">i", "r": ">I", "m": ">I"}
_CONSTANTS: dict[str, bool | float | None] = {"T": True, "F": False, "N": None, "I": float("inf")}


@dataclass(frozen=True, slots=True)
class Message:
    """An address such as `/Slate`, and its arguments."""

    address: str
    arguments: tuple[Argument, ...] = ()


def decode(data: bytes) -> list[Message] | Malformed:
    """The messages of one datagram, in order; those of bundles at once, whatever their time tags.

    Never raises, whatever arrives.
    """
    if len(data) > MAX_DATAGRAM_BYTES:
        return Malformed(f"expected at most {MAX_DATAGRAM_BYTES} bytes, got {len(data)}")
    try:
        return _packet(data, 0)
    except _BadOsc as error:
        return Malformed(f"OSC: {error}")


class _BadOsc(Exception):
    """Says what is wrong; never leaves this module."""


def _packet(data: bytes, depth: int) -> list[Message]:
    if data.startswith(b"/"):
        return [_message(data)]
    if not data.startswith(_BUNDLE):
        raise _BadOsc(f"expected / or #bundle, got {data[:8]!r}")
    if depth == MAX_DEPTH:
        raise _BadOsc(f"bundles are nested deeper than {MAX_DEPTH}")
    found: list[Message] = []
    at = len(_BUNDLE) + 8
    if at > len(data):
        raise _BadOsc("a bundle is cut off before its time tag")
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        at += 4
        if size <= 0 or size % 4 or at + size > len(data):
            raise _BadOsc(f"an element of {size} bytes does not fit")
        found += _packet(data[at : at + size], depth + 1)
        if len(found) > MAX_MESSAGES:
            raise _BadOsc(f"more than {MAX_MESSAGES} messages in a datagram")
        at += size
    return found


def _message(data: bytes) -> Message:
    address, at = _string(data, 0)
    if at == len(data):
        return Message(address)  # some senders leave the type tag out where nothing follows
    tags, at = _string(data, at)
    if not tags.startswith(",") or len(tags) > 1 + MAX_ARGUMENTS:
        raise _BadOsc(f"expected a type tag, got {tags[:20]!r}")
    arguments: list[Argument] = []
    for tag in tags[1:]:
        argument, at = _argument(tag, data, at)
        arguments.append(argument)
    if at != len(data):
        raise _BadOsc(f"{len(data) - at} bytes behind the last argument")
    return Message(address, tuple(arguments))


def _argument(tag: str, data: bytes, at: int) -> tuple[Argument, int]:
    if tag in _CONSTANTS:
        return _CONSTANTS[tag], at
    if tag in "sS":
        return _string(data, at)
    if tag == "b":
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        end = at + 4 + size
        if size < 0 or end > len(data):
            raise _BadOsc(f"a blob of {size} bytes does not fit")
        return data[at + 4 : end], min(_padded(end), len(data))
    if tag not in _NUMBERS:
        raise _BadOsc(f"type {tag!r} is unknown")
    layout = _NUMBERS[tag]
    if at + struct.calcsize(layout) > len(data):
        raise _BadOsc("cut off in an argument")
    (number,) = struct.unpack_from(layout, data, at)
    return number, at + struct.calcsize(layout)


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise _BadOsc("a text does not end")
    try:
        text = data[at:end].decode("utf-8")
    except UnicodeDecodeError:
        raise _BadOsc("a text is not UTF-8") from None
    # The last padding may be cut short: what it pads is whole.
    return text, min(_padded(end + 1), len(data))


def _padded(end: int) -> int:
    return -(-end // 4) * 4


def encode(message: Message) -> bytes:
    """One message; numbers as int32 and float32.

    Raises:
        ValueError: an int that 32 bits do not hold, or a text with a NUL.
    """
    tags, body = ",", b""
    for argument in message.arguments:
        tag, packed = _encoded(argument)
        tags, body = tags + tag, body + packed
    return _text(message.address) + _text(tags) + body


def encode_bundle(messages: Sequence[Message]) -> bytes:
    """A bundle to be taken at once."""
    parts = [encode(message) for message in messages]
    sized = [len(part).to_bytes(4, "big") + part for part in parts]
    return _BUNDLE + IMMEDIATELY + b"".join(sized)


def _encoded(argument: Argument) -> tuple[str, bytes]:
    if argument is None:
        return "N", b""
    if isinstance(argument, bool):
        return "T" if argument else "F", b""
    if isinstance(argument, str):
        return "s", _text(argument)
    if isinstance(argument, bytes):
        return "b", _pad(len(argument).to_bytes(4, "big") + argument)
    if isinstance(argument, float):
        return "f", struct.pack(">f", argument)
    try:
        return "i", struct.pack(">i", argument)
    except struct.error as error:
        raise ValueError(f"{argument} does not fit 32 bits") from error


def _text(text: str) -> bytes:
    if "\0" in text:
        raise ValueError(f"a NUL in {text!r}")
    return _pad(text.encode("utf-8") + b"\0")


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
