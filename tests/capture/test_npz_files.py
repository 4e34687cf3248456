"""Files that are no NPZ, or a broken one: always one line with the path."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.npz_files import faces_of, read_npz
from firmware_host.errors import DataError

KEYS = ("names", "time_s", "weights")


def faces(**changes) -> dict:
    arrays = {
        "names": np.array(ARKIT_NAMES),
        "time_s": np.arange(5) / 60,
        "weights": np.full((5, 52), 0.25, np.float32),
    }
    return {key: value for key, value in (arrays | changes).items() if value is not None}


def npz_bytes(**arrays) -> bytes:
    held = io.BytesIO()
    np.savez(held, **arrays)
    return held.getvalue()


def npy_bytes(array: np.ndarray) -> bytes:
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()


def refused(path: Path, content: bytes, says: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        read_npz(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value) + caught.value.hint


def assert_refused_or_arrays(path: Path) -> None:
    said, arrays = f"{path}", {}
    try:
        arrays = read_npz(path)
    except DataError as error:
        said = str(error)
    assert str(path) in said
    assert "\n" not in said
    assert all(isinstance(array, np.ndarray) for array in arrays.values())


def with_member(name: str, content: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(name, content)
    return held.getvalue()


def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = npz_bytes(**faces())
    for size in range(0, len(whole), 97):
        refused(tmp_path / "face.npz", whole[:size], "not a readable NPZ")


@settings(max_examples=300)
@given(st.data())
def test_a_file_with_a_flipped_bit_is_refused_or_still_arrays(tmp_path_factory, data):
    whole = bytearray(npz_bytes(a=np.arange(3), names=np.array(["x", "y"])))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flip") / "face.npz"
    path.write_bytes(whole)
    assert_refused_or_arrays(path)


@settings(max_examples=300)
@given(st.data())
def test_a_member_with_a_damaged_header_is_refused_or_still_an_array(tmp_path_factory, data):
    member = bytearray(npy_bytes(np.arange(3)))
    at = data.draw(st.integers(0, 127))
    member[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("header") / "face.npz"
    path.write_bytes(with_member("a.npy", bytes(member)))
    assert_refused_or_arrays(path)


def header(text: str) -> bytes:
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3,",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<q9', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
        "[[[[[[",
        "'''",
        "",
    ],
)
def test_headers_that_are_none_are_refused(tmp_path, text):
    refused(tmp_path / "face.npz", with_member("a.npy", header(text)), "not a readable NPZ")


def test_encrypted_members_and_unknown_compression_are_refused(tmp_path):
    whole = npz_bytes(a=np.arange(3))
    central = whole.rindex(b"PK\x01\x02")
    for offset, value in ((8, 0x01), (10, 0x63)):  # flags: encrypted; method: 99
        changed = bytearray(whole)
        changed[central + offset] = value
        changed[offset - 2] = value
        refused(tmp_path / "face.npz", bytes(changed), "not a readable NPZ")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_damage_is_found_under_every_compression(tmp_path, method):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        archive.writestr("a.npy", npy_bytes(np.arange(300.0)))
    whole = held.getvalue()
    path = tmp_path / "face.npz"
    path.write_bytes(whole)
    assert np.array_equal(read_npz(path)["a"], np.arange(300.0))
    for at in range(40, 100):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        path.write_bytes(changed)
        assert_refused_or_arrays(path)


def test_members_that_are_no_arrays_and_no_archive_at_all_are_refused(tmp_path):
    path = tmp_path / "face.npz"
    refused(path, with_member("weights.npy", b"bytes"), "'weights' is not an array")
    refused(path, npy_bytes(np.arange(3)), "no archive")
    refused(path, b"", "no archive")
    with pytest.raises(DataError, match="no such file"):
        read_npz(tmp_path / "none.npz")
    with pytest.raises(DataError, match="not a readable NPZ"):
        read_npz(tmp_path)


def test_only_the_keys_asked_for_are_read(tmp_path):
    path = tmp_path / "face.npz"
    path.write_bytes(npz_bytes(a=np.arange(3), b=np.arange(2)))
    assert set(read_npz(path, ("b", "c"))) == {"b"}
    assert set(read_npz(path)) == {"a", "b"}


@pytest.mark.parametrize(
    ("changes", "says", "hint"),
    [
        ({"names": np.array("jawOpen")}, r"names: expected \(K,\) names", ""),
        ({"names": np.arange(52)}, r"names: expected \(K,\) names", ""),
        ({"names": np.array([b"caf\xc3\xa9", b"\xff"])}, "got", ""),
        ({"names": np.array(["jaw"] * 52)}, "names: 'jaw' is not one of the 52", ""),
        ({"names": np.array(["jawOpen"] * 52)}, "names: blendshape 'jawOpen' is given twice", ""),
        ({"time_s": np.array(0.5)}, "time_s: expected", ""),
        ({"time_s": np.zeros(0)}, "time_s: expected", ""),
        ({"time_s": np.arange(5)[::-1] / 60}, "time_s: expected increasing seconds", ""),
        ({"time_s": np.array([0, 1, np.nan, 3, 4])}, "time_s: a time is not finite", ""),
        ({"time_s": np.arange(5).astype(str)}, "time_s: expected numbers", ""),
        ({"weights": np.zeros((4, 52))}, r"weights: expected \(5, 52\)", ""),
        ({"weights": np.zeros(5)}, r"weights: expected \(5, 52\)", ""),
        ({"weights": np.array(0.0)}, r"weights: expected \(5, 52\)", ""),
        ({"weights": np.full((5, 52), 25.0)}, "from 0 to 1, got 25", "divide by 100"),
        ({"weights": np.full((5, 52), np.inf)}, "from 0 to 1", ""),
        ({"weights": np.zeros((5, 52), complex)}, "weights: expected numbers", ""),
        ({"weights": None}, "key 'weights' is missing", "names, time_s, weights"),
    ],
)
def test_faces_that_are_none_are_refused_by_key(changes, says, hint):
    with pytest.raises(DataError, match=says) as caught:
        faces_of(Path("face.npz"), faces(**changes), KEYS)
    assert str(caught.value).startswith("face.npz: ")
    assert hint in caught.value.hint


def test_names_may_be_bytes_and_rows_with_nan_are_lost_faces():
    weights = faces()["weights"].copy()
    weights[2, 7] = np.nan
    names = np.array([name.encode() for name in ARKIT_NAMES[::-1]])
    time_s, read = faces_of(Path("face.npz"), faces(names=names, weights=weights), KEYS)
    assert len(time_s) == 5
    assert np.isnan(read[2]).all()
    assert read[3, INDEX["jawOpen"]] == 0.25


def test_every_reader_of_npz_files_refuses_a_damaged_one(tmp_path):
    from capture.importers import import_samples
    from capture.tracks import read_track
    from dataset_tools.recordings import read_performance

    path = tmp_path / "face.npz"
    path.write_bytes(npz_bytes(**faces())[:-40])
    for read in (read_track, read_performance, lambda p: import_samples(p, tmp_path / "take")):
        with pytest.raises(DataError, match=r"face\.npz: not a readable NPZ"):
            read(path)
