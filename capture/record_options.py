"""How a take is recorded, and by whose hand: what the operator says before and during it."""

import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from capture.operating import Command
from firmware_host.errors import ConfigError

_SLATE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ARMED_PREROLL_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions:
    """slate: what takes are named after, each with the next number. armed: begin when the operator
    says so, not when everything is ready. preroll_s: how much of what was heard before belongs to
    the take; None is everything, or of an armed one its last ARMED_PREROLL_S. closing: gives
    further fields of take.toml at its end, by the arrival of the first samples (host ns).
    """

    slate: str = "take"
    armed: bool = False
    preroll_s: float | None = None
    closing: Callable[[int | None], dict[str, Any]] = lambda _: {}

    def __post_init__(self) -> None:
        """Raise ConfigError where a slate is no name for a folder."""
        if not _SLATE.fullmatch(self.slate):
            raise ConfigError(
                f"--slate: {self.slate!r} is no name for takes",
                "use letters, digits, - and _, up to 64, beginning with a letter or digit",
            )

    @property
    def keep_s(self) -> float | None:
        """How much the pre-roll keeps."""
        return ARMED_PREROLL_S if self.preroll_s is None and self.armed else self.preroll_s


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the `health` of a take, which somebody beside the recorder found.

    time_ns: host monotonic. facts: as JSON knows them.
    """

    kind: str
    time_ns: int
    facts: dict[str, Any]


class Control:
    """What the operator and others say, from whatever thread, until the recorder takes it.

    slate: what the next take is named after, "" as the options say. interrupted: whether the last
    recording was ended by Ctrl-C or SIGTERM.
    """

    def __init__(self) -> None:
        self.slate = ""
        self.interrupted = False
        self._commands: deque[Command] = deque(maxlen=1000)
        self._notes: deque[Note] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def note(self, note: Note) -> None:
        """One more note; of those that nobody takes the newest stay."""
        with self._lock:
            self._notes.append(note)

    def take_notes(self) -> list[Note]:
        """All there are, in order; each is given once."""
        with self._lock:
            notes = list(self._notes)
            self._notes.clear()
        return notes

    def say(self, command: Command) -> None:
        """One more command."""
        with self._lock:
            self._commands.append(command)

    def take(self) -> list[Command]:
        """All there are, in order; each is given once."""
        with self._lock:
            commands = list(self._commands)
            self._commands.clear()
        return commands


def set_slate(control: Control, options: RecordOptions, slate: str) -> str:
    """Name takes so from now on; why not, where it is no name."""
    try:
        replace(options, slate=slate)
    except ConfigError as error:
        return str(error)
    control.slate = slate
    return ""
