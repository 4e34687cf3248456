"""What hubs say about themselves, and what anybody may send to that port."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host import frames
from firmware_host.announcements import (
    MAX_ANNOUNCEMENT,
    Announcement,
    Link,
    decode_announcement,
    encode_announcement,
)

HUB = Announcement("hub-7", "face 1.2", Link.UDP, 19_711, 1, False, 0.5)
texts = st.text(min_size=1, max_size=16).filter(str.isprintable)


@given(
    st.builds(
        Announcement,
        texts,
        texts,
        st.sampled_from(Link),
        st.integers(1, 65_535),
        st.integers(0, 255),
        st.booleans(),
        st.integers(0, 100).map(lambda percent: percent / 100),
    )
)
def test_decoding_gives_back_what_was_encoded(announcement):
    datagram = encode_announcement(announcement)
    assert len(datagram) <= MAX_ANNOUNCEMENT
    assert decode_announcement(datagram) == announcement


def test_the_bytes_are_those_of_the_documentation():
    payload = bytes.fromhex("01 01 ff4c 00 32") + b"\x05hub-7" + b"\x08face 1.2"
    assert encode_announcement(HUB) == frames.encode(0xA0, payload)


def test_a_hub_without_a_battery_says_so():
    told = decode_announcement(encode_announcement(replace(HUB, battery=math.nan)))
    assert told is not None
    assert math.isnan(told.battery)


def test_later_versions_may_add_fields():
    payload = bytes.fromhex("09 02 ff4c 01 ff") + b"\x01x" + b"\x01y" + b"more"
    told = decode_announcement(frames.encode(0xA0, payload))
    assert told is not None
    assert (told.protocol_version, told.link, told.is_streaming) == (9, Link.TCP, True)


@given(st.binary(max_size=2000))
def test_noise_is_no_announcement(noise):
    assert decode_announcement(noise) is None


@given(st.binary(max_size=200))
def test_an_intact_frame_of_nonsense_never_raises(payload):
    told = decode_announcement(frames.encode(0xA0, payload))
    assert told is None or told.device_id.isprintable()


@pytest.mark.parametrize(
    "head",
    [
        "01 01 0000 00 32",  # port 0
        "01 03 ff4c 00 32",  # a transport nobody knows
        "01 01 ff4c 00 65",  # 101 percent
        "01 01 ff",  # cut
    ],
)
def test_impossible_values_are_refused(head):
    payload = bytes.fromhex(head) + b"\x01x\x01y"
    assert decode_announcement(frames.encode(0xA0, payload)) is None


@pytest.mark.parametrize("text", [b"\x1b[2J", b"a\nb", b"", b"\xff\xfe", b"x" * 65])
def test_texts_that_could_steer_a_terminal_or_fill_it_are_refused(text):
    head = bytes.fromhex("01 01 ff4c 00 32")
    payload = head + bytes((len(text),)) + text + b"\x01y"
    assert decode_announcement(frames.encode(0xA0, payload)) is None


def test_a_text_that_nobody_would_accept_is_not_sent():
    with pytest.raises(ValueError, match="printable"):
        encode_announcement(replace(HUB, device_id="a\nb"))


def test_two_announcements_in_one_datagram_are_none():
    assert decode_announcement(2 * encode_announcement(HUB)) is None
