"""`imusic serve`: a recorder that stays, take after take, by the hand of whoever controls it.

        arm                      start                     its end
IDLE ─────────► waiting, ready ─────────► recording, ending ───────► waiting, ready …
 ▲  ◄──────────────┘   stop
 └── an error; it is told in the status until the next take
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from capture.daemon import record
from capture.operating import Command, Verb
from capture.phone_faces import PhoneFace
from capture.record_options import Control, RecordOptions, set_slate
from capture.record_status import Notice, RecordResult, RecordStatus
from capture.signals import signals_set
from capture.slips import slip_lines
from capture.wire_control import status_facts
from firmware_host.errors import ImusicError
from firmware_host.link_events import RigEvent
from firmware_host.rig import Rig

IDLE = "idle"
NOT_ARMED = "not armed: nobody listens to the devices"
_TICK_S = 0.05

Say = Callable[[str], None]


class Server:
    """Takes one after another; `await server.run()` ends by Ctrl-C or SIGTERM.

    Args:
        rig, out, allow_missing: as of `capture.daemon.record`.
        options: slate and pre-roll of takes; every one is armed.
        control: where commands come from.
        say: told what happens, line by line.
        on_status, on_notice, on_face, listeners: as of `record`.
    """

    def __init__(
        self,
        rig: Rig,
        out: Path,
        options: RecordOptions,
        control: Control,
        say: Say,
        *,
        allow_missing: Collection[str] = (),
        on_status: Callable[[RecordStatus], None] = lambda _: None,
        on_notice: Callable[[Notice], None] = lambda _: None,
        on_face: Callable[[PhoneFace], None] | None = None,
        listeners: Sequence[Callable[[RigEvent], None]] = (),
    ) -> None:
        self._listeners = tuple(listeners)
        self._rig, self._out, self._control, self._say = rig, out, control, say
        self._options = replace(options, armed=True)
        self._allow_missing = allow_missing
        self._on_status, self._on_notice, self._on_face = on_status, on_notice, on_face
        self._status: RecordStatus | None = None
        self._between = {"last_take": "", "last_end": "", "last_error": ""}
        self.takes = 0

    def facts(self) -> dict[str, Any]:
        """The status for whoever asks; from any thread."""
        status = self._status
        facts = {"state": IDLE} if status is None else status_facts(status)
        slate = self._control.slate or self._options.slate
        return facts | self._between | {"slate": slate, "takes": self.takes, "rig": self._rig.name}

    async def run(self) -> None:
        """Arm, record, and again. Errors of a take are told, and wait to be armed again."""
        stop = asyncio.Event()
        armed = True
        with signals_set(stop):
            while not (stop.is_set() or self._control.interrupted):
                if armed:
                    armed = await self._take()
                    self._status = None
                else:
                    armed = self._obey()
                    await asyncio.sleep(_TICK_S)

    async def _take(self) -> bool:
        """One take; whether to arm for the next."""
        self._say(f"armed: {self._control.slate or self._options.slate}")
        try:
            result = await record(
                self._rig,
                self._out,
                listeners=self._listeners,
                allow_missing=self._allow_missing,
                on_status=self._keep_status,
                on_notice=self._on_notice,
                on_face=self._on_face,
                options=self._options,
                control=self._control,
            )
        except ImusicError as error:
            told = f"{error}; {error.hint}" if error.hint else str(error)
            self._between["last_error"] = told
            self._say(told)
            return False
        if result is None:
            self._say("released")
            return False
        self._tell(result)
        return True

    def _keep_status(self, status: RecordStatus) -> None:
        self._status = status
        self._on_status(status)

    def _tell(self, result: RecordResult) -> None:
        self.takes += 1
        lost = f" ({result.lost} was lost)" if result.lost else ""
        self._between = {
            "last_take": str(result.folder),
            "last_end": result.reason + lost,
            "last_error": "",
        }
        self._say(f"{result.folder}: ended: {result.reason}{lost}")
        for line in slip_lines(result.folder):
            self._say(line)

    def _obey(self) -> bool:
        """What can be done between takes; whether to arm."""
        armed = False
        for command in self._control.take():
            why = self._do(command)
            armed = armed or command.verb is Verb.ARM
            if command.answer is not None:
                command.answer(why)
        return armed

    def _do(self, command: Command) -> str:
        if command.verb is Verb.SLATE:
            return set_slate(self._control, self._options, command.label)
        return "" if command.verb in (Verb.ARM, Verb.STOP) else NOT_ARMED
