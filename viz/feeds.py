"""Where a viewer's faces come from: published live, or files. Each is a timeline in seconds."""

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from capture.tracks import Track, resample
from capture.wire import TOPIC
from capture.wire_status import STATUS_TOPIC, decode_status
from firmware_host.closing import Closing
from firmware_host.errors import ConfigError, ProtocolError
from firmware_host.rig import USUAL_FACES_PORT
from viz.signal import NEUTRAL, Face, Signal, face_of
from viz.slots import SlotTimes

RECEIVE_QUEUE = 8  # faces that ZeroMQ may hold for us
DRAIN_AT_MOST = 10_000
HISTORY_S = 30.0  # how far back what is live can be looked at
WORDS_EVERY_S = 0.25  # words that change faster cannot be read
USUAL_ADDRESS = f"tcp://127.0.0.1:{USUAL_FACES_PORT}"


class FaceFeed(Closing):
    """A ZeroMQ subscription to faces, or to another topic.

    Raises:
        ConfigError: the address is none of ZeroMQ's.
    """

    def __init__(self, address: str, topic: bytes = TOPIC) -> None:
        import zmq

        self._context = zmq.Context()
        self._socket: Any = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, RECEIVE_QUEUE)
        self._socket.setsockopt(zmq.LINGER, 0)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(
                f"cannot subscribe to {address!r}: {zmq.strerror(int(error.errno or 0))}",
                "expected an address like tcp://127.0.0.1:5570",
            ) from error
        self._socket.subscribe(topic)

    @property
    def socket(self) -> Any:
        """For whoever waits for several at once."""
        return self._socket

    def wait(self, timeout_s: float) -> list[bytes]:
        """Everything that is there, oldest first, or that arrives first within `timeout_s`."""
        import zmq

        messages: list[bytes] = []
        if not self._socket.poll(max(0, round(timeout_s * 1e3))):
            return messages
        # Until nothing is left, whatever the queue: what the system buffers would age here.
        while len(messages) < DRAIN_AT_MOST:
            try:
                messages.append(self._socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                break
        return messages

    def close(self) -> None:
        """Leave; safe to call twice."""
        self._socket.close()
        self._context.term()


class Faces(Protocol):
    """Some heads side by side, over time."""

    is_live: bool
    count: int

    def wait(self, timeout_s: float) -> None:
        """Take in what arrives, for so long at most."""
        ...

    def span(self, now_s: float) -> tuple[float, float]:
        """First and last moment there is, s; `now_s` is the monotonic clock."""
        ...

    def faces(self, at_s: float) -> list[Face]:
        """One per head."""
        ...

    def captions(self, now_s: float) -> list[str]:
        """What stands under each."""
        ...

    def heard(self, at_s: float) -> list[tuple[bool, ...] | None]:
        """Per head by slot: which sensors are heard; None where that is not known."""
        ...

    def close(self) -> None:
        """Give back sockets; safe to call twice."""
        ...


class FileFaces:
    """Tracks on one clock, as `viz.film.staged` leaves them."""

    is_live = False

    def __init__(
        self,
        tracks: Sequence[Track],
        captions: Sequence[str],
        span_s: tuple[float, float],
        slots: Sequence[SlotTimes | None],
    ) -> None:
        self.count = len(tracks)
        self._tracks, self._captions = list(tracks), list(captions)
        self._span_s, self._slots = span_s, list(slots)

    def wait(self, timeout_s: float) -> None:
        """Nothing arrives."""
        time.sleep(max(0.0, timeout_s))

    def span(self, now_s: float) -> tuple[float, float]:  # noqa: ARG002 - files do not grow
        """What is to be played."""
        return self._span_s

    def faces(self, at_s: float) -> list[Face]:
        """The faces at that moment, between rows too."""
        found = []
        for track in self._tracks:
            row = resample(track, np.array([at_s]))
            quat = None if row.quats is None else row.quats[0]
            tracked = row.tracked is None or bool(row.tracked[0])
            found.append(Face(np.clip(row.weights[0], 0.0, 1.0), quat, tracked=tracked))
        return found

    def captions(self, now_s: float) -> list[str]:  # noqa: ARG002 - names do not change
        """Their names."""
        return self._captions

    def heard(self, at_s: float) -> list[tuple[bool, ...] | None]:
        """By the samples of a take."""
        return [None if slots is None else slots.heard_at(at_s) for slots in self._slots]

    def close(self) -> None:
        """Nothing is held."""


class LiveFaces:
    """Faces that are published; the last HISTORY_S are kept.

    Args:
        addresses: of publishers, one per head.
        slots: names, in the order of the layout that is drawn.

    Raises:
        ConfigError: an address is none of ZeroMQ's.
    """

    is_live = True

    def __init__(self, addresses: Sequence[str], slots: Sequence[str] = ()) -> None:
        self.count = len(addresses)
        self.addresses, self._slots = tuple(addresses), tuple(slots)
        self.signals = [Signal() for _ in addresses]
        self._past: list[deque[tuple[float, Face]]] = [deque() for _ in addresses]
        self._worn: list[tuple[bool, ...] | None] = [None] * self.count
        self._words: tuple[float, list[str]] = (float("-inf"), [])
        self._feeds: list[FaceFeed] = []
        self._heartbeats: dict[int, FaceFeed] = {}
        try:
            for index, address in enumerate(addresses):
                self._feeds.append(FaceFeed(address))
                if status := _status_beside(address):
                    self._heartbeats[index] = FaceFeed(status, STATUS_TOPIC)
        except ConfigError:
            self.close()
            raise

    def wait(self, timeout_s: float) -> None:
        """Until a face arrives, or so long."""
        import zmq

        poller = zmq.Poller()
        for feed in self._feeds:
            poller.register(feed.socket, zmq.POLLIN)
        poller.poll(max(0, round(timeout_s * 1e3)))
        for index, feed in enumerate(self._feeds):
            self._take(index, feed.wait(0.0))
        for index, heartbeat in self._heartbeats.items():
            self._take_status(index, heartbeat.wait(0.0))

    def _take(self, index: int, messages: list[bytes]) -> None:
        if not messages:
            return
        signal, now_s = self.signals[index], time.monotonic()
        if signal.take(messages, now_s, time.time_ns()) and signal.newest is not None:
            past = self._past[index]
            past.append((now_s, face_of(signal.newest)))
            while past[0][0] < now_s - HISTORY_S:
                past.popleft()

    def _take_status(self, index: int, messages: list[bytes]) -> None:
        if not messages:
            return
        try:
            worn = decode_status(messages[-1]).slots
        except ProtocolError:
            return
        self._worn[index] = tuple(slot in worn for slot in self._slots)

    def span(self, now_s: float) -> tuple[float, float]:
        """From the oldest face kept to now."""
        return min([past[0][0] for past in self._past if past], default=now_s), now_s

    def faces(self, at_s: float) -> list[Face]:
        """The newest of that moment; neutral before the first."""
        found = []
        for past in self._past:
            if not past or past[-1][0] <= at_s:  # nearly always
                found.append(past[-1][1] if past else NEUTRAL)
                continue
            place = bisect_right(past, at_s, key=lambda entry: entry[0])
            found.append(past[max(place - 1, 0)][1])
        return found

    def captions(self, now_s: float) -> list[str]:
        """How each stream is doing."""
        if now_s - self._words[0] >= WORDS_EVERY_S:
            self._words = now_s, [signal.status(now_s) for signal in self.signals]
        return self._words[1]

    def heard(self, at_s: float) -> list[tuple[bool, ...] | None]:  # noqa: ARG002 - only of now
        """By the heartbeat, where one is heard."""
        return self._worn

    def close(self) -> None:
        """Leave all streams."""
        for feed in (*self._feeds, *self._heartbeats.values()):
            feed.close()


def _status_beside(address: str) -> str:
    """Where the heartbeat of faces at their usual port is; "" at another."""
    place, _, port = address.rpartition(":")
    return f"{place}:{USUAL_FACES_PORT + 1}" if port == str(USUAL_FACES_PORT) else ""
