"""What every epoch trains on: which stage it belongs to, and data drawn in a second process."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np

from dataset_tools.families import HeadFamilies, families_of
from dataset_tools.processes import end_with_parent
from dataset_tools.recordings import read_sources
from firmware_host.errors import ConfigError
from firmware_host.layout import LAYOUTS, SensorLayout
from model.config import Recipe, StageConfig
from model.data import Acquaintance, draw_sequences
from model.kalman import Belief
from model.sequences import Sequence

# An epoch trains on its own wearers and those of the epochs before: drawing costs as much as steps.
_KEPT_EPOCHS = 3


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """One epoch to train. number counts over both stages, within in its own; both from 0."""

    stage: str
    config: StageConfig
    within: int
    number: int

    @property
    def opens_stage(self) -> bool:
        """Whether the optimiser starts anew."""
        return self.within == 0

    def progress(self, step: int) -> float:
        """Share of the stage done before `step` of this epoch."""
        steps = self.config.steps_per_epoch
        return (self.within * steps + step) / (self.config.epochs * steps)


def plans(recipe: Recipe, done: int = 0) -> Iterator[EpochPlan]:
    """The epochs of both stages in order, without the first `done`."""
    number = 0
    for name, stage in (("pretrain", recipe.pretrain), ("refine", recipe.refine)):
        for within in range(stage.epochs):
            if number >= done:
                yield EpochPlan(name, stage, within, number)
            number += 1


class Epochs:
    """The data of an epoch: what `draw` gives for it and for those shortly before, drawn once."""

    def __init__(self, draw: Callable[[int], list[Sequence]]) -> None:
        self._draw = draw
        self._recent: dict[int, list[Sequence]] = {}

    def get(self, number: int) -> list[Sequence]:
        """Sequences of epoch `number` and the two before it, oldest first."""
        kept = range(max(0, number - _KEPT_EPOCHS + 1), number + 1)
        # In the order of epochs whatever was asked before: batches are drawn by place in the list.
        self._recent = {e: self._recent.get(e) or self._draw(e) for e in kept}
        return [sequence for sequences in self._recent.values() for sequence in sequences]


class Drawer:
    """Draws the next epoch in a second process while the current one trains."""

    def __init__(self, recipe: Recipe, root: Path, belief: Belief, done: int = 0) -> None:
        self._recipe, self._root, self._belief = recipe, root, belief
        # A run that goes on needs the first epoch, for its baselines, and then those it kept.
        self._count = recipe.pretrain.epochs + recipe.refine.epochs
        self._resumed_from = max(0, done - _KEPT_EPOCHS + 1) if done < self._count else done
        self._pool = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=end_with_parent
        )
        self._next: tuple[int, Future[list[Sequence]]] | None = None

    def draw(self, number: int) -> list[Sequence]:
        """Sequences of one epoch: the same for the same recipe and number, whenever asked."""
        if self._next is None or self._next[0] != number:
            self._ask(number)
        assert self._next is not None
        sequences = self._next[1].result()
        following = max(number + 1, self._resumed_from)
        if following < self._count:
            self._ask(following)
        return sequences

    def _ask(self, number: int) -> None:
        future = self._pool.submit(_draw_epoch, self._recipe, self._root, self._belief, number)
        self._next = (number, future)

    def close(self) -> None:
        """Stop the second process."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _draw_epoch(recipe: Recipe, root: Path, belief: Belief, number: int) -> list[Sequence]:
    families = families_for(recipe, root)
    data = recipe.data
    if number >= recipe.pretrain.epochs:
        data = msgspec.structs.replace(data, generated_share=recipe.refine_generated_share)
    rng = np.random.default_rng((recipe.seed, number))
    recorded = read_sources(data.sources, root)
    return draw_sequences(recorded, families, data, rng, met=Acquaintance(belief, recipe.wearer))


def families_for(recipe: Recipe, root: Path) -> HeadFamilies:
    """The heads that the recipe's wearers come from. Raises ConfigError: the layout is unknown."""
    return _cached_families(layout_of(recipe), recipe.data.ict_head, root)


@functools.cache
def _cached_families(layout: SensorLayout, ict_head: str, root: Path) -> HeadFamilies:
    return HeadFamilies(layout, families_of(ict_head, root))


def layout_of(recipe: Recipe) -> SensorLayout:
    """The sensors the recipe trains for. Raises ConfigError where nobody knows them."""
    if recipe.layout not in LAYOUTS:
        raise ConfigError(f"recipe: layout {recipe.layout!r} is unknown", f"known: {list(LAYOUTS)}")
    return LAYOUTS[recipe.layout]
