"""Sinks over real sockets, read by others than their writers, all at once."""

import socket
import threading
import time

import numpy as np
import pytest
from pylivelinkface import FaceBlendShape, PyLiveLinkFace
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage

from capture.blendshapes import ARKIT_NAMES, INDEX, BlendshapeFrame
from capture.facecap import NAMES as FACECAP_NAMES
from capture.ifacialmocap import decode as decode_text
from capture.phone_faces import PhoneFace
from capture.sinks.config import sinks_from
from capture.sinks.pump import MAX_WAITING, SinkPump
from capture.sinks.shaping import Shaped
from capture.sinks.shells import SinkCounts
from capture.tracks import read_track
from firmware_host.errors import ConfigError, ImusicError, TransportError

pytestmark = pytest.mark.integration

HERE = "127.0.0.1"
WORD = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719"
FELT = [i for i, n in enumerate(ARKIT_NAMES) if not n.startswith(("eyeBlink", "eyeLook", "tongue"))]
ID_36 = "12345678-1234-1234-1234-123456789012"


class Ear:
    """A program that listens: keeps every datagram, read by a thread."""

    def __init__(self, address=(HERE, 0)):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(address)
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]
        self.heard: list[bytes] = []
        self._open = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while self._open:
            try:
                self.heard.append(self.socket.recv(65_535))
            except TimeoutError:
                continue

    def close(self):
        self._open = False
        self._thread.join()
        self.socket.close()


@pytest.fixture
def ears():
    opened: list[Ear] = []

    def listen(**facts):
        opened.append(Ear(**facts))
        return opened[-1]

    yield listen
    for ear in opened:
        ear.close()


def wait_for(what, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def face(number):
    """Faces that can be told apart: each shape moves with a period of its own."""
    shape = np.arange(52)
    values = ((5 * number + 7 * shape) % (61 + shape) / (61 + shape)).astype(np.float32)
    return BlendshapeFrame(time.monotonic_ns(), values, np.array([1, 0, 0, 0], np.float32))


def rest(url):
    return f"{url}{'&' if '?' in url else '?'}unfelt=rest"


def expected(frame):
    values = np.zeros(52, np.float32)
    values[FELT] = frame.weights[FELT]
    return values


def weights_by(kind, heard):
    """(N, 52) of what a program of this kind would show, by a decoder that is not ours if any."""
    if kind == "livelink":
        read = [PyLiveLinkFace.decode(d)[1] for d in heard]
        shapes = [FaceBlendShape[n[0].upper() + n[1:]] for n in ARKIT_NAMES]
        return np.array([[f.get_blendshape(s) for s in shapes] for f in read], np.float32)
    if kind == "vmc":
        found, shown = [], {}
        for message in (m for d in heard for m in OscBundle(d)):
            if message.address == "/VMC/Ext/Blend/Val":
                shown[message.params[0]] = message.params[1]
            elif message.address == "/VMC/Ext/Blend/Apply":
                found.append([shown[n[0].upper() + n[1:]] for n in ARKIT_NAMES])
        return np.array(found, np.float32)
    if kind == "facecap":
        found, shown = [], {}
        for message in map(OscMessage, heard):
            if message.address == "/W":
                shown[FACECAP_NAMES[message.params[0]]] = message.params[1]
                if message.params[0] == 51:
                    found.append([shown[n] for n in ARKIT_NAMES])
        return np.array(found, np.float32)
    faces = [decode_text(d) for d in heard]
    assert all(isinstance(f, PhoneFace) for f in faces)
    return np.array([f.weights for f in faces])


KINDS = {
    "livelink": f"livelink://{HERE}:PORT?device_id={ID_36}",
    "vmc": f"vmc://{HERE}:PORT",
    "facecap": f"facecap://{HERE}:PORT",
    "ifacialmocap": f"ifacialmocap://{HERE}:PORT",
    "facemotion3d": f"facemotion3d://{HERE}:PORT",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_shows_each_face_that_was_sent(kind, ears):
    ear = ears()
    datagrams = {"vmc": 2, "facecap": 57}.get(kind, 1)
    sent = []
    with SinkPump(sinks_from([rest(KINDS[kind].replace("PORT", str(ear.port)))])) as pump:
        for number in range(20):
            sent.append(expected(face(number)))
            pump.show(face(number))
            wait_for(lambda: len(ear.heard) == datagrams * len(sent))
    assert pump.states()[0].datagrams == datagrams * 20
    found = weights_by(kind, ear.heard)
    percent = kind in ("ifacialmocap", "facemotion3d")
    assert np.allclose(found, sent, rtol=0, atol=0.0051 if percent else 1e-6)


def test_at_sixty_hertz_all_at_once_get_faces_in_order_and_files_get_all(ears, tmp_path):
    heard = {kind: ears() for kind in (*KINDS, "vrchat", "bits")}
    urls = [rest(url.replace("PORT", str(heard[kind].port))) for kind, url in KINDS.items()]
    urls += [
        rest(f"vrchat://{HERE}:{heard['vrchat'].port}"),
        rest(f"vrchat://{HERE}:{heard['bits'].port}?form=binary"),
        f"npz:{tmp_path}/face.npz",
        f"csv:{tmp_path}/face.csv",
        f"glb:{tmp_path}/face.glb",
    ]
    sent = []
    with SinkPump(sinks_from(urls)) as pump:
        start = time.monotonic()
        for number in range(180):  # three seconds
            sent.append(face(number))
            pump.show(sent[-1])
            time.sleep(max(0.0, start + (number + 1) / 60 - time.monotonic()))
    assert pump.skipped == 0
    assert all(state.failed == 0 and state.trouble == "" for state in pump.states())
    shown = {
        url.partition(":")[0]: state.frames for url, state in zip(urls, pump.states(), strict=True)
    }
    truth = np.stack([expected(f) for f in sent])
    for kind in ("livelink", "vmc", "ifacialmocap", "facemotion3d"):
        wait_for(lambda: len(heard[kind].heard) >= shown[kind])  # noqa: B023 - called at once
        # Programs get the newest face: a busy machine skips some, and never goes back.
        nearest = np.abs(truth[None] - weights_by(kind, heard[kind].heard)[:, None]).max(axis=2)
        assert nearest.min(axis=1).max() <= 0.0051
        assert (np.diff(nearest.argmin(axis=1)) > 0).all()
    jaw = [
        m.params[0]
        for d in heard["vrchat"].heard
        for m in OscBundle(d)
        if m.address == "/avatar/parameters/v2/JawOpen"
    ]
    assert set(jaw) <= {float(f) for f in truth[:, INDEX["jawOpen"]]}
    assert jaw
    assert heard["bits"].heard
    assert heard["facecap"].heard
    assert (tmp_path / "face.glb").stat().st_size > 1 << 20
    for name in ("face.npz", "face.csv"):
        assert np.allclose(read_track(tmp_path / name).weights, truth, atol=1e-6)


def test_a_program_that_is_not_there_is_told_of_and_hinders_nobody(ears):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HERE, 0))
        dead = probe.getsockname()[1]
    alive = ears()
    with SinkPump(sinks_from([f"vmc://{HERE}:{dead}", f"livelink://{HERE}:{alive.port}"])) as pump:
        for number in range(30):
            pump.show(face(number))
            time.sleep(0.005)
        wait_for(lambda: pump.states()[0].failed > 0)
        assert pump.states()[0].trouble == "nobody listens there"
        late = Ear((HERE, dead))  # somebody starts the program
        try:
            wait_for(lambda: pump.show(face(0)) or time.sleep(0.005) or len(late.heard) > 10)
            wait_for(
                lambda: pump.show(face(0)) or time.sleep(0.005) or not pump.states()[0].trouble
            )
        finally:
            late.close()
    assert len(alive.heard) > 20
    assert pump.states()[1].failed == 0


class StuckSink:
    """A sink that does not come back, as none of ours may be: the worst that could happen."""

    every_face = False

    def __init__(self):
        self.counts = SinkCounts()
        self.go_on = threading.Event()

    def show(self, shaped: Shaped) -> None:
        self.counts.frames += 1
        self.go_on.wait()

    def close(self) -> None:
        self.go_on.set()


def test_even_a_sink_that_hangs_does_not_hold_up_the_clock(monkeypatch):
    stuck = StuckSink()
    monkeypatch.setattr("capture.sinks.pump.open_sinks", lambda configs: [stuck])
    pump = SinkPump(sinks_from(["vmc:"]))
    pump.show(face(0))
    wait_for(lambda: stuck.counts.frames == 1)
    for number in range(MAX_WAITING + 50):
        pump.show(face(number))  # would not come back if it waited for the sink
    assert pump.skipped == 50
    assert stuck.counts.frames == 1
    stuck.go_on.set()
    pump.close()


class BrokenSink(StuckSink):
    def show(self, shaped: Shaped) -> None:
        raise ZeroDivisionError


def test_a_bug_in_a_sink_is_not_hidden(monkeypatch):
    monkeypatch.setattr("capture.sinks.pump.open_sinks", lambda configs: [BrokenSink()])
    pump = SinkPump(sinks_from(["vmc:"]))
    with pytest.raises(ZeroDivisionError):
        wait_for(lambda: pump.show(face(0)))
    with pytest.raises(ZeroDivisionError):
        pump.close()


def ask(word, to):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.sendto(word, to)


def test_we_answer_as_the_phone_does_once_asked(ears):
    # Whatever port asks, the PC hears on the maker's. The phone is another address of loopback.
    program = ears(address=(HERE, 49_983))
    phone = ("127.0.0.2", 49_983)
    url = rest(f"ifacialmocap://{phone[0]}:{phone[1]}?listen=true&allow={HERE}")
    with SinkPump(sinks_from([url])) as pump:
        for number in range(10):
            pump.show(face(number))
        time.sleep(0.1)
        assert program.heard == []
        ask(WORD + b"|sendDataVersion=v2", phone)
        wait_for(lambda: pump.show(face(0)) or time.sleep(0.01) or len(program.heard) > 5)
        ask(b"iFacialMocap_UDPTCPSTOP_sahuasouryya9218sauhuiayeta91555dy3719", phone)
        wait_for(lambda: pump.show(face(0)) or time.sleep(0.01) or went_quiet(program))
    assert b"|jawOpen&" in program.heard[0]
    assert weights_by("ifacialmocap", program.heard[:1])[0] == pytest.approx(
        expected(face(0)), abs=0.0051
    )


def went_quiet(ear, memory={}):  # noqa: B006 - remembers on purpose
    """Whether nothing came since the last five looks."""
    looks, count = memory.get(id(ear), (0, -1))
    same = count == len(ear.heard)
    memory[id(ear)] = (looks + 1 if same else 0, len(ear.heard))
    return looks >= 5


def test_who_is_not_allowed_to_ask_gets_nothing(ears):
    program = ears(address=(HERE, 49_983))
    url = "ifacialmocap://127.0.0.2:49983?listen=true&allow=127.0.0.9"
    with SinkPump(sinks_from([url])) as pump:
        ask(WORD, ("127.0.0.2", 49_983))
        wait_for(lambda: pump.show(face(0)) or time.sleep(0.01) or pump.states()[0].trouble)
        assert HERE in pump.states()[0].trouble
    assert program.heard == []


def test_a_phone_that_listens_to_a_network_needs_somebody_who_may_ask():
    with pytest.raises(ConfigError, match="nobody may ask"):
        SinkPump(sinks_from(["ifacialmocap://0.0.0.0:0?listen=true".replace(":0?", ":49983?")]))


def test_a_busy_port_and_an_unknown_host_are_refused_and_nothing_stays_open(ears, tmp_path):
    busy = ears()
    good = f"csv:{tmp_path}/face.csv"
    with pytest.raises(TransportError, match="busy"):
        SinkPump(sinks_from([good, f"ifacialmocap://{HERE}:{busy.port}?listen=true"]))
    with pytest.raises(TransportError, match="name of the host is not known"):
        SinkPump(sinks_from([good, "vmc://no-such-host.invalid:1"]))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told_and_the_others_are(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    pump = SinkPump(sinks_from([f"csv:{folder}/face.csv", f"npz:{tmp_path}/face.npz"]))
    for number in range(5):
        pump.show(face(number))
        time.sleep(0.002)
    folder.rmdir()
    with pytest.raises(ImusicError, match=r"face\.csv"):
        pump.close()
    assert len(read_track(tmp_path / "face.npz")) == 5


def test_a_lab_recorder_finds_the_stream_and_its_channels():
    pylsl = pytest.importorskip("pylsl")
    with SinkPump(sinks_from(["lsl:imusic-test"])) as pump:
        (found,) = pylsl.resolve_byprop("name", "imusic-test", timeout=20)
        inlet = pylsl.StreamInlet(found)
        channel = inlet.info().desc().child("channels").child("channel")
        assert channel.child_value("label") == "eyeBlinkLeft"
        assert found.channel_count() == 58
        received: list[tuple[list[float], float]] = []

        def show_and_pull():
            pump.show(face(3))
            sample, stamp = inlet.pull_sample(timeout=0.05)
            if sample is not None:
                received.append((sample, stamp))
            return len(received) > 2

        wait_for(show_and_pull)
        sample, stamp = received[-1]
        assert sample[:52] == pytest.approx(expected(face(3)))
        assert sample[56:] == [1.0, 1.0]
        assert abs(pylsl.local_clock() - stamp) < 10
