"""The head's cache survives what happens to caches; foreign heads are read or refused plainly."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.head import head_from_npz, identity_head, standard_head
from capture.head_files import cache_path, read_cached, write_cached
from capture.head_mesh import Head
from firmware_host.errors import DataError


@pytest.fixture
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path)
    standard_head.cache_clear()
    yield tmp_path
    standard_head.cache_clear()


def small_head() -> Head:
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(4, 3)).astype(np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    deltas = rng.normal(size=(52, 4, 3)).astype(np.float32)
    return Head(ARKIT_NAMES, vertices, triangles, deltas, np.ones((4, 3), np.float32))


def ict_file(path: Path, **changes: object) -> Path:
    arrays: dict[str, object] = {
        "verts": np.eye(3, dtype=np.float32),
        "deltas": np.ones((2, 3, 3), np.float16),
        "faces": np.array([[0, 1, 2]]),
        "names": np.array(["jawOpen", "mouthClose"]),
        "identity": np.ones((2, 3, 3), np.float16),
    }
    arrays |= changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})  # type: ignore[arg-type]
    return path


def test_a_stored_head_comes_back_the_same(tmp_path: Path) -> None:
    head = small_head()
    write_cached(head, tmp_path / "deep" / "head.npz")
    stored = read_cached(tmp_path / "deep" / "head.npz")
    assert stored is not None
    for name in ("vertices", "triangles", "deltas", "colours"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(head, name))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["head.npz"]


def test_the_standard_head_is_built_once_and_then_read(cache_home: Path) -> None:
    first = standard_head()
    assert standard_head() is first
    assert cache_path().parent == cache_home
    standard_head.cache_clear()
    again = standard_head()
    assert again is not first
    np.testing.assert_array_equal(again.deltas, first.deltas)


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "other arrays", "pickle"])
def test_a_damaged_cache_is_rebuilt(cache_home: Path, damage: str) -> None:
    path = cache_path()
    write_cached(small_head(), path)
    whole = path.read_bytes()
    if damage == "other arrays":
        np.savez(path, vertices=np.zeros(3))
    elif damage == "pickle":
        np.savez(path, vertices=np.array([{}], object))
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "noise": b"\x93"}[damage])
    assert read_cached(path) is None
    assert len(standard_head().vertices) > 5000
    assert read_cached(path) is not None


def test_a_cached_head_whose_arrays_do_not_fit_is_not_used(tmp_path: Path) -> None:
    head = small_head()
    triangles = np.array([[0, 1, 9]], np.int32)
    write_cached(
        Head(head.names, head.vertices, triangles, head.deltas, head.colours), tmp_path / "a.npz"
    )
    assert read_cached(tmp_path / "a.npz") is None


def test_an_unwritable_cache_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    write_cached(small_head(), tmp_path / "file" / "head.npz")
    assert read_cached(tmp_path / "file" / "head.npz") is None


def test_foreign_shapes_are_put_in_canonical_order(tmp_path: Path) -> None:
    head = head_from_npz(ict_file(tmp_path / "head.npz"))
    moving = np.flatnonzero(np.abs(head.deltas).max(axis=(1, 2)))
    assert sorted(moving) == sorted([INDEX["jawOpen"], INDEX["mouthClose"]])
    assert head.deltas.dtype == np.float32
    assert head.triangles.dtype == np.int32


def test_identity_coefficients_make_another_person(tmp_path: Path) -> None:
    path = ict_file(tmp_path / "head.npz")
    head = identity_head(path, [0.5, -2.0])
    np.testing.assert_allclose(head.vertices, head_from_npz(path).vertices - 1.5)
    with pytest.raises(DataError, match="expected 2 identity coefficients"):
        identity_head(path, [0.5])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"faces": None}, "array 'faces' is missing"),
        ({"deltas": np.ones((2, 4, 3))}, "expected 'deltas' of shape 2 × 3 × 3"),
        ({"verts": np.ones((3, 2))}, "expected 'verts' of shape any × 3"),
        ({"names": np.array(["jawOpen", "wiggle"])}, "'wiggle' is not one of the 52"),
    ],
)
def test_a_foreign_head_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        head_from_npz(ict_file(tmp_path / "head.npz", **changes))


def test_a_file_that_is_no_npz_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.npz"
    path.write_text("not a head")
    with pytest.raises(DataError, match=r"notes\.npz: not a readable"):
        head_from_npz(path)
    with pytest.raises(DataError, match=r"gone\.npz"):
        head_from_npz(tmp_path / "gone.npz")


def test_the_shared_head_reads_and_its_people_differ(data: Path) -> None:
    path = data / "mesh" / "ict_face.npz"
    head = head_from_npz(path)
    assert head.vertices.shape == (11248, 3)
    assert np.abs(head.deltas[INDEX["tongueOut"]]).max() == 0.0
    someone = identity_head(path, np.random.default_rng(1).normal(size=40))
    assert 1e-3 < np.linalg.norm(someone.vertices - head.vertices, axis=1).mean() < 2e-2
