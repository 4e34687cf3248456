"""One thread that gives every face to every sink, beside the clock that makes faces.

The clock only leaves a face here, which takes microseconds whatever the sinks do. Sockets do not
wait, files have threads of their own, and where the thread itself is late only the newest face goes
to programs that show it; files get all.
"""

import threading
from collections import deque
from dataclasses import dataclass, field

from capture.blendshapes import BlendshapeFrame
from capture.sinks.config import SinkConfig
from capture.sinks.opening import open_sinks
from capture.sinks.shaping import Shaper, Shaping
from capture.sinks.shells import Sink
from capture.sinks.unfelt import Seen
from capture.wire_status import SinkStatus
from firmware_host.closing import Closing
from firmware_host.errors import ImusicError

MAX_WAITING = 600  # ten seconds in which this thread did not run once: then faces are lost


@dataclass(frozen=True, slots=True)
class _Outlet:
    url: str
    sink: Sink


@dataclass(slots=True)
class _Way:
    """Sinks that want the same done to a face: it is done once."""

    shaping: Shaping
    shaper: Shaper
    outlets: list[_Outlet] = field(default_factory=list)


class SinkPump(Closing):
    """Open sinks, and the thread that serves them.

    `with SinkPump(configs) as pump: pump.show(frame)`

    Raises:
        ConfigError, TransportError, EnvironmentMissing: a sink cannot be opened; then none is.
    """

    def __init__(self, configs: list[SinkConfig]) -> None:
        self._ways: list[_Way] = []
        ways = [self._way(config.shaping) for config in configs]
        sinks = open_sinks(configs)
        self._outlets = [_Outlet(c.url, s) for c, s in zip(configs, sinks, strict=True)]
        for way, outlet in zip(ways, self._outlets, strict=True):
            way.outlets.append(outlet)
        self.skipped = 0
        self._waiting: deque[BlendshapeFrame] = deque()
        self._seen: Seen | None = None
        self._bug: BaseException | None = None
        self._ending = False
        self._bell = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sinks", daemon=True)
        self._thread.start()

    def _way(self, shaping: Shaping) -> _Way:
        for way in self._ways:
            if way.shaping == shaping:
                return way
        self._ways.append(_Way(shaping, Shaper(shaping)))
        return self._ways[-1]

    def show(self, frame: BlendshapeFrame) -> None:
        """Leave one face for all sinks. Raises what a bug of ours in a sink raised."""
        if self._bug is not None:
            raise self._bug
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.skipped += 1
        self._waiting.append(frame)
        self._bell.set()

    def see(self, seen: Seen) -> None:
        """Tell what something else sees of the face, for sinks with `unfelt = "other"`."""
        self._seen = seen

    def states(self) -> tuple[SinkStatus, ...]:
        """How each sink is doing."""
        counted = [(outlet.url, outlet.sink.counts) for outlet in self._outlets]
        return tuple(
            SinkStatus(url, counts.frames, counts.datagrams, counts.failed, counts.trouble)
            for url, counts in counted
        )

    def _run(self) -> None:
        try:
            while not self._ending:
                self._bell.wait()
                self._bell.clear()
                self._serve()
            self._serve()
        except BaseException as bug:  # noqa: BLE001 - whoever shows the next face gets it
            self._bug = bug

    def _serve(self) -> None:
        faces = []
        while self._waiting:
            faces.append(self._waiting.popleft())
        for way in self._ways:
            for frame in faces:
                shaped = way.shaper.shape(frame, self._seen)
                for outlet in way.outlets:
                    if frame is faces[-1] or outlet.sink.every_face:
                        outlet.sink.show(shaped)

    def close(self) -> None:
        """Serve what is left, then close every sink; files are written now.

        Raises:
            ImusicError: a file could not be written, or lacks faces.
        """
        self._ending = True
        self._bell.set()
        self._thread.join()
        problems = [line for outlet in self._outlets if (line := _closed(outlet))]
        if self._bug is not None:
            raise self._bug
        if problems:
            raise ImusicError("; ".join(problems), "the other sinks are complete")


def _closed(outlet: _Outlet) -> str:
    """Close one sink; what is wrong with its file, or ""."""
    try:
        outlet.sink.close()
    except OSError as error:
        return f"sink {outlet.url}: {error.strerror or error}"
    counts = outlet.sink.counts
    if outlet.sink.every_face and counts.failed:
        return f"sink {outlet.url}: {counts.failed} faces are missing: {counts.trouble}"
    return ""
