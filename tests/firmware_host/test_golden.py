"""`reference/golden.txt`, with which firmware authors compare, held against our own side."""

import math
from pathlib import Path

import numpy as np
import pytest

import firmware_host
from firmware_host import commands, messages
from firmware_host.commands import Identify, Request, SetMode, SetRange, SetRate, SyncPulse
from firmware_host.frames import Frame, FrameDecoder
from firmware_host.messages import WIDTHS, Info, Kind, Message, Pong
from firmware_host.samples import (
    Answer,
    HubEnd,
    HubFeatures,
    HubInfo,
    HubMode,
    HubStatus,
    Result,
    SyncEdge,
)

GOLDEN = Path(firmware_host.__file__).parent / "reference" / "golden.txt"


def paragraphs() -> list[dict[str, str]]:
    text = GOLDEN.read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    blocks = "\n".join(lines).strip().split("\n\n")
    return [dict(line.split(" ", 1) for line in block.splitlines()) for block in blocks]


def named(golden: dict[str, str]) -> str:
    return golden["kind"]


def integers(golden: dict[str, str], *names: str) -> list[int]:
    return [int(golden[name]) for name in names]


def reals(golden: dict[str, str], *names: str) -> list[float]:
    return [float(golden[name]) for name in names]


def info(golden: dict[str, str]) -> Info:
    scales = reals(golden, "rate_hz", "accel_range_m_s2", "gyro_range_rad_s")
    features, mode = integers(golden, "features", "mode")
    slots = tuple(golden["slots"].split())
    who = golden["device_id"], golden["firmware"]
    hub = HubInfo(*who, 1, *scales, slots, HubFeatures(features), HubMode(mode))
    return Info(hub, int(golden["next_sequence"]))


def status(golden: dict[str, str]) -> HubStatus:
    tick, sent, percent, temperature, errors = integers(
        golden,
        "tick_us",
        "samples_sent",
        "battery_percent",
        "temperature_hundredths",
        "error_mask",
    )
    battery = math.nan if percent == 255 else percent / 100
    celsius = math.nan if temperature == -32768 else temperature / 100
    return HubStatus(tick, sent, battery, celsius, errors)


WORDS = {
    "info": (info, messages.encode_info),
    "status": (status, messages.encode_status),
    "end": (lambda g: HubEnd(*integers(g, "samples_sent")), messages.encode_end),
    "pong": (lambda g: Pong(*integers(g, "token", "tick_us")), messages.encode_pong),
    "answer": (
        lambda g: Answer(*integers(g, "request", "command"), Result(int(g["result"]))),
        messages.encode_answer,
    ),
    "sync": (lambda g: SyncEdge(*integers(g, "request", "tick_us")), messages.encode_sync),
}
REQUESTS = {
    "set_rate": lambda g: SetRate(*reals(g, "rate_hz")),
    "set_range": lambda g: SetRange(*reals(g, "accel_range_m_s2", "gyro_range_rad_s")),
    "set_mode": lambda g: SetMode(HubMode(int(g["mode"]))),
    "identify": lambda g: Identify(*integers(g, "slot", "duration_ms")),
    "sync_pulse": lambda g: SyncPulse(*integers(g, "width_us")),
}


def frame_of(golden: dict[str, str]) -> Frame:
    (frame,) = FrameDecoder().feed(bytes.fromhex(golden["wire"]))
    assert isinstance(frame, Frame)
    assert frame.kind == Kind[golden["kind"].upper()]
    return frame


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    chosen = [golden for golden in paragraphs() if golden["kind"] in kinds]
    return pytest.mark.parametrize("golden", chosen, ids=named)


def test_every_kind_of_frame_has_a_golden_message():
    assert {golden["kind"] for golden in paragraphs()} == {kind.name.lower() for kind in Kind}


@of_kind("hello", "start", "stop")
def test_commands_without_a_payload(golden):
    assert frame_of(golden).payload == b""
    kind = Kind[golden["kind"].upper()]
    assert messages.encode_command(kind).hex(" ") == golden["wire"]


@of_kind("ping")
def test_pings(golden):
    token = int(golden["token"])
    assert commands.decode_ping(frame_of(golden)) == token
    assert commands.encode_ping(1000 * token + 999 + 1000 * 2**32).hex(" ") == golden["wire"]


@of_kind(*REQUESTS)
def test_requests(golden):
    number, request = int(golden["request"]), REQUESTS[golden["kind"]](golden)
    decoded: tuple[int, Request | None] = commands.decode_request(frame_of(golden))
    assert decoded == (number, request)
    assert commands.encode_request(number, request).hex(" ") == golden["wire"]


@of_kind(*WORDS)
def test_words_of_the_hub(golden):
    make, encode = WORDS[golden["kind"]]
    message: Message = make(golden)
    assert messages.decode(frame_of(golden)) == message
    assert encode(message).hex(" ") == golden["wire"]


@of_kind("samples", "samples_fused")
def test_samples(golden):
    sequence, tick_us, mask = integers(golden, "sequence", "tick_us", "mask")
    frame = frame_of(golden)
    width = WIDTHS[frame.kind]
    sent = np.array(golden["readings"].split(), np.int16).reshape(-1, width)
    assert messages.sample_header(frame.payload, 16, width) == (sequence, tick_us)
    (counts,) = messages.decode_readings([frame.payload], 16, width)  # (16, width)
    present = [slot for slot in range(16) if mask >> slot & 1]
    np.testing.assert_array_equal(counts[present], sent)
    assert np.isnan(np.delete(counts, present, axis=0)).all()
    wire = messages.encode_sample(sequence, tick_us, mask, sent, Kind(frame.kind))
    assert wire.hex(" ") == golden["wire"]
