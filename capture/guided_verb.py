"""A guided session on a terminal: prompts and status on the screen, keys for the operator."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from capture.guide_lines import guide_lines
from capture.guide_run import View
from capture.guided import Script
from capture.guided_session import GuidedSession
from capture.operating import GUIDE_HINT
from capture.operator_input import operator_input
from capture.record_options import Control
from capture.record_status import Notice, RecordResult, RecordStatus
from capture.record_verb import console_page, live_on, own_stderr
from capture.screens import Screen
from capture.status_lines import notice_lines, status_lines
from firmware_host.rig import Rig

if TYPE_CHECKING:
    from capture.record_link import RecordLink

SHOW_NS = 1_000_000_000 // 15
Also = Callable[[View], None]


class TerminalDisplay:
    """Shows prompts on a terminal, or only what begins, where there is none.

    Args:
        also: told of every view as well, such as a window. page: a console, told of all.
    """

    def __init__(
        self,
        screen: Screen,
        is_terminal: bool,
        also: Also | None = None,
        page: "RecordLink | None" = None,
    ) -> None:
        self._screen, self._is_terminal, self._also = screen, is_terminal, also
        self._page = page
        self._told: RecordStatus | None = None
        self._shown_ns = 0
        self._number: tuple[int, str] | None = None
        self.keys = ""

    def show(self, view: View, status: RecordStatus | None, now_ns: int) -> None:
        """Show it, on a terminal fifteen times a second."""
        if self._also is not None:
            self._also(view)
        if self._page is not None:
            self._page.guide(view)
            if status is not None and status is not self._told:
                self._told = status
                self._page.status(status)
        told = (view.number, view.stage.value)
        if not self._is_terminal:
            if told != self._number and view.step is not None:
                self._screen.say(f"{view.number}/{view.count}  {view.step.prompt}")
            self._number = told
            return
        if now_ns - self._shown_ns >= SHOW_NS:
            self._shown_ns = now_ns
            below = "" if status is None else "\n\n" + status_lines(status)
            self._screen.show(guide_lines(view) + below + self.keys)


def record_guided(
    rig: Rig,
    out: Path,
    script: Script,
    *,
    slate: str,
    allow_missing: Collection[str] = (),
    start_timeout_s: float = 10.0,
    also: Also | None = None,
    console_port: int | None = None,
) -> tuple[RecordResult | None, bool]:
    """Guide and record; returns the take, and whether the script was shown to its end."""
    console = Console(file=own_stderr())
    live = live_on(console)

    def show(status: str) -> None:
        live.update(Text(status), refresh=True)

    def say(lines: str) -> None:
        console.print(lines, markup=False, highlight=False, soft_wrap=True)

    said = Control()
    with (
        Screen(show, say, live) as screen,
        console_page(rig, said, console_port, screen.say) as page,
    ):
        display = TerminalDisplay(screen, console.is_terminal, also, page)

        def on_notice(notice: Notice) -> None:
            screen.say("\n".join(notice_lines(notice)))
            if page is not None:
                page.notice(notice)

        session = GuidedSession(
            rig,
            out,
            script,
            display,
            allow_missing=allow_missing,
            start_timeout_s=start_timeout_s,
            on_notice=on_notice,
            on_face=None if page is None else page.face,
            on_event=None if page is None else page.event,
            slate=slate,
            said=said,
        )
        with operator_input(session.said.say) as is_heard:
            display.keys = f"\n{GUIDE_HINT}" if is_heard else ""
            result = asyncio.run(session.run())
    return result, session.is_finished
