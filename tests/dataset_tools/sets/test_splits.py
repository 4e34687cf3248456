"""Splits: whatever the people, the copies and the seed, nobody lies in two parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_tools.sets.splits import leave_one_out, split
from firmware_host.errors import ConfigError


@st.composite
def sets(draw):
    """Facts of sequences, and pairs of copies among them."""
    people = draw(st.integers(3, 9))
    count = draw(st.integers(people, 40))
    facts = []
    for number in range(count):
        # The first ones make sure that there is everybody.
        who = number if number < people else draw(st.integers(0, people - 1))
        facts.append(
            {
                "sequence": number * 7 + 1,
                "subject": f"s{who}",
                "placement": f"s{who} day {draw(st.integers(0, 2))}",
                "language": draw(st.sampled_from(["english", "spanish"])),
                "seconds": draw(st.floats(1.0, 300.0)),
            }
        )
    numbers = st.sampled_from([row["sequence"] for row in facts])
    same = draw(st.lists(st.tuples(numbers, numbers, st.just(0.5)), max_size=2))
    return facts, [pair for pair in same if pair[0] != pair[1]]


def part_of(made) -> dict[int, str]:
    placed = [(number, part) for part, numbers in made.parts.items() for number in numbers]
    assert len(placed) == len(dict(placed))  # nobody twice
    return dict(placed)


def assert_disjoint(made, facts, same, by) -> None:
    placed = part_of(made)
    assert placed.keys() == {row["sequence"] for row in facts}
    where: dict[str, set[str]] = {}
    for row in facts:
        where.setdefault(row[by], set()).add(placed[row["sequence"]])
    assert all(len(parts) == 1 for parts in where.values())
    assert all(placed[one] == placed[other] for one, other, _ in same)


@given(sets(), st.sampled_from(["subject", "placement"]), st.integers(0, 1000))
def test_no_group_and_no_copy_crosses(drawn, by, seed):
    facts, same = drawn
    shares = {"train": 0.7, "test": 0.3}
    try:
        made = split(facts, by=by, shares=shares, seed=seed, same=same, stratify=["language"])
    except ConfigError:
        return  # copies joined all of them
    assert_disjoint(made, facts, same, by)
    assert all(made.parts.values())
    again = split(facts[::-1], by=by, shares=shares, seed=seed, same=same, stratify=["language"])
    assert again == made


@given(sets(), st.sampled_from(["subject", "placement"]))
def test_leaving_one_out_makes_a_fold_of_each(drawn, by):
    facts, same = drawn
    try:
        made = leave_one_out(facts, by=by, same=same)
    except ConfigError:
        return
    assert_disjoint(made, facts, same, by)
    assert len(made.parts) >= len({row[by] for row in facts}) - len(same)


def people(count: int, seconds: float = 60.0) -> list[dict]:
    return [
        {
            "sequence": n,
            "subject": f"s{n // 2}",
            "placement": f"p{n}",
            "language": "spanish" if n // 2 % 2 else "english",
            "seconds": seconds,
        }
        for n in range(2 * count)
    ]


def test_shares_and_strata_come_out_as_asked():
    facts = people(20)
    made = split(facts, shares={"train": 0.8, "test": 0.2}, stratify=["language"])
    sizes = {part: len(numbers) for part, numbers in made.parts.items()}
    assert sizes == {"train": 32, "test": 8}
    spoken = [row["language"] for row in facts if row["sequence"] in made.parts["test"]]
    assert spoken.count("spanish") == 4


def test_another_seed_gives_other_parts():
    seen = {split(people(20), seed=seed).parts["test"] for seed in range(10)}
    assert len(seen) > 5


def test_a_rare_part_is_never_empty():
    made = split(people(3), shares={"train": 0.98, "validation": 0.01, "test": 0.01})
    assert min(len(numbers) for numbers in made.parts.values()) > 0


@pytest.mark.parametrize(
    "shares", [{"train": 0.5, "test": 0.6}, {"train": 1.0, "test": 0.0}, {"a": 1.5, "b": -0.5}]
)
def test_shares_that_do_not_add_up_are_refused(shares):
    with pytest.raises(ConfigError, match="shares"):
        split(people(4), shares=shares)


def test_too_few_people_for_the_parts_are_refused():
    with pytest.raises(ConfigError, match="2 group"):
        split(people(2))
    with pytest.raises(ConfigError, match="1 group"):
        leave_one_out(people(1))
    assert np.prod([len(n) for n in leave_one_out(people(2)).parts.values()]) == 4
