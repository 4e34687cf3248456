"""The sound of a take beside its pictures: cut from a WAV, muxed by the user's own FFmpeg.

We ship no encoder of sound or of H.264: the free wheels have none.
"""

import shutil
import subprocess
import wave
from pathlib import Path

from capture.outputs import whole_file
from firmware_host.errors import DataError

FFMPEG = "ffmpeg"
_CODECS = {".webm": "libopus", ".mp4": "aac"}


def cut_wav(source: Path, out: Path, start_s: float, seconds: float) -> None:
    """Write `seconds` of a PCM WAV from `start_s` on; silence where it has none.

    Raises:
        DataError: `source` is no PCM WAV, or cannot be read.
    """
    try:
        with wave.open(str(source), "rb") as read:
            facts, rate = read.getparams(), read.getframerate()
            first, count = round(start_s * rate), round(seconds * rate)
            before = min(max(0, -first), count)
            read.setpos(min(max(first, 0), read.getnframes()))
            sound = read.readframes(count - before)
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(f"{source}: expected a WAV of PCM samples: {error}") from error
    size = facts.sampwidth * facts.nchannels
    quiet = b"\x80" if facts.sampwidth == 1 else b"\x00"  # samples of one byte are unsigned
    sound = (quiet * (before * size) + sound).ljust(count * size, quiet)
    with whole_file(out) as unfinished, wave.open(str(unfinished), "wb") as written:
        written.setparams(facts._replace(nframes=count))
        written.writeframes(sound)


def wav_beside(video: Path) -> Path:
    """Where the sound of a video goes that has none inside."""
    return video.with_suffix(".wav")


def add_sound(video: Path, wav: Path) -> str:
    """Put `wav` into `video` and remove it; "" where that worked, else why not.

    The WAV stays beside the video where there is no FFmpeg, or where it fails.
    """
    ffmpeg = shutil.which(FFMPEG)
    if ffmpeg is None:
        return f"no {FFMPEG} here, so the sound is in {wav}"
    with whole_file(video) as unfinished:
        both = ["-i", str(video), "-i", str(wav), "-map", "0:v", "-map", "1:a"]
        codecs = ["-c:v", "copy", "-c:a", _CODECS[video.suffix.lower()]]
        command = [ffmpeg, "-nostdin", "-v", "error", "-y", *both, *codecs, str(unfinished)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            # The name is taken by what there was: `whole_file` renames what it was given.
            shutil.copyfile(video, unfinished)
            words = done.stderr.strip().splitlines() or [f"code {done.returncode}"]
            return f"{FFMPEG} failed ({words[-1]}), so the sound is in {wav}"
    wav.unlink()
    return ""
