"""What the console says."""

import numpy as np
import pytest

from capture.blendshapes import BlendshapeFrame
from capture.wire import encode, message_from_frame
from capture.wire_guide import GuideMessage, decode_guide, encode_guide
from capture.wire_record import DeviceMessage, NoticeMessage, RecordMessage, encode_record
from capture.wire_status import SinkStatus, StatusMessage, encode_status
from firmware_host.layout import FACE_12
from viz.web.facts import clock_words, of_device, of_live, of_record, prompt_of
from viz.web.head_data import head_bytes

SLOTS = FACE_12.names


def device(**facts):
    known = {
        "name": "hub", "state": "up", "samples": 10_000, "lost": 2, "rate_hz": 200.0,
        "age_s": 0.01, "late_s": 0.002, "slots": SLOTS, "silent": (),
    }  # fmt: skip
    return DeviceMessage(**(known | facts))


def test_slots_of_a_device_that_is_nearly_empty_are_amber():
    facts = of_record(recording(device(battery=0.12, silent=("mentalis",))), 0.2, SLOTS)
    assert dict(facts.slots)["frontalis_left"] == "low"
    assert dict(facts.slots)["mentalis"] == "silent"


def test_what_is_left_in_batteries_is_told_slot_by_slot():
    left, right = SLOTS[0], SLOTS[1]
    told = of_record(
        recording(
            device(name="a", slots=(left,), battery=0.834),
            device(name="b", slots=(right,), battery=1.2),
            device(name="c", slots=SLOTS[2:]),
        ),
        0.2,
        SLOTS,
    )
    assert told.charges == ((left, 0.83), (right, 1.0))


def guided(**facts):
    known = {
        "source": "studio", "sequence": 1, "unix_ns": 1, "stage": "showing", "label": "smile",
        "prompt": "Smile.", "number": 3, "count": 30, "since_s": 2.0, "length_s": 8.0,
    }  # fmt: skip
    return GuideMessage(**(known | facts))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ("3 of 30", "Smile.", 0.25)),
        ({"since_s": -2.0}, ("3 of 30 · begins in 2 s", "Smile.", 0.0)),
        ({"stage": "held", "since_s": 0.0}, ("3 of 30 · held", "Smile.", 0.0)),
        ({"waits": True}, ("3 of 30 · holds after this step", "Smile.", 0.25)),
        ({"since_s": 99.0}, ("3 of 30", "Smile.", 1.0)),
        ({"stage": "over"}, ("3 of 30", "That was all. Thank you.", 1.0)),
    ],
)
def test_what_a_guided_performer_is_to_do(facts, expected):
    prompt = prompt_of(guided(**facts), 0.1)
    assert (prompt.head, prompt.words, prompt.share) == expected
    assert prompt_of(guided(**facts), 5.0) is None
    assert decode_guide(encode_guide(guided(**facts))) == guided(**facts)


def recording(*devices, **facts):
    known = {
        "source": "studio", "sequence": 1, "unix_ns": 1, "state": "recording", "missing": (),
        "elapsed_s": 83.0, "faces": 100, "bytes_on_disk": 12_300_000, "left_s": 7200.0, "marks": 0,
        "devices": devices or (device(),),
    }  # fmt: skip
    return RecordMessage(**(known | facts))


def test_a_recording_that_goes_well_is_green():
    facts = of_record(recording(), 0.2, SLOTS)
    assert facts.light == "green"
    assert (facts.headline, facts.clock, facts.disk) == ("recording", "1:23", "12.3 MB")
    assert {state for _, state in facts.slots} == {"heard"}
    assert (facts.may_start, facts.may_stop, facts.may_mark) == (False, True, True)
    assert facts.sources[0].remedy == ""


def test_a_link_that_is_lost_is_red_with_reason_and_remedy():
    told = NoticeMessage(1, "hub", "lost: the port is gone", "plug it in again")
    facts = of_record(recording(device(state="down"), notices=(told,)), 0.2, SLOTS)
    assert facts.light == "red"
    (source,) = facts.sources
    assert source.words == "DOWN: lost: the port is gone"
    assert source.remedy == "plug it in again"
    assert {state for _, state in facts.slots} == {"silent"}


@pytest.mark.parametrize(
    ("facts", "light", "words"),
    [
        ({"age_s": 0.8}, "red", "nothing heard for 0.8 s"),
        ({"age_s": None}, "red", "nothing heard yet"),
        ({"silent": ("mentalis",)}, "red", "silent: mentalis"),
        ({"lost": 200}, "amber", "200 lost (2.0 %)"),
        ({"battery": 0.83}, "green", "battery 83 %"),
        ({"battery": 0.12}, "amber", "battery 12 %"),
        ({}, "green", "200 Hz · 10 ms old · 2 lost"),
    ],
)
def test_each_trouble_of_a_device_has_its_light_and_words(facts, light, words):
    source = of_device(device(**facts))
    assert source.light == light
    assert words in source.words
    assert bool(source.remedy) == (light != "green")


def test_one_silent_slot_is_shown_where_it_sits():
    facts = of_record(recording(device(silent=("mentalis",))), 0.2, SLOTS)
    assert [slot for slot, state in facts.slots if state == "silent"] == ["mentalis"]
    nobody = of_record(recording(device(slots=SLOTS[:3])), 0.2, SLOTS)
    assert [slot for slot, state in nobody.slots if state == "unknown"] == list(SLOTS[3:])


def test_a_phone_that_sends_no_face_is_red():
    facts = of_record(recording(has_phone=True, phone_age_s=2.0), 0.2, SLOTS)
    assert facts.sources[-1].words == "no face heard for 2.0 s"
    assert of_record(recording(has_phone=True, phone_age_s=0.02), 0.2, SLOTS).light == "green"


def test_a_recording_that_does_not_answer_is_red_and_has_no_buttons():
    for silent in (of_record(None, 0.0, SLOTS), of_record(recording(), 3.0, SLOTS)):
        assert silent.light == "red"
        assert silent.headline == "no word from the recording"
        assert [silent.may_start, silent.may_stop, silent.may_mark] == [False] * 3


def test_what_stands_against_beginning_is_told():
    waiting = recording(state="waiting", missing=("phone",), problems=("clocks",), left_s=60.0)
    facts = of_record(waiting, 0.2, SLOTS)
    assert facts.headline == "waiting for phone"
    assert facts.trouble == ("clocks", "the disk has room for 1 minutes")
    assert facts.light == "amber"
    assert facts.may_start
    assert not facts.may_mark


def test_a_live_face_is_told_by_its_heartbeat():
    sink = SinkStatus("vmc:", 10, 10, 1, "refused")
    told = StatusMessage("rig", 1, 1, 1, "live", 99, 1000, 50, 0.7, SLOTS[:5], sinks=(sink,))
    facts = of_live(told, 0.5, SLOTS)
    assert (facts.headline, facts.clock, facts.light) == ("live", "99 faces", "amber")
    assert [state for _, state in facts.slots] == ["heard"] * 5 + ["silent"] * 7
    assert facts.sources[1].remedy == "refused"
    assert of_live(None, 0.0, SLOTS).light == "red"


def test_times_are_read_like_a_clock():
    assert [clock_words(s) for s in (0.9, 65, 3723)] == ["0:00", "1:05", "1:02:03"]


def test_the_head_for_the_browser_is_the_head(head):
    data = head_bytes(head, FACE_12)
    assert len(data) % 4 == 0
    vertices, triangles, shapes, sites, letters = np.frombuffer(data, "<u4", 5).tolist()
    assert (vertices, triangles) == (len(head.vertices), len(head.triangles))
    assert (shapes, sites) == (52, 12)
    at = 20
    positions = np.frombuffer(data, "<f4", 3 * vertices, at).reshape(-1, 3)
    assert np.array_equal(positions, head.vertices)
    at += 12 * vertices + -(-3 * vertices // 4) * 4
    assert np.array_equal(np.frombuffer(data, "<u4", 3 * triangles, at), head.triangles.ravel())
    at += 12 * triangles
    scales = np.frombuffer(data, "<f4", shapes, at)
    at += 4 * shapes
    deltas = np.frombuffer(data, "<i2", shapes * 3 * vertices, at).reshape(shapes, -1, 3)
    assert np.abs(deltas * scales[:, None, None] - head.deltas).max() < 1e-6
    assert data[-letters - (-letters % 4) :].rstrip(b"\0").decode().split("\n") == list(SLOTS)


def test_the_newest_message_of_every_topic_is_kept():
    pytest.importorskip("nicegui", reason="the console needs NiceGUI")
    from viz.web.sockets import Latest

    latest = Latest()
    weights = np.full(52, 2.0, np.float32)
    frame = BlendshapeFrame(1, weights, np.full(4, np.nan, np.float32))
    latest.take(encode(message_from_frame(frame, "hub", 0, 1)), 5.0)
    face = np.frombuffer(latest.face[: 4 * 56], "<f4")
    assert face.tolist() == [1.0] * 52 + [1, 0, 0, 0]
    assert np.frombuffer(latest.face[4 * 56 :], "<f8").tolist() == [1e-6]  # 1 ns, in ms
    latest.take(encode_record(recording()), 6.0)
    latest.take(encode_status(StatusMessage("rig", 1, 1, 1, "live", 9, 9, 0, 1.0)), 7.0)
    latest.take(b"noise", 8.0)
    assert latest.record is not None
    assert latest.status is not None
    assert (latest.faces, latest.malformed, latest.told_s) == (1, 1, 7.0)
