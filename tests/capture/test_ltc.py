"""Linear timecode against sound that libltc made, and the arithmetic of timecode.

golden/ltc.npz: 30 frames each at 24, 25, 30 and 29.97 drop-frame, unsigned 8-bit at 24 kHz, by
libltc 1.3.2 (`ltc_encoder_create(24000, fps, standard, 0)`, then `ltc_encoder_encode_frame` and
`ltc_encoder_inc_timecode` in turn), beginning with the numbers in STARTS.
"""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.ltc import LtcDecoder
from capture.phone_faces import PhoneFace
from capture.sound_line import SoundLine
from capture.take_timecode import TakeTimecode
from capture.timecode import Reading, Timecode, from_count, jam, parse
from firmware_host.errors import ConfigError
from firmware_host.rig import TimecodeConfig
from tests.wavs import write_wav

GOLDEN = Path(__file__).parent / "golden/ltc.npz"
RATE_HZ = 24_000
STARTS = {"24": "10:20:59:10", "25": "01:59:59:12", "30": "23:59:59:15", "2997df": "00:00:59;14"}
NOMINAL = {"24": 24, "25": 25, "30": 30, "2997df": 30}
FRAME_SAMPLES = {"24": 1000.0, "25": 960.0, "30": 800.0, "2997df": 800.8}
NS = 1_000_000_000


def sound_of(name: str) -> np.ndarray:
    with np.load(GOLDEN) as arrays:
        return (arrays[name].astype(float) - 128.0) / 128.0


def expected(name: str, count: int) -> list[Timecode]:
    start = parse(STARTS[name])
    first = start.count(NOMINAL[name])
    return [from_count(first + k, NOMINAL[name], start.drop) for k in range(count)]


@pytest.mark.parametrize("name", STARTS)
def test_every_frame_of_the_golden_sound_is_read_where_it_was(name):
    found = LtcDecoder(RATE_HZ).feed(sound_of(name))
    assert [frame.timecode for frame in found] == expected(name, 29)  # the last has no end yet
    at = np.array([frame.at for frame in found])
    assert np.abs(at - FRAME_SAMPLES[name] * np.arange(29)).max() < 1.5


@pytest.mark.parametrize("name", STARTS)
def test_as_lines_and_recorders_make_it(name):
    rng = np.random.default_rng(1)
    sound = sound_of(name)
    fine = np.interp(np.arange(2 * len(sound)) / 2, np.arange(len(sound)), sound)
    for level, shift, noise in ((-1.0, 0.0, 0.02), (0.05, 0.01, 0.004), (0.7, -0.2, 0.05)):
        heard = level * fine + shift + rng.normal(0, noise, len(fine))
        found = [frame.timecode for frame in LtcDecoder(2 * RATE_HZ).feed(heard)]
        # While the level of the line is not known yet a frame or two may be missed.
        assert found == expected(name, 29)[-len(found) :]
        assert len(found) >= 27


@settings(max_examples=25)
@given(st.lists(st.integers(1, 4000), max_size=30))
def test_any_chunking_gives_the_same_frames(sizes):
    sound = sound_of("25")
    decoder, found, at = LtcDecoder(RATE_HZ), [], 0
    for size in [*sizes, len(sound)]:
        found += decoder.feed(sound[at : at + size])
        at += size
    assert found == LtcDecoder(RATE_HZ).feed(sound)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-6, 0.3, 1.0, 1e9]))
def test_noise_says_nothing_and_never_raises(seed, level):
    rng = np.random.default_rng(seed)
    noise = level * rng.normal(size=6000)
    noise[rng.integers(0, 6000, 5)] = [np.nan, np.inf, -np.inf, 0.0, 1.0]
    assert LtcDecoder(RATE_HZ).feed(noise) == []


def test_a_hole_costs_the_frames_it_hits_and_lies_about_none():
    sound = sound_of("30")
    sound[5000:7300] = 0.0
    found = [frame.timecode for frame in LtcDecoder(RATE_HZ).feed(sound)]
    truth = expected("30", 29)
    assert found[:6] == truth[:6]
    assert found[-18:] == truth[-18:]
    assert set(found) <= set(truth)


@given(st.sampled_from([24, 25, 30]), st.integers(0, 24 * 3600 * 24 - 1), st.booleans())
def test_numbers_and_counts_are_two_ways_to_say_one_thing(rate, count, drop):
    code = from_count(count, rate, drop and rate == 30)
    assert code.count(rate) == count
    assert parse(str(code)) == code


def test_drop_frame_code_leaves_out_what_the_standard_says():
    assert str(from_count(parse("00:00:59;29").count(30) + 1, 30, True)) == "00:01:00;02"
    assert str(from_count(parse("00:09:59;29").count(30) + 1, 30, True)) == "00:10:00;00"
    assert parse("00:10:00;00").count(30) == 17_982
    assert parse("01:00:00;00").count(30) == 107_892
    assert str(from_count(24 * 107_892, 30, True)) == "00:00:00;00"
    assert parse("24:00:00:00") is None
    assert parse("1:2:3:4") is None


@pytest.mark.parametrize(("rate", "true_hz"), [(24, 24.0), (25, 25.0), (30, 29.97), (24, 23.976)])
def test_a_take_is_placed_on_the_code_that_was_heard(rate, true_hz):
    first = parse("10:00:00:00").count(rate)
    readings = [
        Reading(from_count(first + k, rate), 5 * NS + round(k / true_hz * NS) + (k % 3) * 200_000)
        for k in range(0, 400, 7)
    ]
    found = jam(readings, 5 * NS + 2 * NS, "ltc")
    assert found.rate == rate
    assert found.true_rate_hz == pytest.approx(true_hz, rel=1e-4)
    assert found.start == from_count(first + int(2 * true_hz + 0.1), rate)
    assert found.spread_s < 0.002


def test_code_that_leaps_or_hardly_runs_places_nothing():
    good = [Reading(from_count(k, 25), k * NS // 25) for k in range(50)]
    assert jam(good, 0, "ltc") is not None
    assert jam(good[:10], 0, "ltc") is None
    leapt = good[:25] + [Reading(from_count(9000 + k, 25), k * NS // 25) for k in range(25, 50)]
    assert jam(leapt, 0, "ltc") is None
    assert jam([Reading(from_count(5, 25), k * NS // 25) for k in range(50)], 0, "ltc") is None


def faces(rate: int, seconds: float):
    for k in range(round(rate * seconds)):
        weights = np.zeros(52, np.float32)
        yield PhoneFace(10 * NS + k * NS // rate, 0, weights, frame=(3600 * rate + k, rate, 1))


def test_without_a_line_the_phones_numbers_are_the_timecode():
    kept: list[object] = []
    timecode = TakeTimecode(None, lambda *args, **_: kept.append(args))
    for face in faces(60, 4.0):
        timecode.take_face(face)
    told = timecode.facts(10 * NS + NS)["timecode"]
    assert (told["start"], told["rate"], told["source"]) == ("01:00:01:00", 60, "phone")
    assert kept == []
    assert TakeTimecode(None, print).facts(0) == {}


def test_a_line_that_plays_a_file_goes_before_the_phone(tmp_path):
    path = tmp_path / "ltc.wav"
    write_wav(path, (sound_of("25") * 32000).astype("<i2"), RATE_HZ)
    kept: list[tuple[object, ...]] = []

    async def listen() -> dict:
        config = TimecodeConfig(sound=f"file:{path}")
        with TakeTimecode(config, lambda *args, **facts: kept.append((*args, facts))) as timecode:
            for _ in range(3000):
                if len(kept) >= 5:
                    break
                await asyncio.sleep(0.01)
            first_ns = int(kept[0][2])
            return timecode.facts(first_ns)

    told = asyncio.run(listen())
    assert [entry[:2] for entry in kept[:2]] == [("health", "ltc")] * 2
    assert kept[0][3] == {"timecode": "01:59:59:12"}
    assert (told["timecode"]["source"], told["timecode"]["rate"]) == ("ltc", 25)
    assert told["timecode"]["start"] == "01:59:59:12"


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "x.wav").write_bytes(b"RIFF")

    async def listen() -> None:
        SoundLine(f"file:{tmp_path / 'x.wav'}", lambda frame, at: None)

    with pytest.raises(ConfigError, match=r"x\.wav"):
        asyncio.run(listen())
