"""Messages: golden bytes for firmware authors, round trips, malformed payloads."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host import messages
from firmware_host.errors import ProtocolError
from firmware_host.frames import Frame, FrameDecoder
from firmware_host.layout import FACE_12
from firmware_host.messages import Info, Kind, Pong
from firmware_host.samples import (
    Answer,
    HubEnd,
    HubFeatures,
    HubInfo,
    HubMode,
    HubStatus,
    Result,
    SyncEdge,
)

HUB = HubInfo("hub-1", "fw 2.0", 1, 200.0, 64.0, 16.0, ("brow", "jaw"))

WORDS = (Kind.INFO, Kind.STATUS, Kind.END, Kind.PONG, Kind.ANSWER, Kind.SYNC)


def frame_of(wire: bytes) -> Frame:
    (frame,) = FrameDecoder().feed(wire)
    assert isinstance(frame, Frame)
    return frame


@pytest.mark.parametrize(
    ("wire", "payload"),
    [
        (
            messages.encode_info(Info(HUB, 7)),
            "01 07000000 00004843 00008042 00008041 05 6875622d31 06 667720322e30 02"
            " 04 62726f77 03 6a6177 0000 00",
        ),
        (
            messages.encode_sample(3, 4_294_967_295, 0b10, np.array([[1, -1, 256, 0, 2, -32768]])),
            "03000000 ffffffff 0200 0100 ffff 0001 0000 0200 0080",
        ),
        (messages.encode_status(HubStatus(16, 5, 0.5)), "10000000 05000000 32 0080 0000"),
        (messages.encode_status(HubStatus(16, 5, math.nan)), "10000000 05000000 ff 0080 0000"),
        (
            messages.encode_status(HubStatus(16, 5, math.nan, -0.5, 0b1000_0000_0001)),
            "10000000 05000000 ff ceff 0108",
        ),
        (messages.encode_end(HubEnd(600)), "58020000"),
        (messages.encode_command(Kind.START), ""),
    ],
)
def test_golden_payloads(wire, payload):
    assert frame_of(wire).payload == bytes.fromhex(payload)


texts = st.text(st.characters(codec="utf-8"), max_size=20)
positive = st.floats(2**-10, 2**20, width=32)


@given(
    st.builds(
        HubInfo,
        texts,
        texts,
        st.just(1),
        positive,
        positive,
        positive,
        st.lists(texts, min_size=1, max_size=9, unique=True).map(tuple),
        st.integers(0, 63).map(HubFeatures),
        st.sampled_from(HubMode),
    ),
    st.integers(0, 2**32 - 1),
)
def test_info_comes_back_as_it_was_sent(hub, next_sequence):
    info = Info(hub, next_sequence)
    assert messages.decode(frame_of(messages.encode_info(info))) == info


counters = st.integers(0, 2**32 - 1)


@given(counters, counters, st.integers(0, 100), st.integers(-32767, 32767), st.integers(0, 0xFFFF))
def test_status_and_end_come_back_as_they_were_sent(tick_us, sent, percent, hundredths, errors):
    status = HubStatus(tick_us, sent, percent / 100, hundredths / 100, errors)
    assert messages.decode(frame_of(messages.encode_status(status))) == status
    assert messages.decode(frame_of(messages.encode_end(HubEnd(sent)))) == HubEnd(sent)


def test_an_info_of_the_full_face_fits_one_frame():
    info = Info(replace(HUB, slots=FACE_12.names), 0)
    assert messages.decode(frame_of(messages.encode_info(info))) == info


@given(st.integers(0, 255), st.binary(max_size=120))
def test_no_payload_makes_the_reader_raise(kind, payload):
    frame = Frame(kind, payload, 0)
    assert messages.decode(frame) is None or kind in WORDS
    for width in (6, 7):
        header = messages.sample_header(payload, 12, width)
        sound = header is None or messages.decode_readings([payload], 12, width)
        assert header is None or sound.shape == (1, 12, width)


@pytest.mark.parametrize("cut", range(1, 43))
def test_an_info_cut_anywhere_but_before_its_abilities_is_malformed(cut):
    info = Info(replace(HUB, features=HubFeatures.PING, mode=HubMode.FUSED), 7)
    payload = frame_of(messages.encode_info(info)).payload
    assert len(payload) == 43
    decoded = messages.decode(Frame(Kind.INFO, payload[:cut], 0))
    assert decoded == (Info(HUB, 7) if cut == 40 else None)


@pytest.mark.parametrize("cut", range(13))
def test_a_status_without_its_sensors_is_that_of_an_older_hub(cut):
    status = HubStatus(16, 5, 0.5, 21.0, 3)
    payload = frame_of(messages.encode_status(status)).payload
    decoded = messages.decode(Frame(Kind.STATUS, payload[:cut], 0))
    assert decoded == (HubStatus(16, 5, 0.5) if cut == 9 else None)
    assert messages.decode(Frame(Kind.STATUS, payload, 0)) == status


@pytest.mark.parametrize(
    "wire",
    [
        messages.encode_info(Info(HUB, 7)),
        messages.encode_status(HubStatus(16, 5, 0.5, 21.0, 3)),
        messages.encode_end(HubEnd(7)),
        messages.encode_pong(Pong(1, 2)),
        messages.encode_answer(Answer(1, 5, Result.BAD_VALUE)),
        messages.encode_sync(SyncEdge(1, 2)),
    ],
)
def test_what_a_later_version_adds_behind_the_last_field_is_ignored(wire):
    frame = frame_of(wire)
    longer = Frame(frame.kind, frame.payload + b"later", frame.size)
    assert messages.decode(longer) == messages.decode(frame)
    assert messages.decode(frame) is not None


@pytest.mark.parametrize(
    "hub",
    [
        replace(HUB, slots=()),
        replace(HUB, slots=("jaw", "jaw")),
        replace(HUB, slots=tuple("abcdefghijklmnopq")),
        replace(HUB, rate_hz=0.0),
        replace(HUB, accel_range_m_s2=math.nan),
        replace(HUB, gyro_range_rad_s=math.inf),
    ],
)
def test_an_info_that_cannot_be_true_is_malformed(hub):
    assert messages.decode(frame_of(messages.encode_info(Info(hub, 0)))) is None


def test_impossible_batteries_and_unknown_modes_are_malformed():
    info = frame_of(messages.encode_info(Info(HUB, 7))).payload
    assert messages.decode(Frame(Kind.INFO, info[:-1] + b"\x02", 0)) is None
    assert messages.decode(Frame(Kind.STATUS, bytes(8) + b"\x65", 0)) is None


def test_features_and_reasons_of_later_versions_are_left_out():
    info = frame_of(messages.encode_info(Info(HUB, 7))).payload
    later = messages.decode(Frame(Kind.INFO, info[:-3] + b"\x01\x80\0", 0))
    assert later == Info(replace(HUB, features=HubFeatures.PING), 7)
    refused = messages.decode(Frame(Kind.ANSWER, b"\x07\x05\xc8", 0))
    assert refused == Answer(7, 5, Result.FAILED)


@given(st.lists(st.integers(0, 2**5 - 1), min_size=1, max_size=12))
def test_absent_slots_are_nan_and_present_ones_keep_their_place(masks):
    random = np.random.default_rng(len(masks))
    sent = random.integers(-32768, 32768, (len(masks), 5, 6)).astype(np.int16)
    present = np.array(masks)[:, None] >> np.arange(5) & 1 > 0  # (N, 5)
    payloads = [
        frame_of(messages.encode_sample(k, k, mask, sent[k, present[k]])).payload
        for k, mask in enumerate(masks)
    ]
    assert [messages.sample_header(p, 5) for p in payloads] == [(k, k) for k in range(len(masks))]
    expected = np.where(present[..., None], sent, np.nan).astype(np.float32)
    np.testing.assert_array_equal(messages.decode_readings(payloads, 5), expected)


def test_a_mask_beyond_the_last_slot_is_malformed():
    payload = frame_of(messages.encode_sample(0, 0, 0b100, np.zeros((1, 6)))).payload
    assert messages.sample_header(payload, 3) == (0, 0)
    assert messages.sample_header(payload, 2) is None


def test_another_protocol_version_is_refused_with_both_versions_named():
    other = replace(HUB, protocol_version=9)
    info = messages.decode(frame_of(messages.encode_info(Info(other, 0))))
    assert isinstance(info, Info)
    with pytest.raises(
        ProtocolError, match="speaks protocol version 9, this host speaks version 1"
    ):
        messages.check_version(info.hub, "serial:COM5")
    messages.check_version(HUB, "serial:COM5")
