"""Every decoder of bytes from outside, and what must hold whatever arrives. Pure.

A target is fed anything; then good messages follow. Nothing may raise, what is kept may not grow
with what came, and within `patience` good messages one must be understood again: garbage may spoil
what it touches (a frame it runs into, a number that it raised), never what comes later.
"""

import gc
import struct
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from capture import facecap, livelink, mediapipe_faces, vtube_studio
from capture.blendshapes import INDEX
from capture.phone_apps import decoder
from capture.phone_faces import PhoneFace
from firmware_host import commands, frames, messages
from firmware_host.announcements import (
    Announcement,
    Link,
    decode_announcement,
    encode_announcement,
)
from firmware_host.commands import SetRange
from firmware_host.datagrams import DatagramReader, DatagramWriter
from firmware_host.device import HubDevice
from firmware_host.frames import Frame, FrameDecoder
from firmware_host.messages import Info
from firmware_host.phone_rig import PhoneConfig
from firmware_host.samples import HubFeatures, HubInfo, ImuBlock
from firmware_host.vendors import ximu3
from firmware_host.vendors.dot import DotDevice, DotMode
from firmware_host.vendors.lsl import Channel, Header, LslDevice, encode_header, encode_samples
from firmware_host.vendors.slimevr import SlimeTracker
from firmware_host.vendors.witmotion import WitMotionBle, WitMotionSerial
from firmware_host.vendors.ximu3 import XimuDevice

Feed = Callable[[bytes], object]

MAX_KEPT = 256 * 1024  # bytes of any decoder, whatever came
SLOTS = ("brow", "chin")
_HUB = HubInfo("hub", "f", 1, 200.0, 80.0, 17.0, SLOTS, HubFeatures.PING)


@dataclass(frozen=True, slots=True)
class Target:
    """One decoder.

    begin: a fresh one, as the function to feed. golden: the chunks of the n-th good message.
    is_good: whether what a chunk gave says that one was understood. patience: how many good
    messages in a row may be lost behind garbage. is_stream: chunks may be cut anywhere.
    """

    name: str
    begin: Callable[[], Feed]
    golden: Callable[[int], list[bytes]]
    is_good: Callable[[object], bool]
    patience: int = 0
    is_stream: bool = False


def check(target: Target, chunks: list[bytes], with_memory: bool = True) -> None:
    """Feed chunks, then good messages. Raises AssertionError, or whatever the decoder raised."""
    feed = target.begin()
    for chunk in chunks:
        feed(chunk)
    if with_memory:
        kept = kept_bytes(feed)
        assert kept < MAX_KEPT, f"{target.name} keeps {kept} bytes"
    for number in range(target.patience + 1):
        heard = [target.is_good(feed(chunk)) for chunk in _golden(target, number)]
        if any(heard):
            return
    raise AssertionError(f"{target.name} understood none of {target.patience + 1} good messages")


@lru_cache(1024)
def _golden(target: Target, number: int) -> tuple[bytes, ...]:
    return tuple(target.golden(number))


def cut(data: bytes, is_stream: bool) -> list[bytes]:
    """Fuzzer input as chunks: each begins with its length; what is left over is the last.

    A stream is cut wherever the fuzzer likes, datagrams end where one ends.
    """
    chunks = []
    while data and len(chunks) < 64:
        size = data[0] if is_stream else data[0] << 1
        chunks.append(data[1 : 1 + size])
        data = data[1 + size :]
    return [*chunks, data] if data else chunks


def joined(chunks: list[bytes], is_stream: bool) -> bytes:
    """Fuzzer input that `cut` takes apart into these chunks (of up to 255 bytes, 510 unless a
    stream, then of even size).
    """
    return b"".join(bytes((len(c) if is_stream else (len(c) + 1) >> 1,)) + c for c in chunks)


def kept_bytes(feed: Feed) -> int:
    """What the objects behind `feed` weigh, code and types left out."""
    seen: set[int] = set()
    waiting: list[object] = [feed]
    total = 0
    code = (type, types.ModuleType, types.FunctionType, types.CodeType, types.BuiltinFunctionType)
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or (isinstance(thing, code) and thing is not feed):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        parts = gc.get_referents(thing)
        if isinstance(thing, types.FunctionType):  # what it closes over, not its module
            parts = [cell.cell_contents for cell in thing.__closure__ or ()]
        waiting += parts
    return total


def _has_block(found: object) -> bool:
    return isinstance(found, list) and any(isinstance(event, ImuBlock) for event in found)


# The hub: its stream, its messages behind the checksum, its datagrams, its announcements.


def _hub_stream() -> Feed:
    device = HubDevice()

    def feed(data: bytes) -> object:
        found = device.receive(data, 1_000_000_000)
        device.outgoing()  # a shell sends it at once
        return found

    return feed


def _hub_golden(number: int) -> list[bytes]:
    sequence = 1 + 3 * number
    counts = np.arange(12, dtype=np.int16).reshape(2, 6)
    sample = messages.encode_sample(sequence, 5000 * sequence, 0b11, counts)
    return [messages.encode_info(Info(_HUB, sequence)), sample]


def _hub_messages() -> Feed:
    """What the checksum would let pass: kind and payload are the fuzzer's."""
    feed = _hub_stream()

    def wrapped(data: bytes) -> object:
        if data[-1:] == b"\0" and FrameDecoder().feed(data):
            return feed(data)  # a good message, whole
        return feed(frames.encode(data[0], data[1 : 1 + frames.MAX_PAYLOAD])) if data else []

    return wrapped


def _hub_datagrams() -> Feed:
    reader, feed = DatagramReader(), _hub_stream()
    return lambda data: feed(reader.read(data))


def _datagram_golden(number: int) -> list[bytes]:
    writer = DatagramWriter(boot=7)
    for _ in range(number):
        writer.write(b"\x01\0")
    return writer.write(b"".join(_hub_golden(number)))


_ANNOUNCED = Announcement("hub", "f", Link.UDP, 19711, 1, False, 0.5)


def _announcement_payload(data: bytes) -> object:
    if data[-1:] == b"\0":
        return decode_announcement(data)
    return decode_announcement(frames.encode(0xA0, data[: frames.MAX_PAYLOAD]))


def _command(data: bytes) -> object:
    found = FrameDecoder().feed(data) if data[-1:] == b"\0" else []
    if not (found and isinstance(found[0], Frame)):
        found = [Frame(data[0], data[1:], len(data))] if data else []
    frame = found[0] if found else None
    if not isinstance(frame, Frame):
        return None
    return commands.decode_request(frame)[1] or commands.decode_ping(frame)


# Other makers' devices.


def _wit_golden(number: int) -> list[bytes]:
    """A round of time, acceleration and rate, as in the maker's datasheet."""
    second, ms = divmod(5 * number, 1000)
    contents = (
        (0x50, bytes((26, 11, 25, 12, 0, second % 60)) + ms.to_bytes(2, "little")),
        (0x51, struct.pack("<4h", 10, -20, 2048, 2500)),
        (0x52, struct.pack("<4h", 1, 2, 3, 0)),
    )
    frames_ = (bytes((0x55, kind)) + data for kind, data in contents)
    return [frame + bytes((sum(frame) & 0xFF,)) for frame in frames_]


def _wit_ble_golden(number: int) -> list[bytes]:
    return [b"\x55\x61" + struct.pack("<9h", 10, 20, 2048, 1, 2, 3, 0, 0, number % 90)]


def _ximu_golden(number: int) -> list[bytes]:
    body = struct.pack("<Q6f", 2500 * (number + 1), 1.0, 2.0, 3.0, 0.0, 0.0, 1.0)
    body = body.replace(b"\xdb", b"\xdb\xdd").replace(b"\n", b"\xdb\xdc")
    return [b"\xc9" + body + b"\n", b"I,%d,1.0,2.0,3.0,0.0,0.0,1.0\r\n" % (2500 * number + 3000)]


_XIMU_ANNOUNCED = b'{"sync":0,"name":"x-IMU3","sn":"0042","ip":"10.0.0.7","port":7000,"send":8000}'


_MAC = bytes.fromhex("7922a4fae7cc")


def _slime() -> Feed:
    tracker = SlimeTracker({_MAC.hex(":").upper()}, "192.0.2.7")
    clock = iter(range(0, 1 << 62, 10_000_000))

    def feed(data: bytes) -> object:
        now_ns = next(clock)
        tracker.keep_alive(now_ns)
        found = tracker.receive(data, now_ns)
        tracker.outgoing()
        return found

    return feed


def _slime_golden(number: int) -> list[bytes]:
    """Orientation and acceleration; a handshake first, and from a tracker that waited in vain."""
    hello = struct.pack(">IQ7IB4s6s", 3, 0, *range(7), 4, b"test", _MAC)
    count = 2 * number
    turn = struct.pack(">IQBB4fB", 17, count + 1, 0, 1, 0.0, 0.0, 0.0, 1.0, 0)
    force = struct.pack(">IQ3fB", 4, count + 2, 0.1, 0.2, 0.3, 0)
    return [*([hello] if number in (0, 67) else []), turn, force]


def _dot(mode: DotMode) -> Target:
    def begin() -> Feed:
        device = DotDevice(mode=mode)
        return lambda data: device.receive(data, 0)

    def golden(number: int) -> list[bytes]:
        return [struct.pack("<I15f", 16_667 * number, 1.0, *(14 * [0.5]))]

    return Target(f"dot_{mode.name.lower()}", begin, golden, _has_block)


def _lsl_golden(number: int) -> list[bytes]:
    channels = tuple(Channel(f"chin.{name}") for name in ("ax", "ay", "az", "gx", "gy", "gz"))
    header = encode_header(Header(name="imu", source_id="7", rate_hz=100.0, channels=channels))
    stamps = 5.0 + 0.01 * np.arange(3 * number, 3 * number + 3)
    return [header, encode_samples(stamps, np.full((3, 6), 0.5))]


def _livelink_golden(number: int) -> list[bytes]:
    weights = np.linspace(0, 1, 52, dtype=np.float32)
    return [livelink.encode(livelink.packet_at(100.0 + number / 60, weights, np.zeros(3)))]


def _app(name: str, **asked: str) -> Callable[[], Feed]:
    """An app's decoder, as the recorder makes it."""
    config = PhoneConfig(app=name, address="10.0.0.2", **asked)  # type: ignore[arg-type]

    def begin() -> Feed:
        read = decoder(config)
        return lambda data: read.receive(data, 0)

    return begin


def _face(number: int) -> PhoneFace:
    """Few shapes, so that a frame is no longer than what a fuzzer's chunk may be."""
    weights = np.full(52, np.nan, np.float32)
    weights[[INDEX["jawOpen"], INDEX["mouthSmileLeft"]]] = 0.5, (number % 8) / 8
    turns = np.full((3, 3), 0.125, np.float32)
    return PhoneFace(0, 16_000_000 * (number + 1), weights, turns[0], turns[1:])


def _text_golden(number: int) -> list[bytes]:
    return [b"jawOpen-50|mouthSmile_L-%d|=head#1,-2.5,3,0,0,0|" % (number % 100)]


def _text_stream_golden(number: int) -> list[bytes]:
    return [_text_golden(number)[0] + b"___iFacialMocap"]


def _has_face(found: object) -> bool:
    return isinstance(found, list) and any(
        isinstance(face, PhoneFace) and face.weights is not None for face in found
    )


def _stateless(decode: Feed) -> Callable[[], Feed]:
    return lambda: decode


def _vendor(make: Callable[[], object]) -> Callable[[], Feed]:
    def begin() -> Feed:
        device = make()
        return lambda data: device.receive(data, 0)  # type: ignore[attr-defined]

    return begin


TARGETS: tuple[Target, ...] = (
    Target("hub_stream", _hub_stream, _hub_golden, _has_block, 2, is_stream=True),
    Target("hub_messages", _hub_messages, _hub_golden, _has_block, 2),
    Target("hub_datagrams", _hub_datagrams, _datagram_golden, _has_block, 66),
    Target(
        "announcement",
        _stateless(_announcement_payload),
        lambda _: [encode_announcement(_ANNOUNCED)],
        lambda found: found == _ANNOUNCED,
    ),
    Target(
        "command",
        _stateless(_command),
        lambda _: [commands.encode_request(3, SetRange(64.0, 16.0))],
        lambda found: found == SetRange(64.0, 16.0),
    ),
    Target("witmotion", _vendor(WitMotionSerial), _wit_golden, _has_block, 8, is_stream=True),
    Target("witmotion_ble", _vendor(WitMotionBle), _wit_ble_golden, _has_block, 2, is_stream=True),
    Target("ximu3", _vendor(XimuDevice), _ximu_golden, _has_block, 1, is_stream=True),
    Target(
        "ximu3_announcement",
        _stateless(ximu3.decode_announcement),
        lambda _: [_XIMU_ANNOUNCED],
        lambda found: isinstance(found, ximu3.XimuAnnouncement),
    ),
    Target("slimevr", _slime, _slime_golden, _has_block, 70),
    *(_dot(mode) for mode in DotMode if mode is not DotMode.FREE_ACCELERATION),
    Target("lsl", _vendor(LslDevice), _lsl_golden, _has_block),
    Target(
        "livelink",
        _stateless(livelink.decode),
        _livelink_golden,
        lambda found: isinstance(found, livelink.LiveLinkPacket) and found.weights is not None,
    ),
    Target("ifacialmocap", _app("ifacialmocap"), _text_golden, _has_face),
    Target(
        "ifacialmocap_tcp",
        _app("ifacialmocap", transport="tcp"),
        _text_stream_golden,
        _has_face,
        2,
        is_stream=True,
    ),
    Target("facemotion3d", _app("facemotion3d"), _text_golden, _has_face),
    Target("facecap", _app("facecap"), lambda n: facecap.encode(_face(n)), _has_face, 2),
    Target(
        "vtube_studio", _app("vtube-studio"), lambda n: [vtube_studio.encode(_face(n))], _has_face
    ),
    Target(
        "mediapipe", _app("mediapipe"), lambda n: [mediapipe_faces.encode_face(_face(n))], _has_face
    ),
)


def target_named(name: str) -> Target:
    """The target of this name. Raises SystemExit naming all of them."""
    for target in TARGETS:
        if target.name == name:
            return target
    raise SystemExit(f"no target {name!r}; there are: {', '.join(t.name for t in TARGETS)}")


def mutations(target: Target, random: np.random.Generator) -> Iterator[list[bytes]]:
    """Good messages, damaged as lines, radios and strangers do it; without end."""
    golden = [chunk for number in range(4) for chunk in target.golden(number)]
    while True:
        picked = [golden[i] for i in random.integers(len(golden), size=random.integers(1, 4))]
        yield [_damaged(chunk, picked, random) for chunk in picked]


def _damaged(chunk: bytes, others: list[bytes], random: np.random.Generator) -> bytes:
    data = bytearray(chunk)
    for _ in range(int(random.integers(1, 5))):
        at, way = int(random.integers(len(data) + 1)), int(random.integers(6))
        size = int(random.integers(1, 9))
        if way == 0 and at < len(data):
            data[at] ^= 1 << int(random.integers(8))
        elif way == 1:
            data[at : at + size] = random.bytes(size)
        elif way == 2:
            del data[at : at + size]
        elif way == 3:
            data[at:at] = data[at : at + size]
        elif way == 4:
            data[at:] = others[int(random.integers(len(others)))][at:]
        else:
            data[at : at + size] = (b"\0", b"\xff", b"\x55", b"\n")[at % 4] * size
    return bytes(data)


def noise(random: np.random.Generator, longest: int = 300) -> list[bytes]:
    """Up to thirty chunks of random bytes, one behind the other."""
    sizes = random.integers(0, longest, size=random.integers(1, 31))
    return [random.bytes(int(size)) for size in sizes]
