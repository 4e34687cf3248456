"""The sound of a take: written, cut anywhere and mended, and where it lies in time."""

import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import msgspec
import numpy as np
import pytest

from capture.consent import Subject
from capture.recover import Outcome, recover
from capture.sound_file import HEAD_BYTES, SoundFile, mend_sound, sound_facts
from capture.take import AUDIO_FILE, DATA_FILE, new_take, read_take, write_take
from capture.take_writer import TakeWriter
from capture.verify import offload, verify
from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12, select
from firmware_host.samples import ImuBlock
from viz.render_cli import _begins_s

ROOT = Path(__file__).parents[2]
TWO = select(FACE_12, ("mentalis", "head_reference"))
NS, RATE = 1_000_000_000, 8000


def sound(start: int, count: int) -> bytes:
    return (np.arange(start, start + count) % 30_000).astype("<i2").tobytes()


def read_back(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_what_is_written_is_read_and_lies_where_it_was_heard(tmp_path):
    file = SoundFile(tmp_path, RATE)
    told = [file.write(sound(400 * k, 400), 5 * NS + k * NS // 20, False) for k in range(60)]
    facts = file.close(6 * NS)
    assert np.array_equal(read_back(tmp_path / AUDIO_FILE), np.arange(24_000) % 30_000)
    assert facts["start_s"] == pytest.approx(-1.0)
    assert (facts["rate_hz"], facts["lost"]) == (RATE, 0)
    assert [event["sample"] for event in told if event] == [0, 8000, 16_000]  # one a second


def test_a_card_that_counts_fast_is_found_out():
    at = np.arange(0, 60 * 8000, 8000)
    heard_s = at / (RATE * (1 + 80e-6)) + 0.25
    anchors = [(int(k), round((3.0 + t) * NS)) for k, t in zip(at, heard_s, strict=True)]
    facts = sound_facts(anchors, 3 * NS, RATE, 0)
    assert facts["true_rate_hz"] == pytest.approx(RATE * (1 + 80e-6), abs=0.01)
    assert facts["start_s"] == pytest.approx(0.25, abs=1e-4)
    assert facts["spread_s"] < 1e-4


def test_sound_that_the_driver_lost_shows(tmp_path):
    file = SoundFile(tmp_path, RATE)
    for k in range(40):
        late_ns = 300_000_000 if k >= 20 else 0
        file.write(sound(400 * k, 400), k * NS // 20 + late_ns, k == 20)
    facts = file.close(0)
    assert facts["lost"] == 1
    assert facts["spread_s"] > 0.1


def test_without_samples_or_sound_nothing_is_said(tmp_path):
    assert sound_facts([(0, 5)], None, RATE, 0) == {}
    assert sound_facts([], 0, RATE, 0) == {}
    assert not mend_sound(tmp_path)


def test_cut_anywhere_is_mended_and_holds_all_whole_samples(tmp_path):
    file = SoundFile(tmp_path, RATE)
    file.write(sound(0, 50), 0, False)
    file.abandon()
    path = tmp_path / AUDIO_FILE
    data = path.read_bytes()
    for cut in range(len(data), HEAD_BYTES, -1):
        path.write_bytes(data[:cut])
        whole = (cut - HEAD_BYTES) // 2
        assert mend_sound(tmp_path) == (whole > 0)
        if whole:
            assert np.array_equal(read_back(path), np.arange(whole))
            assert not mend_sound(tmp_path)
    path.write_bytes(data[:20])
    assert not mend_sound(tmp_path)


def test_a_file_that_is_no_wav_is_left_alone(tmp_path):
    path = tmp_path / AUDIO_FILE
    path.write_bytes(b"OggS" + bytes(500))
    assert not mend_sound(tmp_path)
    assert path.read_bytes() == b"OggS" + bytes(500)


def block(number: int) -> ImuBlock:
    ticks = np.arange(3 * number, 3 * number + 3)
    readings = np.zeros((3, 2, 3), np.float32)
    return ImuBlock(ticks * 5000, ticks, readings, readings, NS + number * 15_000_000)


def test_a_take_with_sound_is_proven_and_copied_whole(tmp_path):
    folder = tmp_path / "take"
    folder.mkdir()
    agreed = Subject(consent=("audio",))
    writer = TakeWriter(folder, new_take("take", TWO, {}, simulated=True, consent=agreed))
    for number in range(100):
        writer.hub_event(block(number), 1)
        writer.sound(sound(120 * number, 120), NS // 2 + number * 15_000_000, RATE)
    take = writer.close()
    assert take.audio["start_s"] == pytest.approx(-0.5)
    assert set(take.files) == {DATA_FILE, AUDIO_FILE}
    assert _begins_s(folder / AUDIO_FILE, folder) == take.audio["start_s"]  # as it is rendered
    assert _begins_s(tmp_path / "other.wav", folder) == 0.0
    write_take(msgspec.structs.replace(take, consent=Subject(consent=("training",))), folder)
    with pytest.raises(ConfigError, match="does not agree"):
        _begins_s(folder / AUDIO_FILE, folder)
    copy, _ = offload(folder, tmp_path / "disk")
    assert np.array_equal(read_back(copy / AUDIO_FILE), np.arange(12_000))
    with (copy / AUDIO_FILE).open("r+b") as file:
        file.seek(500)
        file.write(b"x")
    assert verify(copy).problems == (f"{AUDIO_FILE} is not what it was when the take ended",)


ENDLESS = """
import sys, time
import numpy as np
from pathlib import Path
from tests_sound import TWO, block, sound
from capture.take import new_take
from capture.take_writer import TakeWriter
writer = TakeWriter(Path(sys.argv[1]), new_take("take", TWO, {}, simulated=True))
number = 0
while True:
    writer.hub_event(block(number), 1)
    writer.sound(sound(120 * number, 120), 500_000_000 + number * 15_000_000, 8000)
    writer.service(number * 15_000_000)
    number += 1
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_a_killed_recorder_leaves_sound_that_recover_mends(tmp_path):
    folder = tmp_path / "take"
    folder.mkdir()
    (tmp_path / "tests_sound.py").write_text(Path(__file__).read_text("utf-8"), "utf-8")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n" + ENDLESS
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    try:
        until_s = time.monotonic() + 60
        path = folder / AUDIO_FILE
        while not path.is_file() or path.stat().st_size < 200_000:
            assert process.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    assert recover(folder).outcome in (Outcome.LOSSY, Outcome.WHOLE)
    heard = read_back(path)
    assert len(heard) >= (200_000 - HEAD_BYTES) // 2
    assert np.array_equal(heard, np.arange(len(heard)) % 30_000)
    take = read_take(folder)
    assert take.audio["start_s"] == pytest.approx(-0.5, abs=0.001)
    assert verify(folder).problems == ()
