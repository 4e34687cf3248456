"""The sketch for an ESP32, compiled for this computer with a board of software around it.

What is tested is the sketch as it is flashed: its bus, its registers, its timing, its words. Not
tested: the real core, the real bus, the real chips.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import firmware_host
from firmware_host import commands, messages
from firmware_host.commands import Identify, Request, SetMode, SetRange, SetRate, SyncPulse
from firmware_host.device import HubDevice
from firmware_host.messages import Kind
from firmware_host.samples import (
    Answer,
    Gap,
    Garbage,
    HubEnd,
    HubEvent,
    HubFeatures,
    HubInfo,
    HubMode,
    HubStatus,
    ImuBlock,
    Result,
    SyncEdge,
)

pytestmark = pytest.mark.integration

REFERENCE = Path(firmware_host.__file__).parent / "reference"
BOARD = Path(__file__).parent / "esp32"
POWER_UP_US = 5_000_000
G = 9.80665
START, STOP = (messages.encode_command(kind) for kind in (Kind.START, Kind.STOP))


@pytest.fixture(scope="module")
def sketch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    program = tmp_path_factory.mktemp("esp32") / "hub"
    command = [
        *("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-O1", str(BOARD / "main.cpp")),
        *(f"-I{BOARD}", f"-I{REFERENCE}", f"-I{REFERENCE / 'hub_esp32'}", "-o", str(program)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def lived(
    sketch: Path, *script: tuple[float, bytes], seconds: float = 2.0, missing: int = -1
) -> tuple[list[HubEvent], dict[str, list[int]]]:
    """What our side makes of all that the hub says, and the ticks of edges on its lines."""
    said = "".join(f"{round(1e6 * at)} {data.hex()}\n" for at, data in script)
    done = subprocess.run(
        [sketch, str(missing), str(seconds)], input=said.encode(), capture_output=True, check=True,
        timeout=60,
    )  # fmt: skip
    edges: dict[str, list[int]] = {"sync": [], "lamp": []}
    for line in done.stderr.decode().splitlines():
        name, tick = line.split()
        edges[name].append(int(tick))
    return HubDevice().receive(done.stdout, 0), edges


def asked(number: int, request: Request) -> bytes:
    return commands.encode_request(number, request)


def joined(events: list[HubEvent], name: str) -> np.ndarray:
    return np.concatenate([getattr(e, name) for e in events if isinstance(e, ImuBlock)])


def felt(tick_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the board lets its sensors feel, (N, 4, 3) each: see esp32/Arduino.h."""
    t, one = tick_us[:, None] * 1e-6, np.ones((len(tick_us), 4))
    sensor = np.arange(4)
    accel = np.stack((one * (1 + sensor), one * G, one * 2 * np.sin(6 * t)), axis=-1)
    gyro = np.stack((one * 0.25 * (1 + sensor), one * -0.5, one * np.cos(3 * t)), axis=-1)
    return accel, gyro


def test_the_sketch_streams_what_its_sensors_feel(sketch):
    events, _ = lived(sketch, (0.2, START), (1.9, STOP))
    info = events[0]
    assert isinstance(info, HubInfo)
    assert info.device_id == "esp32-a1b2c3d4e5f6"
    assert info.slots == ("frontalis_left", "frontalis_right", "mentalis", "head_reference")
    assert info.rate_hz == 200
    assert info.accel_range_m_s2 == pytest.approx(8 * G)
    assert HubFeatures.SET_RATE in info.features
    ticks = joined(events, "tick_us")
    np.testing.assert_allclose(np.diff(ticks), 5000, atol=120)
    assert np.mean(np.diff(ticks)) == pytest.approx(5000, abs=1)
    accel, gyro = felt(ticks)
    # A sensor is read up to 70 µs after the tick; the last digit is half a count.
    np.testing.assert_allclose(joined(events, "accel_m_s2"), accel, atol=8 * G / 32768 + 2e-3)
    np.testing.assert_allclose(joined(events, "gyro_rad_s"), gyro, atol=17.46 / 32768 + 1e-3)
    assert events[-1] == HubEnd(len(ticks))
    assert 335 <= len(ticks) <= 341
    status = next(event for event in events if isinstance(event, HubStatus))
    assert status.error_mask == 0
    assert status.temperature_c == pytest.approx(31, abs=0.1)
    assert not any(isinstance(event, Gap | Garbage) for event in events)


def test_what_is_asked_of_the_sketch_is_done_and_said(sketch):
    events, edges = lived(
        sketch,
        (0.1, asked(1, SetRate(390.0))),
        (0.2, asked(2, SetRange(3 * G, 3.0))),
        (0.3, asked(3, SetRange(20 * G, 3.0))),
        (0.4, asked(4, SetMode(HubMode.FUSED))),
        (0.5, asked(5, Identify(255, 400))),
        (0.6, asked(6, Identify(2, 400))),
        (0.7, START),
        (1.0, asked(7, SetRate(100.0))),
        (1.2, asked(8, SyncPulse(150))),
        (1.9, STOP),
    )
    answers = {event.request: event.result for event in events if isinstance(event, Answer)}
    assert answers == {
        1: Result.DONE,
        2: Result.DONE,
        3: Result.BAD_VALUE,
        4: answers[4],
        5: Result.DONE,
        6: Result.FAILED,
        7: Result.BUSY_STREAMING,
        8: Result.DONE,
    }
    assert answers[4] is not Result.DONE  # it computes no orientations
    infos = [event for event in events if isinstance(event, HubInfo)]
    assert infos[-1].rate_hz == 400
    assert infos[-1].accel_range_m_s2 == pytest.approx(4 * G)
    assert infos[-1].gyro_range_rad_s == pytest.approx(np.radians(250))
    ticks = joined(events, "tick_us")
    assert np.mean(np.diff(ticks)) == pytest.approx(2500, abs=1)
    accel, gyro = felt(ticks)
    np.testing.assert_allclose(joined(events, "accel_m_s2"), accel, atol=4 * G / 32768 + 2e-3)
    np.testing.assert_allclose(joined(events, "gyro_rad_s"), gyro, atol=5 / 32768 + 1e-3)
    (edge,) = [event for event in events if isinstance(event, SyncEdge)]
    (rose,) = edges["sync"]
    assert abs(edge.tick_us - rose) <= 1
    on, off = edges["lamp"]
    assert off - on == pytest.approx(400_000, abs=2000)


def test_a_sensor_that_does_not_answer_is_left_out_and_named(sketch):
    events, _ = lived(sketch, (0.2, START), (1.9, STOP), missing=2)
    accel = joined(events, "accel_m_s2")
    assert np.isnan(accel[:, 2]).all()
    assert np.isfinite(accel[:, [0, 1, 3]]).all()
    status = next(event for event in events if isinstance(event, HubStatus))
    assert status.error_mask == 0b0100
