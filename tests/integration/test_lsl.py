"""An LSL outlet in another process as a device of a rig: recorded, lost, and heard again."""

import asyncio
import contextlib
import subprocess
import sys
import uuid

import numpy as np
import pytest

from capture.daemon import record
from capture.recording import read_recording
from capture.sync import align, sample_times_s
from firmware_host.errors import TransportError
from firmware_host.rig import DeviceConfig, Rig, SessionConfig
from firmware_host.transports.lsl import LslTransport

pytestmark = pytest.mark.integration
pytest.importorskip("pylsl", reason="needs pylsl and its liblsl")

# Two sensors at 100 Hz; accel in g, gyro in deg/s. The first channel counts samples.
OUTLET = """
import sys, time
import pylsl
name = sys.argv[1]
info = pylsl.StreamInfo(name, "IMU", 12, 100.0, pylsl.cf_float32, name + "-id")
channels = info.desc().append_child("channels")
for sensor in ("chin", "bone"):
    for axis in ("ax", "ay", "az", "gx", "gy", "gz"):
        channel = channels.append_child("channel")
        channel.append_child_value("label", f"{sensor}.{axis}")
        channel.append_child_value("unit", "g" if axis[0] == "a" else "deg/s")
outlet = pylsl.StreamOutlet(info)
print("there", flush=True)
start, number = pylsl.local_clock(), 0
while True:
    stamp = start + number / 100
    time.sleep(max(0.0, stamp - pylsl.local_clock()))
    outlet.push_sample([number / 1000, 1, 0, 90, 0, 0] + [0, 1, 0, 0, 90, 0], stamp)
    number += 1
"""


@contextlib.contextmanager
def outlet(name):
    process = subprocess.Popen([sys.executable, "-c", OUTLET, name], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"there"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def rig_of(name, lost_after_s=30.0):
    device = DeviceConfig(
        name="face",
        url=f"lsl:{name}",
        kind="lsl",
        slots={"chin": "mentalis", "bone": "head_reference"},
    )
    session = SessionConfig(rest_s=0.5, routine_s=0.5, lost_after_s=lost_after_s)
    return Rig(devices=(device,), session=session)


def test_a_stream_of_another_process_is_recorded_on_its_own_clock(tmp_path):
    name = f"imusic-{uuid.uuid4().hex[:8]}"
    with outlet(name):
        result = asyncio.run(
            record(rig_of(name), tmp_path, 3.0, allow_missing=[], start_timeout_s=30)
        )
    recording = read_recording(result.folder)
    slots = recording.take.sensor_layout.names
    chin, bone = slots.index("mentalis"), slots.index("head_reference")
    assert len(recording) > 200
    counted = recording.accel_m_s2[:, chin, 0] / 9.80665 * 1000
    assert np.allclose(np.diff(counted), 1.0, atol=0.01)  # none is missing, none twice
    assert recording.gyro_rad_s[:, chin, 0] == pytest.approx(np.pi / 2)
    assert recording.gyro_rad_s[:, bone, 1] == pytest.approx(np.pi / 2)
    # Samples lie where the sender stamped them: every 10 ms, however they arrived.
    steps_s = np.diff(sample_times_s(recording, align(recording)))
    assert np.abs(steps_s - 0.01).max() < 0.0002


def test_a_stream_that_ends_is_lost_and_heard_again_when_it_is_back(tmp_path):
    name = f"imusic-{uuid.uuid4().hex[:8]}"
    notices = []

    async def play():
        stop = asyncio.Event()

        async def until(text, seen=0):
            async with asyncio.timeout(60):
                while not any(text in notice.text for notice in notices[seen:]):
                    await asyncio.sleep(0.05)

        with contextlib.ExitStack() as stack:
            first = stack.enter_context(outlet(name))
            began = asyncio.Event()
            running = asyncio.create_task(
                record(
                    rig_of(name),
                    tmp_path,
                    stop_event=stop,
                    on_notice=notices.append,
                    on_take=lambda _: began.set(),
                    start_timeout_s=30,
                )
            )
            await asyncio.wait_for(began.wait(), 60)
            first.kill()
            await until("lost")
            stack.enter_context(outlet(name))
            await until("back", 1)
            await asyncio.sleep(0.5)
            stop.set()
            return await running

    result = asyncio.run(play())
    assert result.take.counts["links_down"] >= 1
    kinds = [facts["kind"] for facts in read_recording(result.folder).health]
    assert kinds.index("link_down") < len(kinds) - 1 - kinds[::-1].index("link_up")


def test_no_such_stream_is_one_line():
    async def listen():
        await LslTransport("nobody-sends-this", find_s=0.4).open()

    with pytest.raises(TransportError, match="no stream 'nobody-sends-this'") as caught:
        asyncio.run(listen())
    assert "running" in caught.value.hint


def test_a_stream_of_words_is_one_line():
    import pylsl

    name = f"imusic-{uuid.uuid4().hex[:8]}"
    words = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, pylsl.cf_string, name))

    async def listen():
        await LslTransport(name).open()

    with pytest.raises(TransportError, match="sends words"):
        asyncio.run(listen())
    assert words is not None  # it was there all the time
