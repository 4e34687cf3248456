"""Live Link Face by remote control: what to send over OSC, and what its answers mean. No I/O.

READY ── start() ──► STARTING ── confirmed ──► RECORDING ── stop() ──► STOPPING
  ▲                     └──────────────── stop() ────────────────────────►┘ │
  └──────────────────────────────── confirmed ◄─────────────────────────────┘

Apart from that the phone answers, or it does not: it is lost when it was silent for AWAY_S or says
that it leaves. What is wanted of a phone that does not answer is said when it does again.

Commands and answers by Epic's page "Recording Facial Animation from an iOS Device", section on OSC.
It does not say what a second RecordStart does to a recording under way, so one that is not
confirmed is repeated once and no more; a RecordStop is repeated until it is confirmed. A phone that
never confirms the start is told to stop all the same: it may have heard.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from capture.osc import Message
from firmware_host.clock import NS_PER_S

PORT = 8000  # what Epic's own Switchboard expects
GREET_EVERY_S, ASK_EVERY_S, AWAY_S = 1.0, 5.0, 11.0  # the last two as Switchboard has them
START_AGAIN_S, STOP_AGAIN_S = 2.0, 1.0
MAX_STARTS, MAX_STOPS = 2, 10

LOW_BATTERY, EMPTY_BATTERY = 0.20, 0.08  # ours: at the latter iPhones are close to switching off
SOON_EMPTY_S = 15 * 60.0
DRAIN_OVER_S = 600.0  # over which the battery's decline is judged
# Apple's NSProcessInfoThermalState: from serious on the system slows down, ARKit with it.
THERMAL_STATES = ("nominal", "fair", "serious", "critical")
SERIOUS = 2


class RemoteState(Enum):
    """Where the phone stands."""

    READY = "ready"
    STARTING = "starting"
    RECORDING = "recording"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Reached:
    """The app answers."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The app answers no more, or says that it is in the background."""

    reason: str


@dataclass(frozen=True, slots=True)
class Started:
    """The phone records. timecode: as it said; versions that we know of say zero."""

    slate: str
    take: int
    timecode: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The phone recorded. csv, movie: where on the phone, to be asked for by that name."""

    slate: str
    take: int
    timecode: str
    csv: str
    movie: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Battery from 0 to 1, and thermal state from 0 (nominal) to 3 (critical); None: not said."""

    battery: float | None
    thermal: int | None


RemoteEvent = Reached | Lost | Started | Stopped | Condition


class PhoneRemote:
    """Decides; its owner sends what is `due` and hands on what arrives (host monotonic ns).

    Args:
        reply_to: address and port of ours that the phone is to answer to.
        stream_to: where it is to send faces, added to the app's targets; None leaves them.
    """

    def __init__(self, reply_to: tuple[str, int], stream_to: tuple[str, int] | None = None) -> None:
        self.state = RemoteState.READY
        self.condition = Condition(None, None)
        self._reply_to, self._stream_to = reply_to, stream_to
        self._heard_ns: int | None = None
        self._greeted_ns: int | None = None
        self._asked_ns: int | None = None
        self._commanded_ns: int | None = None
        self._repeats = 0
        self._wanted: tuple[str, int] | None = None
        self._batteries: deque[tuple[int, float]] = deque(maxlen=256)

    def start(self, slate: str, take: int) -> None:
        """Let the phone record, as soon as it answers."""
        self._wanted = (slate, take)
        self._begin(RemoteState.STARTING)

    def stop(self) -> None:
        """Let the phone stop. Without a start before it, nothing happens."""
        if self._wanted is not None:
            self._begin(RemoteState.STOPPING)

    @property
    def is_busy(self) -> bool:
        """Whether an answer about the recording is still awaited."""
        starts = self.state is RemoteState.STARTING and self._repeats < MAX_STARTS
        return starts or (self.state is RemoteState.STOPPING and self._repeats < MAX_STOPS)

    def _begin(self, state: RemoteState) -> None:
        self.state, self._repeats, self._commanded_ns = state, 0, None

    def due(self, now_ns: int) -> list[Message]:
        """What to send now; call it often."""
        messages: list[Message] = []
        if not self.answers and _is_due(self._greeted_ns, GREET_EVERY_S, now_ns):
            self._greeted_ns = now_ns
            messages += self._greeting()
        if _is_due(self._asked_ns, ASK_EVERY_S if self.answers else GREET_EVERY_S, now_ns):
            self._asked_ns = now_ns
            messages += [Message("/BatteryQuery"), Message("/ThermalsQuery")]
        return messages + self._command(now_ns)

    @property
    def answers(self) -> bool:
        """Whether the app was heard of late."""
        return self._heard_ns is not None

    def _greeting(self) -> list[Message]:
        messages = [Message("/OSCSetSendTarget", self._reply_to)]
        if self._stream_to is not None:
            messages.append(Message("/AddLiveLinkAddress", self._stream_to))
            messages.append(Message("/LiveLinkStreamStart"))
        return messages

    def _command(self, now_ns: int) -> list[Message]:
        """RecordStart or RecordStop, as often as is good for them."""
        if self._wanted is None or not self.answers or not self.is_busy:
            return []
        starting = self.state is RemoteState.STARTING
        if not _is_due(self._commanded_ns, START_AGAIN_S if starting else STOP_AGAIN_S, now_ns):
            return []
        self._commanded_ns, self._repeats = now_ns, self._repeats + 1
        return [Message("/RecordStart", self._wanted) if starting else Message("/RecordStop")]

    def receive(self, message: Message, now_ns: int) -> list[RemoteEvent]:
        """What an answer means. What is no answer of the app means nothing."""
        events = self._understand(message, now_ns)
        if events is None:
            return []
        if any(isinstance(event, Lost) for event in events):
            return events
        reached = [] if self.answers else [Reached()]
        self._heard_ns = now_ns
        return [*reached, *events]

    def _understand(self, message: Message, now_ns: int) -> list[RemoteEvent] | None:
        values = message.arguments
        match message.address, values:
            case "/OSCSetSendTargetConfirm" | "/AppActivated", _:
                return []
            case "/AppDeactivated", _:
                return self._lose("Live Link Face went into the background")
            case "/Battery", (float() | int() as level, *_) if -1.0 <= level <= 1.0:
                return self._tell(
                    float(level) if level >= 0 else None, self.condition.thermal, now_ns
                )
            case "/Thermals", (int() as state, *_) if 0 <= state < len(THERMAL_STATES):
                return self._tell(self.condition.battery, state, now_ns)
            case "/RecordStartConfirm", _:
                return self._started(_text(values, 0))
            case "/RecordStopConfirm", _:
                return self._stopped(*(_text(values, i) for i in range(3)))
        return None

    def _tell(self, battery: float | None, thermal: int | None, now_ns: int) -> list[RemoteEvent]:
        before, self.condition = self.condition, Condition(battery, thermal)
        if battery is not None:
            self._batteries.append((now_ns, battery))
        return [] if self.condition == before else [self.condition]

    def _started(self, timecode: str) -> list[RemoteEvent]:
        if self._wanted is None or self.state is not RemoteState.STARTING:
            return []
        self.state = RemoteState.RECORDING
        return [Started(*self._wanted, timecode)]

    def _stopped(self, timecode: str, csv: str, movie: str) -> list[RemoteEvent]:
        """A recording of ours is over, also where somebody stopped it on the phone."""
        if self._wanted is None:
            return []
        wanted, self._wanted, self.state = self._wanted, None, RemoteState.READY
        return [Stopped(*wanted, timecode, csv, movie)]

    def tick(self, now_ns: int) -> list[RemoteEvent]:
        """Let time pass."""
        if self._heard_ns is None or now_ns - self._heard_ns < AWAY_S * NS_PER_S:
            return []
        return self._lose(f"the phone has not answered for {AWAY_S:g} s")

    def _lose(self, reason: str) -> list[RemoteEvent]:
        was_there, self._heard_ns, self._greeted_ns = self.answers, None, None
        return [Lost(reason)] if was_there else []

    def warnings(self, now_ns: int) -> tuple[str, ...]:
        """What may end a take soon, for the operator; empty where all is well."""
        found = []
        battery, thermal = self.condition.battery, self.condition.thermal
        left_s = self._left_s(now_ns)
        if battery is not None and battery <= EMPTY_BATTERY:
            found.append(f"the phone's battery is at {battery:.0%}: end the take, plug it in")
        elif battery is not None and battery <= LOW_BATTERY:
            found.append(f"the phone's battery is at {battery:.0%}")
        elif left_s is not None and left_s < SOON_EMPTY_S:
            found.append(f"the phone's battery lasts {left_s / 60:.0f} minutes more")
        if thermal is not None and thermal >= SERIOUS:
            found.append(f"the phone is too warm ({THERMAL_STATES[thermal]}): it will slow down")
        if self.state is RemoteState.STARTING and not self.is_busy:
            found.append("the phone has not confirmed that it records")
        if not self.answers and self._wanted is not None:
            found.append("the phone does not answer")
        return tuple(found)

    def _left_s(self, now_ns: int) -> float | None:
        """How long the battery lasts at its pace of late; None where it does not decline."""
        recent = [(t, b) for t, b in self._batteries if now_ns - t <= DRAIN_OVER_S * NS_PER_S]
        if len(recent) < 2 or recent[-1][0] - recent[0][0] < 60 * NS_PER_S:
            return None
        (first_ns, first), (last_ns, last) = recent[0], recent[-1]
        pace = (first - last) / ((last_ns - first_ns) / NS_PER_S)
        return last / pace if pace > 0 else None


def transport_request(host: str, port: int, path: str) -> Message:
    """Ask the phone to send a file it named to `host`:`port` by TCP: int32 size, then its bytes."""
    return Message("/Transport", (f"{host}:{port}", path))


def _is_due(last_ns: int | None, every_s: float, now_ns: int) -> bool:
    return last_ns is None or now_ns - last_ns >= every_s * NS_PER_S


def _text(values: tuple[object, ...], index: int) -> str:
    value = values[index] if index < len(values) else ""
    return value[:1024] if isinstance(value, str) else ""
