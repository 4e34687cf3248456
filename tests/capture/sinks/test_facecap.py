import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage

from capture.blendshapes import INDEX, BlendshapeFrame
from capture.facecap import FaceCapDecoder
from capture.livelink import quat_from_head_angles
from capture.sinks.facecap import FaceCapEncoder, FaceCapOptions

weights = hnp.arrays(np.float32, 52, elements=st.floats(0, 1, width=32))
ANGLES = np.array([0.3, -0.2, 0.1], np.float32)


@given(weights)
def test_our_own_decoder_puts_the_frame_together_again(values):
    frame = BlendshapeFrame(0, values, quat_from_head_angles(ANGLES))
    decoder = FaceCapDecoder()
    sent = FaceCapEncoder(FaceCapOptions()).encode(frame)
    faces = [face for datagram in sent for face in decoder.receive(datagram, 7)]
    (face,) = faces
    assert np.array_equal(face.weights, values)
    assert face.head_yaw_pitch_roll == pytest.approx(ANGLES, abs=1e-5)


@pytest.mark.parametrize("bundle", [False, True])
def test_the_library_of_somebody_else_reads_the_documented_messages(bundle):
    values = np.zeros(52, np.float32)
    values[INDEX["browInnerUp"]], values[INDEX["eyeLookInLeft"]] = 0.25, 0.5
    sent = FaceCapEncoder(FaceCapOptions(bundle=bundle)).encode(BlendshapeFrame(0, values))
    read = [m for d in sent for m in OscBundle(d)] if bundle else [OscMessage(d) for d in sent]
    # bannaflak.com/face-cap/livemode.html: 0 is browInnerUp, 9 is eyeLookIn_L.
    assert [m.address for m in read[:5]] == ["/HT", "/HR", "/HRQ", "/ELR", "/ERR"]
    assert read[2].params == [0, 0, 0, 1]
    assert [m.params for m in read if m.address == "/W" and m.params[1]] == [[0, 0.25], [9, 0.5]]
    assert len(read) == 57


def test_a_lost_face_sends_nothing():
    frame = BlendshapeFrame(0, np.ones(52, np.float32), tracked=False)
    assert FaceCapEncoder(FaceCapOptions()).encode(frame) == []
