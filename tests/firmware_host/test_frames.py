"""Frames: any chunking, any damage."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.frames import MAX_FRAME, MAX_PAYLOAD, Frame, FrameDecoder, encode
from firmware_host.samples import Garbage

sent_frames = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=8)
cuts = st.lists(st.integers(1, 60), max_size=80)


def chunked(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def decode(data: bytes, sizes: list[int] | None = None) -> list[Frame | Garbage]:
    decoder = FrameDecoder()
    return [found for chunk in chunked(data, sizes or []) for found in decoder.feed(chunk)]


def contents(found: list[Frame | Garbage]) -> list[tuple[int, bytes]]:
    return [(f.kind, f.payload) for f in found if isinstance(f, Frame)]


def test_golden_frames():
    # From a bitwise CRC-16/CCITT-FALSE and a COBS encoder written from the description alone.
    assert encode(0x01) == bytes.fromhex("04 01 d1 f1 00")
    assert encode(0x84, bytes(4)) == bytes.fromhex("02 84 01 01 01 03 da ba 00")


@given(sent_frames, cuts)
def test_any_chunking_gives_back_the_same_frames(sent, sizes):
    stream = b"".join(encode(kind, payload) for kind, payload in sent)
    found = decode(stream, sizes)
    assert contents(found) == sent
    assert sum(f.size for f in found if isinstance(f, Frame)) == len(stream)


@given(st.binary(max_size=3000), cuts)
def test_noise_never_raises_and_bytes_are_conserved(noise, sizes):
    decoder = FrameDecoder()
    found = [f for chunk in chunked(noise, sizes) for f in decoder.feed(chunk)]
    used = sum(f.count if isinstance(f, Garbage) else f.size for f in found)
    assert used + decoder.pending == len(noise)


@given(st.integers(0, 5000), st.lists(st.integers(1, 900), max_size=12))
def test_an_endless_run_is_given_up_in_lumps_however_it_is_cut(length, sizes):
    stream = b"\x07" * length + b"\0" + encode(7, b"after")
    decoder = FrameDecoder()
    found = []
    for chunk in chunked(stream, sizes):
        found += decoder.feed(chunk)
        assert decoder.pending < MAX_FRAME
    assert found == decode(stream)
    assert contents(found) == [(7, b"after")]
    assert all(f.count <= MAX_FRAME for f in found if isinstance(f, Garbage))


@given(st.data())
def test_damage_loses_only_the_damaged_frames(data):
    payloads = [bytes([i]) * 20 + bytes(range(i, i + 20)) for i in range(6)]
    wires = [encode(9, payload) for payload in payloads]
    hit = data.draw(st.integers(0, 5))
    at = data.draw(st.integers(0, len(wires[hit]) - 1))
    flip = data.draw(st.integers(1, 255))
    damaged = bytearray(wires[hit])
    damaged[at] ^= flip
    found = decode(b"".join([*wires[:hit], bytes(damaged), *wires[hit + 1 :]]))
    gone = {hit, hit + 1} if at == len(damaged) - 1 else {hit}  # a lost delimiter joins two frames
    assert contents(found) == [(9, p) for i, p in enumerate(payloads) if i not in gone]


@pytest.mark.parametrize("size", range(60))
def test_a_stream_joined_in_the_middle_of_a_frame_starts_with_the_next(size):
    stream = encode(1, bytes(range(1, 56))) + encode(2, b"whole")
    assert contents(decode(stream[1 + size :])) == ([(2, b"whole")] if size < 60 else [])


def test_a_foreign_encoder_that_ends_a_full_group_with_an_empty_one_is_understood():
    wire = encode(3, bytes([5]) * 251)  # kind, payload and CRC: exactly one full COBS group
    assert wire[0] == 0xFF
    assert decode(wire[:-1] + b"\x01\0") == [Frame(3, bytes([5]) * 251, len(wire) + 1)]


def test_the_largest_payload_fits_and_one_more_byte_is_refused():
    for filler in (0, 1):
        payload = bytes([filler]) * MAX_PAYLOAD
        assert contents(decode(encode(1, payload))) == [(1, payload)]
    with pytest.raises(ValueError, match="at most 1000 bytes, got 1001"):
        encode(1, bytes(MAX_PAYLOAD + 1))
