"""`imusic dataset split`: a split of the newest version, kept in the manifest of the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dataset_tools.manifest import Edit, Split
from dataset_tools.sets.edits import concluded
from dataset_tools.sets.fingerprints import fingerprint, same_minutes
from dataset_tools.sets.splits import By, leave_one_out, split
from dataset_tools.sets.tables import read_rows
from dataset_tools.sets.versions import next_version, version_folder
from dataset_tools.shards import read_facts
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import layout_from_dict


@dataclass(frozen=True, slots=True)
class SplitMade:
    """A split and the version that holds it."""

    version: Path
    split: Split
    facts: tuple[dict[str, Any], ...]

    def told(self) -> dict[str, dict[str, Any]]:
        """Part → sequences, seconds and groups."""
        by_number = {row["sequence"]: row for row in self.facts}
        found = {}
        for part, numbers in self.split.parts.items():
            rows = [by_number[number] for number in numbers]
            found[part] = {
                "sequences": len(rows),
                "seconds": round(sum(row["seconds"] for row in rows), 3),
                "groups": sorted({row[self.split.by] for row in rows}),
            }
        return found


def split_set(
    folder: Path,
    *,
    by: By = "subject",
    shares: Mapping[str, float] | None = None,
    one_out: bool = False,
    stratify: Sequence[str] = (),
    seed: int = 0,
    name: str = "default",
) -> SplitMade:
    """Make a version with a split; sequences that hold the same minutes stay together.

    Raises:
        DataError: no data set of takes.
        ConfigError: shares, groups or facts that cannot be.
    """
    version_folder(folder)
    with next_version(folder) as staging:
        staging.clear()
        assert staging.previous
        version, manifest = staging.previous
        if not manifest.layouts:
            raise DataError(f"{version} is a synthetic data set", "split it by `wearer` yourself")
        facts = read_facts(version, manifest)
        if unknown := [key for key in stratify if key not in facts[0]]:
            raise ConfigError(f"--stratify {unknown[0]}: there is no such fact")
        slots = len(layout_from_dict(manifest.layout).slots)
        prints = {
            int(s.name, 16): fingerprint(read_rows(version, s.name, slots)[0])
            for s in manifest.shards
        }
        same = same_minutes(prints)
        if one_out:
            made = leave_one_out(facts, by=by, name=name, same=same)
        else:
            made = split(
                facts, by=by, shares=shares, seed=seed, name=name, stratify=stratify, same=same
            )
        for shard in manifest.shards:
            staging.link(shard, version)
        others = tuple(s for s in manifest.splits if s.name != name)
        told = msgspec.to_builtins(msgspec.structs.replace(made, parts={}))
        step = Edit(verb="split", arguments=told, parent=staging.parent)
        manifest = concluded(staging, manifest, manifest.shards, step, splits=(made, *others))
        return SplitMade(staging.commit(manifest), made, tuple(facts))
