"""Traces for the console: what slots felt, few numbers, no lies about silence."""

import numpy as np
import pytest

from capture.wire_traces import (
    TraceMessage,
    Tracer,
    decode_trace,
    encode_trace,
    in_slots,
)
from firmware_host.errors import ProtocolError
from firmware_host.samples import ImuBlock

SLOTS = ("a", "b", "c")
NS = 1_000_000_000


def block(at_ns: int, rates: list[float]) -> ImuBlock:
    gyro = np.zeros((4, len(rates), 3), np.float32)
    gyro[..., 0] = rates
    ticks = np.arange(4)
    return ImuBlock(ticks, ticks, gyro, gyro, at_ns)


def test_rates_are_means_since_the_message_before_and_silence_is_nan():
    tracer = Tracer(SLOTS)
    tracer.take(block(NS, [1.0, np.nan, 3.0]), ("b", "a", "x"))
    rates = np.frombuffer(tracer.due(NS), "<f4")
    np.testing.assert_array_equal(rates, [np.nan, 1.0, np.nan])
    tracer.take(block(NS, [2.0]), ("a",))
    assert tracer.due(NS + NS // 25) is None  # too soon for eyes
    tracer.take(block(NS, [4.0]), ("a",))
    rates = np.frombuffer(tracer.due(NS + NS // 20), "<f4")
    np.testing.assert_array_equal(rates, [3.0, np.nan, np.nan])


def test_a_message_goes_into_the_slots_of_who_reads_it():
    rates = np.array([1, 2, 3], "<f4").tobytes()
    message = decode_trace(encode_trace(TraceMessage("rig", 7, 1, SLOTS, rates)))
    assert message == TraceMessage("rig", 7, 1, SLOTS, rates)
    found = np.frombuffer(in_slots(message, ("c", "z", "a")), "<f4")
    np.testing.assert_array_equal(found, [3, np.nan, 1])
    cut = TraceMessage("rig", 7, 1, SLOTS, rates[:4])
    np.testing.assert_array_equal(np.frombuffer(in_slots(cut, SLOTS), "<f4"), [1, np.nan, np.nan])


@pytest.mark.parametrize("data", [b"", b"trace/1 ", b"trace/2 \x90", b"trace/1 \xc1"])
def test_what_is_no_trace_is_told(data):
    with pytest.raises(ProtocolError):
        decode_trace(data)
