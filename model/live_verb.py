"""`imusic live` on a terminal: one calm screen, keys, and a control socket where one is wanted."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from capture.control_socket import ControlSocket
from capture.doubt import doubt_in, doubt_of
from capture.keys import guard_for
from capture.operating import LIVE_HINT
from capture.operator_input import operator_input
from capture.record_options import Control
from capture.record_status import Notice
from capture.record_verb import live_on, own_stderr
from capture.screens import Screen
from capture.sinks.config import SinkConfig
from capture.status_lines import notice_lines
from capture.sync import read_alignment
from capture.take import TAKE_FILE
from firmware_host.errors import ConfigError
from firmware_host.rig import Rig
from firmware_host.transports.replay import ReplayTransport
from model.checkpoint import Checkpoint
from model.hybrid import PHONE_LATENCY_S
from model.live import LiveAsked, LiveResult, live
from model.live_screen import LiveStatus, screen_text
from model.wearer import Wearer, find_wearer, load_wearer


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWishes:
    """What the operator asked for; see the options of `imusic live`."""

    record_to: Path | None = None
    seconds: float | None = None
    wearer: str | None = None
    sinks: tuple[SinkConfig, ...] = ()
    hybrid: bool = False
    phone_latency_of: Path | None = None
    control: str = ""


def live_on_terminal(rig: Rig, checkpoint: Checkpoint, wishes: LiveWishes) -> LiveResult:
    """Drive a face until it ends, showing how it goes; keys and lines are obeyed meanwhile.

    Raises:
        ImusicError: as `live`; a profile, or the take whose report was named, cannot be used.
    """

    def profile(name: str) -> Wearer:
        return load_wearer(find_wearer(name), checkpoint.layout)

    wearer = None if wishes.wearer is None else profile(wishes.wearer)
    latency_s = phone_latency_s(wishes)
    said, console = Control(), Console(file=own_stderr())
    drawn = live_on(console)
    newest: list[LiveStatus] = []

    def say(lines: str) -> None:
        console.print(lines, markup=False, highlight=False, soft_wrap=True)

    for doubt in doubts_of(rig, wishes):
        say(f"imusic: {doubt}")

    with (
        operator_input(said.say) as is_heard,
        Screen(lambda text: drawn.update(text, refresh=True), say, drawn) as screen,
        _controlled(rig, wishes.control, said, newest, screen),
    ):
        keys = LIVE_HINT if is_heard and console.is_terminal else ""

        def on_status(status: LiveStatus) -> None:
            newest[:] = [status]
            if console.is_terminal:
                screen.show(screen_text(status, keys))

        def on_notice(notice: Notice) -> None:
            screen.say("\n".join(notice_lines(notice)))

        return asyncio.run(
            live(
                rig,
                checkpoint,
                wishes.record_to,
                wishes.seconds,
                None,
                wearer,
                on_notice,
                wishes.sinks,
                wishes.hybrid,
                LiveAsked(
                    on_status=on_status,
                    said=said,
                    find_wearer=profile,
                    phone_latency_s=latency_s,
                ),
            )
        )


def doubts_of(rig: Rig, wishes: LiveWishes) -> list[str]:
    """A line for each take that is played, or whose latency is used, if its sync is not good."""
    _, replay, rest = rig.sources[0].url.partition("replay:")
    played = ReplayTransport(rest).folder
    doubts = [doubt_in(played)] if replay and (played / TAKE_FILE).is_file() else []
    if wishes.phone_latency_of is not None:
        doubts.append(doubt_of(read_alignment(wishes.phone_latency_of)))
    return [doubt for doubt in dict.fromkeys(doubts) if doubt]


def phone_latency_s(wishes: LiveWishes) -> float:
    """What the sync report of the named take says, else what phones usually take.

    Raises:
        ConfigError: no --hybrid, no report, or one that is not to be trusted.
    """
    folder = wishes.phone_latency_of
    if folder is None:
        return PHONE_LATENCY_S
    if not wishes.hybrid:
        raise ConfigError("--phone-latency-of says nothing without --hybrid", "add --hybrid")
    report = read_alignment(folder)
    if report.verdict == "bad" or report.phone_latency_s <= 0.0:
        raise ConfigError(
            f"{folder}: its report calls the sync {report.verdict}, with a phone "
            f"{1000 * report.phone_latency_s:.0f} ms late",
            "name a take in which head or jaw moved in front of the phone",
        )
    return float(report.phone_latency_s)


@contextlib.contextmanager
def _controlled(
    rig: Rig, address: str, said: Control, newest: list[LiveStatus], screen: Screen
) -> Iterator[None]:
    if not address:
        yield
        return

    def facts() -> dict[str, Any]:
        if not newest:
            return {"rig": rig.name, "state": "waiting"}
        now = newest[-1]
        return {
            "rig": rig.name,
            "state": now.state,
            "faces": now.faces,
            "confidence": now.confidence,
            "wearer": now.wearer,
            "slipped": dict(now.slipped),
        }

    guard = guard_for((address,), rig.control.key_file, rig.control.allow, "control")
    with ControlSocket(said, facts, address, guard) as socket:
        screen.say(f"imusic: controlled at {socket.address}")
        yield
