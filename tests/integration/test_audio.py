"""`[audio]`: a microphone beside a hub; only with consent, and never in a scrubbed copy."""

import asyncio
import contextlib
import sys
import wave

import msgspec
import numpy as np
import pytest

from capture.daemon import record
from capture.take import AUDIO_FILE
from firmware_host.errors import ConfigError, TransportError
from firmware_host.layout import FACE_12
from firmware_host.rig import AudioConfig, HubConfig, Rig, SessionConfig, TimecodeConfig
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
from imusic.cli import main
from tests.wavs import write_wav

pytestmark = pytest.mark.integration

RATE = 16_000


@pytest.fixture
def microphone(tmp_path):
    """Half a minute that counts its samples."""
    path = tmp_path / "said.wav"
    write_wav(path, (np.arange(30 * RATE) % 20_000).astype("<i2"), RATE)
    return path


def rig_of(port, microphone, consents=""):
    session = SessionConfig(rest_s=0.5, routine_s=0.5, subject="p3", consents=consents)
    audio = AudioConfig(sound=f"file:{microphone}")
    return Rig(hub=HubConfig(url=f"serial:{port}"), audio=audio, session=session)


def consents(tmp_path, *purposes):
    path = tmp_path / "subjects.toml"
    told = ", ".join(f'"{purpose}"' for purpose in purposes)
    path.write_text(f"[subjects.p3]\nconsent = [{told}]\ngranted = 2020-01-01\n")
    return str(path)


async def recorded(cable, rig, out, **asked):
    accel = np.zeros((12_000, 12, 3))
    accel[..., 1] = 9.81
    hub = SimulatedHub(
        np.arange(12_000) / 200, accel, accel * 0.01, FACE_12.names, HubOptions(seed=1)
    )
    running = asyncio.create_task(run_hub(hub, cable[0]))
    try:
        return await record(rig, out, **asked)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.mark.parametrize("agreed", [None, ("training",)])
def test_who_did_not_agree_to_audio_is_not_heard(cable, tmp_path, microphone, agreed):
    told = "" if agreed is None else consents(tmp_path, *agreed)
    rig = rig_of(cable[1], microphone, told)
    with pytest.raises(ConfigError, match="did not agree") as caught:
        asyncio.run(recorded(cable, rig, tmp_path / "takes"))
    assert '"audio"' in caught.value.hint
    assert not (tmp_path / "takes").exists()


def test_a_microphone_is_recorded_on_the_clock_of_the_take(cable, tmp_path, microphone, capsys):
    rig = rig_of(cable[1], microphone, consents(tmp_path, "training", "audio"))
    result = asyncio.run(recorded(cable, rig, tmp_path / "takes", duration_s=2.0))
    take, folder = result.take, result.folder
    with wave.open(str(folder / AUDIO_FILE)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(int)
    steps = np.diff(heard)
    assert np.isin(steps, (1, 1 - 20_000)).mean() > 0.999  # rounding may be off by one
    assert len(heard) > 1.5 * RATE
    assert take.audio["rate_hz"] == RATE
    # It began to play before the hub was heard, and plays by our clock.
    assert -30.0 < take.audio["start_s"] < 0.5
    assert take.audio["spread_s"] < 0.001
    assert main(["verify", str(folder)]) == 0
    scrubbed = tmp_path / "scrubbed"
    assert main(["scrub", str(folder), "--out", str(scrubbed), "--in-house"]) == 0
    assert not (scrubbed / AUDIO_FILE).exists()
    assert main(["info", str(scrubbed), "--json"]) == 0
    assert '"audio":{}' in capsys.readouterr().out


def test_a_microphone_that_gives_nothing_is_in_the_way(cable, tmp_path):
    short = tmp_path / "short.wav"
    write_wav(short, np.zeros(0, "<i2"), RATE)
    rig = rig_of(cable[1], short, consents(tmp_path, "audio"))
    with pytest.raises(TransportError, match="gives nothing"):
        asyncio.run(recorded(cable, rig, tmp_path / "takes", start_timeout_s=2.0))


# A card that can be opened and then does not start, as one that was pulled in between.
PULLED = """
class PortAudioError(Exception):
    pass

class InputStream:
    closed = 0

    def __init__(self, **_):
        pass

    def start(self):
        raise PortAudioError("Device unavailable")

    def close(self):
        InputStream.closed += 1
"""


@pytest.mark.parametrize("timecode", [None, TimecodeConfig()])
def test_a_card_that_does_not_start_is_one_line_and_let_go(
    cable, tmp_path, microphone, monkeypatch, timecode
):
    (tmp_path / "sounddevice.py").write_text(PULLED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    rig = rig_of(cable[1], microphone, consents(tmp_path, "audio"))
    sound = f"file:{microphone}" if timecode else "default"
    rig = msgspec.structs.replace(rig, audio=AudioConfig(sound=sound), timecode=timecode)
    with pytest.raises(TransportError, match="cannot listen at 'default': Device unavailable"):
        asyncio.run(recorded(cable, rig, tmp_path / "takes"))
    assert sys.modules["sounddevice"].InputStream.closed == 1
    monkeypatch.delitem(sys.modules, "sounddevice")


def test_a_file_that_is_no_wav_is_one_line(cable, tmp_path):
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    rig = rig_of(cable[1], tmp_path / "x.wav", consents(tmp_path, "audio"))
    with pytest.raises(ConfigError, match=r"audio\.sound: .*x\.wav"):
        asyncio.run(recorded(cable, rig, tmp_path / "takes"))
