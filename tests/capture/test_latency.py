"""The phone's latency by head and jaw, against scenarios whose truth is known."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from capture import rotations, sync
from capture.blendshapes import INDEX
from capture.offsets import GRID_HZ, Offset, combined, find_offset
from capture.take import Segment
from tests.capture.test_sync import Scenario, given, make

JAW = INDEX["jawOpen"]


def opened(time_s, seed):
    """(N,) a jaw that speaks."""
    rng = np.random.default_rng(seed)
    hz, phase = rng.uniform(0.5, 3.5, 8), rng.uniform(0, 6.3, 8)
    return 0.3 + 0.035 * np.sin(2 * np.pi * hz * time_s[:, None] + phase).sum(axis=1)


def talking(scenario, segments=(), late_jaw_s=0.0, jaw_moves=True):
    """A recording whose chin turns with the jaw, and with the head, by a mounting of its own."""
    made = make(scenario)
    time_s, frame_s = np.arange(len(made)) / 200, np.arange(len(made.faces)) / 60 + 0.003
    step = 1e-3
    speed = (opened(time_s + step, scenario.seed) - opened(time_s - step, scenario.seed)) / step / 2
    mounting = rotations.from_vector(np.array([0.3, -0.2, 0.1]))
    gyro = made.gyro_rad_s.copy()
    gyro[:, 0] = rotations.rotate(mounting, gyro[:, 1].astype(float))
    if jaw_moves:
        gyro[:, 0] += 0.3 * speed[:, None] * np.array([0.9, 0.1, -0.3])
    rng = np.random.default_rng(scenario.seed + 1)
    gyro[:, 0] += rng.normal(0, 0.01, (len(gyro), 3))
    weights = made.faces.weights.copy()
    weights[:, JAW] = opened(frame_s - late_jaw_s, scenario.seed)
    weights[:, JAW] += rng.normal(0, 0.003, len(weights))
    faces = replace(made.faces, weights=weights)
    take = msgspec.structs.replace(made.take, segments=tuple(segments))
    return replace(given(made, gyro_rad_s=gyro), faces=faces, take=take)


@pytest.mark.parametrize("latency_s", [0.02, 0.07, 0.12])
def test_the_jaw_tells_the_same_latency_as_the_head(latency_s):
    alignment = sync.align(talking(Scenario(seed=11, latency_s=latency_s)))
    assert alignment.verdict == "good"
    assert alignment.head_s == pytest.approx(alignment.jaw_s, abs=0.004)
    assert alignment.phone_latency_s == pytest.approx(alignment.head_s, abs=0.002)


def test_a_still_head_leaves_the_latency_to_the_jaw():
    scenario = Scenario(seed=12, moves=False, latency_s=0.06)
    moving = sync.align(talking(replace(scenario, moves=True)))
    alignment = sync.align(talking(scenario))
    assert alignment.head_s is None
    assert alignment.phone_latency_s == pytest.approx(moving.phone_latency_s, abs=0.005)
    assert any("by the jaw alone" in note for note in alignment.notes)


def test_a_mouth_that_kept_shut_tells_nothing():
    alignment = sync.align(talking(Scenario(seed=13), jaw_moves=False))
    assert alignment.jaw_s is None
    assert alignment.head_s is not None


def test_a_jaw_that_contradicts_the_head_is_doubtful_and_said():
    alignment = sync.align(talking(Scenario(seed=14), late_jaw_s=0.06))
    assert alignment.verdict == "doubtful"
    assert any("head and jaw disagree on the latency by" in note for note in alignment.notes)
    assert alignment.phone_latency_uncertainty_s > 0.005


def test_each_gesture_tells_the_latency_again(tmp_path):
    gestures = (Segment("sync start", 2.0, 8.0), Segment("sync end", 30.0, 36.0))
    alignment = sync.align(talking(Scenario(seed=15), gestures))
    assert [one.label for one in alignment.gestures] == ["sync start", "sync end"]
    for one in alignment.gestures:
        assert one.head_s == pytest.approx(alignment.phone_latency_s, abs=0.004)
        assert one.jaw_s == pytest.approx(alignment.phone_latency_s, abs=0.008)
    sync.write_alignment(alignment, tmp_path)
    assert sync.read_alignment(tmp_path) == alignment


def test_gestures_that_contradict_each_other_are_doubtful():
    gestures = (Segment("sync start", 2.0, 8.0), Segment("sync end", 30.0, 36.0))
    recording = talking(Scenario(seed=16), gestures)
    faces = recording.faces
    late = np.arange(len(faces)) > len(faces) // 2
    # From the middle on the phone shows what is one frame ahead of what it says.
    now, ahead = faces.quat_world_from_head, np.roll(faces.quat_world_from_head, -1, axis=0)
    quat = np.where(late[:, None], ahead, now)
    alignment = sync.align(replace(recording, faces=replace(faces, quat_world_from_head=quat)))
    assert alignment.verdict != "good"


def test_a_gesture_outside_the_take_is_no_evidence():
    alignment = sync.align(talking(Scenario(seed=17), (Segment("sync start", 100.0, 107.0),)))
    assert [(one.head_s, one.jaw_s) for one in alignment.gestures] == [(None, None)]
    assert alignment.verdict == "good"


def test_two_looks_at_one_delay_are_weighed_by_their_certainty():
    sure, vague = (Offset(at, u, 0.9, 2.0, (0.0,)) for at, u in ((0.050, 0.001), (0.060, 0.010)))
    both = combined([sure, vague])
    assert both is not None
    assert 0.050 < both.offset_s < 0.0505
    assert both.uncertainty_s >= 0.001
    apart = combined([sure, replace(vague, uncertainty_s=0.001)])
    assert apart is not None
    assert apart.uncertainty_s == pytest.approx(0.005, abs=0.0005)
    assert combined([]) is None
    assert combined([sure]) == replace(sure, uncertainty_s=0.25 / GRID_HZ)  # and no surer


@pytest.mark.parametrize("delay_s", [-0.1234, 0.0, 0.0567])
def test_a_single_column_is_placed_between_samples(delay_s):
    t = np.arange(0, 20, 1 / GRID_HZ)
    wave = lambda at: np.sin(2.1 * at) * np.sin(5.3 * at + 0.4)  # noqa: E731
    seen = np.stack([wave(t), 0.3 * wave(t)], axis=1)
    found = find_offset(seen, wave(t - delay_s)[:, None], np.ones(len(t), bool))
    assert found is not None
    assert found.offset_s == pytest.approx(delay_s, abs=0.0015)
