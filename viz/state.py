"""What a viewer shows, as values: where it looks from, what moment, how fast. No I/O, no clock.

            PAUSE                      BACK, or slower than life
  follows <──────> stands    follows ─────────────────────────────> runs behind
                                     <─────────────────────────────
                                      END, or FORWARD up to the newest

A file is a timeline of fixed length and starts over at its end. What is live is a timeline that
grows, and forgets its beginning.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Literal

import numpy as np

from viz.scene import STRAIGHT, View

Tint = Literal["none", "confidence", "error"]

TURN_RAD, MAX_PITCH_RAD = np.deg2rad(5.0), np.deg2rad(85.0)
CLOSER, MIN_ZOOM, MAX_ZOOM = 1.1, 0.4, 2.5
JUMP_S, STEP_S = 1.0, 1 / 60
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
SNAP_S = 0.05  # nearer to the newest than this is the newest


class Command(Enum):
    """What the operator wants of a viewer."""

    PAUSE = auto()
    BACK = auto()
    FORWARD = auto()
    STEP_BACK = auto()
    STEP_FORWARD = auto()
    START = auto()
    END = auto()
    SLOWER = auto()
    FASTER = auto()
    LEFT = auto()
    RIGHT = auto()
    UP = auto()
    DOWN = auto()
    CLOSER = auto()
    FARTHER = auto()
    STRAIGHT = auto()
    TINT = auto()
    SENSORS = auto()
    HELP = auto()
    SCREENSHOT = auto()
    RECORD = auto()
    QUIT = auto()


@dataclass(frozen=True, slots=True)
class Key:
    """One key. name: on the key, and in the list on screen."""

    name: str
    command: Command


KEYS = (
    Key("space", Command.PAUSE),
    Key("left", Command.BACK),
    Key("right", Command.FORWARD),
    Key(",", Command.STEP_BACK),
    Key(".", Command.STEP_FORWARD),
    Key("home", Command.START),
    Key("end", Command.END),
    Key("-", Command.SLOWER),
    Key("=", Command.FASTER),
    Key("a", Command.LEFT),
    Key("d", Command.RIGHT),
    Key("w", Command.UP),
    Key("x", Command.DOWN),
    Key("e", Command.CLOSER),
    Key("c", Command.FARTHER),
    Key("0", Command.STRAIGHT),
    Key("t", Command.TINT),
    Key("s", Command.SENSORS),
    Key("h", Command.HELP),
    Key("p", Command.SCREENSHOT),
    Key("r", Command.RECORD),
    Key("q", Command.QUIT),
)
# As they stand on screen: what does, and what it does.
HELP = (
    ("space", "pause"),
    ("left right", "a second back, on"),
    (", .", "a frame back, on"),
    ("home end", "first, newest"),
    ("- =", "slower, faster"),
    ("a d w x", "turn; or drag"),
    ("e c", "closer, farther; or wheel"),
    ("0", "straight on"),
    ("t", "tint"),
    ("s", "sensors"),
    ("p", "picture"),
    ("r", "record a video"),
    ("h", "hide these keys"),
    ("q", "quit"),
)


def command_of_key(name: str) -> Command | None:
    """What a key does; None where nothing."""
    return next((key.command for key in KEYS if key.name == name), None)


@dataclass(frozen=True, slots=True)
class ViewState:
    """What is shown.

    position_s: the moment, between begin_s and end_s of the timeline. tints: those that make sense
    here, the first is none. pictures: how many were asked for so far.
    """

    is_live: bool = False
    begin_s: float = 0.0
    end_s: float = 0.0
    position_s: float = 0.0
    is_paused: bool = False
    speed: float = 1.0
    view: View = STRAIGHT
    tints: tuple[Tint, ...] = ("none",)
    tint: Tint = "none"
    sensors: bool = False
    help: bool = False
    recording: bool = False
    pictures: int = 0
    is_over: bool = False

    @property
    def behind_s(self) -> float:
        """How long ago the moment shown is newest, of what is live."""
        return self.end_s - self.position_s

    def line(self) -> str:
        """What the timeline does, for people; "" where it just runs."""
        parts = ["paused"] if self.is_paused else []
        if self.is_live:
            parts += [f"{self.behind_s:.1f} s behind"] if self.behind_s > SNAP_S else []
        else:
            parts.append(
                f"{self.position_s - self.begin_s:.2f} / {self.end_s - self.begin_s:.2f} s"
            )
        parts += [f"{self.speed:g} x"] if self.speed != 1.0 else []
        parts += [f"tint: {self.tint}"] if self.tint != "none" else []
        parts += ["REC"] if self.recording else []
        return " · ".join(parts)


def obey(state: ViewState, command: Command) -> ViewState:
    """The state after one command."""
    if command in _MOVES:
        return _moved(state, _MOVES[command])
    if command in _TURNS:
        yaw, pitch = _TURNS[command]
        return turned(state, yaw * TURN_RAD, pitch * TURN_RAD)
    match command:
        case Command.PAUSE:
            return replace(state, is_paused=not state.is_paused)
        case Command.START:
            return replace(state, position_s=state.begin_s)
        case Command.END:
            return replace(state, position_s=state.end_s)
        case Command.SLOWER | Command.FASTER:
            return replace(state, speed=_next_speed(state.speed, command is Command.FASTER))
        case Command.CLOSER | Command.FARTHER:
            return zoomed(state, 1 if command is Command.CLOSER else -1)
        case Command.STRAIGHT:
            return replace(state, view=STRAIGHT)
        case Command.TINT:
            place = state.tints.index(state.tint) + 1
            return replace(state, tint=state.tints[place % len(state.tints)])
        case Command.SENSORS:
            return replace(state, sensors=not state.sensors)
        case Command.HELP:
            return replace(state, help=not state.help)
        case Command.SCREENSHOT:
            return replace(state, pictures=state.pictures + 1)
        case Command.RECORD:
            return replace(state, recording=not state.recording)
    return replace(state, is_over=True)  # QUIT


_MOVES = {
    Command.BACK: -JUMP_S,
    Command.FORWARD: JUMP_S,
    Command.STEP_BACK: -STEP_S,
    Command.STEP_FORWARD: STEP_S,
}
_TURNS = {
    Command.LEFT: (-1, 0),
    Command.RIGHT: (1, 0),
    Command.UP: (0, -1),
    Command.DOWN: (0, 1),
}


def advance(state: ViewState, elapsed_s: float, begin_s: float, end_s: float) -> ViewState:
    """The state `elapsed_s` later, when the timeline reaches from `begin_s` to `end_s`."""
    followed = state.is_live and not state.is_paused and state.behind_s <= SNAP_S
    position = state.position_s
    if followed and state.speed >= 1.0:
        position = end_s
    elif not state.is_paused:
        position += elapsed_s * state.speed
        if not state.is_live and position > end_s:  # from the start again
            position = begin_s + (position - end_s) % max(end_s - begin_s, STEP_S)
    position = min(max(position, begin_s), end_s)
    return replace(state, begin_s=begin_s, end_s=end_s, position_s=position)


def turned(state: ViewState, yaw_rad: float, pitch_rad: float) -> ViewState:
    """The state with its view turned: to its left, and so that more is seen from above."""
    view = state.view
    yaw = (view.yaw_rad + yaw_rad + np.pi) % (2 * np.pi) - np.pi
    pitch = float(np.clip(view.pitch_rad + pitch_rad, -MAX_PITCH_RAD, MAX_PITCH_RAD))
    return replace(state, view=View(float(yaw), pitch, view.zoom))


def zoomed(state: ViewState, steps: float) -> ViewState:
    """The state seen from so many steps closer."""
    zoom = float(np.clip(state.view.zoom * CLOSER**steps, MIN_ZOOM, MAX_ZOOM))
    return replace(state, view=state.view._replace(zoom=zoom))


def _moved(state: ViewState, seconds: float) -> ViewState:
    """Stepping by frames stops a timeline that runs; jumps let it run."""
    position = min(max(state.position_s + seconds, state.begin_s), state.end_s)
    stands = state.is_paused or abs(seconds) < JUMP_S
    return replace(state, position_s=position, is_paused=stands)


def _next_speed(speed: float, faster: bool) -> float:
    others = [s for s in SPEEDS if (s > speed if faster else s < speed)]
    if not others:
        return speed
    return min(others) if faster else max(others)


@dataclass(frozen=True, slots=True)
class Pace:
    """Which frames of a video with a steady pace are due. began_s: when it began."""

    fps: float
    began_s: float
    written: int = 0

    def due(self, now_s: float) -> tuple["Pace", int]:
        """How often the picture of now is to be written, and the pace after that."""
        count = max(0, int((now_s - self.began_s) * self.fps) + 1 - self.written)
        return replace(self, written=self.written + count), count
