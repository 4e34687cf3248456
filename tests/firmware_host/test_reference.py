"""The C header for firmware: compiled by a strict compiler, and held against our own side."""

import asyncio
import math
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import firmware_host
from firmware_host import commands, frames, messages
from firmware_host.commands import Identify, Request, SetMode, SetRange, SetRate, SyncPulse
from firmware_host.device import HubDevice
from firmware_host.messages import Kind
from firmware_host.samples import (
    Answer,
    Gap,
    HubEnd,
    HubEvent,
    HubFeatures,
    HubInfo,
    HubMode,
    HubStatus,
    ImuBlock,
    Result,
    RoundTrip,
    SyncEdge,
)
from firmware_host.stream import events as stream_events
from firmware_host.transports.serial import SerialTransport

pytestmark = pytest.mark.integration

REFERENCE = Path(firmware_host.__file__).parent / "reference"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{REFERENCE}")
SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HELLO, START, STOP = (messages.encode_command(k) for k in (Kind.HELLO, Kind.START, Kind.STOP))
GRAVITY = 9.80665


def compile_c(source: Path, program: Path, *options: str, compiler: str = "gcc") -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    command = [compiler, *options, str(source), "-o", str(program), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checking program, under the sanitizers where the compiler brings them."""
    program = tmp_path_factory.mktemp("reference") / "check"
    empty = program.with_name("empty.c")
    empty.write_text("int main(void) { return 0; }\n")
    source = Path(__file__).with_name("reference_check.c")
    try:
        compile_c(empty, program, *SANITIZED)
        sanitized = SANITIZED
    except AssertionError:
        sanitized = ()
    compile_c(source, program, *STRICT, *sanitized)
    return program


@pytest.fixture(scope="module")
def ask(check: Path) -> Iterator[Callable[[str], str]]:
    """Give the checking program a line, get its answer."""
    with subprocess.Popen(
        [check, "lines"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout

        def exchange(line: str) -> str:
            stdin.write(line + "\n")
            stdin.flush()
            return stdout.readline().strip()

        yield exchange
        stdin.close()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("reference") / "hub_posix"
    compile_c(REFERENCE / "hub_posix.c", program, *STRICT, "-O2")
    return program


def test_the_header_is_also_valid_cpp(tmp_path):
    source = tmp_path / "main.cpp"
    source.write_text('#include "imusic_hub.h"\nint main() { return imusic_crc(0, 0); }\n')
    strict = ("-std=c++11", *STRICT[1:])
    compile_c(source, tmp_path / "main", *strict, compiler="g++")


def test_the_header_needs_nothing_of_the_library_but_memory_and_text():
    included = [
        line for line in (REFERENCE / "imusic_hub.h").read_text().splitlines() if "#include" in line
    ]
    assert included == ["#include <stddef.h>", "#include <stdint.h>", "#include <string.h>"]


def test_c_agrees_with_every_golden_message(check):
    done = subprocess.run(
        [check, "golden", REFERENCE / "golden.txt"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "27 checked, 0 differ\n"
    assert done.returncode == 0


def test_c_sees_a_golden_message_that_is_wrong(check, tmp_path):
    wrong = tmp_path / "golden.txt"
    wrong.write_text("kind end\nsamples_sent 601\nwire 04 84 58 02 01 03 3c 87 00\n")
    done = subprocess.run([check, "golden", wrong], capture_output=True, text=True, check=False)
    assert done.stdout == "message 1 (end) differs\n1 checked, 1 differ\n"
    assert done.returncode == 1


# Runs of one byte reach the ends of COBS groups, which random bytes seldom do.
payloads = st.one_of(
    st.binary(max_size=1000),
    st.lists(
        st.tuples(st.sampled_from([0, 1, 255]), st.integers(0, 300)).map(
            lambda run: bytes([run[0]]) * run[1]
        ),
        max_size=5,
    ).map(lambda runs: b"".join(runs)[:1000]),
)


@given(st.integers(0, 255), payloads)
def test_c_wraps_every_frame_as_we_do(ask, kind, payload):
    assert ask(f"e {kind:02x} {payload.hex()}") == frames.encode(kind, payload).hex()


def test_c_refuses_a_payload_that_is_too_long(ask):
    assert ask(f"e 01 {bytes(1000).hex()}") != ""
    assert ask(f"e 01 {bytes(1001).hex()}") == ""


requests = st.one_of(
    st.builds(SetRate, st.floats(0.125, 10000, width=32)),
    st.builds(SetRange, st.floats(1, 1000, width=32), st.floats(1, 100, width=32)),
    st.builds(SetMode, st.sampled_from(HubMode)),
    st.builds(Identify, st.integers(0, 15), st.integers(0, 65535)),
    st.builds(SyncPulse, st.integers(1, 65535)),
)


@given(st.binary(max_size=300), st.integers(0, 255), requests)
def test_c_survives_noise_and_finds_the_next_command(ask, noise, number, request):
    ask(f"f {noise.hex()}")
    answers = ask(f"f 00 {commands.encode_request(number, request).hex()}")
    kind = commands.encode_request(0, request)
    frame = frames.FrameDecoder().feed(kind)[0]
    assert isinstance(frame, frames.Frame)
    assert answers.split()[-1] == f"{frame.kind}:{number}:1"


def test_c_reads_a_command_with_bytes_of_a_later_version_behind_it(ask):
    assert ask(f"f {frames.encode(Kind.SET_RATE, b'x' * 40).hex()}") == "5:120:1"
    assert ask(f"f {frames.encode(Kind.SET_RATE, b'x' * 4).hex()}") == "5:120:0"
    assert ask(f"f {frames.encode(Kind.SET_RATE, b'x' * 80).hex()}") == ""
    assert ask(f"f {frames.encode(Kind.HELLO, b'later').hex()}") == "1:0:1"


def converse(hub: Path, said: bytes, samples: int = 5, tick_us: int = 0) -> list[HubEvent]:
    """What our side makes of all that the hub sends when it hears `said`."""
    command = [hub, str(samples), str(tick_us), "fast"]
    done = subprocess.run(command, input=said, capture_output=True, check=True, timeout=20)
    return HubDevice().receive(done.stdout, 0)


def joined(events: list[HubEvent], name: str) -> np.ndarray:
    return np.concatenate([getattr(e, name) for e in events if isinstance(e, ImuBlock)])


def test_a_hub_in_c_streams_what_it_felt(hub):
    events = converse(hub, START, 600, 2**32 - 1_000_000)
    info = events[0]
    assert isinstance(info, HubInfo)
    assert info.slots == ("frontalis_left", "mentalis", "head_reference")
    assert (info.device_id, info.firmware) == ("posix-example", "hub_posix 1.0")
    assert HubFeatures.SET_RATE in info.features
    assert HubFeatures.IDENTIFY not in info.features
    assert events[-1] == HubEnd(600)
    assert not any(isinstance(e, Gap) for e in events)

    ticks = joined(events, "tick_us")
    np.testing.assert_array_equal(ticks, 2**32 - 1_000_000 + 5000 * np.arange(600))
    absent = np.isnan(joined(events, "accel_m_s2")).any(axis=-1)  # (N, S)
    np.testing.assert_array_equal(absent[:, 2], np.arange(600) % 50 == 49)
    assert not absent[:, :2].any()

    rate = 0.5 * np.arange(1, 4)  # (S,) rad/s around x
    angle = rate * (5e-3 * np.arange(600))[:, None]  # (N, S)
    felt = GRAVITY * np.stack([np.zeros_like(angle), np.sin(angle), np.cos(angle)], axis=-1)
    one = info.accel_range_m_s2 / 32768
    seen = joined(events, "accel_m_s2")[~absent]
    np.testing.assert_allclose(seen, felt[~absent], rtol=0, atol=one)
    turned = joined(events, "gyro_rad_s")[~absent]
    expected = np.zeros((600, 3, 3))
    expected[..., 0] = rate
    np.testing.assert_allclose(
        turned, expected[~absent], rtol=0, atol=info.gyro_range_rad_s / 32768
    )


def test_the_status_of_a_hub_in_c_tells_temperature_and_the_failing_sensor(hub):
    found = [e for e in converse(hub, START, 450) if isinstance(e, HubStatus)]
    assert [e.samples_sent for e in found] == [201, 401]
    assert {e.temperature_c for e in found} == {23.5}
    assert {e.error_mask for e in found} == {0b100}
    assert all(math.isnan(e.battery) for e in found)


def request_all(*asked: Request) -> bytes:
    return b"".join(commands.encode_request(n, request) for n, request in enumerate(asked))


def test_a_hub_in_c_obeys_and_tells_what_it_became(hub):
    said = request_all(SetRate(370.0), SetRange(40.0, 10.0), SetMode(HubMode.FUSED)) + START
    events = converse(hub, said)
    results = [e for e in events if isinstance(e, Answer)]
    assert results == [Answer(n, 5 + n, Result.DONE) for n in range(3)]
    (*_, info) = [e for e in events if isinstance(e, HubInfo)]
    assert info.rate_hz == 400.0
    assert info.accel_range_m_s2 == pytest.approx(8 * GRAVITY)  # 4 g is 39.2 m/s²
    assert info.gyro_range_rad_s == pytest.approx(math.radians(1000), rel=1e-6)
    assert info.mode is HubMode.FUSED
    np.testing.assert_array_equal(joined(events, "tick_us"), 2500 * np.arange(5))


def test_a_hub_in_c_refuses_with_a_reason(hub):
    asked = [
        (SetRange(1e6, 1.0), Result.BAD_VALUE),  # beyond the chip
        (Identify(0, 500), Result.UNKNOWN_COMMAND),  # it has no lamp
        (SyncPulse(10), Result.DONE),
        (SetRate(100.0), Result.BUSY_STREAMING),  # after START
    ]
    *before, last = [request for request, _ in asked]
    said = request_all(*before) + START + commands.encode_request(3, last)
    unknown = frames.encode(0x55, b"\x63")
    nan = frames.encode(Kind.SET_RATE, b"\x62" + np.float32(np.nan).tobytes())
    short = frames.encode(Kind.SET_RATE, b"\x61\0\0")
    events = converse(hub, unknown + nan + short + said)
    found = {e.request: e.result for e in events if isinstance(e, Answer)}
    assert [found[n] for n in range(4)] == [result for _, result in asked]
    assert found[0x63] == Result.UNKNOWN_COMMAND
    assert found[0x62] == found[0x61] == Result.BAD_VALUE
    assert SyncEdge(2, 0) in events


def test_a_hub_in_c_that_sends_orientations_is_read_as_rates(hub):
    said = request_all(SetMode(HubMode.FUSED)) + START
    events = converse(hub, said, 400)
    quat = joined(events, "quat_world_from_sensor")
    gyro = joined(events, "gyro_rad_s")
    absent = np.arange(400) % 50 == 49
    np.testing.assert_allclose(np.linalg.norm(quat[~absent], axis=-1), 1, atol=1e-6)
    assert np.isnan(gyro[0]).all()  # no orientation before it
    assert np.isnan(gyro[absent, 2]).all()
    assert np.isnan(gyro[50::50, 2]).all()
    known = gyro[1:][np.isfinite(gyro[1:]).all(axis=(1, 2))]
    expected = np.zeros((3, 3))
    expected[:, 0] = [0.5, 1.0, 1.5]
    np.testing.assert_allclose(known, np.broadcast_to(expected, known.shape), atol=0.03)
    assert np.abs(known - expected).std() < 0.006
    angle = 0.5 * 5e-3 * np.arange(400)
    np.testing.assert_allclose(quat[:, 0, 1], np.sin(angle / 2), atol=5e-5)


def test_a_stopped_hub_in_c_may_be_started_again(hub):
    events = converse(hub, START + STOP + STOP + HELLO + START, 4)
    # All of this came in one read, before the first sample of either stream.
    assert [e for e in events if isinstance(e, HubEnd)] == [HubEnd(0), HubEnd(0), HubEnd(4)]
    assert not any(isinstance(e, Gap) for e in events)
    assert len(joined(events, "sequence")) == 4


def test_every_byte_that_a_hub_in_c_sends_is_accounted_for(hub):
    command = [hub, "50", "0", "fast"]
    said = HELLO + START
    wire = subprocess.run(command, input=said, capture_output=True, check=True, timeout=20).stdout
    found = frames.FrameDecoder().feed(wire)
    assert all(isinstance(f, frames.Frame) for f in found)
    assert sum(f.size for f in found if isinstance(f, frames.Frame)) == len(wire)


@settings(max_examples=15)
@given(st.binary(max_size=400))
def test_a_hub_in_c_answers_after_any_noise(hub, noise):
    events = converse(hub, noise + b"\0" + STOP + START, 3)
    assert events[-1] == HubEnd(3)


def test_a_hub_in_c_ends_when_the_line_is_gone(hub):
    ours, theirs = os.openpty()
    with subprocess.Popen([hub, "0"], stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        os.write(ours, START)
        assert os.read(ours, 100)
        os.close(ours)
        assert process.wait(timeout=5) == 0 or process.returncode == -1  # SIGHUP


def test_pings_to_a_hub_in_c_bound_its_clock(hub):
    said = commands.encode_ping(7_000_000)
    command = [hub, "5", "1234", "fast"]
    wire = subprocess.run(
        command, input=said + START, capture_output=True, check=True, timeout=20
    ).stdout
    events = HubDevice().receive(wire, 7_300_000)
    assert RoundTrip(1234, 7_000_000, 7_300_000) in events


def listen(
    hub: Path,
    cable: tuple[int, str],
    samples: int,
    device: HubDevice,
    heed: Callable[[HubEvent], None] = lambda _: None,
) -> list[HubEvent]:
    """A hub in C on a real line, heard through our own transport, until it ends or has answered."""
    pytest.importorskip("serial")
    descriptor, path = cable

    async def run() -> list[HubEvent]:
        transport, heard = SerialTransport(path), []
        await transport.open()
        try:
            async with asyncio.timeout(15):
                async for event in stream_events(transport, device):
                    heard.append(event)
                    heed(event)
                    if isinstance(event, SyncEdge):
                        break
        finally:
            await transport.close()
        return heard

    command = [hub, str(samples), str(2**32 - 500_000)]
    with subprocess.Popen(command, stdin=descriptor, stdout=descriptor) as process:
        try:
            return asyncio.run(run())
        finally:
            process.terminate()


def test_a_hub_in_c_on_a_real_line_streams_and_tells_its_clock(hub, cable):
    events = listen(hub, cable, 450, HubDevice())
    assert events[-1] == HubEnd(450)
    np.testing.assert_array_equal(joined(events, "sequence"), np.arange(450))
    ticks = joined(events, "tick_us")
    assert np.diff(ticks).mean() == pytest.approx(5000, rel=0.01)

    trips = [e for e in events if isinstance(e, RoundTrip)]
    assert len(trips) >= 2
    earliest = max(t.sent_ns - 1000 * t.tick_us for t in trips)
    latest = min(t.received_ns - 1000 * t.tick_us for t in trips)
    assert earliest <= latest + 2000  # one clock fits all: it counts in whole µs on both sides
    assert latest - earliest < 50_000_000
    blocks = [e for e in events if isinstance(e, ImuBlock)]
    assert min(b.arrival_ns - 1000 * int(b.tick_us[-1]) for b in blocks) >= earliest - 2000


def test_a_hub_in_c_on_a_real_line_is_configured_before_it_streams(hub, cable):
    device = HubDevice(stream=False)
    asked = [device.request(SetRate(1000.0)), device.request(SyncPulse(100))]
    events = listen(hub, cable, 0, device)
    answers = [e for e in events if isinstance(e, Answer)]
    assert [(a.request, a.result) for a in answers] == [(n, Result.DONE) for n in asked]
    rates = [e.rate_hz for e in events if isinstance(e, HubInfo)]
    assert rates[0] == 200.0
    assert rates[-1] == 1000.0
    assert not any(isinstance(e, ImuBlock) for e in events)


def test_a_hub_in_c_that_is_greeted_and_started_again_goes_on_counting(hub, cable):
    device = HubDevice()

    def greet_again(event: HubEvent) -> None:
        if isinstance(event, ImuBlock) and 20 <= event.sequence[-1] < 60:
            device.hello()  # INFO comes, and is answered with another START

    events = listen(hub, cable, 150, device, greet_again)
    assert sum(isinstance(e, HubInfo) for e in events) >= 10
    np.testing.assert_array_equal(joined(events, "sequence"), np.arange(150))
    assert events[-1] == HubEnd(150)
