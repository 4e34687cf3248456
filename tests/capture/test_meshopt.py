"""The meshopt decoder against bytes of the reference encoder, closed forms, and damage."""

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.gltf.meshopt import decode, decode_attributes
from capture.gltf.meshopt_filters import FILTERS
from firmware_host.errors import DataError

# Written by meshoptimizer's own encoder: the Python package meshoptimizer 0.2.30a0 (MIT), functions
# meshopt_encodeVertexBufferLevel(…, level=3, version), encode_index_buffer, encode_index_sequence,
# on the arrays that `elements` and `INDICES` give below.
GOLDEN = {
    "words, version 0": (
        "pehdT?(Y8X?(bDq?(XjX?(XmIRaNfp{_X$(003109{>Ud3Jww$8Xh7hDlRfMIzB>1N={N%T3%viYHo6NdjJ0b0Iq"
        "_DijI<&niPNn0D!=P000FQ6;)MLRaI40RaF2002IIg001?>0000r6u<xg00zJS000O8000000000000000000000"
        "0000000000000i0RR9"
    ),
    "floats, version 0": (
        "pa1|W06;)MKtMo1KtMo1KtMo1KtMo10000003QGV88=dem**22ds&3}5w#TdcF4Jn+T8`=R+Bi8RGt6-003G0nZE"
        "J^IZ7V@00^O)Hm%{E2gE(#9FxvOA6bpT?dHImcvdzV02?#^{{R3@VRwz6wZ+vd0RL)GMjjd(7#0*15)u*+_K1dtX"
        "l7<+5@cp%WB>pF00A(7004df0000002Ms*&piMC|NsC0|NsC0^Upl<|NsC0|NsC0|NsBbJOBXy|NsC06+7>~`+R+"
        "TeSCd<eSCfIzWeWdeSCd<eSCd<eSE(A004b_eSCcY000000000000000000000DwOL00000000000000"
    ),
    "words, version 1": (
        "p*aaE4({&m{_gJYRaNfp?*8uX@9tGq?(Y8X00000RR9783Jww$8Xh7hDlRfMIzB>1N={N%T3%viYHo6NdQpOgijI"
        "<&nh*g12Ne}nRaI40RaI40000yL05t&sH535=1_1yF00000000000000000000001lj00031"
    ),
    "floats, version 1": (
        "p=uwh>J<dU#KZ#!1H{C{#18`p1H{At03QPY0OmJRdY9)D<%C&;1`$dW35hqkjoKpm9#(8PZ>ybI`<X!v139$-012"
        "X)H?H8G3B^9(8<fvNA6bvU?&iOlcUCtV0UI<-Vt9?Aw8qyf003%GMjjd(7#0*15)u*+_K1dtXl7<+5@cp%WB>pF0"
        "09C3e*k?0etiReeFJ`d1Acu2etiReeFJ`d1Acu2etiReeFJ`d1Acu2egFUf0001hKL7v#00000000000CE8U5&"
    ),
    "triangles": (
        ";r<>F4iFBG9uy7}4vroZ4igUl|NsC04+t+42lgBtZwdwfgbw)){0;y44Fb-^2mp46R%dvrhGmIpm;q@300"
    ),
    "indices": (
        "(EtPt3J?Mc1Plrg0ty5S3J?MY1Plrg0ty5S3J?Mc1Plrg0tN&O3J?Mc1Plrg0ty5S3J?M!Br-TUFd8H-ksK5S1O%"
        "<`5C8xG00"
    ),
}  # fmt: skip

GRID = np.arange(16).reshape(4, 4)
INDICES = np.concatenate(
    [
        np.stack(
            [
                GRID[:-1, :-1], GRID[:-1, 1:], GRID[1:, :-1],
                GRID[:-1, 1:], GRID[1:, 1:], GRID[1:, :-1],
            ],
            axis=-1,
        ).reshape(-1, 3),
        [[5, 14, 1], [15, 0, 12], [5, 14, 2], [900, 7, 901], [8, 9, 70000]],
    ]
)  # fmt: skip


def elements(kind: str) -> np.ndarray:
    """(40, stride) bytes that make the encoder use every width, and in version 1 every channel."""
    i = np.arange(40)
    if kind == "words":
        columns = [i * 7 % 50, i * i % 1000, 300 - i, i // 16 * 997]
        return np.stack(columns, axis=1).astype("<u2").view(np.uint8).reshape(40, 8)
    columns = [1 + (i // 2) / 64, np.sqrt(i), np.zeros(40), (i % 3) / 4]
    return np.stack(columns, axis=1).astype("<f4").view(np.uint8).reshape(40, 16)


def golden(name: str) -> bytes:
    return base64.b85decode(GOLDEN[name])


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("kind", ["words", "floats"])
def test_attributes_of_the_reference_encoder_come_back(kind: str, version: int) -> None:
    expected = elements(kind)
    stream = golden(f"{kind}, version {version}")
    assert stream[0] == 0xA0 + version
    decoded = decode(stream, "ATTRIBUTES", "NONE", *expected.shape)
    np.testing.assert_array_equal(decoded, expected)


def test_version_1_was_seen_with_every_channel_mode() -> None:
    assert {mode & 15 for mode in golden("floats, version 1")[-4:]} == {0, 1, 2}


def test_triangles_of_the_reference_encoder_come_back() -> None:
    stream = golden("triangles")
    decoded = decode(stream, "TRIANGLES", "NONE", INDICES.size, 4).view("<u4").reshape(-1, 3)
    # The encoder may begin a triangle at another corner.
    turned = [np.roll(decoded, k, axis=1) for k in range(3)]
    assert (np.stack(turned) == INDICES).all(axis=2).any(axis=0).all()


def test_indices_of_the_reference_encoder_come_back() -> None:
    decoded = decode(golden("indices"), "INDICES", "NONE", INDICES.size, 4).view("<u4")
    np.testing.assert_array_equal(decoded.ravel(), INDICES.ravel())
    halves = decode(golden("indices"), "INDICES", "NONE", INDICES.size, 2).view("<u2")
    np.testing.assert_array_equal(halves.ravel(), INDICES.ravel() & 0xFFFF)


def test_the_specification_s_example_of_a_group() -> None:
    # Appendix A, mode 0, channel mode 0: 4-bit deltas, two of them as whole bytes behind.
    group = bytes.fromhex("175ff0bc77a9210034b5")
    tail = bytes(32)
    planes = b"\x02" + group + b"\x00" * 3
    decoded = decode_attributes(b"\xa0" + planes + tail, 16, 4)
    deltas = [-1, -4, -3, 26, -91, 0, -6, 6, -4, -4, 5, -5, 1, -1, 0, 0]
    np.testing.assert_array_equal(decoded[:, 0].view(np.int8), np.cumsum(deltas).astype(np.int8))
    assert not decoded[:, 1:].any()


STREAMS = [
    (name, mode, shape)
    for name, mode, shape in (
        ("words, version 0", "ATTRIBUTES", (40, 8)),
        ("floats, version 1", "ATTRIBUTES", (40, 16)),
        ("triangles", "TRIANGLES", (INDICES.size, 4)),
        ("indices", "INDICES", (INDICES.size, 4)),
    )
]


@pytest.mark.parametrize(("name", "mode", "shape"), STREAMS)
def test_a_stream_cut_anywhere_is_refused(name: str, mode: str, shape: tuple[int, int]) -> None:
    stream = golden(name)
    for cut in range(len(stream)):
        with pytest.raises(DataError):
            decode(stream[:cut], mode, "NONE", *shape)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(STREAMS), st.data())
def test_a_damaged_stream_gives_the_right_size_or_a_data_error(
    chosen: tuple[str, str, tuple[int, int]], data: st.DataObject
) -> None:
    name, mode, shape = chosen
    stream = bytearray(golden(name))
    for at in data.draw(st.lists(st.integers(0, len(stream) - 1), max_size=4)):
        stream[at] = data.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(stream), mode, "NONE", *shape)
    except DataError:
        return
    assert decoded.shape == shape


@pytest.mark.parametrize(
    ("mode", "filter_name", "count", "stride"),
    [
        ("ATTRIBUTES", "NONE", 40, 6),
        ("ATTRIBUTES", "NONE", 90, 8),
        ("ATTRIBUTES", "SEPIA", 40, 8),
        ("ATTRIBUTES", "QUATERNION", 20, 16),
        ("TRIANGLES", "NONE", 40, 4),
        ("INDICES", "OCTAHEDRAL", 40, 4),
        ("POINTS", "NONE", 40, 8),
    ],
)
def test_what_does_not_fit_the_stream_is_refused(
    mode: str, filter_name: str, count: int, stride: int
) -> None:
    with pytest.raises(DataError):
        decode(golden("words, version 0"), mode, filter_name, count, stride)


def unit_vectors(width: int) -> np.ndarray:
    vectors = np.random.default_rng(3).normal(size=(60, width))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("dtype", "bits"), [("<i1", 8), ("<i1", 6), ("<i2", 12), ("<i2", 16)])
def test_octahedral_vectors_come_back(dtype: str, bits: int) -> None:
    vectors, one = unit_vectors(3), 2 ** (bits - 1) - 1
    folded = vectors / np.abs(vectors).sum(axis=1, keepdims=True)
    x, y, z = folded.T
    below = z < 0
    x, y = (np.where(below, (1 - np.abs(b)) * np.copysign(1, a), a) for a, b in ((x, y), (y, x)))
    stored = np.stack([x * one, y * one, np.full(60, one), np.full(60, 5)], axis=1)
    decoded = FILTERS["OCTAHEDRAL"](np.rint(stored).astype(dtype).view(np.uint8)).view(dtype)
    found = decoded[:, :3] / np.iinfo(dtype).max
    assert np.abs(found - vectors).max() < 2.0 / one
    assert (decoded[:, 3] == 5).all()


def test_quaternions_come_back() -> None:
    quats, one = unit_vectors(4), 2047
    largest = np.abs(quats).argmax(axis=1)
    quats *= np.sign(np.take_along_axis(quats, largest[:, None], 1))
    others = np.take_along_axis(quats, (largest[:, None] + np.arange(1, 4)) % 4, 1)
    stored = np.rint(others * np.sqrt(2) * one).astype("<i2")
    marks = (one & ~3 | largest).astype("<i2")[:, None]
    decoded = FILTERS["QUATERNION"](np.hstack([stored, marks]).view(np.uint8)).view("<i2")
    assert np.abs(decoded / 32767 - quats).max() < 1.0 / one


def test_exponential_floats_are_exact() -> None:
    exponent, mantissa = np.array([[-100, -3, 0, 7]]), np.array([[1, -8388608, 8388607, -5]])
    stored = (exponent << 24 | mantissa & 0xFFFFFF).astype("<i4")
    decoded = FILTERS["EXPONENTIAL"](stored.view(np.uint8)).view("<f4")
    np.testing.assert_array_equal(decoded, (mantissa * 2.0**exponent).astype(np.float32))


@pytest.mark.parametrize("dtype", ["<u1", "<u2"])
def test_colours_come_back(dtype: str) -> None:
    bits = 8 * np.dtype(dtype).itemsize - 1
    r, g, b, a = np.random.default_rng(5).integers(0, 2**bits // 2, (4, 30)) * 2
    y, co, cg = (r + b) // 4 + g // 2, (r - b) // 2, g // 2 - (r + b) // 4
    stored = np.stack([y, co, cg, a // 2 | 1 << bits - 1], axis=1).astype(dtype)
    decoded = FILTERS["COLOR"](stored.view(np.uint8)).view(dtype)
    expected = np.stack([r, g, b, a], axis=1) / (2**bits - 1)
    assert np.abs(decoded / np.iinfo(dtype).max - expected).max() < 3.0 / (2**bits - 1)
