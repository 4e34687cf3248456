"""When a take begins and ends: the recorder's decisions. No I/O, no clock.

        every required source heard,                        end(), duration,
        and nothing found by the checks       begin()       or a silence
   IDLE ──────────────────────────────► READY ───────► RECORDING ───────► DRAINING
    │ ▲                                   │                │                 │ │ drain_ns
    │ └── armed, and a check finds some ──┘                └── recover() ────┤ │
    └── end(), or start_timeout_ns ──► COMPLETE ◄────────────────────────────┼─┘
                                                             RECOVERED ◄─────┘

READY passes at once, unless the recorder is armed: then it waits for start(). DRAINING still
records: what was sent before the end is under way for a moment. RECOVERED is a take that the disk
refused to go on with, and whose written part was rescued.
"""

from collections.abc import Iterable, Sequence
from enum import Enum

from firmware_host.clock import NS_PER_S


class State(Enum):
    """Where a recording stands."""

    IDLE = "waiting"
    READY = "ready"
    RECORDING = "recording"
    DRAINING = "ending"
    COMPLETE = "complete"
    RECOVERED = "recovered"


_OVER = (State.COMPLETE, State.RECOVERED)


class Recorder:
    """Decides; the daemon tells it what happened and when (host monotonic ns).

    Args:
        required: sources without which nothing is recorded; empty: any source will do.
        opened_ns: when waiting began.
        duration_ns: how long to record, None until `end`.
        start_timeout_ns: how long to wait for sources and checks; an armed one waits for ever.
        silence_ns: a source heard before that says nothing for so long has been lost.
        drain_ns: how long to go on listening after the end.
        settle_ns: how long the sources are looked at before the checks count.
        armed: whether to wait for `start`.
    """

    def __init__(
        self,
        required: Iterable[str],
        opened_ns: int,
        duration_ns: int | None = None,
        start_timeout_ns: int = 10 * NS_PER_S,
        silence_ns: int = 5 * NS_PER_S,
        drain_ns: int = 3 * NS_PER_S // 10,
        *,
        settle_ns: int = 0,
        armed: bool = False,
    ) -> None:
        self.state = State.IDLE
        self.reason = ""
        self.lost: str | None = None
        self.began_ns: int | None = None
        self.problems: tuple[str, ...] = ()
        self._required = frozenset(required)
        self._opened_ns = opened_ns
        self._duration_ns = duration_ns
        self._start_timeout_ns = start_timeout_ns
        self._silence_ns = silence_ns
        self._drain_ns = drain_ns
        self._settle_ns = settle_ns
        self._armed = armed
        self._complete_since_ns: int | None = None
        self._ended_ns = 0
        self._heard: dict[str, int] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """Required sources that were never heard."""
        return tuple(sorted(self._required - self._heard.keys()))

    @property
    def may_begin(self) -> bool:
        """Whether `begin` is due: everything is ready, and nothing is waited for."""
        return self.state is State.READY and not self._armed

    def heard(self, source: str, now_ns: int) -> None:
        """`source` said something."""
        self._heard[source] = now_ns

    def check(self, problems: Sequence[str]) -> None:
        """What is wrong before the take, now; the newest look counts."""
        self.problems = tuple(problems)

    def start(self) -> bool:
        """The operator starts. False where there is nothing ready to be started."""
        if self.state is not State.READY:
            return False
        self._armed = False
        return True

    def begin(self, now_ns: int) -> None:
        """The take is open; READY becomes RECORDING."""
        assert self.may_begin, self.state
        self.state, self.began_ns = State.RECORDING, now_ns

    def end(self, reason: str, now_ns: int, lost: str | None = None) -> None:
        """Enough, or no more to come. The first reason stands; `lost` names what failed."""
        if self.state in (State.DRAINING, *_OVER):
            return
        recording = self.state is State.RECORDING
        self.state = State.DRAINING if recording else State.COMPLETE
        self.reason, self.lost, self._ended_ns = reason, lost, now_ns

    def recover(self, reason: str) -> None:
        """The disk refused to go on, and what it had was rescued."""
        assert self.began_ns is not None
        assert self.state not in _OVER, self.state
        self.state, self.reason, self.lost = State.RECOVERED, reason, "disk"

    def tick(self, now_ns: int) -> State:
        """Let time pass; return the state."""
        if self.state is State.IDLE:
            self._wait(now_ns)
        elif self.state is State.READY and self.problems:
            self.state = State.IDLE
        elif self.state is State.RECORDING:
            self._watch(now_ns)
        elif self.state is State.DRAINING and now_ns - self._ended_ns >= self._drain_ns:
            self.state = State.COMPLETE
        return self.state

    def _wait(self, now_ns: int) -> None:
        if not self._heard or self.missing:
            self._complete_since_ns = None
        elif self._complete_since_ns is None:
            self._complete_since_ns = now_ns
        since_ns = self._complete_since_ns
        settled = since_ns is not None and now_ns - since_ns >= self._settle_ns
        if settled and not self.problems:
            self.state = State.READY
        elif not self._armed and now_ns - self._opened_ns >= self._start_timeout_ns:
            why = "not every source was heard" if self.missing else "the checks found something"
            self.end(why, now_ns)

    def _watch(self, now_ns: int) -> None:
        began_ns = self.began_ns or 0
        if self._duration_ns is not None and now_ns - began_ns >= self._duration_ns:
            self.end("the time asked for is over", now_ns)
            return
        for source, last_ns in self._heard.items():
            if self._required and source not in self._required:
                continue
            if now_ns - max(last_ns, began_ns) >= self._silence_ns:
                seconds = self._silence_ns / NS_PER_S
                self.end(f"the {source} said nothing for {seconds:g} s", now_ns, lost=source)
                return
