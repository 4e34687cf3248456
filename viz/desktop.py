"""The live head in a window: a client of whoever publishes faces, who never waits for it."""

import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.head import standard_head
from capture.wire import TOPIC, FaceMessage, decode, frame_from_message
from firmware_host.errors import ConfigError, EnvironmentMissing, ProtocolError, TransportError
from viz.scene import Image, Panel, write_centred

NO_SIGNAL_S = 0.5
FRAME_S = 1 / 60
STATUS_EVERY_S = 0.25
RATE_OVER_S = 1.0
RECEIVE_QUEUE = 8  # faces that ZeroMQ may hold for us
DRAIN_AT_MOST = 10_000


class Signal:
    """What is known of the stream from the messages seen. Pure: times are arguments."""

    def __init__(self) -> None:
        self.newest: FaceMessage | None = None
        self.received = 0
        self.shown = 0
        self.dropped = 0
        self.malformed = 0
        self._arrivals_s: deque[float] = deque()
        self._latency_s = float("nan")
        self._last_s = float("-inf")

    def take(self, messages: Sequence[bytes], now_s: float, unix_ns: int) -> bool:
        """Take what arrived, oldest first; True if there is a new face to show."""
        fresh: FaceMessage | None = None
        for data in messages:
            try:
                message = decode(data)
            except ProtocolError:
                self.malformed += 1
                continue
            self.dropped += self._missing(fresh or self.newest, message) + (fresh is not None)
            self.received += 1
            self._arrivals_s.append(now_s)
            fresh = message
        while self._arrivals_s and self._arrivals_s[0] < now_s - RATE_OVER_S:
            self._arrivals_s.popleft()
        if fresh is None:
            return False
        self.newest, self._latency_s = fresh, (unix_ns - fresh.unix_ns) * 1e-9
        self.shown += 1
        self._last_s = now_s
        return True

    @staticmethod
    def _missing(last: FaceMessage | None, message: FaceMessage) -> int:
        """How many faces between two never arrived."""
        # A publisher that begins again counts from the start: nothing was lost.
        if last is None or message.source != last.source or message.sequence <= last.sequence:
            return 0
        return message.sequence - last.sequence - 1

    def is_stale(self, now_s: float) -> bool:
        """No face for `NO_SIGNAL_S`."""
        return self.newest is None or now_s - self._last_s > NO_SIGNAL_S

    def rate_hz(self) -> float:
        """Faces received in the last second."""
        return len(self._arrivals_s) / RATE_OVER_S

    def status(self, now_s: float) -> str:
        """One line for the operator: source, rate, latency, drops; or that there is no signal."""
        if self.newest is None:
            return "no signal"
        if self.is_stale(now_s):
            return f"no signal for {now_s - self._last_s:.1f} s · {self.newest.source}"
        face = "" if self.newest.tracked else " · no face"
        return (
            f"{self.newest.source} · {self.rate_hz():.0f} Hz · {self._latency_s * 1e3:.0f} ms · "
            f"{self.dropped} dropped{face}"
        )

    def summary(self) -> str:
        """What became of the messages, for the end."""
        bad = f", {self.malformed} not understood" if self.malformed else ""
        return f"{self.received} faces received, {self.shown} shown, {self.dropped} dropped{bad}"

    def panel(self, caption: str = "") -> Panel:
        """The newest face, neutral before the first."""
        if self.newest is None:
            return Panel(np.zeros(len(ARKIT_NAMES), np.float32), caption=caption)
        frame = frame_from_message(self.newest)
        weights = np.clip(np.nan_to_num(frame.weights), 0.0, 1.0)
        quat = frame.quat_world_from_head
        if quat is not None and not 0.5 < float(np.linalg.norm(quat)) < 2.0:  # NaN as well
            quat = None
        return Panel(weights, quat, caption)


class FaceFeed:
    """A ZeroMQ subscription to faces.

    Raises:
        ConfigError: the address is none of ZeroMQ's.
    """

    def __init__(self, address: str) -> None:
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
        self._socket.subscribe(TOPIC)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Screen(Protocol):
    """Where the live head appears."""

    def show(self, panel: Panel) -> bool:
        """Show it with its caption; False once the operator has closed the screen."""
        ...

    def close(self) -> None:
        """Give the screen back."""
        ...


class Hidden:
    """A screen that nobody sees: the last face, for a screenshot."""

    def __init__(self, size: int) -> None:
        from viz.offscreen import open_renderer

        self._renderer = open_renderer(size)
        self.image: Image | None = None

    def show(self, panel: Panel) -> bool:
        """Draw it."""
        self.image = self._renderer.draw([panel])
        return True

    def close(self) -> None:
        """Give the renderer back."""
        self._renderer.close()


class Window:
    """An Open3D window: the head over a plate with the status.

    The plate is a textured quad, since the title of such a window cannot change.

    Raises:
        EnvironmentMissing: there is no display, or Open3D does not work here.
    """

    def __init__(self, size: int, title: str) -> None:
        from viz.offscreen import Open3dRenderer

        require_window()
        self._renderer = Open3dRenderer(
            standard_head(), size, captions=False, visible=True, title=title
        )
        self._plate_shape = (2 * round(size * 0.03), size, 3)
        self._plate = self._renderer.add_plate(self._plate_shape[0])
        self._caption: str | None = None

    def show(self, panel: Panel) -> bool:
        """Draw it and handle the window's events; False once it has been closed."""
        if panel.caption != self._caption:
            self._caption = panel.caption
            image: NDArray[np.uint8] = np.full(self._plate_shape, 250, np.uint8)
            write_centred(image, panel.caption, 0.42 * image.shape[0])
            self._renderer.paint_plate(self._plate, image)
        self._renderer.aim()  # the mouse would turn the head away from its lamp and its plate
        return self._renderer.show([panel])

    def close(self) -> None:
        """Close the window."""
        self._renderer.close()


def watch(screen: Screen, address: str, seconds: float | None = None) -> Signal:
    """Show the newest face published at `address` until the screen closes or Ctrl-C.

    Args:
        screen: where to.
        address: of the publisher's socket.
        seconds: end after so long.

    Raises:
        ConfigError: the address is none of ZeroMQ's.
    """
    signal = Signal()
    with FaceFeed(address) as feed, closing(screen):
        try:
            _follow(screen, feed, signal, seconds)
        except KeyboardInterrupt:  # the normal end of watching
            return signal
    return signal


def _follow(screen: Screen, feed: FaceFeed, signal: Signal, seconds: float | None) -> None:
    began_s = time.monotonic()
    status, status_s, drawn_s = "", 0.0, 0.0
    while True:
        messages = feed.wait(drawn_s + FRAME_S - time.monotonic())
        now_s = time.monotonic()
        if seconds is not None and now_s - began_s >= seconds:
            return
        signal.take(messages, now_s, time.time_ns())
        if now_s - status_s >= STATUS_EVERY_S:
            status, status_s = signal.status(now_s), now_s
        # Events of a window want handling even while no face arrives.
        if now_s - drawn_s >= FRAME_S:
            drawn_s = now_s
            if not screen.show(signal.panel(status)):
                return


def require_signal(signal: Signal, address: str, seconds: float) -> None:
    """Raise TransportError where not one face arrived."""
    if not signal.received:
        raise TransportError(
            f"no face arrived from {address} within {seconds:g} s",
            "is `imusic live` publishing there?",
            address,
        )


def require_window() -> None:
    """Make sure that a window can be opened here.

    Raises:
        EnvironmentMissing: there is no display, or Open3D does not work here.
    """
    from viz.offscreen import require_open3d

    _require_display()
    require_open3d()


def _require_display() -> None:
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise EnvironmentMissing(
            "there is no display to open a window on",
            "use `imusic view --headless --seconds 5 --screenshot face.png`, "
            "or run it under xvfb-run",
        )
