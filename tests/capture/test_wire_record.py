"""How a recording is told."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.meters import DeviceStatus
from capture.record_status import Notice, RecordStatus
from capture.recorder import State
from capture.wire_record import (
    RECORD_TOPIC,
    decode_record,
    encode_record,
    notice_message,
    record_message,
)
from firmware_host.errors import ProtocolError

DEVICE = DeviceStatus("hub", "up", 200, 3, 0, 0, 199.5, 0.01, math.nan, ("mentalis",))
STATUS = RecordStatus(State.RECORDING, (), 12.5, 700, 1_000_000, 0, (DEVICE,), marks=2)


def message():
    notices = (notice_message(Notice("hub", "back", "check"), 5),)
    slots = {"hub": ("mentalis", "head_reference")}
    return record_message(STATUS, "studio", 7, 99, slots, notices, (True, 0.02))


def test_what_is_told_comes_back_whole():
    told = decode_record(encode_record(message()))
    assert told == message()
    (device,) = told.devices
    assert (device.slots, device.silent) == (("mentalis", "head_reference"), ("mentalis",))
    assert told.notices[0].text == "back"


def test_what_is_no_number_is_nothing():
    told = message()
    assert told.left_s is None  # infinity: nothing is known of the disk
    assert told.devices[0].late_s is None


@given(st.binary(max_size=200))
def test_noise_is_refused_and_never_anything_else(noise):
    for data in (noise, RECORD_TOPIC + noise):
        with pytest.raises(ProtocolError, match="not a record/1 message"):
            decode_record(data)


def test_any_cut_is_refused():
    data = encode_record(message())
    for end in range(len(data)):
        with pytest.raises(ProtocolError):
            decode_record(data[:end])
