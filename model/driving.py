"""Ticks out of blocks: the one loop that live driving, replay and offline prediction share. Pure.

A tick's face is made of exactly the blocks that had arrived by the tick; late by how much is the
caller's business. The clock is whatever the blocks' arrival times are on.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import BlendshapeFrame
from capture.resample import TICK_HZ, tick_before, tick_time_ns
from firmware_host.samples import ImuBlock
from model.predictor import Predictor

Action = Callable[[Predictor], None]


class Driver:
    """Holds blocks until their tick is due, then gives one frame per tick at 60 Hz."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._waiting: deque[ImuBlock] = deque()
        self._next_tick: int | None = None
        self._planned: deque[tuple[int, Action]] = deque()

    @property
    def next_tick_ns(self) -> int | None:
        """When the next frame is due; None before the first block."""
        return None if self._next_tick is None else _due_ns(self._next_tick)

    def arrived(self, block: ImuBlock) -> None:
        """Take a block; blocks come in order of arrival."""
        if len(block) == 0:
            return
        if self._next_tick is None:
            self._next_tick = _first_tick(block.arrival_ns)
        self._waiting.append(block)

    def plan(self, time_ns: int, action: Action) -> None:
        """Do something to the predictor before the first tick at or after `time_ns`.

        Live and offline alike it comes before the blocks of that tick; plans come in order.
        """
        self._planned.append((time_ns, action))

    def frames_until(self, now_ns: int) -> Iterator[BlendshapeFrame]:
        """The frames of all ticks due at or before `now_ns`, oldest first."""
        while self._next_tick is not None and _due_ns(self._next_tick) <= now_ns:
            due_ns = _due_ns(self._next_tick)
            while self._planned and self._planned[0][0] <= due_ns:
                self._planned.popleft()[1](self.predictor)
            while self._waiting and self._waiting[0].arrival_ns <= due_ns:
                self.predictor.push(self._waiting.popleft())
            self._next_tick += 1
            yield self.predictor.frame_at(due_ns)


def due_between(first_ns: int, last_ns: int) -> NDArray[np.int64]:
    """(T,) times of the frames that `drive` gives for blocks that arrived from first to last."""
    ticks = np.arange(_first_tick(first_ns), int(tick_before(np.array([last_ns]))[0]) + 1)
    due = np.array([_due_ns(int(tick)) for tick in ticks], np.int64)
    return due[due <= last_ns]


def _first_tick(arrival_ns: int) -> int:
    return -(-int(arrival_ns) * TICK_HZ // 1_000_000_000)


def _due_ns(tick: int) -> int:
    # Rounded up, so that the tick of this time is `tick` and not the one before.
    return tick_time_ns(tick) + 1


def drive(
    predictor: Predictor,
    blocks: Iterable[ImuBlock],
    planned: Sequence[tuple[int, Action]] = (),
) -> Iterator[BlendshapeFrame]:
    """Every frame of a recording, each from the blocks that had arrived by then.

    Args:
        planned: what was done to the predictor meanwhile, and when (`Driver.plan`).
    """
    driver = Driver(predictor)
    for time_ns, action in planned:
        driver.plan(time_ns, action)
    for block in blocks:
        # Ticks before this arrival can no longer change.
        yield from driver.frames_until(block.arrival_ns - 1)
        driver.arrived(block)
        last_ns = block.arrival_ns
    if driver.next_tick_ns is not None:
        yield from driver.frames_until(last_ns)
