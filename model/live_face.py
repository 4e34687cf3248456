"""The face of a live rig: events of devices in, published messages out. Opens nothing itself."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from capture.broadcast import Broadcast
from capture.observability import observability
from capture.operating import Command, Verb
from capture.phone_faces import PhoneFace
from capture.take import Take
from capture.wire import to_bytes
from capture.wire_traces import Tracer
from firmware_host.errors import ConfigError, ImusicError
from firmware_host.layout import SensorLayout, select
from firmware_host.link_events import RigEvent
from firmware_host.rig import DeviceConfig, Rig
from firmware_host.rig_profiles import read_profiles
from firmware_host.samples import Gap, Garbage, HubInfo, ImuBlock
from model.adjusting import KIND
from model.checkpoint import Checkpoint, select_slots
from model.driving import Driver
from model.hybrid import PHONE_LATENCY_S, Hybrid
from model.live_screen import LiveStatus
from model.minute import MinuteEvent
from model.network import open_network
from model.predict import opening_of
from model.predictor import Opening, Predictor
from model.slips import Slip
from model.watch import FaceWatch
from model.wearer import Wearer

NS_PER_S = 1_000_000_000
# What was found, for the take that is recorded meanwhile: kind, host ns, facts.
Noted = Callable[[str, int, dict[str, Any]], None]
LIVE_VERBS = (Verb.REZERO, Verb.UNDO, Verb.WEARER)
NOBODY = "none"
_KEPT_FACES = 600  # ten seconds of latencies
_RATE_S = 2.0
_SAID_LINES = 4


@dataclass(slots=True)
class LiveCounts:
    """What happened so far. busy_s: time spent predicting and publishing. minute: movements too
    small for a camera.
    """

    samples: int = 0
    lost: int = 0
    garbage_bytes: int = 0
    published: int = 0
    late_ticks: int = 0
    busy_s: float = 0.0
    confidence: float = 0.0
    minute: int = 0


class LiveFace:
    """Events of devices in, published messages out.

    Args:
        noted: keeps what is found in the take that is recorded as well; the face then rests until
            `take_began` says when it opens. None where nothing is recorded.
        wearer: the profile of who wears the sensors; None of a stranger.
        hybrid: what the phone sees comes first (`see`).
        find_wearer: gives the profile of a name, or raises ImusicError; None: nobody is known.
        phone_latency_s: how long ago a face was that the phone sends.
    """

    def __init__(
        self,
        rig: Rig,
        checkpoint: Checkpoint,
        out: Broadcast,
        noted: Noted | None = None,
        wearer: Wearer | None = None,
        hybrid: bool = False,
        find_wearer: Callable[[str], Wearer] | None = None,
        phone_latency_s: float = PHONE_LATENCY_S,
    ) -> None:
        select_slots(checkpoint.layout, rig.sensor_layout)  # refuse now, not in the first second
        rig.check_assigned()
        self._corrections = read_profiles(rig).corrections
        if rig.sensor_layout.reference in rig.unserved:
            raise ConfigError(
                f"no device of the rig serves {rig.sensor_layout.reference!r}",
                "give that slot to a sensor on the bone behind the ear: without it head motion "
                "cannot be removed, and the face would rest",
            )
        self._rig, self._checkpoint, self._out = rig, checkpoint, out
        self._denoise = open_network(checkpoint)
        session = rig.session
        self._opening = Opening(
            0.0, session.rest_s, session.rest_s, session.rest_s + session.routine_s
        )
        self._postponed, self._wearer, self._noted = noted is not None, wearer, noted
        self._watch: FaceWatch | None = None
        self._find_wearer = find_wearer
        self._sent: deque[tuple[float, float]] = deque(maxlen=_KEPT_FACES)
        self._said: deque[str] = deque(maxlen=_SAID_LINES)
        self._began_s = time.monotonic()
        self._driver: Driver | None = None
        self._worn: tuple[str, ...] = ()
        self._tracer, self._order = Tracer(()), list[tuple[str, ...]]()
        self._knowable = np.zeros(len(ARKIT_NAMES), np.float32)
        self._is_open = False
        self._hybrid = Hybrid(phone_latency_s) if hybrid else None
        self.counts = LiveCounts()
        if rig.devices:
            self._begin(rig.sensor_layout, [_slots(device) for device in rig.devices])

    @property
    def next_tick_ns(self) -> int | None:
        """When the next face is due; None before the first samples."""
        return self._driver.next_tick_ns if self._driver else None

    def listen(self, event: RigEvent) -> None:
        """Take one event of a device."""
        if isinstance(event, HubInfo) and self._driver is None:
            # Later it only introduces itself again: same slots, same face.
            self._begin(select(self._rig.sensor_layout, event.slots), [event.slots])
        elif isinstance(event, ImuBlock):
            self.counts.samples += len(event)
            self._trace(event)
            if self._driver is not None:
                self._driver.arrived(event)
        elif isinstance(event, Gap):
            self.counts.lost += event.count
            self._out.event("gap", samples=event.count)
        elif isinstance(event, Garbage):
            self.counts.garbage_bytes += event.count

    def _trace(self, block: ImuBlock) -> None:
        if block.device < len(self._order):
            self._tracer.take(block, self._order[block.device])
            if (rates := self._tracer.due(block.arrival_ns)) is not None:
                self._out.trace(self._worn, rates)

    def see(self, face: PhoneFace) -> None:
        """Take what the phone sees."""
        self._out.see(face)
        if self._hybrid is not None and face.weights is not None:
            latency_ns = round(self._hybrid.latency_s * NS_PER_S)
            self._hybrid.see(face.arrival_ns - latency_ns, face.weights)

    def play(self, take: Take) -> None:
        """What comes is a take of several devices, and not what the rig says."""
        self._begin(take.sensor_layout, [device.slots for device in take.devices])

    def _begin(self, worn: SensorLayout, devices: Sequence[tuple[str, ...]]) -> None:
        predictor = Predictor(
            self._checkpoint,
            worn,
            self._denoise,
            self._opening,
            postponed=self._postponed,
            wearer=self._wearer,
            devices=devices,
            corrections=self._corrections,
        )
        self._driver, self._watch = Driver(predictor), FaceWatch(predictor)
        self._worn, self._knowable = worn.names, observability(worn)
        self._tracer, self._order = Tracer(worn.names), list(devices)
        self._out.event("slots", worn=", ".join(worn.names))

    def take_began(self, take: Take) -> None:
        """Rest and routine are where the take's segments say, as `imusic predict` reads them.

        Of a replayed take, so are its corrections; of one that is recorded they are the rig's.
        """
        self._corrections = take.corrections
        self._opening, self._postponed = opening_of(take), False
        if self._driver is not None:
            self._driver.predictor.begin(self._opening)

    def publish_until(self, now_ns: int) -> None:
        """Predict and publish all ticks due by `now_ns`."""
        if self._driver is None:
            return
        started = time.perf_counter()
        frames = list(self._driver.frames_until(now_ns))
        for frame in frames:
            self._send(frame, self._driver.predictor.newest_arrival_ns)
        for event in self._watch.look() if self._watch is not None else ():
            if isinstance(event, Slip):
                self._tell_slip(event)
            else:
                self._tell_minute(event)
        self.counts.late_ticks += max(0, len(frames) - 1)
        self.counts.busy_s += time.perf_counter() - started

    def _send(self, frame: BlendshapeFrame, newest_ns: int) -> None:
        trusted = self._knowable * np.float32(frame.confidence)
        if self._hybrid is not None:
            frame = self._hybrid.fuse(frame)
            trusted = np.where(self._hybrid.fresh(frame.time_ns), np.float32(1.0), trusted)
        self._out.face(replace(frame, shape_confidence=trusted), newest_ns)
        self._sent.append((time.monotonic(), (time.monotonic_ns() - newest_ns) / 1e6))
        self.counts.published += 1
        self.counts.confidence = frame.confidence
        self._is_open = self._is_open or frame.confidence > 0.0

    def obey(self, command: Command) -> None:
        """Do what the operator said, before the next face; one of LIVE_VERBS."""
        driver, what = self._driver, command.verb.value
        if driver is None or driver.next_tick_ns is None:
            self._refuse(command, "no sensor was heard yet")
            return
        action: Callable[[Predictor], str] = Predictor.undo
        if command.verb is Verb.REZERO:
            action = Predictor.rezero
        elif command.verb is Verb.WEARER:
            try:
                wearer = self._named(command.label)
            except ImusicError as error:
                self._refuse(command, str(error))
                return
            action = lambda predictor: predictor.wear(wearer)  # noqa: E731
        due_ns = driver.next_tick_ns

        def act(predictor: Predictor) -> None:
            why = action(predictor)
            if why:
                self._refuse(command, why)
                return
            name = "" if predictor.wearer is None else predictor.wearer.facts.name
            self._out.event("adjusted", what=what, wearer=name)
            self._said.append(f"{what} {command.label}".rstrip())
            if self._noted is not None:
                self._noted(KIND, due_ns, {"what": what, "wearer": name})
            if command.answer is not None:
                command.answer("")

        driver.plan(due_ns, act)

    def _named(self, name: str) -> Wearer | None:
        if name.lower() == NOBODY:
            return None
        if self._find_wearer is None:
            raise ConfigError("no profiles are known here")
        return self._find_wearer(name)

    def _refuse(self, command: Command, why: str) -> None:
        self._out.event("refused", what=command.verb.value, why=why)
        self._said.append(f"{command.verb.value}: {why}")
        if command.answer is not None:
            command.answer(why)

    def _tell_slip(self, slip: Slip) -> None:
        self._out.event("slip", slot=slip.slot, degrees=slip.degrees)
        self._said.append(f"{slip.slot} slipped by {slip.degrees:.0f}°")
        if self._noted is not None:
            self._noted("slip", time.monotonic_ns(), asdict(slip))

    def _tell_minute(self, event: MinuteEvent) -> None:
        facts = asdict(event)
        self._out.minute(**facts)
        self.counts.minute += not event.visible
        if self._noted is not None:
            self._noted("minute", facts.pop("time_ns"), facts)

    @property
    def state(self) -> str:
        """`waiting` for samples, `opening` while rest and routine last, then `live`."""
        return ("live" if self._is_open else "opening") if self.counts.published else "waiting"

    def status(self) -> LiveStatus:
        """How it goes, for a screen."""
        counts, now_s = self.counts, time.monotonic()
        predictor = self._driver.predictor if self._driver is not None else None
        wearer = predictor.wearer if predictor is not None else self._wearer
        recent = sum(at > now_s - _RATE_S for at, _ in self._sent)
        return LiveStatus(
            state=self.state,
            elapsed_s=now_s - self._began_s,
            faces=counts.published,
            rate_hz=recent / _RATE_S,
            samples=counts.samples,
            lost=counts.lost,
            late_ticks=counts.late_ticks,
            confidence=counts.confidence,
            wearer="" if wearer is None else wearer.facts.name,
            latency_ms=tuple(late for _, late in self._sent if 0.0 <= late < 5000.0),
            slots=() if predictor is None else predictor.heard(),
            slipped=() if self._watch is None else tuple(self._watch.slipped.items()),
            sinks=self._out.sinks(),
            minute=counts.minute,
            said=tuple(self._said),
        )

    def tell(self) -> None:
        """Publish how it goes."""
        counts = self.counts
        self._out.status(
            state=self.state,
            faces=counts.published,
            samples=counts.samples,
            lost=counts.lost,
            confidence=counts.confidence,
            slots=self._worn,
            shape_confidence=to_bytes(self._knowable),
        )


def _slots(device: DeviceConfig) -> tuple[str, ...]:
    return tuple(slot for _, slot in device.assigned)
