"""Sockets of a recording for a console: what is published, and a control socket that obeys.

Loopback only. The console is another process; the recording never waits for it: what is published
leaves without waiting, and commands are answered by a thread of their own.
"""

import contextlib
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from capture.blendshapes import BlendshapeFrame
from capture.control_socket import LOOPBACK, ControlSocket
from capture.guide_run import View
from capture.livelink import quat_from_head_angles
from capture.phone_faces import PhoneFace
from capture.publisher import Publisher
from capture.record_options import Control
from capture.record_status import Notice, RecordStatus
from capture.wire import encode, message_from_frame
from capture.wire_control import status_facts
from capture.wire_guide import encode_guide, guide_message
from capture.wire_record import NoticeMessage, encode_record, notice_message, record_message
from capture.wire_traces import TraceMessage, Tracer, encode_trace
from firmware_host.clock import NS_PER_S
from firmware_host.closing import Closing
from firmware_host.link_events import RigEvent
from firmware_host.rig import Rig
from firmware_host.samples import HubInfo, ImuBlock

NOTICES = 8
GUIDE_EVERY_NS = NS_PER_S // 10
FACES_EVERY_NS = NS_PER_S // 65  # a screen shows no more, and some phones send twice as many
_END_S = 5.0


class RecordLink(Closing):
    """Publishes a recording and obeys who asks; `with RecordLink(rig, control) as link`.

    Status, faces and control (`capture.wire_control`) are at `link.addresses`, free ports of this
    computer.

    Raises:
        TransportError: no port is to be had.
    """

    def __init__(self, rig: Rig, control: Control) -> None:
        self._rig = rig
        self._newest: RecordStatus | None = None
        self._slots = _slots(rig)
        self._notices: deque[NoticeMessage] = deque(maxlen=NOTICES)
        names = rig.sensor_layout.names
        self._tracer, self._names, self._traces = Tracer(names), names, 0
        self._order = [self._slots[device.name] for device in rig.sources]
        self._sent = self._faces = self._guided = self._guided_ns = 0
        self._face_ns = 0
        with contextlib.ExitStack() as closing:
            self._status = closing.enter_context(Publisher(LOOPBACK))
            self._face = closing.enter_context(Publisher(LOOPBACK))
            asked = closing.enter_context(ControlSocket(control, self._facts))
            self._closing = closing.pop_all()
        self.addresses = (self._status.address, self._face.address, asked.address)

    def event(self, event: RigEvent) -> None:
        """Publish how sensors move, as often as eyes can follow."""
        if isinstance(event, HubInfo) and self._rig.hub is not None:
            self._order[0] = event.slots  # a hub has an order of its own
        if not isinstance(event, ImuBlock):
            return
        self._tracer.take(event, self._order[event.device])
        rates = self._tracer.due(event.arrival_ns)
        if rates is not None:
            now_ns = time.time_ns()
            message = TraceMessage(self._rig.name, self._traces, now_ns, self._names, rates)
            self._traces += 1
            self._status.send(encode_trace(message))

    def _facts(self) -> dict[str, Any]:
        return {} if self._newest is None else status_facts(self._newest)

    def status(self, status: RecordStatus) -> None:
        """Publish how it is doing."""
        self._newest = status
        age_s = (time.monotonic_ns() - self._face_ns) / NS_PER_S if self._face_ns else None
        message = record_message(
            status,
            self._rig.name,
            self._sent,
            time.time_ns(),
            self._slots,
            tuple(self._notices),
            (self._rig.phone is not None, age_s),
        )
        self._sent += 1
        self._status.send(encode_record(message))

    def notice(self, notice: Notice) -> None:
        """Have it told with the next status."""
        self._notices.append(notice_message(notice, time.time_ns()))

    def guide(self, view: View) -> None:
        """Publish what a guided performer is shown, ten times a second."""
        now_ns = time.monotonic_ns()
        if now_ns - self._guided_ns < GUIDE_EVERY_NS:
            return
        self._guided_ns = now_ns
        message = guide_message(view, self._rig.name, self._guided, time.time_ns())
        self._guided += 1
        self._status.send(encode_guide(message))

    def face(self, face: PhoneFace) -> None:
        """Publish what the phone sees, as often as a screen can show it."""
        if face.arrival_ns - self._face_ns < FACES_EVERY_NS:
            return
        self._face_ns = face.arrival_ns
        known = face.weights is not None and bool(np.isfinite(face.weights).all())
        angles = face.head_yaw_pitch_roll
        quat = None if angles is None else quat_from_head_angles(angles[None])[0]
        weights = face.weights if known and face.weights is not None else np.zeros(52, np.float32)
        frame = BlendshapeFrame(face.arrival_ns, weights, quat, tracked=known)
        message = message_from_frame(frame, "phone", self._faces, time.time_ns(), face.arrival_ns)
        self._faces += 1
        self._face.send(encode(message))

    def close(self) -> None:
        """Close all sockets."""
        self._closing.close()


def _slots(rig: Rig) -> dict[str, tuple[str, ...]]:
    """The slots that each device of a rig serves, by its name."""
    if rig.hub is not None:
        return {rig.sources[0].name: rig.sensor_layout.names}
    return {d.name: tuple(slot for _, slot in d.assigned) for d in rig.sources}


@contextlib.contextmanager
def console_process(addresses: tuple[str, str, str], port: int) -> Iterator[None]:
    """Run `imusic console` beside the block, ended with it."""
    status, faces, control = addresses
    command = [sys.executable, "-m", "imusic", "console", "--record", status, "--faces", faces]
    child = subprocess.Popen(
        [*command, "--control", control, "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # A group of its own: Ctrl-C is for the recording, whose end the console shows.
        start_new_session=True,
    )
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
