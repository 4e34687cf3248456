"""Numbered datagrams: any order in, a stream in order out."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host import frames
from firmware_host.datagrams import MAX_DATAGRAM, NUMBER, DatagramReader, DatagramWriter
from firmware_host.frames import MAX_PAYLOAD, Frame, FrameDecoder

payloads = st.lists(st.binary(max_size=300), max_size=30)


def stream_of(sent: list[bytes]) -> bytes:
    return b"".join(frames.encode(0x82, payload) for payload in sent)


def payloads_in(stream: bytes) -> list[bytes]:
    return [f.payload for f in FrameDecoder().feed(stream) if isinstance(f, Frame)]


@given(payloads)
def test_what_arrives_in_order_is_the_stream_itself(sent):
    stream, reader = stream_of(sent), DatagramReader()
    datagrams = DatagramWriter(7).write(stream)
    assert all(len(datagram) <= MAX_DATAGRAM for datagram in datagrams)
    assert b"".join(map(reader.read, datagrams)) == stream
    assert (reader.counts.missing, reader.counts.late) == (0, 0)


def test_the_largest_frame_fits_a_datagram():
    (datagram,) = DatagramWriter(0xFFFF_FFFF).write(frames.encode(0x82, b"\0" * MAX_PAYLOAD))
    assert len(datagram) <= MAX_DATAGRAM
    assert payloads_in(DatagramReader().read(datagram)) == [b"\0" * MAX_PAYLOAD]


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers())
def test_a_network_may_lose_repeat_and_reorder_but_the_stream_only_loses(boot, start, seed):
    """Frames come out in order, each at most once, and the counts account for every datagram."""
    writer, reader, dice = DatagramWriter(boot), DatagramReader(), random.Random(seed)
    writer._number = start  # wraps at 2^32 included
    sent = [number.to_bytes(2, "big") for number in range(60)]
    datagrams = [writer.write(stream_of([payload]))[0] for payload in sent]
    reader.read(datagrams[0])
    network = [d for d in datagrams[1:] for _ in range(dice.choice((0, 1, 1, 1, 2)))]
    for _ in range(10):
        if len(network) > 1:
            at = dice.randrange(len(network) - 1)
            network[at], network[at + 1] = network[at + 1], network[at]
    got = [payload for d in network for payload in payloads_in(reader.read(d))]
    assert got == sorted(set(got))
    counts = reader.counts
    assert counts.late == len(network) - len(got)
    newest = sent.index(got[-1]) if got else 0
    assert counts.missing == newest - len(got)


def test_a_hub_that_restarts_is_heard_at_once_and_its_old_datagrams_no_more():
    before, after, reader = DatagramWriter(1), DatagramWriter(2), DatagramReader()
    old = [before.write(stream_of([b"old"]))[0] for _ in range(5)]
    new = after.write(stream_of([b"new"]))[0]
    heard = [reader.read(datagram) for datagram in (*old[:4], new, old[4])]
    assert [payloads_in(stream) for stream in heard] == 4 * [[b"old"]] + [[b"new"], []]
    assert (reader.counts.boots, reader.counts.late, reader.counts.missing) == (1, 1, 0)


@pytest.mark.parametrize("boots", [(5, 5), (5, 6, 5)])
def test_a_hub_that_restarts_with_a_boot_id_of_before_is_not_deaf_for_ever(boots):
    reader, heard = DatagramReader(), []
    for boot in boots:
        writer = DatagramWriter(boot)
        heard = [payloads_in(reader.read(writer.write(stream_of([b"x"]))[0])) for _ in range(200)]
    assert heard[-100:] == 100 * [[b"x"]]
    assert reader.counts.boots == len(boots) - 1
    assert 0 < reader.counts.late < 100


@given(st.lists(st.binary(max_size=1400), max_size=20))
def test_noise_never_raises_is_handed_on_and_does_not_spoil_the_next_frame(noise):
    writer, reader, decoder = DatagramWriter(1), DatagramReader(), FrameDecoder()
    good = [payload for _ in noise for payload in (b"good",)]
    heard = []
    for lump in noise:
        stream = reader.read(lump)
        assert stream.startswith(lump)
        found = decoder.feed(stream + reader.read(writer.write(stream_of([b"good"]))[0]))
        heard += [f.payload for f in found if isinstance(f, Frame) and f.kind == 0x82]
    assert heard == good


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_number_that_was_cut_off_is_no_number(cut):
    (datagram,) = DatagramWriter(1).write(frames.encode(0x82, b"x"))
    reader = DatagramReader()
    reader.read(datagram[:cut])
    assert reader.counts.unnumbered == 1


def test_the_bytes_of_a_datagram_are_those_of_the_documentation():
    writer = DatagramWriter(0x0102_0304)
    (datagram,) = writer.write(frames.encode(0x02))
    head = frames.encode(NUMBER, bytes.fromhex("0403020100000000"))
    assert datagram == head + frames.encode(0x02)
