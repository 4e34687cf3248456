"""`imusic record` on a terminal: status on the screen, keys for markers, the account at the end."""

import asyncio
import contextlib
import io
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

import msgspec
from rich.console import Console
from rich.live import Live

from capture.awake import kept_awake, power_notes
from capture.operating import KEYS_HINT, START_HINT
from capture.operator_input import operator_input
from capture.record_options import Control, RecordOptions
from capture.record_status import Notice, RecordResult, RecordStatus
from capture.screens import Screen
from capture.status_lines import notice_lines, status_lines
from firmware_host.errors import ConfigError, EnvironmentMissing
from firmware_host.phone_rig import PhoneRemoteConfig
from firmware_host.rig import Rig

if TYPE_CHECKING:
    from capture.record_link import RecordLink
    from capture.together import Performer


def with_phone_recording(rig: Rig) -> Rig:
    """The rig with the phone's remote control, as it is where rig.toml says nothing of it.

    Raises:
        ConfigError: the rig has no phone that can be controlled.
    """
    phone = rig.phone
    if phone is not None and phone.remote is not None:
        return rig
    if phone is None or phone.app != "livelink" or not phone.address:
        raise ConfigError(
            "--phone-records: the rig has no Live Link Face with an address",
            'write [phone] with app = "livelink" and address = "IP of the phone" in rig.toml',
        )
    remote = msgspec.structs.replace(phone, remote=PhoneRemoteConfig())
    return msgspec.structs.replace(rig, phone=remote)


def record_on_terminal(
    rig: Rig,
    out: Path,
    seconds: float | None,
    allow_missing: Collection[str],
    start_timeout_s: float,
    options: RecordOptions,
    console_port: int | None = None,
) -> RecordResult | None:
    """Record, showing how it goes, on a page of another process too; the operator is obeyed.

    The screen has a thread of its own: a terminal that is paused never holds up the take.
    """
    from capture import daemon

    control, console = Control(), Console(file=own_stderr())
    live = live_on(console)

    def show(status: str) -> None:
        live.update(status, refresh=True)

    def say(lines: str) -> None:
        console.print(lines, markup=False, highlight=False, soft_wrap=True)

    with (
        contextlib.ExitStack() as stack,
        operator_input(control.say) as is_heard,
        Screen(show, say, live) as screen,
        console_page(rig, control, console_port, screen.say) as page,
    ):
        stack.enter_context(kept_awake(lambda line: screen.say(f"imusic: {line}")))
        for note in rig_notes(rig):
            screen.say(f"imusic: note: {note}")
        keys = _keys(options) if is_heard and console.is_terminal else ""

        def on_status(status: RecordStatus) -> None:
            screen.show(status_lines(status) + keys)
            if page is not None:
                page.status(status)

        def on_notice(notice: Notice) -> None:
            screen.say("\n".join(notice_lines(notice)))
            if page is not None:
                page.notice(notice)

        return asyncio.run(
            daemon.record(
                rig,
                out,
                seconds,
                () if page is None else (page.event,),
                allow_missing=allow_missing,
                start_timeout_s=start_timeout_s,
                on_status=on_status,
                on_notice=on_notice,
                on_face=None if page is None else page.face,
                options=options,
                control=control,
            )
        )


def together_on_terminal(
    rigs: Sequence[Rig],
    out: Path,
    seconds: float | None,
    allow_missing: Collection[str],
    start_timeout_s: float,
    options: RecordOptions,
) -> "list[Performer]":
    """Record several performers at once, showing how it goes with each."""
    from capture.together import Watchers, record_together

    control, console = Control(), Console(file=own_stderr())
    live = live_on(console)

    def say(lines: str) -> None:
        console.print(lines, markup=False, highlight=False, soft_wrap=True)

    with (
        contextlib.ExitStack() as stack,
        operator_input(control.say) as is_heard,
        Screen(lambda status: live.update(status, refresh=True), say, live) as screen,
    ):
        stack.enter_context(kept_awake(lambda line: screen.say(f"imusic: {line}")))
        for rig in rigs:
            for note in rig_notes(rig):
                screen.say(f"imusic: note: {rig.name}: {note}")
        keys = _keys(options) if is_heard and console.is_terminal else ""

        def on_status(statuses: dict[str, RecordStatus]) -> None:
            told = (f"{name}: {status_lines(status)}" for name, status in statuses.items())
            screen.show("\n".join(told) + keys)

        def on_notice(name: str, notice: Notice) -> None:
            whose = replace(notice, device=f"{name}: {notice.device}")
            screen.say("\n".join(notice_lines(whose)))

        return asyncio.run(
            record_together(
                rigs,
                out,
                seconds,
                allow_missing=allow_missing,
                start_timeout_s=start_timeout_s,
                options=options,
                control=control,
                watchers=Watchers(on_status=on_status, on_notice=on_notice),
            )
        )


def rig_notes(rig: Rig) -> list[str]:
    """What an operator should know of a rig before a take."""
    notes = [f"nobody serves {', '.join(rig.unserved)}"] if rig.unserved else []
    if not (rig.session.consents or rig.session.simulated):
        notes.append(f"nothing says what {rig.session.subject} agreed to: docs/privacy.md")
    return [*notes, *power_notes(rig)]


def live_on(console: Console) -> Live:
    """Rich's live display, drawn by nobody but us."""
    return Live(
        console=console,
        transient=True,
        auto_refresh=False,
        # Redirected, whatever else is printed would wait for this screen.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def require_console(port: int) -> int:
    """The port. Raises EnvironmentMissing where the page could not be served."""
    if find_spec("nicegui") is None:
        raise EnvironmentMissing("the console needs NiceGUI", "pip install 'imusic[web]'")
    return port


@contextlib.contextmanager
def console_page(
    rig: Rig, control: Control, port: int | None, say: Callable[[str], None]
) -> "Iterator[RecordLink | None]":
    """What a console is served by, and the console itself; None where none is wanted."""
    if port is None:
        yield None
        return
    from capture.record_link import RecordLink, console_process

    with RecordLink(rig, control) as link, console_process(link.addresses, port):
        say(f"imusic: the console is at http://127.0.0.1:{port}")
        yield link


def own_stderr() -> TextIO:
    """Stderr without a lock: a write that hangs for ever would hold it when the program ends."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # captured, or closed: then it is no terminal either
        return sys.stderr
    return io.TextIOWrapper(
        cast("BinaryIO", io.FileIO(descriptor, "w")), errors="replace", write_through=True
    )


def _keys(options: RecordOptions) -> str:
    return "\n" + (f"{START_HINT} · {KEYS_HINT}" if options.armed else KEYS_HINT)
