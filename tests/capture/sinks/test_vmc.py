import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pythonosc.osc_bundle import OscBundle

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from capture.sinks.vmc import VmcEncoder, VmcOptions

weights = hnp.arrays(np.float32, 52, elements=st.floats(0, 1, width=32))


def read(datagrams):
    """By python-osc, the oracle."""
    return [m for datagram in datagrams for m in OscBundle(datagram)]


@given(weights, st.sampled_from(["pascal", "camel"]), st.booleans())
def test_every_clip_arrives_under_its_name_and_apply_comes_last(values, names, head):
    encoder = VmcEncoder(VmcOptions(names=names, head=head))
    sent = encoder.encode(BlendshapeFrame(1_500_000_000, values))
    found = read(sent)
    assert max(map(len, sent)) <= 1400
    assert (found[0].address, found[0].params) == ("/VMC/Ext/OK", [1])
    assert (found[1].address, found[1].params) == ("/VMC/Ext/T", [1.5])
    assert found[-1].address == "/VMC/Ext/Blend/Apply"
    clips = dict(m.params for m in found if m.address == "/VMC/Ext/Blend/Val")
    spelled = [n if names == "camel" else n[0].upper() + n[1:] for n in ARKIT_NAMES]
    assert list(clips) == spelled
    assert np.array_equal(np.array(list(clips.values()), np.float32), values)


def test_perfect_sync_begins_with_a_capital_unless_told_otherwise():
    found = read(VmcEncoder(VmcOptions()).encode(BlendshapeFrame(0, np.zeros(52, np.float32))))
    assert found[2].params[0] == "EyeBlinkLeft"


def test_a_lost_face_says_so_and_moves_nothing():
    sent = VmcEncoder(VmcOptions()).encode(
        BlendshapeFrame(0, np.ones(52, np.float32), tracked=False)
    )
    assert [(m.address, m.params) for m in read(sent)] == [
        ("/VMC/Ext/OK", [0]),
        ("/VMC/Ext/T", [0.0]),
    ]


@pytest.mark.parametrize(("axis", "sign"), [(1, 1), (2, -1), (3, -1)])
def test_the_head_turns_in_unitys_axes(axis, sign):
    # Unity is left-handed with +x to the avatar's right: about x the same way, about y and z not.
    quat = np.zeros(4, np.float32)
    quat[0], quat[axis] = np.cos(0.2), np.sin(0.2)
    frame = BlendshapeFrame(0, np.zeros(52, np.float32), quat)
    found = read(VmcEncoder(VmcOptions(head=True)).encode(frame))
    (bone,) = (m.params for m in found if m.address == "/VMC/Ext/Bone/Pos")
    assert bone[0] == "Head"
    assert bone[1:4] == [0, 0, 0]
    expected = np.zeros(4)
    expected[axis - 1], expected[3] = sign * np.sin(0.2), np.cos(0.2)
    assert np.allclose(bone[4:], expected, atol=1e-6)


def test_without_being_asked_no_bone_is_moved():
    frame = BlendshapeFrame(0, np.zeros(52, np.float32), np.array([1, 0, 0, 0], np.float32))
    found = read(VmcEncoder(VmcOptions()).encode(frame))
    assert not [m for m in found if "Bone" in m.address]
