import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pythonosc.osc_bundle import OscBundle

from capture.blendshapes import INDEX, BlendshapeFrame
from capture.sinks.unified import SIGNED, UNIFIED_NAMES, unified
from capture.sinks.vrchat import VrchatOptions, make_vrchat_encoder

weights = hnp.arrays(np.float32, 52, elements=st.floats(0, 1, width=32))
PLACE = "/avatar/parameters/"


def face(**named):
    values = np.zeros(52, np.float32)
    for name, value in named.items():
        values[INDEX[name]] = value
    return values


def value_of(name, values):
    return float(unified(values)[UNIFIED_NAMES.index(name)])


def read(datagrams):
    return {m.address: m.params[0] for d in datagrams for m in OscBundle(d)}


# What docs.vrcft.io says of each parameter: range, and which way is which.
@pytest.mark.parametrize(
    ("name", "shown", "expected"),
    [
        ("EyeLeftX", {"eyeLookInLeft": 0.5}, 0.5),  # looking right is positive, for both eyes
        ("EyeRightX", {"eyeLookOutRight": 0.5}, 0.5),
        ("EyeRightX", {"eyeLookInRight": 0.5}, -0.5),
        ("EyeLeftY", {"eyeLookUpLeft": 0.5}, 0.5),
        ("EyeLidLeft", {}, 0.75),  # open
        ("EyeLidLeft", {"eyeBlinkLeft": 1}, 0.0),
        ("EyeLidRight", {"eyeWideRight": 1}, 1.0),
        ("EyeLid", {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, 0.0),
        ("BrowLowererLeft", {"browDownLeft": 0.4}, 0.4),
        ("BrowPinchLeft", {"browDownLeft": 0.4}, 0.4),
        ("BrowExpressionRight", {"browDownRight": 1}, -1.0),
        ("BrowExpressionRight", {"browInnerUp": 1, "browOuterUpRight": 1}, 1.0),
        ("JawX", {"jawRight": 0.6}, 0.6),
        ("JawX", {"jawLeft": 0.6}, -0.6),
        ("JawZ", {"jawForward": 0.6}, 0.6),
        ("MouthClosed", {"mouthClose": 0.3}, 0.3),
        ("MouthUpperX", {"mouthLeft": 0.3}, -0.3),
        ("CheekPuffSuckLeft", {"cheekPuff": 0.8}, 0.8),
        ("LipSuckUpperRight", {"mouthRollUpper": 0.2}, 0.2),
        ("LipFunnel", {"mouthFunnel": 0.2}, 0.2),
        ("LipPuckerLowerLeft", {"mouthPucker": 0.2}, 0.2),
        ("MouthRaiserUpper", {"mouthShrugUpper": 0.2}, 0.2),
        ("MouthCornerPullRight", {"mouthSmileRight": 0.9}, 0.9),
        ("SmileFrownLeft", {"mouthFrownLeft": 0.5}, -0.5),
        ("SmileSadLeft", {"mouthStretchLeft": 0.5}, -0.5),
        ("MouthSadRight", {"mouthFrownRight": 0.2, "mouthStretchRight": 0.6}, 0.6),
        ("MouthOpen", {"mouthUpperUpLeft": 1, "mouthUpperUpRight": 1}, 0.5),
        ("TongueOut", {"tongueOut": 0.5}, 0.5),
    ],
)
def test_a_parameter_is_what_its_documentation_says(name, shown, expected):
    assert value_of(name, face(**shown)) == pytest.approx(expected)


@given(weights)
def test_parameters_stay_in_their_ranges(values):
    found = unified(values)
    assert np.abs(found).max() <= 1
    assert found[~SIGNED].min() >= 0
    assert len(set(UNIFIED_NAMES)) == len(UNIFIED_NAMES)


@given(weights)
def test_floats_arrive_under_the_avatars_prefix(values):
    sent = make_vrchat_encoder(VrchatOptions(prefix="FT/")).encode(BlendshapeFrame(0, values))
    assert max(map(len, sent)) <= 1400
    found = read(sent)
    assert found[f"{PLACE}LipTrackingActive"] is True
    got = [found[f"{PLACE}FT/v2/{name}"] for name in UNIFIED_NAMES]
    assert np.array_equal(np.array(got, np.float32), unified(values))


def test_a_lost_face_is_no_longer_tracked():
    frame = BlendshapeFrame(0, face(), tracked=False)
    found = read(make_vrchat_encoder(VrchatOptions()).encode(frame))
    assert found[f"{PLACE}EyeTrackingActive"] is False


def bits_to_value(found, name, bits):
    steps = sum((1 << b) * found[f"{PLACE}v2/{name}{1 << b}"] for b in range(bits))
    sign = -1 if found.get(f"{PLACE}v2/{name}Negative") else 1
    return sign * steps / ((1 << bits) - 1)


@given(weights, st.integers(1, 8))
def test_bits_say_the_value_within_one_step(values, bits):
    sent = make_vrchat_encoder(VrchatOptions(form="binary", bits=bits)).encode(
        BlendshapeFrame(0, values)
    )
    assert max(map(len, sent)) <= 1400
    found = read(sent)
    for name, value in zip(UNIFIED_NAMES, unified(values), strict=True):
        assert abs(bits_to_value(found, name, bits) - value) <= 1 / ((1 << bits) - 1)


def test_full_is_all_ones():
    found = read(
        make_vrchat_encoder(VrchatOptions(form="binary", bits=3)).encode(
            BlendshapeFrame(0, face(jawOpen=1, jawLeft=1))
        )
    )
    assert bits_to_value(found, "JawOpen", 3) == 1
    assert bits_to_value(found, "JawX", 3) == -1


def test_only_bits_that_changed_are_sent_and_all_of_them_every_second():
    encoder = make_vrchat_encoder(VrchatOptions(form="binary", bits=4))
    tick = 1_000_000_000 // 60
    whole = len(read(encoder.encode(BlendshapeFrame(0, face()))))
    assert encoder.encode(BlendshapeFrame(tick, face())) == []
    changed = read(encoder.encode(BlendshapeFrame(2 * tick, face(tongueOut=1))))
    assert set(changed) == {f"{PLACE}v2/TongueOut{1 << b}" for b in range(4)}
    assert len(read(encoder.encode(BlendshapeFrame(61 * tick, face(tongueOut=1))))) == whole


@pytest.mark.parametrize("wrong", [{"bits": 0}, {"bits": 9}, {"prefix": "/FT"}, {"prefix": "a b"}])
def test_what_no_avatar_could_have_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        VrchatOptions(**wrong)
