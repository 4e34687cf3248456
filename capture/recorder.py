"""When a take begins and ends: the recorder's decisions. No I/O, no clock.

           every required              begin()               end(), duration,
IDLE ────── source heard ─────► READY ─────────► RECORDING ── or a silence ──► DRAINING
  │                                                                               │ drain_ns
  └── end(), or some source still missing after start_timeout_ns ──► COMPLETE ◄───┘

DRAINING still records: what was sent before the end is under way for a moment.
"""

from collections.abc import Iterable
from enum import Enum

from firmware_host.clock import NS_PER_S


class State(Enum):
    """Where a recording stands."""

    IDLE = "waiting"
    READY = "ready"
    RECORDING = "recording"
    DRAINING = "ending"
    COMPLETE = "complete"


class Recorder:
    """Decides; the daemon tells it what happened and when (host monotonic ns).

    Args:
        required: sources without which nothing is recorded; empty: any source will do.
        opened_ns: when waiting began.
        duration_ns: how long to record, None until `end`.
        start_timeout_ns: how long to wait for the sources.
        silence_ns: a source heard before that says nothing for so long has been lost.
        drain_ns: how long to go on listening after the end.
    """

    def __init__(
        self,
        required: Iterable[str],
        opened_ns: int,
        duration_ns: int | None = None,
        start_timeout_ns: int = 10 * NS_PER_S,
        silence_ns: int = 5 * NS_PER_S,
        drain_ns: int = 3 * NS_PER_S // 10,
    ) -> None:
        self.state = State.IDLE
        self.reason = ""
        self.lost: str | None = None
        self.began_ns: int | None = None
        self._required = frozenset(required)
        self._opened_ns = opened_ns
        self._duration_ns = duration_ns
        self._start_timeout_ns = start_timeout_ns
        self._silence_ns = silence_ns
        self._drain_ns = drain_ns
        self._ended_ns = 0
        self._heard: dict[str, int] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """Required sources that were never heard."""
        return tuple(sorted(self._required - self._heard.keys()))

    def heard(self, source: str, now_ns: int) -> None:
        """`source` said something."""
        self._heard[source] = now_ns

    def begin(self, now_ns: int) -> None:
        """The take is open; READY becomes RECORDING."""
        assert self.state is State.READY, self.state
        self.state, self.began_ns = State.RECORDING, now_ns

    def end(self, reason: str, now_ns: int, lost: str | None = None) -> None:
        """Enough, or no more to come. The first reason stands; `lost` names what failed."""
        if self.state in (State.DRAINING, State.COMPLETE):
            return
        recording = self.state is State.RECORDING
        self.state = State.DRAINING if recording else State.COMPLETE
        self.reason, self.lost, self._ended_ns = reason, lost, now_ns

    def tick(self, now_ns: int) -> State:
        """Let time pass; return the state."""
        if self.state is State.IDLE:
            self._wait(now_ns)
        elif self.state is State.RECORDING:
            self._watch(now_ns)
        elif self.state is State.DRAINING and now_ns - self._ended_ns >= self._drain_ns:
            self.state = State.COMPLETE
        return self.state

    def _wait(self, now_ns: int) -> None:
        if self._heard and not self.missing:
            self.state = State.READY
        elif now_ns - self._opened_ns >= self._start_timeout_ns:
            self.end("not every source was heard", now_ns)

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
