"""Requests to a hub: they come back as they were sent, and nonsense is refused on both sides."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host import commands
from firmware_host.commands import WHOLE_HUB, Identify, SetMode, SetRange, SetRate, SyncPulse
from firmware_host.errors import ConfigError
from firmware_host.frames import Frame, FrameDecoder
from firmware_host.samples import HubMode

positive = st.floats(2**-10, 2**20, width=32)
requests = st.one_of(
    st.builds(SetRate, positive),
    st.builds(SetRange, positive, positive),
    st.builds(SetMode, st.sampled_from(HubMode)),
    st.builds(Identify, st.integers(0, 15) | st.just(WHOLE_HUB), st.integers(0, 0xFFFF)),
    st.builds(SyncPulse, st.integers(1, 0xFFFF)),
)


def frame_of(wire: bytes) -> Frame:
    (frame,) = FrameDecoder().feed(wire)
    assert isinstance(frame, Frame)
    return frame


@given(st.integers(0, 255), requests, st.binary(max_size=20))
def test_requests_come_back_as_they_were_sent_whatever_stands_behind(number, request, later):
    frame = frame_of(commands.encode_request(number, request))
    assert len(commands.encode_request(number, request)) <= 64  # what a hub has room for
    longer = Frame(frame.kind, frame.payload + later, frame.size)
    assert commands.decode_request(longer) == (number, request)


@given(st.integers(0, 255), st.binary(max_size=30))
def test_no_payload_makes_the_reader_raise(kind, payload):
    frame = Frame(kind, payload, 0)
    number, request = commands.decode_request(frame)
    assert number == (payload[0] if payload else 0)
    if request is not None:
        again = frame_of(commands.encode_request(number, request))
        assert again.kind == kind
        assert payload.startswith(again.payload)
    assert (commands.decode_ping(frame) is not None) == (kind == 4 and len(payload) >= 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SetRate(0.0), "rate_hz: expected a positive finite number, got 0.0"),
        (lambda: SetRate(math.nan), "rate_hz: expected a positive finite number, got nan"),
        (lambda: SetRate(1e300), "rate_hz: expected a positive finite number"),
        (lambda: SetRange(1.0, -1.0), "gyro_rad_s: expected a positive finite number, got -1.0"),
        (lambda: SetMode(2), "mode: expected 0 to 1, got 2"),
        (lambda: Identify(16, 100), "slot: expected 0 to 15, got 16"),
        (lambda: Identify(0, 70_000), "duration_ms: expected 0 to 65535, got 70000"),
        (lambda: SyncPulse(0), "width_us: expected 1 to 65535, got 0"),
    ],
)
def test_what_no_hub_could_do_is_refused_before_it_is_sent(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
