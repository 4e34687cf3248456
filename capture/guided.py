"""Guided exercises as data: what is shown to a wearer, step by step, and when. No I/O but reading.

A script is TOML: steps of rest, head motion and faces that an animated head shows and the wearer
follows. A step runs on its own clock from 0, so that it can be repeated; a take keeps the script
and a marker where each step begins and ends (`performed`).

    name = "enrol"
    [[steps]]
    label = "smile"
    prompt = "Smile as broadly as you can."
    poses = [{ mouthSmile = 0.9, cheekSquint = 0.3 }]     # names without a side mean both
    times = 2                                             # each pose, one round after the other
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.curves import Array, rise_and_fall
from capture.take import Segment
from firmware_host.errors import ConfigError

SHIPPED = Path(__file__).parent / "scripts"
REST, ROUTINE = "rest", "routine"  # labels that calibration knows

# Rotation about which axis of the head frame, and how far: x nods, z tilts aside, y turns.
TURNS: dict[str, tuple[int, float]] = {"nod": (0, 0.28), "tilt": (2, 0.28), "turn": (1, 0.28)}
_SWINGS = 2.0  # per turn
_LABEL = re.compile(r"[a-z0-9][a-z0-9 -]{0,39}")
_LONGEST_S = 600.0
_MARK = "guide"
BEGINS, ENDS, AGAIN = "begins", "ends", "again"


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """One way to a pose and back, in seconds from the beginning of its step.

    weights: (52,) of the pose. pose: its number in the step. again: how often it was shown before.
    """

    start_s: float
    rise_s: float
    hold_s: float
    fall_s: float
    weights: Array
    pose: int
    again: int

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.start_s + self.rise_s + self.hold_s + self.fall_s

    def level(self, time_s: Array) -> Array:
        """(N,) from 0 to 1 and back, at times on the clock of the step."""
        return rise_and_fall(time_s - self.start_s, self.rise_s, self.hold_s, self.fall_s)


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """One thing to do.

    label: unique in its script; `rest` and `routine` serve the mounting of sensors. prompt: what
    the wearer reads. text: what the wearer says aloud. seconds: how long, where nothing is shown
    that would tell. lead_s: time to read before anything moves; trail_s: to finish after.
    turns: of the head, each `turn_s` long. poses: faces, each held for `hold_s`; with `gap_s` =
    −`fall_s` one melts into the next.
    """

    label: str
    prompt: str
    text: str = ""
    seconds: float = 0.0
    lead_s: float = 1.0
    trail_s: float = 0.6
    turns: tuple[str, ...] = ()
    turn_s: float = 2.0
    poses: tuple[dict[str, float], ...] = ()
    times: int = 2
    rise_s: float = 0.4
    hold_s: float = 0.5
    fall_s: float = 0.4
    gap_s: float = 0.3

    def __post_init__(self) -> None:
        """Raise ValueError where a step cannot be shown."""
        if not _LABEL.fullmatch(self.label):
            raise ValueError(
                f"label {self.label!r}: expected lower-case letters, digits, spaces and -, up to 40"
            )
        shown = bool(self.turns or self.poses)
        if shown == bool(self.seconds):
            raise ValueError(
                f"step {self.label!r}: expected either turns and poses, or seconds above 0"
            )
        for name in self.turns:
            if name not in TURNS:
                raise ValueError(
                    f"step {self.label!r}: unknown turn {name!r}; known: {', '.join(TURNS)}"
                )
        lengths = (self.turn_s, self.rise_s, self.fall_s)
        if min(lengths) < 0.1 or self.hold_s < 0 or min(self.lead_s, self.trail_s) < 0:
            raise ValueError(f"step {self.label!r}: turn, rise and fall take at least 0.1 s")
        if self.gap_s < -self.fall_s or not 1 <= self.times <= 20:
            raise ValueError(
                f"step {self.label!r}: expected gap_s >= -fall_s and times from 1 to 20"
            )
        for pose in self.poses:
            _spread(self.label, pose)
        if not self.length_s <= _LONGEST_S:
            raise ValueError(f"step {self.label!r}: longer than {_LONGEST_S:g} s")

    @cached_property
    def movements(self) -> tuple[Movement, ...]:
        """Every pose that is shown, in order."""
        now = self.lead_s + len(self.turns) * self.turn_s
        found = []
        for again in range(self.times):
            for number, pose in enumerate(self.poses):
                weights = _spread(self.label, pose)
                found.append(
                    Movement(now, self.rise_s, self.hold_s, self.fall_s, weights, number, again)
                )
                now = found[-1].end_s + self.gap_s
        return tuple(found)

    @property
    def melts(self) -> bool:
        """Whether one pose begins before the one before it has ended."""
        return self.gap_s < 0 and len(self.movements) > 1

    @property
    def length_s(self) -> float:
        """From its beginning to its end."""
        if self.movements:
            return self.movements[-1].end_s + self.trail_s
        if self.turns:
            return self.lead_s + len(self.turns) * self.turn_s + self.trail_s
        return self.seconds

    def weights(self, time_s: Array) -> Array:
        """(N, 52) of the animated face, at (N,) times on the clock of the step."""
        out = np.zeros((len(time_s), len(ARKIT_NAMES)))
        for movement in self.movements:
            out += movement.level(time_s)[:, None] * movement.weights
        return np.minimum(out, 1.0)

    def turn_vectors(self, time_s: Array) -> Array:
        """(N, 3) rotation vectors of the animated head in rad."""
        out = np.zeros((len(time_s), 3))
        for number, name in enumerate(self.turns):
            axis, size = TURNS[name]
            share = np.clip((time_s - self.lead_s) / self.turn_s - number, 0.0, 1.0)
            out[:, axis] += size * np.sin(2 * np.pi * _SWINGS * share) * np.sin(np.pi * share) ** 2
        return out


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Steps in order. title: what the wearer is told that this is."""

    name: str
    steps: tuple[Step, ...]
    title: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError where two steps share a label, or there is none."""
        labels = [step.label for step in self.steps]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two steps are labelled {twice[0]!r}; each needs a label of its own")
        if not labels:
            raise ValueError("expected at least one step in [[steps]]")

    @property
    def length_s(self) -> float:
        """All steps, one right after the other."""
        return sum(step.length_s for step in self.steps)

    def step(self, label: str) -> Step | None:
        """The step labelled so, or None."""
        return next((step for step in self.steps if step.label == label), None)

    def in_sequence(self) -> "tuple[Performed, ...]":
        """Every step once, one right after the other from 0 on."""
        starts = np.cumsum([0.0, *(step.length_s for step in self.steps)])
        return tuple(
            Performed(step, float(start))
            for step, start in zip(self.steps, starts[:-1], strict=True)
        )


@dataclass(frozen=True, slots=True)
class Performed:
    """A step that was shown, from `start_s` on, in seconds after the first IMU sample of a take."""

    step: Step
    start_s: float

    @property
    def end_s(self) -> float:
        """When it was over."""
        return self.start_s + self.step.length_s


def _spread(label: str, pose: dict[str, float]) -> Array:
    """(52,) weights of a pose; names without a side mean both. Raises ValueError for others."""
    out = np.zeros(len(ARKIT_NAMES))
    for name, value in pose.items():
        names = (name,) if name in INDEX else (name + "Left", name + "Right")
        if names[0] not in INDEX:
            raise ValueError(f"step {label!r}: {name!r} is none of the 52 ARKit shapes")
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"step {label!r}: expected {name} in 0 to 1, got {value:g}")
        for known in names:
            out[INDEX[known]] = value
    return out


def shipped_scripts() -> tuple[str, ...]:
    """Names of the scripts that come with the program."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def read_script(name: str | Path) -> Script:
    """A shipped script by its name, or any by its file.

    Raises:
        ConfigError: there is none, or it is not a script; names what is wrong with it.
    """
    path = SHIPPED / f"{name}.toml" if str(name) in shipped_scripts() else Path(name)
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Script)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read as a script: {error.strerror or error}",
            f"give a file, or one of: {', '.join(shipped_scripts())}",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def script_to_dict(script: Script) -> dict[str, Any]:
    """Plain values, as a take keeps them."""
    found: dict[str, Any] = msgspec.to_builtins(script)
    return found


def script_from_dict(table: dict[str, Any]) -> Script:
    """The script of a take. Raises ConfigError where it is none."""
    try:
        return msgspec.convert(table, type=Script)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the script of the take: {error}") from error


def mark(label: str, what: str) -> str:
    """The marker of a step that `BEGINS` or `ENDS`, or whose last performance is void (`AGAIN`)."""
    return f"{_MARK} {label} {what}"


def performed(
    script: Script, markers: Iterable[tuple[int, str]], origin_ns: int
) -> tuple[Performed, ...]:
    """What was shown to its end and not taken back, by the markers of a take, in order of time.

    Args:
        markers: (host time in ns, label). origin_ns: host time of the first IMU sample.
    """
    found: list[Performed] = []
    begun: dict[str, int] = {}
    for time_ns, text in sorted(markers, key=lambda marker: marker[0]):
        prefix, _, rest = text.partition(" ")
        label, _, what = rest.rpartition(" ")
        step = script.step(label) if prefix == _MARK else None
        if step is None:
            continue
        if what == BEGINS:
            begun[label] = time_ns
        elif what == ENDS and label in begun:
            found.append(Performed(step, (begun.pop(label) - origin_ns) / 1e9))
        elif what == AGAIN and begun.pop(label, None) is None:
            last = [one for one in found if one.step.label == label][-1:]
            found = [one for one in found if one not in last]
    return tuple(found)


def segments_of(steps: Sequence[Performed]) -> tuple[Segment, ...]:
    """The steps as labelled stretches of a take."""
    return tuple(
        Segment(one.step.label, round(one.start_s, 3), round(one.end_s, 3)) for one in steps
    )


def shown_weights(steps: Sequence[Performed], time_s: Array) -> Array:
    """(N, 52) of the animated face at (N,) increasing times; at rest between steps."""
    out = np.zeros((len(time_s), len(ARKIT_NAMES)))
    for one in steps:
        rows = slice(*np.searchsorted(time_s, (one.start_s, one.end_s)))
        out[rows] += one.step.weights(time_s[rows] - one.start_s)
    return np.minimum(out, 1.0)


def shown_turns(steps: Sequence[Performed], time_s: Array) -> Array:
    """(N, 3) rotation vectors of the animated head at (N,) increasing times."""
    out = np.zeros((len(time_s), 3))
    for one in steps:
        rows = slice(*np.searchsorted(time_s, (one.start_s, one.end_s)))
        out[rows] += one.step.turn_vectors(time_s[rows] - one.start_s)
    return out
