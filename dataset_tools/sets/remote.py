"""Versions of a data set elsewhere: another folder, S3, or whatever else `fsspec` reaches.

One way for all of them: files are put under the same names, `manifest.json` last, so what has one
is whole; and whatever comes back is compared with its hash before it gets its name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.provenance import file_sha256
from dataset_tools.manifest import MANIFEST_FILE, read_manifest
from dataset_tools.parquet_files import flush_to_disk
from dataset_tools.sets.versions import BUILDING, link_or_copy, next_version, versions
from firmware_host.errors import ConfigError, DataError, EnvironmentMissing, TransportError

Report = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Moved:
    """Which versions were moved, and how many files that took."""

    versions: tuple[str, ...]
    files: int


def _store(url: str) -> tuple[Any, str]:
    """(file system, path in it)."""
    try:
        import fsspec
    except ImportError as error:
        raise EnvironmentMissing(
            "data sets elsewhere need fsspec, which is not installed", 'pip install "imusic[scale]"'
        ) from error
    try:
        store, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise EnvironmentMissing(f"{url}: {error}", "install what it names") from error
    except ValueError as error:
        raise ConfigError(f"{url}: {error}") from error
    return store, str(path).rstrip("/")


def _reached(url: str, error: Exception) -> TransportError:
    return TransportError(f"{url}: {error}", "is the address right, and are you allowed to?")


def push(folder: Path, url: str, report: Report = lambda _: None) -> Moved:
    """Put all versions of a data set that are not there yet below `url`.

    Raises:
        DataError: `folder` has no versions.
        ConfigError: a version of that number is there and is another.
        TransportError: the place cannot be reached or written.
    """
    store, base = _store(url)
    ours = versions(folder)
    if not ours:
        raise DataError(f"{folder}: holds no versions of a data set", "push a set of takes")
    moved, files = [], 0
    try:
        for done, version in enumerate(ours, 1):
            target = f"{base}/{version.name}"
            manifest = version / MANIFEST_FILE
            if store.exists(f"{target}/{MANIFEST_FILE}"):
                if store.cat_file(f"{target}/{MANIFEST_FILE}") != manifest.read_bytes():
                    raise ConfigError(f"{url} has another {version.name}", "push to another place")
                continue
            names = [n for shard in read_manifest(version).shards for n in shard.files]
            for name in [*names, MANIFEST_FILE]:
                store.makedirs(f"{target}/{name}".rpartition("/")[0], exist_ok=True)
                store.put_file(str(version / name), f"{target}/{name}")
            moved.append(version.name)
            files += len(names) + 1
            report(done / len(ours))
    except OSError as error:
        raise _reached(url, error) from error
    return Moved(tuple(moved), files)


def pull(url: str, folder: Path, report: Report = lambda _: None) -> Moved:
    """Bring the newest version below `url` into `folder`, under its own number.

    Files that a version here has already are not fetched again.

    Raises:
        DataError: there is no data set, or a file is not what its manifest says.
        ConfigError: `folder` has a version of that number or a later one, and it is another.
        TransportError: the place cannot be reached.
    """
    store, base = _store(url)
    try:
        newest = _newest(store, base, url)
        raw = store.cat_file(f"{base}/{newest}/{MANIFEST_FILE}")
    except OSError as error:
        raise _reached(url, error) from error
    with next_version(folder) as staging:
        staging.clear()
        here = {v.name: v for v in versions(folder)}
        if newest in here and (here[newest] / MANIFEST_FILE).read_bytes() == raw:
            return Moved((), 0)
        if any(_number(name) >= _number(newest) for name in here):
            raise ConfigError(
                f"{folder} has versions of its own up to {max(here, key=_number)}, {url} {newest}",
                "pull into another folder",
            )
        (staging.path / MANIFEST_FILE).write_bytes(raw)
        manifest = read_manifest(staging.path)
        known = {
            digest: version / name
            for version in here.values()
            for shard in read_manifest(version).shards
            for name, digest in shard.files.items()
        }
        wanted = {name: d for shard in manifest.shards for name, d in shard.files.items()}
        fetched = 1
        for done, (name, digest) in enumerate(wanted.items(), 1):
            target = staging.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if digest in known:
                link_or_copy(known[digest], target)
                continue
            _fetch(store, f"{base}/{newest}/{name}", target, url)
            if file_sha256(target) != digest:
                raise DataError(f"{url}: {newest}/{name} is not what its manifest says")
            flush_to_disk(target)
            fetched += 1
            report(done / len(wanted))
        flush_to_disk(staging.path / MANIFEST_FILE)
        (folder / BUILDING).rename(folder / newest)
    return Moved((newest,), fetched)


def _fetch(store: Any, name: str, target: Path, url: str) -> None:
    try:
        store.get_file(name, str(target))
    except OSError as error:
        raise _reached(url, error) from error


def _number(name: str) -> int:
    return int(name[1:])


def _newest(store: Any, base: str, url: str) -> str:
    names = [str(path).rstrip("/").rpartition("/")[2] for path in store.ls(base, detail=False)]
    found = [
        name
        for name in names
        if re.fullmatch(r"v[1-9][0-9]*", name) and store.exists(f"{base}/{name}/{MANIFEST_FILE}")
    ]
    if not found:
        raise DataError(f"{url}: holds no data set", "push one there with `imusic dataset push`")
    return max(found, key=_number)
