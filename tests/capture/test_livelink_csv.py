import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.livelink_csv import (
    read_livelink_csv,
    swap_sideways_pairs,
    timecode,
    write_livelink_csv,
)
from firmware_host.errors import DataError

FACES = [
    "alexdjulin/S07-001.csv",
    "alexdjulin/alex_rom_3.csv",
    "alexdjulin/alex_rom_4.csv",
    "alexdjulin/facial.csv",
    "sentien/recording.csv",
    "applicator/SampleNeutral.csv",
    "applicator/SampleTest01.csv",
    "applicator/SampleTest02.csv",
    *(f"animavr/MySlate_{n}_iPhone_cal.csv" for n in (161, 162, 163, 164, 166, 167, 168)),
    "animavr/default.csv",
]


def sideways_agreement(weights: np.ndarray) -> float:
    """Correlation of mouthLeft − mouthRight with mouthStretchLeft − mouthStretchRight."""
    left, right = weights[:, INDEX["mouthLeft"]], weights[:, INDEX["mouthRight"]]
    pulled = weights[:, INDEX["mouthStretchLeft"]] - weights[:, INDEX["mouthStretchRight"]]
    return float(np.corrcoef(left - right, pulled)[0, 1])


@pytest.mark.parametrize("name", FACES)
def test_every_real_file_loads_and_its_left_and_right_agree(data, name):
    recording = read_livelink_csv(data / "arkit" / name)
    tracked = recording.weights[recording.tracked]
    assert recording.weights.shape == (len(recording.time_s), 52)
    assert recording.rate_hz == 60.0
    assert recording.time_s[0] == 0
    assert np.all(np.diff(recording.time_s) > 0)
    assert recording.sideways_swapped == (not name.startswith("applicator"))
    assert sideways_agreement(tracked) > 0
    has_head = name.startswith(("sentien", "applicator"))
    assert (recording.head_yaw_pitch_roll is not None) == has_head
    if name.startswith("alexdjulin"):  # 30 Hz rows under a 60 Hz timecode
        assert np.median(np.diff(recording.time_s)) == pytest.approx(1 / 30, abs=1e-4)


@pytest.mark.parametrize("name", [n for n in FACES if not n.startswith("applicator")])
def test_pascal_case_files_disagree_as_labelled(data, name):
    labelled = read_livelink_csv(data / "arkit" / name, swap_sideways=False)
    swapped = read_livelink_csv(data / "arkit" / name)
    assert sideways_agreement(labelled.weights) < sideways_agreement(swapped.weights)
    assert np.array_equal(swap_sideways_pairs(labelled.weights), swapped.weights)


@pytest.mark.parametrize("name", FACES)
def test_every_weight_of_a_real_file_is_read_as_it_is_written(data, name):
    path = data / "arkit" / name
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    recording = read_livelink_csv(path, swap_sideways=False)
    written = {cells[0]: cells for cells in rows if len(cells) == len(header)}
    lower = [column.lower() for column in header]
    for shape in ("jawOpen", "jawLeft", "eyeBlinkRight", "mouthSmileLeft"):
        column = [float(cells[lower.index(shape.lower())]) for cells in written.values()]
        read = recording.weights[recording.tracked, INDEX[shape]]
        assert np.array_equal(read, np.array(column, np.float32))


def test_a_real_file_says_when_it_was_recorded(data):
    """take.json of this recording: 27.143 s by the device's own clock, 59.94 Hz."""
    recording = read_livelink_csv(data / "arkit/sentien/recording.csv")
    assert recording.time_s[-1] == pytest.approx(27.143, abs=0.05)
    assert recording.sha256 == read_livelink_csv(data / "arkit/sentien/recording.csv").sha256


def pascal(name: str) -> str:
    return name[0].upper() + name[1:]


def text_of(rows, names=ARKIT_NAMES, spell=pascal, head=False) -> str:
    columns = [spell(n) for n in names]
    if head:
        columns += ["HeadYaw", "HeadPitch", "HeadRoll"]
    lines = [",".join(["Timecode", "BlendShapeCount", *columns])]
    return "\n".join([*lines, *rows]) + "\n"


def row(code: str, value: float = 0.5, count: int = 52) -> str:
    return ",".join([code, str(count), *[str(value)] * count])


def write(tmp_path, text, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def codes(rate: int, count: int, step: int = 1, start_s: int = 0) -> list[str]:
    return [timecode(start_s + i * step / rate, rate) for i in range(count)]


def test_a_lost_face_is_no_face_and_never_a_neutral_one(tmp_path):
    rows = [row("00:00:01:00.000"), "00:00:01:01.000,0", row("00:00:01:30.000", 0.7)]
    rows += [row("00:00:01:31.000", 0.0), row("00:00:02:00.000")]
    recording = read_livelink_csv(write(tmp_path, text_of(rows)), rate_hz=60)
    assert recording.tracked.tolist() == [True, False, True, False, True]
    assert np.isnan(recording.weights[~recording.tracked]).all()
    assert recording.time_s.tolist() == pytest.approx([0, 1 / 60, 0.5, 31 / 60, 1])


def test_values_beyond_the_range_are_kept_and_clipped_only_on_request(tmp_path):
    rows = [row("00:00:01:00.0", -0.02), row("00:00:01:01.0", 1.08)]
    recording = read_livelink_csv(write(tmp_path, text_of(rows)))
    assert recording.weights[:, 0].tolist() == pytest.approx([-0.02, 1.08])
    assert recording.clipped()[:, 0].tolist() == [0.0, 1.0]


def in_percent(text: str) -> str:
    head, *rows = text.splitlines()
    cells = [row.split(",") for row in rows]
    scaled = [[*c[:2], *(str(100 * float(v)) for v in c[2:])] for c in cells]
    return "\n".join([head, *(",".join(c) for c in scaled)]) + "\n"


def test_weights_in_percent_are_refused_with_the_largest_and_its_place(tmp_path):
    rows = [row("00:00:01:00.0", 0.2), row("00:00:01:01.0", 0.3), row("00:00:01:02.0", 0.001)]
    at = 2 + ARKIT_NAMES.index("jawOpen")
    rows[1] = ",".join([*rows[1].split(",")[:at], "0.873", *rows[1].split(",")[at + 1 :]])
    path = write(tmp_path, text_of(rows))
    assert read_livelink_csv(path).weights.max() == np.float32(0.873)
    path = write(tmp_path, in_percent(text_of(rows)))
    with pytest.raises(DataError) as caught:
        read_livelink_csv(path)
    said = "line 3: expected weights from 0 to 1, got 87.3 in column 'JawOpen'"
    assert str(caught.value) == f"{path}, {said}"
    assert caught.value.hint == "are these percent? divide by 100"


def test_a_real_file_in_percent_is_refused(data, tmp_path):
    text = (data / "arkit/applicator/SampleNeutral.csv").read_text("utf-8-sig")
    with pytest.raises(DataError, match="expected weights from 0 to 1, got 42"):
        read_livelink_csv(write(tmp_path, in_percent(text)))


@pytest.mark.parametrize("value", ["-3", "1.6", "255", "1e39"])
def test_one_absurd_weight_is_refused_by_its_line_and_column(tmp_path, value):
    rows = [row("00:00:01:00.0"), row("00:00:01:01.0"), row("00:00:01:02.0")]
    rows[2] = rows[2].rsplit(",", 1)[0] + "," + value
    with pytest.raises(DataError, match=r"a\.csv, line 4: .* in column 'TongueOut'") as caught:
        read_livelink_csv(write(tmp_path, text_of(rows)))
    assert "only such value" in caught.value.hint


@pytest.mark.parametrize("value", [-0.3, -0.02, 1.08, 1.3, 1.5])
def test_weights_somewhat_beyond_the_range_are_read(tmp_path, value):
    rows = [row("00:00:01:00.0", value), row("00:00:01:01.0", value)]
    recording = read_livelink_csv(write(tmp_path, text_of(rows)))
    assert recording.weights[1, INDEX["jawOpen"]] == np.float32(value)


def test_angles_are_no_weights_and_may_be_large(tmp_path):
    rows = [row("00:00:01:00.0") + ",3.1,-2,1", row("00:00:01:01.0") + ",3.1,-2,1"]
    recording = read_livelink_csv(write(tmp_path, text_of(rows, head=True)))
    assert recording.head_yaw_pitch_roll[0].tolist() == pytest.approx([3.1, 2, -1])


def test_only_the_apps_own_files_have_its_signs(tmp_path):
    rows = [row("00:00:01:00.0") + ",0.3,0.2,0.1", row("00:00:01:01.0") + ",0.3,0.2,0.1"]
    own = read_livelink_csv(write(tmp_path, text_of(rows, head=True)))
    assert own.head_yaw_pitch_roll[0].tolist() == pytest.approx([0.3, -0.2, -0.1])
    other = read_livelink_csv(write(tmp_path, text_of(rows, head=True).lower()))
    assert other.head_yaw_pitch_roll[0].tolist() == pytest.approx([0.3, 0.2, 0.1])


@pytest.mark.parametrize("rate", [24, 25, 30, 50, 60, 120, 1000])
def test_the_rate_is_read_off_the_timecode(tmp_path, rate):
    path = write(tmp_path, text_of([row(c) for c in codes(rate, 3 * rate)]))
    recording = read_livelink_csv(path)
    assert recording.rate_hz == rate
    assert recording.time_s[-1] == pytest.approx((3 * rate - 1) / rate)
    assert recording.notes == ()


def test_rows_at_30_hz_under_a_60_hz_timecode(tmp_path):
    path = write(tmp_path, text_of([row(c) for c in codes(60, 90, step=2)]))
    recording = read_livelink_csv(path)
    assert recording.rate_hz == 60
    assert np.diff(recording.time_s) == pytest.approx(np.full(89, 1 / 30))


def test_a_clip_too_short_to_tell_says_what_was_assumed(tmp_path):
    path = write(tmp_path, text_of([row(c) for c in codes(60, 20)]))
    recording = read_livelink_csv(path)
    assert recording.rate_hz == 60
    assert "too short" in recording.notes[0]


def test_the_day_may_wrap_and_the_hours_may_pass_24(tmp_path):
    rows = [row("23:59:59:59.000"), row("00:00:00:00.000"), row("00:00:00:01.000")]
    recording = read_livelink_csv(write(tmp_path, text_of(rows)))
    assert recording.time_s.tolist() == pytest.approx([0, 1 / 60, 2 / 60])
    rows = [row("100:44:47:22.832"), row("100:44:47:23.832")]
    recording = read_livelink_csv(write(tmp_path, text_of(rows)), rate_hz=60)
    assert recording.time_s[1] == pytest.approx(1 / 60)


def test_repeated_and_backward_rows_are_left_out_and_counted(tmp_path):
    stamps = ["00:00:01:10.0", "00:00:01:11.0", "00:00:01:11.0", "00:00:01:09.0", "00:00:01:12.0"]
    rows = [row(c, 0.1 * i) for i, c in enumerate(stamps)]
    recording = read_livelink_csv(write(tmp_path, text_of(rows)), rate_hz=60)
    assert recording.weights[1:, 0].tolist() == pytest.approx([0.1, 0.4])
    assert len(recording.time_s) == 3
    assert "2 rows with a repeated or backward timecode" in recording.notes[-1]


@pytest.mark.parametrize("at", [0, 1, 45, 89])
@pytest.mark.parametrize("wrong_s", [5 * 3600, 20 * 3600, 90, 3])
def test_one_damaged_timecode_costs_that_row_alone(tmp_path, at, wrong_s):
    stamps = codes(60, 90, start_s=10 * 3600)
    stamps[at] = timecode(wrong_s + at / 60, 60)
    recording = read_livelink_csv(write(tmp_path, text_of([row(c) for c in stamps])))
    assert recording.time_s[-1] < 1.5
    assert len(recording.time_s) == 89
    assert len(recording.notes) == 1


@pytest.mark.parametrize("rate", [24, 25, 30, 50, 60, 120])
@pytest.mark.parametrize("frame", ["61", "99.5", "960", "9999"])
@pytest.mark.parametrize("at", [0, 30, -1])
def test_a_damaged_frame_number_costs_its_row_and_misleads_no_rate(tmp_path, rate, frame, at):
    stamps = codes(rate, 3 * rate, start_s=10)
    if rate > float(frame):
        frame = str(rate)
    stamps[at] = f"{stamps[at].rsplit(':', 1)[0]}:{frame}"
    recording = read_livelink_csv(write(tmp_path, text_of([row(c) for c in stamps])))
    assert recording.rate_hz == rate
    assert len(recording.time_s) == 3 * rate - 1
    assert np.median(np.diff(recording.time_s)) == pytest.approx(1 / rate, abs=1e-4)
    assert recording.time_s[-1] < 3
    line = 2 + at % (3 * rate)
    assert len(recording.notes) == 1
    assert recording.notes[0].startswith("1 rows with a damaged timecode left out, first")
    assert f"line {line}: frame {frame} of a second that has {rate}" in recording.notes[0]


def test_a_damaged_frame_number_in_a_real_file_leaves_the_rest_as_it_was(data, tmp_path):
    path = data / "arkit/alexdjulin/facial.csv"
    lines = path.read_text("utf-8-sig").splitlines()
    whole = read_livelink_csv(path)
    stamp, rest = lines[1 + 700].split(",", 1)
    lines[1 + 700] = f"{stamp.rsplit(':', 1)[0]}:731.5,{rest}"
    recording = read_livelink_csv(write(tmp_path, "\n".join(lines)))
    assert recording.rate_hz == whole.rate_hz
    assert np.array_equal(recording.time_s, np.delete(whole.time_s, 700))
    assert np.array_equal(recording.weights, np.delete(whole.weights, 700, axis=0), equal_nan=True)


def test_frames_that_no_timecode_counts_are_refused_by_line_and_number(tmp_path):
    stamps = codes(60, 90)
    stamps[4:] = [f"00:00:0{1 + i // 50}:{5000 + i}" for i in range(86)]
    path = write(tmp_path, text_of([row(c) for c in stamps]))
    with pytest.raises(DataError, match=r"a\.csv, line 6: .* frame 5000 of a second that has 1000"):
        read_livelink_csv(path)


def test_a_rate_that_the_frames_go_beyond_is_refused(tmp_path):
    path = write(tmp_path, text_of([row(c) for c in codes(60, 90)]))
    with pytest.raises(DataError, match=r"line 32: .* frame 30 of a second that has 30"):
        read_livelink_csv(path, rate_hz=30)


@pytest.mark.parametrize(
    ("frames", "rate"), [(["7"], 60), (["70"], 100), (["70", "999"], 1000), (["9", "99", "11"], 60)]
)
def test_the_shortest_files_are_read_at_a_rate_that_most_of_them_fits(tmp_path, frames, rate):
    path = write(tmp_path, text_of([row(f"00:00:01:{frame}") for frame in frames]))
    recording = read_livelink_csv(path)
    assert recording.rate_hz == rate
    assert len(recording.time_s) == sum(float(frame) < rate for frame in frames)


def test_a_timecode_that_leaps_for_good_is_refused_with_its_line(tmp_path):
    rows = [row(c) for c in [*codes(60, 30), *codes(60, 30, start_s=3600)]]
    with pytest.raises(DataError, match=r"a\.csv, line 32: the timecode leaps by more than 60 s"):
        read_livelink_csv(write(tmp_path, text_of(rows)))


def test_rows_lost_for_seconds_keep_the_few_between_them(tmp_path):
    stamps = [*codes(60, 30), *codes(60, 2, start_s=3), *codes(60, 30, start_s=6)]
    recording = read_livelink_csv(write(tmp_path, text_of([row(c) for c in stamps])), rate_hz=60)
    assert len(recording.time_s) == 62
    assert recording.notes == ()


def test_files_with_51_shapes_have_no_tongue(tmp_path):
    names = ARKIT_NAMES[:-1]
    rows = [row("00:00:01:00.0", 0.5, 51), row("00:00:01:01.0", 0.5, 51)]
    recording = read_livelink_csv(write(tmp_path, text_of(rows, names)))
    assert recording.weights[0, INDEX["tongueOut"]] == 0
    assert recording.weights[0, INDEX["jawOpen"]] == 0.5


def test_columns_are_matched_by_name_in_any_case_and_order(tmp_path):
    names = list(reversed(ARKIT_NAMES))
    values = ",".join(str(INDEX[n] / 100) for n in names)
    text = text_of([f"00:00:01:00.0,52,{values}", f"00:00:01:01.0,52,{values}"], names, str.lower)
    recording = read_livelink_csv(write(tmp_path, text))
    assert not recording.sideways_swapped
    assert recording.weights[0] == pytest.approx(np.arange(52) / 100)


def test_head_columns_that_are_all_zero_are_none(tmp_path):
    rows = [row("00:00:01:00.0") + ",0,0,0", row("00:00:01:01.0") + ",0,0,0"]
    path = write(tmp_path, text_of(rows, head=True))
    assert read_livelink_csv(path).head_yaw_pitch_roll is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\xff\xfe", "not a text file"),
        (b"time,a\n1,2\n", "expected the header to begin Timecode,BlendShapeCount"),
        (text_of([row("9" * 5000 + ":00:00:00")]), "line 2: expected a timecode like"),
        (text_of([row("00:00:01:00.0"), "1" * 200_000]), "line 3: field larger than field limit"),
        ("Timecode," + "x" * 200_000 + "\n", "line 1: field larger than field limit"),
        (text_of([row("x")]), "line 2: expected a timecode like"),
        (text_of([]), "expected rows after the header, got none"),
        (text_of([row("00:00:01:00.0"), "00:00:01:01.0,52,0.1"]), "line 3: expected 54 columns"),
        (text_of([row("00:00:01:00.0").replace("0.5", "abc", 1)]), "line 2: could not convert"),
        (text_of([row("00:00:01:00.0").replace("0.5", "nan", 1)]), "line 2: a value is not finite"),
        (
            text_of([row("00:00:01:00.0", count=51)], [n for n in ARKIT_NAMES if n != "jawOpen"]),
            "column 'jawOpen' is missing",
        ),
        (
            text_of([], [*ARKIT_NAMES, "jaw_Open"]),
            "column 'JawOpen' occurs twice, again as 'Jaw_Open'",
        ),
        (text_of([], [*ARKIT_NAMES, "eyeBlink_L"]), "column 'EyeBlinkLeft' occurs twice"),
        (text_of([], [*ARKIT_NAMES, "JawOpen"]), "column 'JawOpen' occurs twice"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=r"a\.csv") as caught:
        read_livelink_csv(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot read it"):
        read_livelink_csv(tmp_path / "none.csv")


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=400))
def test_junk_is_a_data_error_whatever_it_is(tmp_path_factory, junk):
    path = write(tmp_path_factory.mktemp("junk"), junk)
    with pytest.raises(DataError):
        read_livelink_csv(path)


def test_what_is_written_is_read_back(tmp_path):
    rng = np.random.default_rng(2)
    time_s = np.arange(200) / 60
    weights = rng.uniform(0, 1, (200, 52)).astype(np.float32)
    tracked = rng.random(200) > 0.1
    tracked[[0, -1]] = True
    head = rng.normal(size=(200, 3)).astype(np.float32)
    path = tmp_path / "out.csv"
    write_livelink_csv(path, time_s, weights, tracked, head)
    recording = read_livelink_csv(path)
    assert recording.rate_hz == 60
    assert recording.sideways_swapped
    assert recording.time_s == pytest.approx(time_s, abs=1e-5)
    assert np.array_equal(recording.tracked, tracked)
    assert recording.weights[tracked] == pytest.approx(weights[tracked], abs=1e-7)
    assert recording.head_yaw_pitch_roll[tracked] == pytest.approx(head[tracked], abs=1e-6)
    assert recording.eyes_yaw_pitch_roll is None
