"""Sockets of a recording for a console: what is published, and a control socket that obeys.

Loopback only. The console is another process; the recording never waits for it: what is published
leaves without waiting, and commands are answered by a thread of their own.
"""

import contextlib
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import zmq

from capture.blendshapes import BlendshapeFrame
from capture.livelink import quat_from_head_angles
from capture.operating import command_of_line
from capture.phone_faces import PhoneFace
from capture.publisher import Publisher
from capture.record_options import Control
from capture.record_status import Notice, RecordStatus
from capture.wire import encode, message_from_frame
from capture.wire_record import NoticeMessage, encode_record, notice_message, record_message
from firmware_host.clock import NS_PER_S
from firmware_host.closing import Closing
from firmware_host.rig import Rig

LOOPBACK = "tcp://127.0.0.1:*"
NOTICES = 8
FACES_EVERY_NS = NS_PER_S // 65  # a screen shows no more, and some phones send twice as many
OBEYED, NOT_UNDERSTOOD = b"ok", b"not understood"
_POLL_MS = 100
_END_S = 5.0


class RecordLink(Closing):
    """Publishes a recording and obeys who asks; `with RecordLink(rig, control) as link`.

    Status, faces and control are at `link.addresses`, free ports of this computer. Commands are the
    lines that `capture.operating` knows: start, stop, mark LABEL, good, ng.

    Raises:
        TransportError: no port is to be had.
    """

    def __init__(self, rig: Rig, control: Control) -> None:
        self._rig, self._control = rig, control
        self._slots = _slots(rig)
        self._notices: deque[NoticeMessage] = deque(maxlen=NOTICES)
        self._sent = self._faces = 0
        self._face_ns = 0
        with contextlib.ExitStack() as closing:
            self._status = closing.enter_context(Publisher(LOOPBACK))
            self._face = closing.enter_context(Publisher(LOOPBACK))
            self._context = closing.enter_context(zmq.Context())
            self._asked = closing.enter_context(self._context.socket(zmq.REP))
            self._asked.set(zmq.LINGER, 0)
            self._asked.bind(LOOPBACK)
            commands = self._asked.get_string(zmq.LAST_ENDPOINT)
            self._closing = closing.pop_all()
        self.addresses = (self._status.address, self._face.address, commands)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._obey, name="control", daemon=True)
        self._thread.start()

    def status(self, status: RecordStatus) -> None:
        """Publish how it is doing."""
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

    def _obey(self) -> None:
        while not self._is_over.is_set():
            if not self._asked.poll(_POLL_MS):
                continue
            line = self._asked.recv().decode("utf-8", "replace")
            command = command_of_line(line)
            if command is not None:
                self._control.say(command)
            self._asked.send(NOT_UNDERSTOOD if command is None else OBEYED)

    def close(self) -> None:
        """Close all sockets."""
        self._is_over.set()
        self._thread.join()
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
