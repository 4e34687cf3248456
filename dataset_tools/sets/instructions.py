"""`imusic dataset describe`: descriptions of faces as JSONL, for training language models."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.annotations.descriptions import as_row, describe, levels, stretches
from dataset_tools.annotations.rephrasing import Endpoint, rephrase
from dataset_tools.manifest import Manifest, read_manifest, write_whole
from dataset_tools.sets.exports import may_be_published
from dataset_tools.sets.tables import read_rows, shard_name
from dataset_tools.sets.versions import version_folder
from dataset_tools.shards import read_facts
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import layout_from_dict

Facts = dict[str, Any]
TICK_HZ = 60


@dataclass(frozen=True, slots=True)
class Described:
    """What was written. kept: descriptions whose rephrasing said something else, so ours stands."""

    lines: int
    sequences: int
    left_out: tuple[str, ...]
    rephrased: int = 0
    kept: int = 0


def describe_set(
    folder: Path,
    out: Path,
    seconds: float = 4.0,
    all_of_it: bool = False,
    endpoint: Endpoint | None = None,
    report: Callable[[float], None] = lambda _: None,
    today: dt.date | None = None,
) -> Described:
    """Write a description of every labelled segment, and of the time between in equal pieces.

    Args:
        out: the new file, whole or not there.
        seconds: how long pieces between segments are, about.
        all_of_it: also of people who did not agree to publication.
        endpoint: rephrases; None leaves our words.

    Raises:
        ConfigError: `out` exists, or nobody agreed.
        DataError: no data set of takes.
        TransportError: the endpoint does not answer.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another --out; nothing is overwritten")
    version = version_folder(folder)
    manifest = read_manifest(version)
    if not manifest.layouts:
        raise DataError(f"{version} is a synthetic data set", "describe sets of takes")
    day = today or dt.datetime.now(dt.UTC).date()
    facts = read_facts(version, manifest)
    agreed = [row for row in facts if all_of_it or may_be_published(row, manifest, day)]
    if not agreed:
        raise ConfigError(
            f"nobody in {version} agreed to publication",
            "give consent in subjects.toml, or --all for use within the house",
        )
    lines: list[str] = []
    rephrased = kept = 0
    for done, row in enumerate(agreed, 1):
        for line in _described(version, manifest, row, seconds):
            if endpoint is not None:
                words = rephrase(endpoint, line["messages"][1]["content"])
                rephrased, kept = rephrased + (words is not None), kept + (words is None)
                _take_over(line, words, endpoint.model)
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
        report(done / len(agreed))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, "".join(lines).encode())
    away = tuple(row["take"] for row in facts if row not in agreed)
    return Described(len(lines), len(agreed), away, rephrased, kept)


def _described(
    version: Path, manifest: Manifest, row: Facts, seconds: float
) -> Iterator[dict[str, Any]]:
    slots = len(layout_from_dict(manifest.layout).slots)
    rows, first = read_rows(version, shard_name(row["sequence"]), slots)
    weights = rows.weights.astype(np.float64)
    for start_s, end_s, label in stretches(row["end_s"], row["segments"], seconds):
        part = slice(*(max(round(t * TICK_HZ) - first, 0) for t in (start_s, end_s)))
        shown = levels(weights[part])
        if shown:  # else no face was seen
            yield as_row(describe(start_s, end_s, shown), row, label)


def _take_over(line: dict[str, Any], words: str | None, model: str) -> None:
    if words is not None:
        line["rule_text"] = line["messages"][1]["content"]
        line["messages"][1]["content"] = words
        line["rephrased_by"] = model
