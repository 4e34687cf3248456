import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pylivelinkface import FaceBlendShape, PyLiveLinkFace

from capture.blendshapes import ARKIT_NAMES, INDEX, BlendshapeFrame
from capture.livelink import LiveLinkPacket, decode
from capture.sinks.livelink import LiveLinkEncoder, LiveLinkOptions

weights = hnp.arrays(np.float32, 52, elements=st.floats(1 / 64, 1, width=32))
ID_36 = "12345678-1234-1234-1234-123456789012"


def encoded(values, options=LiveLinkOptions(), day_ns=0, **facts):  # noqa: B008 - frozen
    (datagram,) = LiveLinkEncoder(options, day_ns).encode(BlendshapeFrame(0, values, **facts))
    return datagram


@given(weights)
def test_our_own_decoder_gives_back_the_weights(values):
    packet = decode(encoded(values))
    assert isinstance(packet, LiveLinkPacket)
    assert np.array_equal(packet.weights, values)
    assert packet.subject == "imusic"


@given(weights)
def test_the_decoder_of_somebody_else_reads_each_shape_by_name(values):
    # That one takes ids of 36 characters only.
    found, face = PyLiveLinkFace.decode(encoded(values, LiveLinkOptions(device_id=ID_36)))
    assert found
    for name in ARKIT_NAMES:
        shape = FaceBlendShape[name[0].upper() + name[1:]]
        assert face.get_blendshape(shape) == values[INDEX[name]]


@pytest.mark.parametrize(("left", "right"), [("jawLeft", "jawRight"), ("mouthLeft", "mouthRight")])
def test_sideways_shapes_can_be_exchanged_for_programs_that_have_them_so(left, right):
    values = np.full(52, 0.1, np.float32)
    values[INDEX[left]] = 0.7
    packet = decode(encoded(values, LiveLinkOptions(sideways="swapped")))
    assert packet.weights[INDEX[right]] == np.float32(0.7)
    assert packet.weights[INDEX[left]] == np.float32(0.1)
    assert np.delete(packet.weights, INDEX[right]) == pytest.approx(0.1)


def test_the_packet_begins_as_a_recorded_one():
    # Version, id length, id, name length, name: measured on a recording of the app.
    data = encoded(np.ones(52, np.float32), LiveLinkOptions(subject="LLV Default Device"))
    assert len(data) == 320
    assert data[:5].hex() == "0600000020"
    assert data[37:41].hex() == "00000012"
    assert data[41:59] == b"LLV Default Device"
    assert data[75] == 61


def test_a_lost_face_is_a_header_alone():
    packet = decode(encoded(np.ones(52, np.float32), tracked=False))
    assert isinstance(packet, LiveLinkPacket)
    assert packet.weights is None


def test_frames_count_the_time_of_day_at_sixty():
    encoder = LiveLinkEncoder(LiveLinkOptions(), day_ns=10_000_000_000)
    (datagram,) = encoder.encode(BlendshapeFrame(125_000_000, np.ones(52, np.float32)))
    packet = decode(datagram)
    assert (packet.frame_number, packet.sub_frame, packet.rate_hz) == (607, 0.5, 60)


def test_head_and_eyes_go_along():
    values = np.zeros(52, np.float32)
    values[[INDEX["eyeLookOutLeft"], INDEX["eyeLookInRight"]]] = 0.5
    yaw = 0.3
    quat = np.array([np.cos(yaw / 2), 0, np.sin(yaw / 2), 0], np.float32)
    packet = decode(encoded(values, quat_world_from_head=quat))
    assert packet.head_yaw_pitch_roll == pytest.approx([yaw, 0, 0], abs=1e-6)
    both = [[np.radians(15), 0, 0]] * 2  # looking to the wearer's left
    assert packet.eyes_yaw_pitch_roll == pytest.approx(np.array(both), abs=1e-6)


@pytest.mark.parametrize("text", ["", "x" * 256])
def test_a_name_that_unreal_could_not_show_is_refused(text):
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        LiveLinkOptions(subject=text)
