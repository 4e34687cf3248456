"""What is known of a stream from its messages."""

import numpy as np
import pytest

from capture.blendshapes import INDEX, BlendshapeFrame
from capture.wire import TOPIC, encode, message_from_frame
from firmware_host.errors import TransportError
from viz.feeds import LiveFaces
from viz.signal import NEUTRAL, NO_SIGNAL_S, Signal
from viz.viewing import require_signal


def face(sequence: int, jaw: float = 0.0, source: str = "hub", **more) -> bytes:
    weights = np.zeros(52, np.float32)
    weights[INDEX["jawOpen"]] = jaw
    frame = BlendshapeFrame(sequence, weights, **more)
    return encode(message_from_frame(frame, source, sequence, unix_ns=1_000_000_000))


def test_only_the_newest_face_is_shown_and_the_others_are_counted():
    signal = Signal()
    assert signal.take([face(0), face(1), face(2, jaw=0.5)], 0.0, 0)
    assert signal.face().weights[INDEX["jawOpen"]] == 0.5
    assert (signal.received, signal.shown, signal.dropped) == (3, 1, 2)


def test_faces_that_never_arrived_are_counted():
    signal = Signal()
    signal.take([face(5)], 0.0, 0)
    signal.take([face(9)], 0.1, 0)
    assert (signal.received, signal.shown, signal.dropped) == (2, 2, 3)


def test_a_publisher_that_begins_again_has_lost_nothing():
    signal = Signal()
    for moment, data in enumerate([face(900), face(0), face(700, source="other")]):
        signal.take([data], float(moment), 0)
    assert signal.dropped == 0


def test_nothing_new_keeps_the_last_face():
    signal = Signal()
    signal.take([face(0, jaw=0.3)], 0.0, 0)
    assert not signal.take([], 0.1, 0)
    assert signal.face().weights[INDEX["jawOpen"]] == pytest.approx(0.3)


def test_bytes_that_are_no_face_are_counted_and_survived():
    signal = Signal()
    assert not signal.take([b"noise", TOPIC + b"\xff"], 0.0, 0)
    assert signal.malformed == 2
    assert signal.summary() == "0 faces received, 0 shown, 0 dropped, 2 not understood"


def test_the_status_tells_source_rate_and_latency():
    signal = Signal()
    for i in range(30):
        signal.take([face(i)], 1 + i / 30, 1_012_000_000)
    assert signal.status(2.0) == "hub · 30 Hz · 12 ms · 0 dropped"


def test_the_status_tells_when_there_is_no_signal():
    signal = Signal()
    assert signal.status(0.0) == "no signal"
    signal.take([face(0)], 1.0, 0)
    assert not signal.is_stale(1.0 + NO_SIGNAL_S)
    assert signal.is_stale(1.1 + NO_SIGNAL_S)
    assert signal.status(4.0) == "no signal for 3.0 s · hub"


def test_the_status_tells_when_the_publisher_sees_no_face():
    signal = Signal()
    signal.take([face(0, tracked=False)], 0.0, 1_000_000_000)
    assert signal.status(0.1).endswith(" · no face")


def test_weights_and_rotations_out_of_their_range_do_no_harm():
    signal = Signal()
    signal.take([face(0, jaw=7.0, quat_world_from_head=np.full(4, np.nan, np.float32))], 0.0, 0)
    face_seen = signal.face()
    assert face_seen.weights[INDEX["jawOpen"]] == 1.0
    assert face_seen.quat_world_from_head is None
    signal.take([face(1, jaw=float("nan"))], 0.0, 0)
    assert signal.face().weights[INDEX["jawOpen"]] == 0.0


def test_no_face_at_all_is_an_error_that_names_the_address():
    faces = LiveFaces(["tcp://127.0.0.1:9"])
    faces.close()
    with pytest.raises(TransportError, match=r"no face arrived from tcp://127.0.0.1:9 within 2 s"):
        require_signal(faces, 2.0)


def test_what_a_message_says_of_its_certainty_is_kept():
    signal = Signal()
    by_shape = np.linspace(0, 1, 52, dtype=np.float32)
    signal.take([face(0, confidence=0.5, shape_confidence=by_shape)], 0.0, 0)
    seen = signal.face()
    assert seen.confidence == 0.5
    assert seen.by_shape is not None
    assert np.abs(seen.by_shape - by_shape).max() < 0.003
    assert NEUTRAL.confidence is None
