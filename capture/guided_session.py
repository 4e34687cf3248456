"""A take whose performer is guided: shows a script step by step and labels what is recorded.

The recorder is that of `imusic record`; beside it a `GuideRun` decides what is shown, and tells the
recorder where each step begins and ends, as markers. At the end they become the take's segments.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Protocol

from capture.daemon import record
from capture.guide_run import GuideRun, Stage, View
from capture.guided import Script, performed, script_to_dict, segments_of
from capture.operating import Command, Verb
from capture.phone_faces import PhoneFace
from capture.record_options import Control, RecordOptions
from capture.record_status import Notice, RecordResult, RecordStatus
from capture.take import Take
from firmware_host.clock import NS_PER_S
from firmware_host.link_events import RigEvent
from firmware_host.rig import Rig
from firmware_host.samples import ImuBlock

# From the first sample to the first step: time to look at the screen. `imusic sim --script` knows.
GET_READY_S = 3.0
SHOW_EVERY_S = 1 / 30


class Display(Protocol):
    """Where the performer looks."""

    def show(self, view: View, status: RecordStatus | None, now_ns: int) -> None:
        """Show what is to be done now. Must not wait."""
        ...


class GuidedSession:
    """One run of a script over one take.

    Args:
        rig: what to record. out: folder of takes. script: what to do. display: where it is shown.
        allow_missing, start_timeout_s, on_notice, on_face, on_event, slate: as of
            `capture.daemon.record`. said: where the operator's commands come from.
    """

    def __init__(
        self,
        rig: Rig,
        out: Path,
        script: Script,
        display: Display,
        *,
        allow_missing: Collection[str] = (),
        start_timeout_s: float = 10.0,
        on_notice: Callable[[Notice], None] | None = None,
        on_face: Callable[[PhoneFace], None] | None = None,
        on_event: Callable[[RigEvent], None] | None = None,
        slate: str = "enrol",
        said: Control | None = None,
    ) -> None:
        self.said = said or Control()  # what the operator wants
        self._on_event = on_event
        self._rig, self._out, self._script, self._display = rig, out, script, display
        self._allow_missing, self._start_timeout_s = allow_missing, start_timeout_s
        self._on_notice, self._on_face, self._slate = on_notice, on_face, slate
        self._guide = GuideRun(script)
        self._marks: list[tuple[int, str]] = []
        self._first_ns: int | None = None
        self._status: RecordStatus | None = None
        self._recorder = Control()

    @property
    def is_finished(self) -> bool:
        """Whether all steps were shown."""
        return self._guide.stage is Stage.OVER

    async def run(self) -> RecordResult | None:
        """Record from the first byte to the end of the script. Raises as `record`."""
        recording = asyncio.ensure_future(
            record(
                self._rig,
                self._out,
                listeners=(self._listen,),
                allow_missing=self._allow_missing,
                start_timeout_s=self._start_timeout_s,
                on_status=self._keep_status,
                on_take=self._began,
                on_notice=self._notice,
                on_face=self._on_face,
                take_facts={"guide": script_to_dict(self._script)},
                options=RecordOptions(slate=self._slate, closing=self._closing),
                control=self._recorder,
            )
        )
        try:
            while not recording.done():
                self._step(time.monotonic_ns())
                await asyncio.wait({recording}, timeout=SHOW_EVERY_S)
        finally:
            if not recording.done():
                recording.cancel()
        return await recording

    def _listen(self, event: RigEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)
        if self._first_ns is None and isinstance(event, ImuBlock) and len(event):
            self._first_ns = event.arrival_ns

    def _keep_status(self, status: RecordStatus) -> None:
        self._status = status

    def _began(self, _: Take) -> None:
        now_ns = time.monotonic_ns()
        since_ns = now_ns if self._first_ns is None else self._first_ns
        self._guide.begin(max(now_ns, since_ns + round(GET_READY_S * NS_PER_S)))

    def _notice(self, notice: Notice) -> None:
        """Pass on what the operator does not know already."""
        ours = {label for _, label in self._marks}
        if self._on_notice is not None and notice.text not in ours:
            self._on_notice(notice)

    def _step(self, now_ns: int) -> None:
        for command in self.said.take():
            self._obey(command, now_ns)
        self._tell(self._guide.tick(now_ns))
        if self._guide.stage is Stage.OVER:
            self._recorder.say(Command(Verb.STOP))
        self._display.show(self._guide.view(now_ns), self._status, now_ns)

    def _obey(self, command: Command, now_ns: int) -> None:
        if command.verb is Verb.AGAIN:
            self._tell(self._guide.again(now_ns))
        elif command.verb is Verb.SKIP:
            self._tell(self._guide.skip(now_ns))
        elif command.verb is Verb.START:
            self._guide.hold(now_ns)
        else:
            self._recorder.say(command)
            return
        if command.answer is not None:
            command.answer("")

    def _tell(self, marks: list[tuple[int, str]]) -> None:
        self._marks += marks
        for time_ns, label in marks:
            self._recorder.say(Command(Verb.MARK, label, time_ns))

    def _closing(self, first_block_ns: int | None) -> dict[str, Any]:
        origin_ns = self._first_ns if first_block_ns is None else first_block_ns
        if origin_ns is None:
            return {}
        return {"segments": segments_of(performed(self._script, self._marks, origin_ns))}
