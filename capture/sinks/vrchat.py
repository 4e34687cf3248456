"""VRChat: a face → `/avatar/parameters/…v2/…` as VRCFaceTracking sends them. No I/O.

As floats, or as the bits of avatars that save synchronised memory: `Name1`, `Name2`, `Name4`, …
and `NameNegative`, the value cut (not rounded) to that many bits, full above 0.99999. An avatar
takes from these what it has. Source: docs.vrcft.io (Parameters) and VRCFaceTracking 5.

Bits are sent where they changed, and all of them once a second: there are hundreds.
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import BlendshapeFrame
from capture.osc import IMMEDIATELY, Message, encode
from capture.sinks.osc_template import MAX_BUNDLE_BYTES, OscTemplate, bool_words, float_words
from capture.sinks.unified import SIGNED, UNIFIED_NAMES, unified
from firmware_host.clock import NS_PER_S

HOST, PORT = "127.0.0.1", 9000
ALL_ONES_ABOVE = 0.99999
_HEADER = b"#bundle\0" + IMMEDIATELY
_STATES = ("EyeTrackingActive", "ExpressionTrackingActive", "LipTrackingActive")


class VrchatOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """form: `float`, or `binary` with so many `bits`. prefix: of this avatar's names, as `FT/`."""

    form: Literal["float", "binary"] = "float"
    bits: int = 4
    prefix: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 8:
            raise ValueError(f"bits: expected 1 to 8, got {self.bits}")
        if not self.prefix.isascii() or " " in self.prefix or self.prefix.startswith("/"):
            raise ValueError(f"prefix: expected one like FT/, got {self.prefix!r}")


def make_vrchat_encoder(options: VrchatOptions) -> "FloatEncoder | BinaryEncoder":
    """The encoder of this form."""
    if options.form == "binary":
        return BinaryEncoder(options)
    return FloatEncoder(options)


class FloatEncoder:
    """A frame → bundles with every parameter as a float."""

    def __init__(self, options: VrchatOptions) -> None:
        self._template = OscTemplate(
            [
                *(Message(_address("", state), (True,)) for state in _STATES),
                *(Message(_address(options.prefix, f"v2/{n}"), (0.0,)) for n in UNIFIED_NAMES),
            ]
        )

    def encode(self, frame: BlendshapeFrame) -> list[bytes]:
        """The datagrams of one face; where it is lost, parameters stay as they were."""
        active = bool_words(np.full(len(_STATES), frame.tracked))
        return self._template.fill(np.concatenate([active, float_words(unified(frame.weights))]))


class BinaryEncoder:
    """A frame → bundles with the bits that changed; it remembers what it sent."""

    def __init__(self, options: VrchatOptions) -> None:
        self._bits = options.bits
        names = [f"v2/{name}" for name in UNIFIED_NAMES]
        flags = [f"{name}{1 << bit}" for name in names for bit in range(self._bits)]
        flags += [f"{name}Negative" for name, signed in zip(names, SIGNED, strict=True) if signed]
        addresses = [_address("", state) for state in _STATES]
        addresses += [_address(options.prefix, flag) for flag in flags]
        self._elements = [
            [_sized(encode(Message(address, (state,)))) for state in (False, True)]
            for address in addresses
        ]
        self._sent: NDArray[np.bool_] | None = None
        self._refresh_ns = 0

    def encode(self, frame: BlendshapeFrame) -> list[bytes]:
        """The datagrams of one face, none where nothing changed."""
        state = self._state(frame)
        if self._sent is None or not 0 <= self._refresh_ns - frame.time_ns < NS_PER_S:
            changed = np.arange(len(state))
            self._refresh_ns = frame.time_ns + NS_PER_S - 1
        else:
            changed = np.flatnonzero(state != self._sent)
        self._sent = state
        values = state[changed].tolist()
        return bundled(
            [self._elements[at][on] for at, on in zip(changed.tolist(), values, strict=True)]
        )

    def _state(self, frame: BlendshapeFrame) -> NDArray[np.bool_]:
        values = unified(frame.weights)
        size = np.abs(np.where(SIGNED, values, np.maximum(values, 0.0)))
        steps = (size * (1 << self._bits)).astype(np.int64)
        steps[size > ALL_ONES_ABOVE] = (1 << self._bits) - 1
        on = (steps[:, None] >> np.arange(self._bits)) & 1
        active = np.full(len(_STATES), frame.tracked)
        return np.concatenate([active, on.astype(np.bool_).ravel(), values[SIGNED] < 0])


def bundled(elements: list[bytes]) -> list[bytes]:
    """Elements with their sizes as bundles below 1400 bytes."""
    bundles: list[bytes] = []
    part, size = [_HEADER], len(_HEADER)
    for element in elements:
        if size + len(element) > MAX_BUNDLE_BYTES:
            bundles.append(b"".join(part))
            part, size = [_HEADER], len(_HEADER)
        part.append(element)
        size += len(element)
    return [*bundles, b"".join(part)] if len(part) > 1 else bundles


def _sized(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def _address(prefix: str, name: str) -> str:
    return f"/avatar/parameters/{prefix}{name}"
