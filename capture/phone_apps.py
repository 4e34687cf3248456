"""The apps whose faces can be recorded: how each is asked, and how its bytes are read. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from capture import facecap, ifacialmocap, livelink, mediapipe_faces, vtube_studio
from capture.phone_faces import Malformed, PhoneFace, unmirrored
from firmware_host.phone_rig import PhoneConfig

MAX_STREAM_BYTES = 64 * 1024

Found = PhoneFace | Malformed


class Decoder(Protocol):
    """Takes what arrives, in order, and gives the faces that it completes."""

    def receive(self, data: bytes, arrival_ns: int) -> list[Found]:
        """Never raises, whatever arrives."""
        ...


@dataclass(frozen=True, slots=True)
class PhoneApp:
    """What there is to know about an app.

    title: what people call it. setup: what the operator does on the phone. tells_time: whether its
    frames carry the phone's time; where not, only arrival is known. request: what to send to
    `phone_port` of the phone, so that it answers; asks_on: whether that must go on while it
    answers. farewell: what ends it. decode: reads one datagram, where one is a frame. end: what
    ends a frame of a TCP stream.
    """

    title: str
    setup: str
    tells_time: bool
    decode: Callable[[bytes, int], Found] | None = None
    phone_port: int | None = None
    request: Callable[[PhoneConfig], bytes] | None = None
    asks_on: bool = False
    farewell: tuple[bytes, ...] = ()
    end: bytes = b""


def _livelink(data: bytes, arrival_ns: int) -> Found:
    packet = livelink.decode(data)
    return packet if isinstance(packet, Malformed) else livelink.face_of(packet, arrival_ns)


def _text_app(title: str, dialect: ifacialmocap.Dialect) -> PhoneApp:
    return PhoneApp(
        title,
        f"open {title} on the phone and leave it in front; give the phone's IP as phone.address",
        tells_time=False,
        decode=ifacialmocap.decode,
        phone_port=dialect.phone_port,
        request=lambda config: dialect.start_tcp if config.transport == "tcp" else dialect.start,
        farewell=dialect.stop,
        end=dialect.end,
    )


APPS: dict[str, PhoneApp] = {
    "livelink": PhoneApp(
        "Live Link Face",
        "let Live Link Face (ARKit mode) send to this computer",
        tells_time=True,
        decode=_livelink,
    ),
    "ifacialmocap": _text_app("iFacialMocap", ifacialmocap.IFACIALMOCAP),
    "facemotion3d": _text_app("Facemotion3d", ifacialmocap.FACEMOTION3D),
    "facecap": PhoneApp(
        "Face Cap",
        "let Face Cap (Live Mode, OSC) send to this computer",
        tells_time=False,
    ),
    "vtube-studio": PhoneApp(
        "VTube Studio",
        "switch on 3rd Party PC Clients in VTube Studio, or open MeowFace",
        tells_time=True,
        decode=vtube_studio.decode,
        phone_port=vtube_studio.PHONE_PORT,
        request=lambda config: vtube_studio.request(config.listen_port),
        asks_on=True,
    ),
    "mediapipe": PhoneApp(
        "the webcam",
        "run `imusic webcam --model face_landmarker.task` in another window",
        tells_time=True,
        decode=mediapipe_faces.decode,
    ),
}


def decoder(config: PhoneConfig) -> Decoder:
    """Reads what arrives from this phone, from its first byte on."""
    app = APPS[config.app]
    if app.decode is None:
        read: Decoder = facecap.FaceCapDecoder()
    elif config.transport == "tcp":
        read = StreamDecoder(app.end, app.decode)
    else:
        read = DatagramDecoder(app.decode)
    return MirrorDecoder(read) if config.mirrored else read


@dataclass(frozen=True, slots=True)
class DatagramDecoder:
    """One datagram, one frame."""

    decode: Callable[[bytes, int], Found]

    def receive(self, data: bytes, arrival_ns: int) -> list[Found]:
        """The frame in a datagram."""
        return [self.decode(data, arrival_ns)]


class StreamDecoder:
    """Cuts a stream into frames at the word that ends them."""

    def __init__(self, end: bytes, decode: Callable[[bytes, int], Found]) -> None:
        self._end, self._decode = end, decode
        self._rest = b""

    def receive(self, data: bytes, arrival_ns: int) -> list[Found]:
        """The frames that `data` ends. A stream without an end is given up at MAX_STREAM_BYTES."""
        *frames, self._rest = (self._rest + data).split(self._end)
        found = [self._decode(frame, arrival_ns) for frame in frames if frame.strip()]
        if len(self._rest) > MAX_STREAM_BYTES:
            found.append(Malformed(f"{len(self._rest)} bytes without the end of a frame"))
            self._rest = b""
        return found


@dataclass(frozen=True, slots=True)
class MirrorDecoder:
    """Of an app that shows a mirror image: exchanges left and right."""

    inner: Decoder

    def receive(self, data: bytes, arrival_ns: int) -> list[Found]:
        """What the decoder within finds, as the wearer's own left and right."""
        return [
            unmirrored(found) if isinstance(found, PhoneFace) else found
            for found in self.inner.receive(data, arrival_ns)
        ]
