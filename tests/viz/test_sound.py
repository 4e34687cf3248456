"""Sound beside pictures."""

import shutil
import wave

import numpy as np
import pytest

from firmware_host.errors import DataError
from tests.wavs import write_wav
from viz.sound import FFMPEG, add_sound, cut_wav
from viz.video import VideoWriter

RATE = 8000


@pytest.fixture
def tone(tmp_path):
    """Two seconds whose samples count up: each says when it was."""
    path = tmp_path / "tone.wav"
    write_wav(path, np.arange(2 * RATE, dtype="<i2"), RATE)
    return path


def read_wav(path):
    with wave.open(str(path), "rb") as read:
        return np.frombuffer(read.readframes(read.getnframes()), f"<i{read.getsampwidth()}")


def test_a_cut_begins_and_ends_where_it_should(tone, tmp_path):
    cut_wav(tone, tmp_path / "cut.wav", 0.5, 1.0)
    assert np.array_equal(read_wav(tmp_path / "cut.wav"), np.arange(4000, 12000))


@pytest.mark.parametrize(("start_s", "silent"), [(1.5, "end"), (-0.5, "start")])
def test_where_there_is_no_sound_there_is_silence(tone, tmp_path, start_s, silent):
    cut_wav(tone, tmp_path / "cut.wav", start_s, 1.0)
    cut = read_wav(tmp_path / "cut.wav")
    assert len(cut) == RATE
    first, last = cut[: RATE // 2], cut[RATE // 2 :]
    assert not (last if silent == "end" else first).any()
    assert np.diff(first if silent == "end" else last).min() == 1


def test_what_lies_beyond_the_sound_is_all_silence(tone, tmp_path):
    cut_wav(tone, tmp_path / "cut.wav", 60.0, 0.25)
    assert not read_wav(tmp_path / "cut.wav").any()
    cut_wav(tone, tmp_path / "early.wav", -60.0, 0.25)
    assert len(read_wav(tmp_path / "early.wav")) == RATE // 4
    assert not read_wav(tmp_path / "early.wav").any()


def test_what_is_no_wav_is_refused_by_name(tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(b"no sound at all")
    with pytest.raises(DataError, match=r"song\.wav: expected a WAV of PCM"):
        cut_wav(path, tmp_path / "cut.wav", 0.0, 1.0)
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.webm"
    with VideoWriter(path, 10.0, (64, 64)) as video:
        for shade in range(10):
            video.write(np.full((64, 64, 3), 20 * shade, np.uint8))
    return path


def test_without_ffmpeg_the_sound_stays_beside_the_video(film, tone, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    before = film.read_bytes()
    assert add_sound(film, tone) == f"no ffmpeg here, so the sound is in {tone}"
    assert film.read_bytes() == before
    assert tone.exists()


@pytest.mark.skipif(shutil.which(FFMPEG) is None, reason="no ffmpeg here")
def test_ffmpeg_puts_the_sound_into_the_video(film, tone):
    before = film.stat().st_size
    assert add_sound(film, tone) == ""
    assert film.stat().st_size > before
    assert b"OpusHead" in film.read_bytes()
    assert not tone.exists()


@pytest.mark.skipif(shutil.which(FFMPEG) is None, reason="no ffmpeg here")
def test_an_ffmpeg_that_fails_leaves_video_and_sound(film, tmp_path):
    wav = tmp_path / "broken.wav"
    wav.write_bytes(b"no sound at all")
    before = film.read_bytes()
    assert "ffmpeg failed" in add_sound(film, wav)
    assert film.read_bytes() == before
    assert wav.exists()
