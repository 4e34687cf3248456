"""Several performers at once, each with a rig and a phone of their own: one take for each.

Every rig is recorded in a thread of its own by `capture.daemon`, which knows nothing of the others;
what happens to one leaves the rest alone. All stamp with this computer's clock. What they share is
decided here: they begin together, when all are ready, and hear the same operator.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import msgspec

from capture import daemon
from capture.operating import Command, Verb
from capture.phone_session import PHONE
from capture.record_options import Control, RecordOptions, set_slate
from capture.record_status import Notice, RecordResult, RecordStatus
from capture.recorder import State
from capture.signals import signals_set
from firmware_host.errors import ConfigError, ImusicError, TransportError
from firmware_host.rig import SIM, Rig

LOOK_S, SHOW_S, START_EVERY_S = 0.05, 0.5, 0.25
TOGETHER = "together"  # in `origin`: the same word in the takes of one scene

Statuses = dict[str, RecordStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchers:
    """Who is told: on_status of all, by name, twice a second; on_notice of whom, and what."""

    on_status: Callable[[Statuses], None] = lambda _: None
    on_notice: Callable[[str, Notice], None] = lambda _, __: None


@dataclass(slots=True)
class Performer:
    """One of them. error: what ended the recording against its will."""

    name: str
    rig: Rig
    control: Control = field(default_factory=Control)
    status: RecordStatus | None = None
    result: RecordResult | None = None
    error: ImusicError | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it could begin now, or has begun."""
        return self.status is not None and self.status.state is not State.IDLE

    @property
    def has_begun(self) -> bool:
        """Whether it is being recorded, or was."""
        return self.is_ready and self.status is not None and self.status.state is not State.READY

    @property
    def waits_for(self) -> str:
        """Why it does not begin."""
        if self.status is None:
            return f"{self.name}: nothing heard yet"
        return (
            f"{self.name}: {'; '.join(self.status.problems or self.status.missing) or 'settling'}"
        )


def check_apart(rigs: Sequence[Rig]) -> None:
    """Refuse rigs that cannot be recorded at once. Raises ConfigError naming both and why."""
    for one, other in combinations(rigs, 2):
        if one.name == other.name:
            raise ConfigError(
                f"two rigs are called {one.name!r}", "give each performer's rig a name of its own"
            )
        shared = _lines(one) & _lines(other)
        if shared:
            raise ConfigError(
                f"{one.name} and {other.name} both want {sorted(shared)[0]}",
                "each needs devices of its own, and phones that send to ports of their own",
            )


def _lines(rig: Rig) -> set[str]:
    lines = {d.url.split(",")[0] for d in rig.sources if not d.url.startswith(f"{SIM}:")}
    if rig.phone is not None:
        if rig.phone.listen_port:
            lines.add(f"phone.port {rig.phone.listen_port}")
        if rig.phone.address:
            lines.add(f"the phone at {rig.phone.address}")
    return lines


async def record_together(
    rigs: Sequence[Rig],
    out: Path,
    duration_s: float | None = None,
    *,
    allow_missing: Collection[str] = (),
    start_timeout_s: float = 10.0,
    options: RecordOptions | None = None,
    control: Control | None = None,
    watchers: Watchers | None = None,
) -> list[Performer]:
    """Record every rig into the next take `SLATE-NAME-NNN` under `out`; how it went with each.

    They begin when all are ready, and of `options.armed` when the operator says so too. Marks, the
    slate and the end are for all; a device that one loses ends at most the take of that one.

    Args:
        allow_missing: as of `record`; each rig takes what it has of it.

    Raises:
        ConfigError: the rigs share a name, a device or a port, or one cannot be recorded.
        TransportError: one was not ready in time; no take was begun.
        ImusicError: why one could not be recorded, where none was begun.
    """
    check_apart(rigs)
    asked = options or RecordOptions()
    scene = _Scene(rigs, out, duration_s, tuple(allow_missing), start_timeout_s, asked)
    return await scene.run(control or Control(), watchers or Watchers())


class _Scene:
    """One call of `record_together`."""

    def __init__(
        self,
        rigs: Sequence[Rig],
        out: Path,
        duration_s: float | None,
        allowed: tuple[str, ...],
        start_timeout_s: float,
        options: RecordOptions,
    ) -> None:
        word = secrets.token_hex(6)
        self._performers = [Performer(rig.name, _marked(rig, word)) for rig in rigs]
        self._out, self._duration_s, self._allowed = out, duration_s, allowed
        self._timeout_s, self._options = start_timeout_s, options
        self._wanted = not options.armed
        self._stopped = False
        self._opened_s = time.monotonic()
        self._asked_s = self._shown_s = 0.0
        self._late = ""

    async def run(self, control: Control, watchers: Watchers) -> list[Performer]:
        """Record them all, to the end."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        with signals_set(stop), ThreadPoolExecutor(len(self._performers), TOGETHER) as threads:
            tasks = [
                loop.run_in_executor(threads, self._record, one, watchers)
                for one in self._performers
            ]
            try:
                while not all(task.done() for task in tasks):
                    if stop.is_set() or any(t.done() and t.exception() for t in tasks):
                        self._stop()
                    self._obey(control)
                    self._begin()
                    self._show(watchers)
                    await asyncio.sleep(LOOK_S)
            finally:
                self._stop()  # whatever failed here: their threads are waited for
            for task in tasks:
                task.result()  # a bug of ours is nobody's to hide
        control.interrupted = stop.is_set()
        if all(one.result is None for one in self._performers):
            self._raise_why()
        return self._performers

    def _record(self, one: Performer, watchers: Watchers) -> None:
        def on_status(status: RecordStatus) -> None:
            one.status = status

        keep_s = self._options.preroll_s
        if keep_s is None and not self._options.armed:
            keep_s = self._timeout_s  # all that was heard while they waited for each other
        options = replace(
            self._options, slate=f"{self._options.slate}-{one.name}", armed=True, preroll_s=keep_s
        )
        try:
            one.result = asyncio.run(
                daemon.record(
                    one.rig,
                    self._out,
                    self._duration_s,
                    allow_missing=[name for name in self._allowed if name in names_in(one.rig)],
                    start_timeout_s=self._timeout_s,
                    on_status=on_status,
                    on_notice=lambda notice: watchers.on_notice(one.name, notice),
                    options=options,
                    control=one.control,
                )
            )
        except ImusicError as error:
            one.error = error
        if one.result is not None and one.status is not None:  # the last was told while it ran
            one.status = replace(one.status, state=State.COMPLETE)

    def _obey(self, control: Control) -> None:
        for command in control.take():
            why = self._do(command)
            if command.answer is not None:
                command.answer(why)

    def _do(self, command: Command) -> str:
        """Why it cannot be done; "" where all were told."""
        told = replace(command, answer=None)
        if command.verb is Verb.START:
            waits = [one.waits_for for one in self._performers if not one.is_ready]
            if waits:
                return f"not ready: {'; '.join(waits)}"
            self._wanted = True
            return ""
        if command.verb is Verb.STOP:
            self._stop()
            return ""
        if command.verb is Verb.MARK:
            told = replace(told, time_ns=command.time_ns or time.monotonic_ns())
        for one in self._performers:
            if command.verb is Verb.SLATE:
                slate = f"{command.label}-{one.name}"
                if why := set_slate(Control(), self._options, slate):
                    return why
                told = replace(told, label=slate)
            one.control.say(told)
        return ""

    def _begin(self) -> None:
        """Start whoever has not begun, once all could; or give up where one cannot."""
        if self._stopped:
            return
        waiting = [one for one in self._performers if not one.has_begun]
        if any(one.error is not None and one.result is None for one in waiting):
            self._stop()  # it will not come any more
            return
        begun = len(waiting) < len(self._performers)
        now_s = time.monotonic()
        if self._wanted and (begun or all(one.is_ready for one in waiting)):
            if now_s - self._asked_s >= START_EVERY_S:
                self._asked_s = now_s
                for one in waiting:
                    one.control.say(Command(Verb.START))
        elif not self._options.armed and now_s - self._opened_s >= self._timeout_s:
            self._late = "; ".join(one.waits_for for one in waiting if not one.is_ready)
            self._stop()

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            for one in self._performers:
                one.control.say(Command(Verb.STOP))

    def _show(self, watchers: Watchers) -> None:
        now_s = time.monotonic()
        if now_s - self._shown_s >= SHOW_S:
            self._shown_s = now_s
            known = ((one.name, one.status) for one in self._performers)
            watchers.on_status({name: status for name, status in known if status is not None})

    def _raise_why(self) -> None:
        for one in self._performers:
            if one.error is not None:
                one.error.args = (f"{one.name}: {one.error}",)
                raise one.error
        if self._late:
            raise TransportError(
                f"not all are ready: {self._late}",
                "check what is named, or record the others alone; or pass --allow-missing",
            )


def _marked(rig: Rig, word: str) -> Rig:
    origin = {**rig.session.origin, TOGETHER: word, "performer": rig.name}
    session = msgspec.structs.replace(rig.session, origin=origin)
    return msgspec.structs.replace(rig, session=session)


def names_in(rig: Rig) -> tuple[str, ...]:
    """What of a rig may be missing."""
    slots = rig.sensor_layout.names if rig.hub is not None else ()
    return (*(device.name for device in rig.sources), PHONE, *slots)
