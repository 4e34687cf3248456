"""How sensors move, as one small ZeroMQ message twenty times a second: topic `trace/1 `. No I/O.

For eyes only: a number a slot, the mean turning rate since the message before. docs/wire.md is this
file for people. Fields are only ever appended.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.wire import decoded
from firmware_host.clock import NS_PER_S
from firmware_host.samples import ImuBlock

TRACE_TOPIC = b"trace/1 "
TRACE_HZ = 20
_EVERY_NS = NS_PER_S // TRACE_HZ


class TraceMessage(msgspec.Struct, frozen=True, array_like=True):
    """source: name of the rig. rates: one little-endian float32 per slot, rad/s; NaN of silence."""

    source: str
    sequence: int
    unix_ns: int
    slots: tuple[str, ...]
    rates: bytes


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(TraceMessage)


def encode_trace(message: TraceMessage) -> bytes:
    """One single-part ZeroMQ message."""
    return TRACE_TOPIC + _ENCODER.encode(message)


def decode_trace(data: bytes) -> TraceMessage:
    """Inverse of `encode_trace`. Raises ProtocolError if the data is no trace/1 message."""
    return decoded(data, TRACE_TOPIC, _DECODER)


def in_slots(message: TraceMessage, slots: Sequence[str]) -> bytes:
    """The rates of these slots in their order, as in the message; NaN of what it lacks."""
    whole = min(len(message.rates) // 4, len(message.slots))
    given = np.frombuffer(message.rates[: 4 * whole], "<f4")
    known: Mapping[str, Any] = dict(zip(message.slots, given, strict=False))
    return np.array([known.get(slot, np.nan) for slot in slots], "<f4").tobytes()


class Tracer:
    """Sums up what slots felt, until a message is due.

    slots: names, in the order of messages.
    """

    def __init__(self, slots: Sequence[str]) -> None:
        self._places = {slot: k for k, slot in enumerate(slots)}
        self._sums = np.zeros(len(slots))
        self._counts = np.zeros(len(slots))
        self._told_ns = 0

    def take(self, block: ImuBlock, slots: Sequence[str]) -> None:
        """Samples whose second axis is of these slots; others than ours are passed over."""
        sizes: NDArray[np.float64] = np.sqrt((block.gyro_rad_s.astype(np.float64) ** 2).sum(axis=2))
        known = np.isfinite(sizes)
        total, count = np.where(known, sizes, 0.0).sum(axis=0), known.sum(axis=0)
        for own, slot in enumerate(slots[: len(total)]):
            if (place := self._places.get(slot)) is not None:
                self._sums[place] += total[own]
                self._counts[place] += count[own]

    def due(self, now_ns: int) -> bytes | None:
        """The rates since the last, where it is time for them."""
        if now_ns - self._told_ns < _EVERY_NS:
            return None
        self._told_ns = now_ns
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = (self._sums / self._counts).astype("<f4").tobytes()
        self._sums[:] = self._counts[:] = 0.0
        return rates
