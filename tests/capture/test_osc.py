"""OSC: the specification's examples, an independent codec, and what makes codecs loop for ever."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_message_builder import OscMessageBuilder

from capture import osc
from capture.osc import Message
from capture.phone_faces import Malformed

addresses = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30).map(
    lambda text: "/" + text
)
arguments = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.floats(width=32, allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    st.binary(max_size=20),
    st.booleans(),
    st.none(),
)
messages = st.builds(Message, addresses, st.lists(arguments, max_size=8).map(tuple))


def test_the_examples_of_the_specification_are_read():
    """opensoundcontrol.stanford.edu/spec-1_0-examples.html"""
    assert osc.decode(b"/oscillator/4/frequency\0,f\0\0\x43\xdc\0\0") == [
        Message("/oscillator/4/frequency", (440.0,))
    ]
    (foo,) = osc.decode(
        b"/foo\0\0\0\0,iisff\0\0\0\0\x03\xe8\xff\xff\xff\xffhello\0\0\0\x3f\x9d\xf3\xb6\x40\xb5\xb2\x2d"
    )
    assert foo.arguments == (1000, -1, "hello", pytest.approx(1.234), pytest.approx(5.678))


@given(messages)
def test_a_message_is_read_back(message):
    assert osc.decode(osc.encode(message)) == [message]


@given(st.lists(messages, max_size=5))
def test_a_bundle_is_its_messages_in_order(sent):
    assert osc.decode(osc.encode_bundle(sent)) == sent


def _are_told_apart(message):
    """It refuses empty blobs, and takes the smallest of 32 bits for 64."""
    return not {b"", -(2**31)} & set(message.arguments)


@given(messages.filter(_are_told_apart))
def test_an_independent_codec_writes_the_same_bytes(message):
    builder = OscMessageBuilder(address=message.address)
    for argument in message.arguments:
        builder.add_arg(argument)
    assert osc.encode(message) == builder.build().dgram


@given(st.binary(max_size=400))
def test_noise_never_raises(noise):
    for data in (noise, b"/" + noise, b"#bundle\0" + noise, b"/a\0\0," + noise):
        found = osc.decode(data)
        assert isinstance(found, Malformed) or all(isinstance(m, Message) for m in found)


@given(messages, st.integers(1, 200))
def test_a_cut_message_is_never_another_number(message, missing):
    data = osc.encode(message)
    found = osc.decode(data[:-missing])
    if not isinstance(found, Malformed) and found:
        kept = found[0].arguments
        assert kept == message.arguments[: len(kept)]


def nested(depth: int) -> bytes:
    data = osc.encode(Message("/a"))
    for _ in range(depth):
        data = b"#bundle\0" + bytes(8) + len(data).to_bytes(4, "big") + data
    return data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expected / or #bundle"),
        (b"#bundle\0" + bytes(8) + struct.pack(">i", -4), "-4 bytes does not fit"),
        (b"#bundle\0" + bytes(8) + struct.pack(">i", 0), "0 bytes does not fit"),
        (b"#bundle\0" + bytes(8) + struct.pack(">i", 8) + b"/a\0\0", "8 bytes does not fit"),
        (b"#bundle\0" + bytes(4), "before its time tag"),
        (nested(5), "nested deeper than 4"),
        (nested(3000), "nested deeper than 4"),
        (osc.encode_bundle([Message("/a")] * 513), "more than 512 messages"),
        (b"/\xff\0\0,\0\0\0", "not UTF-8"),
        (b"/a\0\0,f\0\0\x43\xdc", "cut off in an argument"),
        (b"/a\0\0,q\0\0", "type 'q' is unknown"),
        (b"/a\0\0f\0\0\0", "expected a type tag"),
        (b"/a\0\0,b\0\0" + struct.pack(">i", -1), "a blob of -1 bytes"),
        (b"/a\0\0,i\0\0" + bytes(8), "4 bytes behind the last argument"),
        (b"/a", "does not end"),
        (b"/" + bytes(70_000), "at most 65507"),
    ],
)
def test_what_is_wrong_is_said(data, reason):
    found = osc.decode(data)
    assert isinstance(found, Malformed)
    assert reason in found.reason


def test_nesting_that_is_usual_is_read():
    assert osc.decode(nested(4)) == [Message("/a")]


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(ValueError, match="32 bits"):
        osc.encode(Message("/a", (2**31,)))
    with pytest.raises(ValueError, match="NUL"):
        osc.encode(Message("/a", ("x\0y",)))
