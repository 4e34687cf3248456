"""Parts of a data set that share no person, or no donning. Pure and seeded.

Groups (all sequences of one subject, or of one placement, with all that hold the same minutes) go
to parts as a whole: the largest first, each to where shares of the whole, and of every stratum,
come out best.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from dataset_tools.manifest import Split
from firmware_host.errors import ConfigError

Facts = Mapping[str, Any]
Pairs = Sequence[tuple[int, int, float]]
By = Literal["subject", "placement"]

DEFAULT_SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def split(
    facts: Sequence[Facts],
    *,
    by: By = "subject",
    shares: Mapping[str, float] | None = None,
    seed: int = 0,
    name: str = "default",
    stratify: Sequence[str] = (),
    same: Pairs = (),
) -> Split:
    """Divide sequences into parts that share no group.

    Args:
        facts: of all sequences.
        by: what never crosses from one part to another.
        shares: part → share of the seconds; they add up to 1.
        stratify: facts whose values should be spread over the parts alike.
        same: pairs of sequences that hold the same minutes; they stay together.

    Raises:
        ConfigError: shares that do not add up, or fewer groups than parts.
    """
    shares = dict(shares or DEFAULT_SHARES)
    if not shares or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ConfigError(f"shares: expected shares above 0 that add up to 1, got {shares}")
    groups = _groups(facts, by, same)
    if len(groups) < len(shares):
        raise ConfigError(
            f"{len(groups)} group(s) by {by} cannot fill {len(shares)} parts",
            "ask for fewer parts, or split by placement",
        )
    order = _order(groups, seed)
    strata = {row["sequence"]: _strata(row, stratify) for row in facts}
    seconds = {row["sequence"]: float(row["seconds"]) for row in facts}
    placed = _placed([groups[k] for k in order], strata, seconds, shares)
    parts = {part: tuple(sorted(numbers)) for part, numbers in placed.items()}
    return Split(name=name, by=by, seed=seed, shares=shares, parts=parts)


def leave_one_out(
    facts: Sequence[Facts], *, by: By = "subject", name: str = "one-out", same: Pairs = ()
) -> Split:
    """One part per group: each is the test set of a fold, the others its training set.

    Raises:
        ConfigError: there is only one group.
    """
    groups = _groups(facts, by, same)
    if len(groups) < 2:
        raise ConfigError(f"{len(groups)} group(s) by {by}: nothing can be left out")
    parts = {f"fold-{k:03d}": tuple(numbers) for k, numbers in enumerate(groups, 1)}
    return Split(name=name, by=by, seed=0, shares={}, parts=parts)


def _groups(facts: Sequence[Facts], by: str, same: Pairs) -> list[list[int]]:
    """Sequence numbers that stay together, in order of the least of each group."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row in facts:
        found[str(row[by])].append(int(row["sequence"]))
    group_of = {number: key for key, numbers in found.items() for number in numbers}
    for one, other, _ in same:
        keep, lose = sorted((group_of[one], group_of[other]))
        if keep != lose:
            found[keep] += found.pop(lose)
            group_of |= dict.fromkeys(found[keep], keep)
    return sorted(sorted(numbers) for numbers in found.values())


def _order(groups: Sequence[Sequence[int]], seed: int) -> list[int]:
    """Groups of many sequences first; among equals, as the seed has it."""
    luck = np.random.default_rng(seed).permutation(len(groups)).tolist()
    return sorted(range(len(groups)), key=lambda k: (-len(groups[k]), luck[k]))


def _strata(row: Facts, stratify: Sequence[str]) -> list[tuple[str, str]]:
    return [("all", ""), *((key, str(row[key])) for key in stratify)]


def _placed(
    groups: Sequence[Sequence[int]],
    strata: Mapping[int, list[tuple[str, str]]],
    seconds: Mapping[int, float],
    shares: Mapping[str, float],
) -> dict[str, list[int]]:
    total: defaultdict[tuple[str, str], float] = defaultdict(float)
    for number, keys in strata.items():
        for key in keys:
            total[key] += seconds[number]
    have: defaultdict[tuple[str, tuple[str, str]], float] = defaultdict(float)
    placed: dict[str, list[int]] = {part: [] for part in shares}
    for left, group in zip(range(len(groups), 0, -1), groups, strict=True):
        weight: defaultdict[tuple[str, str], float] = defaultdict(float)
        for number in group:
            for key in strata[number]:
                weight[key] += seconds[number]
        empty = [part for part, numbers in placed.items() if not numbers]
        # Every part gets something, whatever its share.
        allowed = empty if len(empty) >= left else list(shares)

        def cost(part: str, weight: Mapping[tuple[str, str], float] = weight) -> float:
            """How much further from its shares the part would be, over all strata."""
            return sum(
                ((have[part, k] + w - shares[part] * total[k]) ** 2
                 - (have[part, k] - shares[part] * total[k]) ** 2) / max(total[k], 1e-9) ** 2
                for k, w in weight.items()
            )  # fmt: skip

        best = min(allowed, key=cost)
        placed[best] += group
        for key, w in weight.items():
            have[best, key] += w
    return placed
