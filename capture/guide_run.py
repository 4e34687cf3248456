"""A guided exercise under way: which step is shown, since when, and what a take is told of it.

No I/O, no clock.

            begin()          its time is over, or skip()       the last is over
    READY ──────────► SHOWING ───────────────► SHOWING the next ─────────────► OVER
                       ▲    │        │                ▲
                       └────┘        └──► HELD ───────┘
                      again()      hold()      hold()
"""

from dataclasses import dataclass
from enum import Enum

from capture.guided import AGAIN, BEGINS, ENDS, Script, Step, mark
from firmware_host.clock import NS_PER_S

Marks = list[tuple[int, str]]


class Stage(Enum):
    """Where an exercise stands."""

    READY = "get ready"
    SHOWING = "showing"
    HELD = "held"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class View:
    """What is to be seen. number: of the step, from 1. since_s: of its clock; below 0: it begins
    in so long. waits: whether a hold was asked for, and comes when the step is over.
    """

    stage: Stage
    step: Step | None
    number: int
    count: int
    since_s: float
    waits: bool = False


class GuideRun:
    """Decides; whoever shows it tells it the time (host monotonic ns)."""

    def __init__(self, script: Script) -> None:
        self.stage = Stage.READY
        self._script = script
        self._index = 0
        self._began_ns: int | None = None
        self._told = False  # that the step has begun
        self._waits = False

    def begin(self, at_ns: int) -> None:
        """The first step begins then; later calls change nothing."""
        if self.stage is Stage.READY and self._began_ns is None:
            self._began_ns = at_ns

    def tick(self, now_ns: int) -> Marks:
        """Let time pass; return the markers that are due, with their times."""
        marks: Marks = []
        while self._began_ns is not None and now_ns >= self._began_ns:
            if not self._told:
                self.stage, self._told = Stage.SHOWING, True
                marks.append((self._began_ns, mark(self._step.label, BEGINS)))
            end_ns = self._began_ns + round(self._step.length_s * NS_PER_S)
            if now_ns < end_ns:
                break
            marks.append((end_ns, mark(self._step.label, ENDS)))
            self._go_to(self._index + 1, end_ns)
        return marks

    def again(self, now_ns: int) -> Marks:
        """Show the step once more; the one before, where this one has not moved yet."""
        if self.stage in (Stage.READY, Stage.OVER):
            return []
        began_ns = now_ns if self._began_ns is None else self._began_ns
        is_new = not self._told or now_ns < began_ns + round(self._lead_s * NS_PER_S)
        marks: Marks = []
        if self._told:  # its clock starts again too
            marks.append((now_ns, mark(self._step.label, AGAIN)))
        if is_new and self._index > 0:
            self._index -= 1
            marks.append((now_ns, mark(self._step.label, AGAIN)))
        self.stage, self._told, self._waits = Stage.SHOWING, False, False
        self._began_ns = now_ns
        return marks

    def skip(self, now_ns: int) -> Marks:
        """Leave the step out and go on; what was done of it counts for nothing."""
        if self.stage is not Stage.SHOWING:
            return []
        marks = [(now_ns, mark(self._step.label, AGAIN))] if self._told else []
        self._go_to(self._index + 1, now_ns)
        return marks

    def hold(self, now_ns: int) -> None:
        """Wait when the step is over; go on, where it waits already."""
        if self.stage is Stage.HELD:
            self.stage, self._began_ns = Stage.SHOWING, now_ns
        elif self.stage is Stage.SHOWING:
            self._waits = not self._waits

    def view(self, now_ns: int) -> View:
        """What is to be seen now."""
        count = len(self._script.steps)
        if self.stage is Stage.OVER:
            return View(self.stage, None, count, count, 0.0)
        since_s = 0.0 if self._began_ns is None else (now_ns - self._began_ns) / NS_PER_S
        return View(self.stage, self._step, self._index + 1, count, since_s, self._waits)

    @property
    def _step(self) -> Step:
        return self._script.steps[self._index]

    @property
    def _lead_s(self) -> float:
        return self._step.lead_s if self._step.movements or self._step.turns else 0.5

    def _go_to(self, index: int, at_ns: int) -> None:
        self._told = False
        if index == len(self._script.steps):
            self.stage, self._began_ns = Stage.OVER, None
            return
        self._index, self._began_ns = index, at_ns
        if self._waits:
            self.stage, self._began_ns, self._waits = Stage.HELD, None, False
