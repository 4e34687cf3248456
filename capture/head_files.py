"""Heads on disk: our own cache, and ICT-FaceKit heads packed as `.npz`."""

import hashlib
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from capture.blendshapes import ARKIT_NAMES, to_canonical
from capture.head_mesh import Head
from firmware_host.errors import DataError

_SKIN = np.array([0.80, 0.63, 0.53], np.float32)


def cache_path() -> Path:
    """Where the standard head is kept; the name changes whenever the code that builds it does."""
    from platformdirs import user_cache_path

    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("head*.py")):
        digest.update(source.read_bytes())
    return user_cache_path("imusic", appauthor=False) / f"head-{digest.hexdigest()[:16]}.npz"


def read_cached(path: Path) -> Head | None:
    """The head stored at `path`, or None where there is none or it is damaged."""
    try:
        # np.load leaves a file open that it cannot read, so it is opened here.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            head = Head(
                ARKIT_NAMES,
                *(stored[key] for key in ("vertices", "triangles", "deltas", "colours")),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # rebuilt by the caller in about a second
    return head if _is_sound(head) else None


def write_cached(head: Head, path: Path) -> None:
    """Store `head` at `path` in one step. A cache that cannot be written is left alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            np.savez(
                file,
                vertices=head.vertices,
                triangles=head.triangles,
                deltas=head.deltas,
                colours=head.colours,
            )
        Path(file.name).replace(path)
    except OSError:
        return  # read-only home or full disk: the head is merely built again next time


def _is_sound(head: Head) -> bool:
    count = len(head.vertices)
    shapes = (head.vertices.shape, head.deltas.shape, head.colours.shape)
    return (
        shapes == ((count, 3), (len(ARKIT_NAMES), count, 3), (count, 3))
        and head.triangles.ndim == 2
        and head.triangles.shape[1] == 3
        and bool(head.triangles.min() >= 0 and head.triangles.max() < count)
        and bool(np.isfinite(head.deltas).all() and np.isfinite(head.vertices).all())
    )


def head_from_npz(path: Path | str) -> Head:
    """Read an ICT-FaceKit head: `verts` (V, 3) m, `deltas` (K, V, 3), `faces`, `names` (K,).

    Shapes that the file lacks (tongueOut) stay zero.

    Raises:
        DataError: the file is missing, unreadable, or its arrays do not fit together.
    """
    return _ict_head(Path(path), None)


def npz_shape_names(path: Path | str) -> tuple[str, ...]:
    """How an ICT-FaceKit head spells its shapes. Raises DataError as `head_from_npz` does."""
    return tuple(str(name) for name in _read_arrays(Path(path), ("names",))["names"].ravel())


def identity_head(path: Path | str, coefficients: ArrayLike) -> Head:
    """The head of another person: the neutral plus Σ cᵢ · identityᵢ, same shapes.

    Args:
        path: a file as for `head_from_npz` that also has `identity` (I, V, 3).
        coefficients: (I,), each about N(0, 1) over people.

    Raises:
        DataError: as `head_from_npz`, or the number of coefficients does not fit.
    """
    return _ict_head(Path(path), np.asarray(coefficients, np.float32))


def _ict_head(path: Path, coefficients: Any) -> Head:
    keys = ("verts", "deltas", "faces", "names") + (() if coefficients is None else ("identity",))
    arrays = _read_arrays(path, keys)
    vertices = arrays["verts"].astype(np.float32)
    _expect(path, "verts", arrays["verts"], (None, 3))
    _expect(path, "deltas", arrays["deltas"], (len(arrays["names"]), len(vertices), 3))
    _expect(path, "faces", arrays["faces"], (None, 3))
    if coefficients is not None:
        _expect(path, "identity", arrays["identity"], (None, len(vertices), 3))
        if coefficients.shape != (len(arrays["identity"]),):
            raise DataError(
                f"{path}: expected {len(arrays['identity'])} identity coefficients, "
                f"got an array of shape {coefficients.shape}"
            )
        vertices = vertices + np.tensordot(coefficients, arrays["identity"].astype(np.float32), 1)
    names = [str(name) for name in arrays["names"]]
    # to_canonical works on the last axis and fills the shapes that are missing with zero.
    deltas = np.moveaxis(to_canonical(names, np.moveaxis(arrays["deltas"], 0, -1)), -1, 0)
    return Head(
        ARKIT_NAMES,
        vertices,
        arrays["faces"].astype(np.int32),
        np.ascontiguousarray(deltas),
        np.tile(_SKIN, (len(vertices), 1)),
    )


def _read_arrays(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    hint = "an ICT-FaceKit head has verts, deltas, faces, names and, for other people, identity"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            missing = [key for key in keys if key not in stored]
            if missing:
                raise DataError(f"{path}: array {missing[0]!r} is missing", hint)
            return {key: stored[key] for key in keys}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not a readable .npz head: {error}", hint) from error


def _expect(path: Path, name: str, array: Any, shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = " × ".join("any" if n is None else str(n) for n in shape)
        raise DataError(f"{path}: expected {name!r} of shape {wanted}, got {array.shape}")
