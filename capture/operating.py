"""What the operator says during a take: keys on a terminal, or lines from a program. No I/O.

key         line              what
m           mark [LABEL]      a marker; without a label it is numbered
1 … 9       mark N            a marker with that number as its label
g / n / c   good / ng / circle   a marker that rates the take; the last one counts
            note TEXT         a note, kept in take.toml too
space       start             begin the take that is ready; in a guided session, hold or go on
q, Ctrl-C   stop              end the take; before it began, let go of the devices
            arm               listen to the devices again, between takes of `imusic serve`
            slate NAME        what takes are called from the next on
r           again             in a guided session: show this step once more
s           skip              in a guided session: leave this step out
z           rezero            of a live face: it is at rest now, wherever its sensors sit
u           undo              of a live face: the last re-zero or change of wearer was a mistake
            wearer NAME       of a live face: somebody else's profile; `wearer none`: a stranger's
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

MAX_LABEL = 200


class Verb(Enum):
    """What is to be done."""

    MARK = "mark"
    START = "start"
    STOP = "stop"
    AGAIN = "again"
    SKIP = "skip"
    ARM = "arm"
    REZERO = "rezero"
    UNDO = "undo"
    WEARER = "wearer"
    SLATE = "slate"


@dataclass(frozen=True, slots=True)
class Command:
    """One thing the operator wants. label: of a marker; "" leaves the number to the recorder.
    time_ns: of a marker, host monotonic; None is when the recorder hears of it. answer: to be
    called once, with "" where it was done, else with why not.
    """

    verb: Verb
    label: str = ""
    time_ns: int | None = None
    answer: Callable[[str], None] | None = field(default=None, compare=False, repr=False)


GOOD, NO_GOOD, CIRCLE = "good", "no good", "circle"
RATINGS = (GOOD, NO_GOOD, CIRCLE)
NOTE = "note: "  # begins the marker of a note
_KEYS = {
    "m": Command(Verb.MARK),
    "g": Command(Verb.MARK, GOOD),
    "n": Command(Verb.MARK, NO_GOOD),
    "c": Command(Verb.MARK, CIRCLE),
    " ": Command(Verb.START),
    "q": Command(Verb.STOP),
    "r": Command(Verb.AGAIN),
    "s": Command(Verb.SKIP),
    "z": Command(Verb.REZERO),
    "u": Command(Verb.UNDO),
    "\x03": Command(Verb.STOP),
    "\x04": Command(Verb.STOP),
}
KEYS_HINT = "m mark · g good · n no good · c circle · q stop"
LIVE_HINT = "z the face is at rest now · u undo · q stop"
START_HINT = "space starts"
GUIDE_HINT = "r once more · s skip · space hold · q stop"


def command_of_key(key: str) -> Command | None:
    """What a key means; None where nothing."""
    if key in tuple("123456789"):
        return Command(Verb.MARK, key)
    return _KEYS.get(key.lower())


def command_of_line(line: str) -> Command | None:
    """What a line means; None where nothing, or where it is none of these words."""
    word, _, rest = line.strip().partition(" ")
    label = " ".join(rest.split())[:MAX_LABEL]
    match word.lower():
        case "mark":
            return Command(Verb.MARK, label)
        case "good":
            return Command(Verb.MARK, GOOD)
        case "ng":
            return Command(Verb.MARK, NO_GOOD)
        case "circle":
            return Command(Verb.MARK, CIRCLE)
        case "note" if label:
            return Command(Verb.MARK, NOTE + label)
        case "arm" if not label:
            return Command(Verb.ARM)
        case "slate" if label:
            return Command(Verb.SLATE, label)
        case "start" if not label:
            return Command(Verb.START)
        case "stop" if not label:
            return Command(Verb.STOP)
        case "again" if not label:
            return Command(Verb.AGAIN)
        case "skip" if not label:
            return Command(Verb.SKIP)
        case "rezero" if not label:
            return Command(Verb.REZERO)
        case "undo" if not label:
            return Command(Verb.UNDO)
        case "wearer" if label:
            return Command(Verb.WEARER, label)
    return None


def rated(labels: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """The rating and the notes that markers say, in their order; "" where nobody rated."""
    rating, notes = "", []
    for label in labels:
        if label in RATINGS:
            rating = label
        elif label.startswith(NOTE):
            notes.append(label.removeprefix(NOTE))
    return rating, tuple(notes)


class Marks:
    """Numbers the markers of a take that have no label."""

    def __init__(self) -> None:
        self.count = 0

    def label(self, command: Command) -> str:
        """What a marker is called in the take."""
        self.count += 1
        return command.label or f"mark {self.count}"
