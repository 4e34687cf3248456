"""What differs between two versions, or two data sets. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataset_tools.manifest import Manifest

Facts = Mapping[str, Any]
_LEFT_OUT = {"person"}  # says what `subject` says


@dataclass(frozen=True, slots=True)
class Difference:
    """What is in one and not, or otherwise, in the other.

    changed: sequence → fact → (before, after). data_changed: sequences whose samples, faces or rows
    are others. about: parts of the manifest that are others.
    """

    added: tuple[Facts, ...]
    removed: tuple[Facts, ...]
    changed: Mapping[int, Mapping[str, tuple[Any, Any]]]
    data_changed: tuple[int, ...]
    about: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both are the same but for their history."""
        found = (self.added, self.removed, self.changed, self.data_changed, self.about)
        return not any(found)


def difference(
    before: tuple[Manifest, Sequence[Facts]], after: tuple[Manifest, Sequence[Facts]]
) -> Difference:
    """Compare two versions, each its manifest and the facts of its sequences."""
    old, new = ({int(row["sequence"]): row for row in side[1]} for side in (before, after))
    both = sorted(old.keys() & new.keys())
    changed = {number: _changes(old[number], new[number]) for number in both}
    bytes_of = [
        {int(s.name, 16): _data(s.files) for s in side[0].shards} for side in (before, after)
    ]
    return Difference(
        added=tuple(new[number] for number in sorted(new.keys() - old.keys())),
        removed=tuple(old[number] for number in sorted(old.keys() - new.keys())),
        changed={number: found for number, found in changed.items() if found},
        data_changed=tuple(n for n in both if bytes_of[0][n] != bytes_of[1][n]),
        about=tuple(
            key
            for key in ("layout", "layouts", "subjects", "splits", "units", "weight_names")
            if getattr(before[0], key) != getattr(after[0], key)
        ),
    )


def _changes(before: Facts, after: Facts) -> dict[str, tuple[Any, Any]]:
    found = {}
    for key in before.keys() | after.keys():
        one, other = before.get(key), after.get(key)
        same = one == other or str(one) == str(other)  # lists may hold NaN, which is not itself
        if not same and key not in _LEFT_OUT:
            found[key] = (one, other)
    return dict(sorted(found.items()))


def _data(files: Mapping[str, str]) -> tuple[str, ...]:
    """Hashes of the files with numbers; facts are compared one by one."""
    return tuple(sha256 for name, sha256 in files.items() if not name.startswith("sequences/"))
