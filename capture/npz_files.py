"""Reading arrays from NPZ files that anybody may have written, and faces from such arrays.

Whatever is wrong with a file is one line with its path. Nothing is unpickled.
"""

import lzma
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import MAX_WEIGHT, to_canonical
from firmware_host.errors import DataError
from firmware_host.samples import Floats

Array = NDArray[Any]
Times = NDArray[np.float64]

# What numpy and zipfile raise at damaged archives, odd compression, passwords and headers that are
# no Python literal or ask for more memory than there is.
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    EOFError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz(path: Path, keys: Sequence[str] | None = None) -> dict[str, Array]:
    """The arrays of a file that are among `keys`, or all of them.

    Raises:
        DataError: no such file, no NPZ, or a member that is damaged or no array.
    """
    try:
        # Opened here: numpy leaves the file open where it cannot read it. It warns of odd headers
        # before it reads or refuses them.
        with path.open("rb") as raw, warnings.catch_warnings(action="ignore"):
            if not zipfile.is_zipfile(raw):
                raise DataError(f"{path}: not a readable NPZ file: it is no archive")
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in keys or archive.files if key in archive}
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except DataError:
        raise
    except _UNREADABLE as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: not a readable NPZ file: {what[:200]}") from error
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise DataError(f"{path}: {key!r} is not an array", "write it with numpy.savez")
    return arrays


def numbers(path: Path, array: Array, key: str) -> Array:
    """The array, if it holds real numbers. Raises DataError."""
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path}: {key}: expected numbers, got {array.dtype}")
    return array


def texts(path: Path, array: Array, key: str) -> list[str]:
    """The texts in a (K,) array of str or UTF-8 bytes. Raises DataError."""
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise DataError(f"{path}: {key}: expected (K,) names, got {array.shape} of {array.dtype}")
    return [
        text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        for text in array.tolist()
    ]


def increasing_times(path: Path, array: Array, key: str) -> Times:
    """(N,) seconds, finite and increasing by at least a microsecond. Raises DataError."""
    time_s = np.asarray(numbers(path, array, key), np.float64)
    if time_s.ndim != 1 or not len(time_s):
        raise DataError(f"{path}: {key}: expected (N,) times, got shape {time_s.shape}")
    if not np.isfinite(time_s).all():
        raise DataError(f"{path}: {key}: a time is not finite")
    late = np.flatnonzero(np.diff(time_s) <= 1e-6)
    if len(late):
        at = int(late[0])
        raise DataError(
            f"{path}: {key}: expected increasing seconds, got {time_s[at]:.9g} and then "
            f"{time_s[at + 1]:.9g} at index {at + 1}"
        )
    return time_s


def faces_of(
    path: Path, arrays: Mapping[str, Array], keys: tuple[str, str, str]
) -> tuple[Times, Floats]:
    """Times (M,) and weights (M, 52) in canonical order; rows with NaN are lost faces, all NaN.

    Args:
        path: where the arrays come from, for messages.
        arrays: those of the file.
        keys: what it calls names (K,), times (M,) and weights (M, K).

    Raises:
        DataError: a key is missing, of another shape or kind, or not in the units asked for.
    """
    for key in keys:
        if key not in arrays:
            raise DataError(f"{path}: key {key!r} is missing", f"expected {', '.join(keys)}")
    names = texts(path, arrays[keys[0]], keys[0])
    time_s = increasing_times(path, arrays[keys[1]], keys[1])
    given = numbers(path, arrays[keys[2]], keys[2])
    if given.shape != (len(time_s), len(names)):
        raise DataError(
            f"{path}: {keys[2]}: expected {(len(time_s), len(names))} (times, names), "
            f"got {given.shape}"
        )
    if (largest := float(np.max(np.abs(np.nan_to_num(given)), initial=0.0))) > MAX_WEIGHT:
        raise DataError(
            f"{path}: {keys[2]}: expected weights from 0 to 1, got {largest:.3g}",
            "are these percent? divide by 100",
        )
    try:
        weights = to_canonical(names, np.asarray(given, np.float32))
    except DataError as error:
        raise DataError(f"{path}: {keys[0]}: {error}", error.hint) from error
    weights[~np.isfinite(given).all(axis=1)] = np.nan
    return time_s, weights
