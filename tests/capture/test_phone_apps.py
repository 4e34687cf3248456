"""Every app's decoder: the makers' examples, recorded frames, round trips, and anything at all."""

import json

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import facecap, ifacialmocap, livelink, mediapipe_faces, osc, vtube_studio
from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.ifacialmocap import FACEMOTION3D, IFACIALMOCAP
from capture.phone_apps import APPS, MAX_STREAM_BYTES, StreamDecoder, decoder
from capture.phone_faces import Malformed, PhoneFace, unmirrored
from firmware_host.phone_rig import PHONE_PORTS, PhoneConfig

DEGREE = np.pi / 180

# The makers' own examples, as their pages print them: shapes and angles are facts of a format.
IFACIALMOCAP_PAGE = (
    b"mouthSmile_R-0|eyeLookOut_L-0|mouthUpperUp_L-11|eyeWide_R-0|mouthClose-8|mouthPucker-4|"
    b"mouthRollLower-9|eyeBlink_R-7|eyeLookDown_L-17|cheekSquint_R-11|eyeBlink_L-7|tongueOut-0|"
    b"jawRight-0|eyeLookIn_R-6|cheekSquint_L-11|mouthDimple_L-10|mouthPress_L-4|eyeSquint_L-11|"
    b"mouthRight-0|mouthShrugLower-9|eyeLookUp_R-0|eyeLookOut_R-0|mouthPress_R-5|cheekPuff-2|"
    b"jawForward-11|mouthLowerDown_L-9|mouthFrown_L-6|mouthShrugUpper-26|browOuterUp_L-4|"
    b"browInnerUp-20|mouthDimple_R-10|browDown_R-0|mouthUpperUp_R-10|mouthRollUpper-8|"
    b"mouthFunnel-12|mouthStretch_R-21|mouthFrown_R-13|eyeLookDown_R-17|jawOpen-12|jawLeft-0|"
    b"browDown_L-0|mouthSmile_L-0|noseSneer_R-18|mouthLowerDown_R-8|noseSneer_L-21|eyeWide_L-0|"
    b"mouthStretch_L-21|browOuterUp_R-4|eyeLookIn_L-4|eyeSquint_R-11|eyeLookUp_L-0|mouthLeft-1|"
    b"=head#-21.488958,-6.038993,-6.6019735,-0.030653415,-0.10287084,-0.6584072|"
    b"rightEye#6.0297494,2.4403017,0.25649446|leftEye#6.034903,-1.6660284,-0.17520553|"
)
FACEMOTION3D_PAGE = (
    b"eyeLookOutLeft&3|mouthPressRight&14|jawForward&8|browInnerUp&19|jawLeft&4|mouthShrugUpper&28|"
    b"eyeSquintLeft&4|eyeWideLeft&0|mouthPucker&5|mouthLowerDownLeft&6|eyeBlinkLeft&29|"
    b"mouthShrugLower&20|mouthSmileLeft&0|cheekSquintRight&9|eyeWideRight&0|mouthFunnel&4|"
    b"mouthStretchRight&13|browDownRight&2|tongueOut&0|cheekSquintLeft&8|mouthStretchLeft&17|"
    b"mouthUpperUpRight&10|noseSneerLeft&28|browOuterUpLeft&0|eyeLookInRight&15|mouthDimpleRight&7|"
    b"mouthRollUpper&5|mouthLowerDownRight&6|mouthClose&6|mouthFrownLeft&3|eyeBlinkRight&29|"
    b"mouthFrownRight&2|mouthUpperUpLeft&11|browDownLeft&1|eyeLookOutRight&0|cheekPuff&4|"
    b"eyeLookInLeft&0|mouthDimpleLeft&8|eyeLookDownLeft&36|eyeSquintRight&4|mouthRollLower&7|"
    b"eyeLookUpLeft&0|eyeLookUpRight&0|mouthSmileRight&0|jawRight&0|noseSneerRight&25|"
    b"mouthPressLeft&13|jawOpen&4|browOuterUpRight&0|eyeLookDownRight&36|mouthLeft&1|mouthRight&0|"
    b"FM_SAD&0|FM_ANGRY&0|FM_VF&0|FM_TH&0|FM_browUpRight&0|FM_browUpLeft&0|"
    b"=head#-22.167973,0.45402408,-4.8798294,-0.039975993,-0.048437987,-0.45562273|"
    b"rightEye#12.759762,5.527712,1.2244859|leftEye#12.862795,1.264116,0.28145725|"
)
# A frame of VTube Studio as vpuppr's documents (docs/trackers) show one; the shapes shortened.
VTUBE_FRAME = json.dumps(
    {
        "Timestamp": 1664817520079,
        "Hotkey": -1,
        "FaceFound": True,
        "Rotation": {"x": -11.091268539428711, "y": 9.422998428344727, "z": 3.1646311283111574},
        "Position": {"x": 0.4682624340057373, "y": 1.3167941570281983, "z": 4.734524726867676},
        "EyeLeft": {"x": 3.5520474910736086, "y": 9.085052490234375, "z": 0.5114284753799439},
        "EyeRight": {"x": 3.459942579269409, "y": 12.89495849609375, "z": 0.7132274508476257},
        "BlendShapes": [
            {"k": "EyeLookInLeft", "v": 0.0},
            {"k": "EyeLookOutLeft", "v": 0.2591644525527954},
            {"k": "EyeLookInRight", "v": 0.3678726553916931},
            {"k": "EyeLookOutRight", "v": 0.0},
            {"k": "EyeLookDownLeft", "v": 0.09258905798196793},
            {"k": "EyeLookDownRight", "v": 0.09135865420103073},
            {"k": "JawOpen", "v": 0.10355126112699509},
            {"k": "TongueOut", "v": 5.0197301176835299e-11},
        ],
    }
).encode()

weights52 = hnp.arrays(np.float32, 52, elements=st.floats(0, 1, width=32))
turns = hnp.arrays(np.float32, (3, 3), elements=st.floats(-1.25, 1.25, width=32))


def face(weights=None, turn=None, **changes) -> PhoneFace:
    turn = np.zeros((3, 3), np.float32) if turn is None else turn
    facts = {"arrival_ns": 5, "device_ns": 7_000_000, "frame": (420, 60, 1)}
    shown = {"weights": weights, "head_yaw_pitch_roll": turn[0], "eyes_yaw_pitch_roll": turn[1:]}
    return PhoneFace(**(facts | shown | changes))


def encoded(app: str, shown: PhoneFace) -> list[bytes]:
    if app == "facecap":
        return facecap.encode(shown)
    if app == "vtube-studio":
        return [vtube_studio.encode(shown)]
    if app == "mediapipe":
        return [mediapipe_faces.encode_face(shown)]
    if app == "livelink":
        packet = livelink.packet_at(7.0, shown.weights, shown.head_yaw_pitch_roll)
        return [livelink.encode(packet)]
    return [ifacialmocap.encode(shown, {"facemotion3d": FACEMOTION3D}.get(app, IFACIALMOCAP))]


def config(app: str, **changes) -> PhoneConfig:
    needed = {"address": "10.0.0.2"} if app == "vtube-studio" else {}
    return PhoneConfig(**({"app": app} | needed | changes))


def decoded(app: str, datagrams: list[bytes], **changes) -> list:
    read = decoder(config(app, **changes))
    return [found for data in datagrams for found in read.receive(data, 5)]


def one(app: str, datagrams: list[bytes], **changes) -> PhoneFace:
    (found,) = decoded(app, datagrams, **changes)
    assert isinstance(found, PhoneFace), found
    return found


def test_every_app_of_the_rig_has_a_decoder_and_a_port():
    assert APPS.keys() == PHONE_PORTS.keys()
    assert {app.tells_time for app in APPS.values()} == {True, False}


def test_the_example_of_ifacialmocaps_page_is_read():
    got = one("ifacialmocap", [IFACIALMOCAP_PAGE])
    assert got.device_ns is None
    assert np.isfinite(got.weights).all()
    assert got.weights[INDEX["mouthShrugUpper"]] == pytest.approx(0.26)
    assert got.weights[INDEX["noseSneerLeft"]] == pytest.approx(0.21)
    assert got.weights[INDEX["mouthLeft"]] == pytest.approx(0.01)
    yaw, pitch, roll = got.head_yaw_pitch_roll / DEGREE
    assert (yaw, pitch, roll) == pytest.approx((-6.038993, -21.488958, -6.6019735), rel=1e-6)
    left, right = got.eyes_yaw_pitch_roll / DEGREE
    assert left == pytest.approx([-1.6660284, 6.034903, -0.17520553], rel=1e-5)
    assert right == pytest.approx([2.4403017, 6.0297494, 0.25649446], rel=1e-5)


def test_the_example_of_facemotion3ds_page_is_read_and_its_own_shapes_passed_over():
    got = one("facemotion3d", [FACEMOTION3D_PAGE])
    assert np.isfinite(got.weights).all()
    assert got.weights[INDEX["eyeBlinkRight"]] == pytest.approx(0.29)
    assert got.weights[INDEX["jawLeft"]] == pytest.approx(0.04)
    assert got.head_yaw_pitch_roll[1] == pytest.approx(-22.167973 * DEGREE)


@pytest.mark.parametrize("data", [IFACIALMOCAP_PAGE, FACEMOTION3D_PAGE])
def test_eyes_of_the_pages_turn_where_their_shapes_say(data):
    """Down is positive pitch, and the subject's left positive yaw, of each eye for itself."""
    got = one("ifacialmocap", [data])
    w = {name: got.weights[i] for name, i in INDEX.items()}
    for side, (yaw, pitch, _) in zip(("Left", "Right"), got.eyes_yaw_pitch_roll, strict=True):
        out = w[f"eyeLookOut{side}"] - w[f"eyeLookIn{side}"]
        assert np.sign(yaw) == np.sign(out if side == "Left" else -out)
        assert pitch > 0
        assert w[f"eyeLookDown{side}"] > w[f"eyeLookUp{side}"]


def test_a_frame_of_vtube_studio_is_read_in_our_axes():
    got = one("vtube-studio", [VTUBE_FRAME])
    assert got.device_ns == 1664817520079 * 1_000_000
    assert got.weights[INDEX["jawOpen"]] == pytest.approx(0.10355126)
    assert got.weights[INDEX["eyeLookInRight"]] == pytest.approx(0.36787266)
    missing = [n for n in ARKIT_NAMES if np.isnan(got.weights[INDEX[n]])]
    assert len(missing) == 52 - 8
    head = got.head_yaw_pitch_roll / DEGREE
    assert head == pytest.approx([-11.091268, -9.4229984, -3.1646311], rel=1e-5)
    gaze_yaw = head[0] + got.eyes_yaw_pitch_roll[:, 0].mean() / DEGREE
    assert abs(gaze_yaw) < 0.2  # the head is turned away, the eyes look at the phone
    assert (got.eyes_yaw_pitch_roll[:, 1] > 0).all()  # eyeLookDown is what there is


def test_of_a_shape_in_two_spellings_apples_own_counts():
    for order in (1, -1):
        shapes = [{"k": "eyeBlink_L", "v": 0.2}, {"k": "EyeBlinkLeft", "v": 0.7}][::order]
        frame = json.dumps({"FaceFound": True, "BlendShapes": shapes}).encode()
        assert one("vtube-studio", [frame]).weights[INDEX["eyeBlinkLeft"]] == pytest.approx(0.7)


def test_the_order_of_face_cap_is_that_of_its_makers_head(data):
    raw = (data / "mesh/facecap.glb").read_bytes()
    length = int.from_bytes(raw[12:16], "little")
    meshes = json.loads(raw[20 : 20 + length])["meshes"]
    (targets,) = (
        m["extras"]["targetNames"] for m in meshes if "targetNames" in m.get("extras", {})
    )
    full = [t.replace("_L", "Left").replace("_R", "Right") for t in targets]
    assert tuple(full) == facecap.NAMES


@pytest.mark.parametrize("app", APPS)
@given(weights52, turns)
def test_what_an_app_sends_is_read_back(app, weights, turn):
    weights[3] = 0.5  # all zeros would be no face
    got = one(app, encoded(app, face(weights, turn)))
    coarse = app in ("ifacialmocap", "facemotion3d")
    assert got.weights == pytest.approx(weights, abs=0.0051 if coarse else 1e-6)
    assert got.head_yaw_pitch_roll == pytest.approx(turn[0], abs=1e-4)
    if app == "mediapipe":
        assert got.eyes_yaw_pitch_roll is None  # it has none
    elif app != "livelink":
        shown = turn[1:] * ([1, 1, 0] if app == "facecap" else 1)  # it sends no roll of the eyes
        assert got.eyes_yaw_pitch_roll == pytest.approx(shown, abs=1e-4)
    assert (got.device_ns is not None) == APPS[app].tells_time


@pytest.mark.parametrize("app", ["livelink", "ifacialmocap", "vtube-studio", "mediapipe"])
def test_a_lost_face_is_no_face_and_never_a_neutral_one(app):
    got = one(app, encoded(app, face(None, head_yaw_pitch_roll=None, eyes_yaw_pitch_roll=None)))
    assert not got.tracked
    assert got.weights is None
    assert got.head_yaw_pitch_roll is None


def test_a_text_frame_of_nothing_but_zeros_is_no_face():
    zeros = b"|".join(b"%s-0" % name.encode() for name in ARKIT_NAMES)
    assert not one("ifacialmocap", [zeros + b"|=head#0,0,0,0,0,0|"]).tracked
    assert one("ifacialmocap", [zeros + b"|=head#0,3,0,0,0,0|"]).tracked


@given(weights52, turns)
def test_a_mirror_image_is_turned_back(weights, turn):
    weights[0] = 0.5
    shown = face(weights, turn)
    got = one("vtube-studio", encoded("vtube-studio", unmirrored(shown)), mirrored=True)
    assert got.weights == pytest.approx(weights, abs=1e-6)
    assert got.head_yaw_pitch_roll == pytest.approx(turn[0], abs=1e-4)
    assert got.eyes_yaw_pitch_roll == pytest.approx(turn[1:], abs=1e-4)


def test_a_mirror_turns_to_the_other_side_and_nods_the_same_way():
    weights = np.zeros(52, np.float32)
    weights[INDEX["mouthSmileLeft"]] = 1.0
    turn = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]], np.float32)
    got = unmirrored(face(weights, turn))
    assert got.weights[INDEX["mouthSmileRight"]] == 1
    assert got.head_yaw_pitch_roll == pytest.approx([-0.1, 0.2, -0.3])
    assert got.eyes_yaw_pitch_roll[0] == pytest.approx([-0.7, 0.8, -0.9])  # the other eye


@pytest.mark.parametrize("app", APPS)
@given(st.binary(max_size=600))
def test_noise_never_raises(app, noise):
    for found in decoded(app, [noise, b"/" + noise, b"{" + noise, b"#bundle\0" + noise]):
        assert isinstance(found, PhoneFace | Malformed)


PIECES = st.lists(
    st.sampled_from(
        [b"|", b"#", b"-", b"&", b",", b"=head", b"jawOpen", b"trackingStatus", b"1", b"1e999",
         b"nan", b"-5", b"\xff", b"\0", b'{"FaceFound":true', b'"BlendShapes":[', b'{"k":"jawOpen"',
         b'{"webcam":1,"time_ns":5', b',"shapes":{"jawOpen":', b',"matrix":[1,0,0',
         b'"v":', b"}", b"]", b"/W\0\0", b"/HRQ\0\0\0\0", b",if\0", b",ffff\0\0\0", bytes(4),
         b"\x7f\xc0\0\0", b"\xff\xff\xff\xfc", b"#bundle\0", b"___iFacialMocap"]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


@pytest.mark.parametrize("app", APPS)
@given(PIECES)
def test_pieces_of_the_protocols_in_any_order_never_raise(app, pieces):
    for found in decoded(app, [pieces]):
        assert isinstance(found, PhoneFace | Malformed)
        if isinstance(found, PhoneFace) and found.weights is not None:
            assert not (np.abs(found.weights) > 1.5).any()


@pytest.mark.parametrize("app", APPS)
@given(st.data())
def test_a_changed_frame_is_malformed_or_holds_numbers_that_can_be(app, data):
    rng = np.random.default_rng(3)
    datagrams = encoded(app, face(rng.random(52).astype(np.float32), np.full((3, 3), 0.1)))
    which = data.draw(st.integers(0, len(datagrams) - 1))
    broken = bytearray(datagrams[which])
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(broken)))
    datagrams[which] = bytes(broken[:cut]) if data.draw(st.booleans()) else bytes(broken)
    for found in decoded(app, datagrams):
        if isinstance(found, Malformed):
            assert found.reason
        elif found.weights is not None and found.head_yaw_pitch_roll is not None:
            assert np.isfinite(found.head_yaw_pitch_roll).all()


@pytest.mark.parametrize(
    ("app", "data", "reason"),
    [
        ("ifacialmocap", b"jawOpen-nan|", "expected name and value"),
        ("ifacialmocap", b"jawOpen-400|", "expected weights from 0 to 1"),
        ("ifacialmocap", b"jawOpen-4|=head#1,2,3|", "expected 6 numbers for =head"),
        ("ifacialmocap", b"jawOpen-4|=head#1e30,0,0,0,0,0|", "expected 6 numbers"),
        ("ifacialmocap", b"hapihapi-0|", "no ARKit shape"),
        ("ifacialmocap", b"jawOpen-1_0|", "expected name and value"),
        ("ifacialmocap", b"x" * 9000, "at most 8192 bytes"),
        ("ifacialmocap", b"jawOpen-1|" * 300, "at most 256 items"),
        ("ifacialmocap", "jawOpen-½|".encode(), "not ASCII"),
        ("vtube-studio", b"[]", "not a frame of VTube Studio"),
        ("vtube-studio", b'{"FaceFound":true}', "without any ARKit shape"),
        ("vtube-studio", b'{"FaceFound":' + b"[" * 30_000, "not a frame"),
        ("vtube-studio", b'{"x":' + b"[" * 30_000, "not a frame"),
        ("vtube-studio", b'{"FaceFound":false,"Timestamp":-1}', "no Unix time"),
        ("vtube-studio", b'{"FaceFound":1,"BlendShapes":[{"k":"jawOpen","v":3}]}', "FaceFound"),
        ("vtube-studio", b'{"FaceFound":true,"BlendShapes":[{"k":"jawOpen","v":3}]}', "from 0 to"),
        ("vtube-studio", b'{"FaceFound":true,"Rotation":{"x":1e9,"y":0,"z":0}}', "two turns"),
        ("facecap", osc.encode(osc.Message("/W", (52, 0.5))), "expected index and weight"),
        ("facecap", osc.encode(osc.Message("/W", (True, 0.5))), "expected index and weight"),
        ("facecap", osc.encode(osc.Message("/W", (3, 50.0))), "expected a weight"),
        ("facecap", osc.encode(osc.Message("/HR", (1.0, 2.0))), "expected 3 numbers"),
        ("facecap", b"/W\0\0,i", "OSC: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(app, data, reason):
    (found,) = decoded(app, [data])
    assert isinstance(found, Malformed)
    assert reason in found.reason


def test_a_face_cap_frame_ends_when_it_is_whole_or_begins_again():
    first, second = (
        facecap.encode(face(np.full(52, v, np.float32), np.full((3, 3), 0.1))) for v in (0.2, 0.4)
    )
    assert len(first) == 57
    read = decoder(config("facecap"))
    whole = [f for i, d in enumerate(first) for f in read.receive(d, 100 + i)]
    assert [(f.arrival_ns, np.unique(f.weights).tolist()) for f in whole] == [
        (156, [pytest.approx(0.2)])
    ]
    # Three datagrams of the second are lost: it ends when the third begins, with its own arrival.
    for i, datagram in enumerate(second[:-3]):
        assert read.receive(datagram, 200 + i) == []
    (short,) = read.receive(first[0], 300)
    assert short.arrival_ns == 253
    lost = [name for name in facecap.NAMES if np.isnan(short.weights[INDEX[name]])]
    assert lost == list(facecap.NAMES[-3:])


def test_face_cap_in_one_bundle_is_one_frame_and_other_addresses_are_passed_over():
    messages = [osc.decode(d)[0] for d in facecap.encode(face(np.full(52, 0.3, np.float32)))]
    bundle = osc.encode_bundle([osc.Message("/unknown", ("x",)), *messages])
    assert one("facecap", [bundle]).weights == pytest.approx(np.full(52, 0.3))
    assert decoded("facecap", [osc.encode(osc.Message("/unknown", (1,)))]) == []


def test_face_cap_without_a_quaternion_takes_degrees():
    sent = facecap.encode(face(np.full(52, 0.3, np.float32), np.full((3, 3), 0.1)))
    sent = [d for d in sent if not d.startswith(b"/HRQ")]
    got = one("facecap", [*sent, sent[0]])
    assert got.head_yaw_pitch_roll == pytest.approx([0.1, 0.1, 0.1], abs=1e-6)


@pytest.mark.parametrize("app", ["ifacialmocap", "facemotion3d"])
@given(cuts=st.lists(st.integers(1, 900), max_size=12))
def test_any_cutting_of_a_stream_gives_the_same_frames(app, cuts):
    end = APPS[app].end
    page = {"ifacialmocap": IFACIALMOCAP_PAGE, "facemotion3d": FACEMOTION3D_PAGE}[app]
    stream, chunks = (page + end) * 3, []
    for size in cuts:
        chunks.append(stream[:size])
        stream = stream[size:]
    found = decoded(app, [*chunks, stream], transport="tcp", address="10.0.0.2")
    assert [f.tracked for f in found] == [True, True, True]
    assert all(np.array_equal(f.weights, found[0].weights) for f in found)


def test_a_stream_without_an_end_is_given_up_and_picks_up_again():
    read = StreamDecoder(b"END", ifacialmocap.decode)
    assert read.receive(b"x" * MAX_STREAM_BYTES, 1) == []
    (lost,) = read.receive(b"x", 1)
    assert isinstance(lost, Malformed)
    (found,) = read.receive(b"jawOpen-5|END", 2)
    assert found.weights[INDEX["jawOpen"]] == pytest.approx(0.05)


def test_a_request_of_vtube_studio_is_the_json_of_its_readme():
    asked = json.loads(vtube_studio.request(11125))
    assert asked == {
        "messageType": "iOSTrackingDataRequest",
        "time": 5.0,
        "sentBy": "imusic",
        "ports": [11125],
    }
    assert vtube_studio.read_request(vtube_studio.request(4000, 0.5)) == ((4000,), 0.5)
    assert vtube_studio.read_request(vtube_studio.request(4000, 11.0)) is None
    assert vtube_studio.read_request(b"{") is None
