"""A hub in C that sends orientations: configured, then recorded like any other."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import firmware_host
from capture.daemon import record
from capture.record_status import RecordResult
from capture.recording import read_recording
from firmware_host.commands import SetMode
from firmware_host.conversation import ask
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, Rig, SessionConfig
from firmware_host.samples import HubMode
from firmware_host.transports.serial import SerialTransport

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
REFERENCE = Path(firmware_host.__file__).parent / "reference"


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    program = tmp_path / "hub_posix"
    source = str(REFERENCE / "hub_posix.c")
    subprocess.run(["gcc", "-std=c99", source, "-o", str(program), "-lm"], check=True)
    return program


def test_a_take_of_a_fused_hub_holds_the_rates_between_its_orientations(hub, cable, tmp_path):
    descriptor, path = cable
    worn = ("frontalis_left", "mentalis", "head_reference")
    rig = Rig(hub=HubConfig(url=f"serial:{path}"), session=SessionConfig(rest_s=0.5, routine_s=0.0))
    missing = [name for name in FACE_12.names if name not in worn]

    async def run() -> RecordResult | None:
        talk = await ask(SerialTransport(path), lambda _: [SetMode(HubMode.FUSED)])
        assert talk.info.mode is HubMode.FUSED
        async with asyncio.timeout(20):
            return await record(rig, tmp_path, allow_missing=missing)

    with subprocess.Popen([hub, "300"], stdin=descriptor, stdout=descriptor) as process:
        try:
            result = asyncio.run(run())
        finally:
            process.terminate()
    assert result is not None
    recording = read_recording(result.folder)
    assert recording.info is not None
    assert recording.info.mode is HubMode.FUSED
    assert len(recording) == recording.samples_sent == 300
    gyro = np.concatenate([block.gyro_rad_s for block in recording.blocks()])  # (N, S, 3)
    assert np.isnan(gyro[0]).all()
    # Its ticks are whole µs and a pty's writer is not punctual: medians, not single rates.
    np.testing.assert_allclose(np.nanmedian(gyro[..., 0], axis=0), 0.5 * np.arange(1, 4), atol=0.01)
