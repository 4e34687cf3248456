"""A data set as WebDataset: tar files of samples, `KEY.json` and `KEY.npz` together.

A sample is a sequence: its facts as JSON, its arrays as `imusic dataset export --format npz` writes
them. The tars hold whole parts of the split made last, and the same set gives the same bytes.
"""

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Facts = Mapping[str, Any]
TAR_BYTES = 256 << 20


class TarShards:
    """Tars `PART-00000.tar`, a new one where TAR_BYTES is passed."""

    def __init__(self, out: Path, limit: int = TAR_BYTES) -> None:
        self._out, self._limit = out, limit
        self._open: dict[str, tuple[tarfile.TarFile, int, int]] = {}  # part → tar, number, bytes

    def add(self, part: str, key: str, files: Mapping[str, bytes]) -> None:
        """Add one sample; all its files lie in one tar, one after the other."""
        tar, number, size = self._open.get(part) or self._begin(part, 0)
        if size > self._limit:
            tar.close()
            tar, number, size = self._begin(part, number + 1)
        for suffix, data in files.items():
            entry = tarfile.TarInfo(f"{key}.{suffix}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
            size += len(data)
        self._open[part] = (tar, number, size)

    def _begin(self, part: str, number: int) -> tuple[tarfile.TarFile, int, int]:
        path = self._out / f"{part}-{number:05d}.tar"
        return tarfile.open(path, "w", format=tarfile.USTAR_FORMAT), number, 0

    def close(self) -> None:
        """Write the ends of all tars."""
        for tar, _, _ in self._open.values():
            tar.close()


def npz_bytes(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as an NPZ file, the same arrays as the same bytes."""
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def plain(facts: Facts) -> bytes:
    """Facts as JSON, NaN as null."""
    return json.dumps(_without_nan(dict(facts)), sort_keys=True).encode()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value else None
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value


def write_samples(
    out: Path,
    samples: Sequence[tuple[str, str, Callable[[], Mapping[str, bytes]]]],
    report: Callable[[float], None],
) -> None:
    """Write (part, key, files) one after the other; the files are asked for when they are due."""
    shards = TarShards(out)
    for done, (part, key, files) in enumerate(samples, 1):
        shards.add(part, key.replace(".", "_"), files())
        report(done / len(samples))
    shards.close()
