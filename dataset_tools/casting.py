"""Who performs what on whose face: the draws behind every synthetic sequence. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from dataset_tools.augment import varied
from dataset_tools.performance import Performance, generate_performance, with_routine
from dataset_tools.recordings import Recorded, Source

Array = NDArray[np.float64]
GENERATED = "generated"


class DataConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What virtual wearers perform.

    hours and wearers are drawn anew every epoch. generated_share is the part that the built-in
    generator performs. quiet_share: of the others, how many show less of their faces. ict_head is
    the second head family, below the data folder; empty for none.
    """

    sources: tuple[Source, ...] = ()
    held_out: tuple[Source, ...] = ()
    ict_head: str = ""
    generated_share: float = 0.3
    quiet_share: float = 0.0
    hours: float = 2.0
    sequence_s: float = 30.0
    rate_hz: float = 120.0


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """Recordings, and how often each person performs."""

    recorded: Sequence[Recorded]
    people: tuple[str, ...]
    shares: Array


def cast_of(recorded: Sequence[Recorded]) -> Cast:
    """Everybody who was recorded; each performs by the root of what they recorded, so that nobody
    rules."""
    people = tuple(sorted({r.person for r in recorded}))
    seconds = [sum(r.performance.duration_s for r in recorded if r.person == p) for p in people]
    root = np.sqrt(np.array(seconds, float))
    return Cast(recorded, people, root / root.sum() if people else root)


def draw_performance(
    cast: Cast,
    generated_share: float,
    length_s: float,
    rng: np.random.Generator,
    quiet_share: float = 0.0,
) -> tuple[str, Performance]:
    """(person, performance) of about `length_s` with rest and routine in front.

    The person is `generated` where the built-in generator performs.
    """
    if not cast.people or rng.random() < generated_share:
        person, performance = GENERATED, generate_performance(int(rng.integers(1 << 31)), length_s)
    else:
        person = str(rng.choice(cast.people, p=cast.shares))
        own = [r.performance for r in cast.recorded if r.person == person]
        first = own[int(rng.integers(len(own)))]
        other = cast.recorded[int(rng.integers(len(cast.recorded)))].performance
        performance = varied(first, other, rng, length_s, quiet_share)
    return person, with_routine(performance, int(rng.integers(1 << 31)))
