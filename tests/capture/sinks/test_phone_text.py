import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capture.blendshapes import INDEX, BlendshapeFrame
from capture.ifacialmocap import FACEMOTION3D, IFACIALMOCAP, decode
from capture.livelink import quat_from_head_angles
from capture.phone_faces import PhoneFace
from capture.sinks.phone_text import MAX_ASKERS, Asked, PhoneTextEncoder

weights = hnp.arrays(np.float32, 52, elements=st.floats(1 / 64, 1, width=32))
# From ifacialmocap.com/for-developer and facemotion3d.net/for-developer.
WORD = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719"
WORD_3D = b"FACEMOTION3D_OtherStreaming"
HERE = "127.0.0.1"


@given(weights, st.sampled_from([IFACIALMOCAP, FACEMOTION3D]), st.sampled_from("&-"))
def test_whole_percents_come_back(values, dialect, separator):
    (text,) = PhoneTextEncoder(dialect, separator).encode(BlendshapeFrame(0, values))
    face = decode(text)
    assert isinstance(face, PhoneFace)
    assert np.abs(face.weights - values).max() <= 0.0051


def test_a_frame_is_written_as_the_maker_documents_it():
    values = np.zeros(52, np.float32)
    values[INDEX["mouthSmileRight"]], values[INDEX["jawLeft"]] = 0.11, 1.0
    (text,) = PhoneTextEncoder(IFACIALMOCAP, "-").encode(BlendshapeFrame(0, values))
    items = text.decode("ascii").split("|")
    # name-0…100 with _L and _R, but jawLeft; =head# of six numbers, eyes of three; | at the end
    assert "mouthSmile_R-11" in items
    assert "jawLeft-100" in items
    assert items[-4:] == ["=head#0,0,0,0,0,0", "rightEye#0,0,0", "leftEye#0,0,0", ""]
    (text,) = PhoneTextEncoder(FACEMOTION3D).encode(BlendshapeFrame(0, values))
    assert b"|mouthSmileRight&11|" in text


def test_angles_are_degrees_about_the_axes_that_the_decoder_reads():
    angles = np.array([0.3, -0.2, 0.1], np.float32)
    values = np.zeros(52, np.float32)
    values[[INDEX["eyeLookOutLeft"], INDEX["eyeLookDownRight"]]] = 0.5
    frame = BlendshapeFrame(0, values, quat_from_head_angles(angles))
    face = decode(PhoneTextEncoder(IFACIALMOCAP).encode(frame)[0])
    assert face.head_yaw_pitch_roll == pytest.approx(angles, abs=1e-4)
    assert np.degrees(face.eyes_yaw_pitch_roll) == pytest.approx(
        np.array([[15, 0, 0], [0, 15, 0]]), abs=1e-3
    )


def test_a_lost_face_is_no_face():
    frame = BlendshapeFrame(0, np.ones(52, np.float32), tracked=False)
    for dialect in (IFACIALMOCAP, FACEMOTION3D):
        face = decode(PhoneTextEncoder(dialect).encode(frame)[0])
        assert isinstance(face, PhoneFace)
        assert not face.tracked


def test_who_asks_is_answered_at_the_makers_port_whatever_port_asked():
    asked = Asked(IFACIALMOCAP, frozenset([HERE]))
    asked.hear(WORD, (HERE, 55_555))
    assert asked.targets == {(HERE, 49_983): "-"}
    asked.hear(WORD + b"|sendDataVersion=v2", (HERE, 55_556))
    assert asked.targets == {(HERE, 49_983): "&"}
    asked.hear(b"iFacialMocap_UDPTCPSTOP_sahuasouryya9218sauhuiayeta91555dy3719", (HERE, 1))
    assert asked.targets == {}
    asked_3d = Asked(FACEMOTION3D, frozenset([HERE]))
    asked_3d.hear(WORD_3D, (HERE, 1))
    assert asked_3d.targets == {(HERE, 49_993): "&"}


def test_who_is_not_on_the_list_gets_nothing_and_is_told_of():
    asked = Asked(IFACIALMOCAP, frozenset([HERE]))
    asked.hear(WORD, ("192.168.1.9", 49_983))
    assert asked.targets == {}
    assert asked.refused == {"192.168.1.9"}


@given(st.binary(max_size=80))
def test_noise_asks_for_nothing(noise):
    asked = Asked(IFACIALMOCAP, frozenset([HERE]))
    asked.hear(noise, (HERE, 1))
    assert asked.targets == {} or noise.startswith(WORD)


def test_the_newest_askers_stay():
    hosts = [f"10.0.0.{n}" for n in range(20)]
    asked = Asked(IFACIALMOCAP, frozenset(hosts))
    for host in hosts:
        asked.hear(WORD, (host, 1))
    assert [host for host, _ in asked.targets] == hosts[-MAX_ASKERS:]
