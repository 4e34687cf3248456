"""Alignment against seeded scenarios whose truth is known; measured numbers are printed."""

from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pytest

from capture import rotations, sync
from capture.livelink import quat_from_head_angles
from capture.recording import DeviceTrack, FaceTrack, Recording
from capture.take import new_take
from firmware_host.errors import DataError
from firmware_host.layout import FACE_12, select
from imusic.demo import sync_error_ms
from imusic.sim import Truth

LAYOUT = select(FACE_12, ("mentalis", "head_reference"))
NS = 1_000_000_000
HOST_EPOCH_NS = 5_000 * NS


@dataclass(frozen=True)
class Scenario:
    """What is true: drifts in ppm, the phone's latency, jitter of arrivals, length, movement."""

    seed: int = 0
    seconds: float = 40.0
    hub_ppm: float = 30.0
    phone_ppm: float = -40.0
    latency_s: float = 0.045
    jitter_s: float = 0.003
    moves: bool = True
    phone_epoch_s: float = 89_000.0
    per_block: int = 3


class Head:
    """A head that nods and looks about irregularly."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.hz = rng.uniform(0.1, 1.4, (3, 6))
        self.phase = rng.uniform(0, 2 * np.pi, (3, 6))
        self.size = np.minimum(rng.uniform(0.02, 0.1, (3, 6)) / self.hz, 0.12)

    def angles(self, time_s: np.ndarray) -> np.ndarray:
        """(N, 3) yaw, pitch, roll."""
        waves = np.sin(2 * np.pi * self.hz * time_s[:, None, None] + self.phase)
        return (self.size * waves).sum(axis=-1)

    def rates(self, time_s: np.ndarray) -> np.ndarray:
        """(N, 3) what a gyroscope on it feels: turning about the head's own axes, rad/s."""
        step_s = 1e-3
        before, after = (
            quat_from_head_angles(self.angles(time_s + side)).astype(float)
            for side in (-step_s, step_s)
        )
        turn = rotations.multiply(rotations.conjugate(before), after)
        return rotations.to_vector(rotations.normalise(turn)) / (2 * step_s)


def make(s: Scenario) -> Recording:
    rng = np.random.default_rng(s.seed)
    head = Head(int(rng.integers(1 << 30)))
    true_s = np.arange(round(s.seconds * 200)) / 200
    frame_s = np.arange(round(s.seconds * 60)) / 60 + 0.003
    rates, angles = head.rates(true_s), head.angles(frame_s)
    if not s.moves:
        rates, angles = np.zeros_like(rates), np.zeros_like(angles)
    gyro = np.zeros((len(true_s), 2, 3), np.float32)
    gyro[:, 1] = rates + rng.normal(0, 0.01, rates.shape) + 0.02
    tick_us = np.rint(1e6 * (7.0 + true_s * (1 + s.hub_ppm * 1e-6))).astype(np.int64)
    newest = (
        np.minimum(np.arange(len(true_s)) // s.per_block * s.per_block + s.per_block, len(true_s))
        - 1
    )
    delay = 0.001 + rng.exponential(s.jitter_s, len(true_s))[newest]
    arrival = HOST_EPOCH_NS + np.rint(NS * np.maximum.accumulate(true_s[newest] + delay)).astype(
        np.int64
    )
    measured = angles + rng.normal(0, 0.001, angles.shape)
    phone_s = s.phone_epoch_s + frame_s * (1 + s.phone_ppm * 1e-6)
    face_delay = s.latency_s + 0.001 + rng.exponential(s.jitter_s, len(frame_s))
    weights = rng.uniform(0, 1, (len(frame_s), 52)).astype(np.float32)
    starts = np.append(np.arange(0, len(true_s), s.per_block), len(true_s))
    return Recording(
        take=new_take("made", LAYOUT, {}),
        tracks=(
            DeviceTrack(
                name="hub",
                slots=(0, 1),
                tick_us=tick_us,
                sequence=np.arange(len(true_s)),
                arrival_ns=arrival,
                accel_m_s2=np.zeros_like(gyro),
                gyro_rad_s=gyro,
                block_starts=starts,
            ),
        ),
        faces=FaceTrack(
            device_ns=np.rint(phone_s * NS).astype(np.int64),
            arrival_ns=HOST_EPOCH_NS + np.rint(NS * (frame_s + face_delay)).astype(np.int64),
            weights=weights,
            quat_world_from_head=quat_from_head_angles(measured),
            head_yaw_pitch_roll=measured.astype(np.float32),
            tracked=np.ones(len(frame_s), bool),
        ),
    )


def given(recording: Recording, **arrays: np.ndarray) -> Recording:
    """The recording with other arrays of its only device."""
    return replace(recording, tracks=(replace(recording.tracks[0], **arrays),))


def worst_errors_s(recording: Recording, alignment: sync.Alignment) -> tuple[float, float]:
    """Largest error of sample times and of face times against the truth."""
    sample_s = sync.sample_times_s(recording, alignment)
    face_s, *_ = sync.aligned_faces(recording, alignment)
    true_sample = np.arange(len(recording)) / 200
    true_face = np.arange(len(face_s)) / 60 + 0.003
    return float(np.abs(sample_s - true_sample).max()), float(np.abs(face_s - true_face).max())


@pytest.mark.parametrize("seed", range(8))
def test_a_head_that_moves_gives_both_clocks_and_the_phones_latency(seed):
    rng = np.random.default_rng(seed + 100)
    scenario = Scenario(
        seed=seed,
        hub_ppm=rng.uniform(-50, 50),
        phone_ppm=rng.uniform(-50, 50),
        latency_s=rng.uniform(0.0, 0.15),
    )
    recording = make(scenario)
    alignment = sync.align(recording)
    assert alignment.hub is not None
    assert alignment.phone is not None
    sample_error, face_error = worst_errors_s(recording, alignment)
    print(
        f"seed {seed}: latency {1000 * scenario.latency_s:.1f} found "
        f"{1000 * alignment.phone_latency_s:.2f} ms "
        f"± {1000 * alignment.phone_latency_uncertainty_s:.2f}, "
        f"worst sample {1000 * sample_error:.3f} ms, worst face {1000 * face_error:.3f} ms, "
        f"drifts {alignment.hub.drift_ppm:.1f} {alignment.phone.drift_ppm:.1f} ppm, "
        f"r {alignment.correlation:.3f} ratio {alignment.peak_ratio:.2f}"
    )
    assert alignment.verdict == "good"
    assert sample_error < 0.001
    assert face_error < 0.001
    assert alignment.hub.drift_ppm == pytest.approx(-scenario.hub_ppm, abs=20)
    assert alignment.phone.drift_ppm == pytest.approx(-scenario.phone_ppm, abs=20)


def test_a_still_head_leaves_the_latency_unknown_and_says_so():
    alignment = sync.align(make(Scenario(moves=False)))
    assert alignment.verdict == "doubtful"
    assert alignment.phone_latency_s == 0.0
    assert any("head" in note for note in alignment.notes)


def test_heads_of_two_different_people_are_not_good():
    one, other = make(Scenario(seed=1)), make(Scenario(seed=2))
    alignment = sync.align(replace(one, faces=other.faces))
    assert alignment.verdict != "good"


def test_the_same_take_gives_the_same_bytes(tmp_path):
    recording = make(Scenario(seed=3))
    first = sync.write_alignment(sync.align(recording), tmp_path).read_bytes()
    again = sync.write_alignment(sync.align(make(Scenario(seed=3))), tmp_path).read_bytes()
    assert first == again
    assert sync.read_alignment(tmp_path) == sync.align(recording)


def with_device_ns(recording: Recording, device_ns: np.ndarray) -> Recording:
    return replace(recording, faces=replace(recording.faces, device_ns=device_ns))


@pytest.mark.parametrize("jump_s", [300, -300])
@pytest.mark.parametrize("at", [3, 600, 1700])
def test_a_phone_restarted_in_between_keeps_every_face_in_its_place(at, jump_s):
    made = make(Scenario(seed=4))
    device_ns = made.faces.device_ns.copy()
    device_ns[at:] += jump_s * NS
    recording = with_device_ns(made, device_ns)
    alignment = sync.align(recording)
    assert alignment.phone is not None
    assert alignment.phone.resets == 1
    assert alignment.verdict == "doubtful"
    _, weights, _, _ = sync.aligned_faces(recording, alignment)
    assert np.array_equal(weights, recording.faces.weights)
    sample_error, face_error = worst_errors_s(recording, alignment)
    print(f"at face {at}: worst sample {sample_error:.6f} s, worst face {face_error:.6f} s")
    assert sample_error < 0.001
    assert face_error < (0.001 if at > 3 else 0.01)  # three faces may all have come late


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("share", [0.001, 1 / 3, 2 / 3])
def test_a_hub_restarted_in_between_keeps_every_sample_in_its_place(share, together):
    recording = make(Scenario(seed=9))
    at = int(len(recording) * share) // 3 * 3
    tick_us, arrival_ns = recording.tick_us.copy(), recording.arrival_ns.copy()
    tick_us[at:] += 40 * 60 * 1_000_000
    if together:  # one read gave the last block before the restart and the first after it
        arrival_ns[at - 3 : at] = arrival_ns[at]
    recording = given(recording, tick_us=tick_us, arrival_ns=arrival_ns)
    alignment = sync.align(recording)
    assert alignment.hub is not None
    assert alignment.hub.resets == 1
    assert abs(alignment.origin_ns - HOST_EPOCH_NS) < 0.01 * NS
    sample_error, face_error = worst_errors_s(recording, alignment)
    print(f"at sample {at}: worst sample {sample_error:.6f} s, worst face {face_error:.6f} s")
    allowed_s = 0.0015 if at > 6 else 0.01  # two blocks alone may both have come late
    assert sample_error < allowed_s
    assert face_error < allowed_s


def test_an_alignment_with_resets_is_kept_whole(tmp_path):
    made = make(Scenario(seed=4))
    tick_us = made.tick_us.copy()
    tick_us[3000:] += 40 * 60 * 1_000_000
    alignment = sync.align(given(made, tick_us=tick_us))
    sync.write_alignment(alignment, tmp_path)
    assert sync.read_alignment(tmp_path) == alignment


def test_midnight_on_the_phone_is_no_reset():
    midnight = 86_400 * NS
    recording = make(Scenario(seed=5, phone_epoch_s=86_400 - 15))
    wrapped = recording.faces.device_ns % midnight
    assert np.diff(wrapped).min() < 0
    alignment = sync.align(replace(recording, faces=replace(recording.faces, device_ns=wrapped)))
    assert alignment.phone is not None
    assert alignment.phone.resets == 0
    assert alignment.verdict == "good"


def swapped(faces: FaceTrack, at: int) -> FaceTrack:
    """The frame `at` comes just after the next one."""
    order = np.arange(len(faces))
    order[at : at + 2] = [at + 1, at]
    moved = FaceTrack(*(getattr(faces, field)[order] for field in FaceTrack.__slots__))
    moved.arrival_ns[at + 1] = moved.arrival_ns[at]
    return moved


def test_datagrams_that_overtook_each_other_at_midnight_stay_on_their_day():
    made = make(Scenario(seed=5, phone_epoch_s=86_400 - 15))
    wrapped = with_device_ns(made, made.faces.device_ns % sync.DAY_NS)
    last = int(np.argmin(np.diff(wrapped.faces.device_ns)))
    recording = replace(wrapped, faces=swapped(wrapped.faces, last))
    alignment = sync.align(recording)
    assert alignment.phone is not None
    assert alignment.phone.resets == 0
    time_s, weights, _, _ = sync.aligned_faces(recording, alignment)
    assert np.array_equal(weights, made.faces.weights)
    assert np.abs(time_s - (np.arange(len(weights)) / 60 + 0.003)).max() < 0.001


@pytest.mark.parametrize("before_midnight_s", [3_000.0, 15.0, 0.001])
def test_the_demos_sync_error_is_small_whatever_the_phones_time_of_day(before_midnight_s):
    scenario = Scenario(seed=5, phone_epoch_s=86_400 - before_midnight_s)
    made = make(scenario)
    recording = with_device_ns(made, made.faces.device_ns % sync.DAY_NS)
    truth = Truth(
        samples_sent=len(made),
        samples_dropped=0,
        datagrams_sent=len(made.faces),
        datagrams_dropped=0,
        start_ns=HOST_EPOCH_NS,
        hub_start_tick_us=7_000_000,
        hub_rate=1 / (1 + scenario.hub_ppm * 1e-6),
        phone_epoch_s=scenario.phone_epoch_s,
        phone_rate=1 + scenario.phone_ppm * 1e-6,
        phone_latency_s=scenario.latency_s,
        rest_s=2.0,
        routine_s=6.0,
    )
    assert sync_error_ms(recording, sync.align(recording), truth) < 1.0


@pytest.mark.parametrize("until", [200, 1350, 2400])
@pytest.mark.parametrize("stall_s", [1.5, 3.0])
def test_datagrams_that_waited_and_came_at_once_are_no_reset(until, stall_s):
    recording = make(Scenario(seed=10))
    arrival_ns = recording.faces.arrival_ns.copy()
    held = slice(until - round(stall_s * 60), until)
    arrival_ns[held] = arrival_ns[until - 1]
    recording = replace(recording, faces=replace(recording.faces, arrival_ns=arrival_ns))
    alignment = sync.align(recording)
    assert alignment.phone is not None
    assert alignment.phone.resets == 0
    assert alignment.verdict == "good"
    assert alignment.notes == ()
    assert len(sync.aligned_faces(recording, alignment)[0]) == len(recording.faces)
    assert max(worst_errors_s(recording, alignment)) < 0.001


def test_a_take_that_ends_in_a_stall_has_no_reset():
    recording = make(Scenario(seed=10))
    arrival_ns = recording.faces.arrival_ns.copy()
    arrival_ns[-60:] += 2 * NS  # the rest of what waited never came
    recording = replace(recording, faces=replace(recording.faces, arrival_ns=arrival_ns))
    alignment = sync.align(recording)
    assert alignment.phone is not None
    assert alignment.phone.resets == 0
    assert max(worst_errors_s(recording, alignment)) < 0.001


@pytest.mark.parametrize("jumps_s", [(300, 0), (-300, 0), (300, 600), (-2, -300), (-2, -4)])
def test_restarts_soon_after_each_other_are_told_apart(jumps_s):
    recording = make(Scenario(seed=4))
    device_ns = recording.faces.device_ns.copy()
    device_ns[900:1020] += jumps_s[0] * NS
    device_ns[1020:] += jumps_s[1] * NS
    recording = with_device_ns(recording, device_ns)
    alignment = sync.align(recording)
    assert alignment.phone is not None
    assert alignment.phone.resets == 2
    assert len(sync.aligned_faces(recording, alignment)[0]) == len(recording.faces)
    assert max(worst_errors_s(recording, alignment)) < 0.0015


def test_datagrams_that_overtook_each_other_come_out_in_order():
    recording = make(Scenario(seed=6))
    again = replace(recording, faces=swapped(recording.faces, 100))
    time_s, weights, _, _ = sync.aligned_faces(again, sync.align(again))
    assert np.all(np.diff(time_s) > 0)
    assert np.array_equal(weights, recording.faces.weights)


def test_faces_lost_for_seconds_do_not_spoil_the_latency():
    recording = make(Scenario(seed=7))
    tracked = recording.faces.tracked.copy()
    tracked[800:1100] = False
    quat = np.where(tracked[:, None], recording.faces.quat_world_from_head, np.nan)
    faces = replace(recording.faces, tracked=tracked, quat_world_from_head=quat)
    alignment = sync.align(replace(recording, faces=faces))
    assert alignment.phone_latency_s == pytest.approx(0.045, abs=0.001)


def test_a_reference_that_drops_out_does_not_spoil_the_latency():
    recording = make(Scenario(seed=8))
    gyro = recording.gyro_rad_s.copy()
    gyro[2000:2500] = np.nan
    alignment = sync.align(given(recording, gyro_rad_s=gyro))
    assert alignment.phone_latency_s == pytest.approx(0.045, abs=0.001)


def test_a_take_without_a_phone_has_a_timeline():
    recording = make(Scenario(seed=1))
    none = FaceTrack(*(getattr(recording.faces, f)[:0] for f in FaceTrack.__slots__))
    alignment = sync.align(replace(recording, faces=none))
    assert alignment.phone is None
    assert alignment.verdict == "good"
    assert sync.sample_times_s(recording, alignment)[0] == 0
    assert len(sync.aligned_faces(replace(recording, faces=none), alignment)[0]) == 0


def test_a_take_on_one_clock_is_taken_at_its_word():
    recording = make(Scenario(seed=1))
    take = msgspec.structs.replace(recording.take, origin={"one_clock": True})
    alignment = sync.align(replace(recording, take=take))
    assert alignment.verdict == "good"
    assert alignment.hub is not None
    assert alignment.hub.rate == 1.0
    assert alignment.hub.residual_p95_s == 0.0
    expected = (recording.tick_us - recording.tick_us[0]) / 1e6
    assert np.allclose(sync.sample_times_s(recording, alignment), expected, atol=1e-9)


def test_an_empty_take_is_refused():
    recording = make(Scenario())
    none = FaceTrack(*(getattr(recording.faces, f)[:0] for f in FaceTrack.__slots__))
    empty = given(replace(recording, faces=none), tick_us=recording.tick_us[:0])
    with pytest.raises(DataError, match="expected samples or faces, got neither"):
        sync.align(empty)


def test_an_alignment_that_is_not_there_says_what_to_run(tmp_path):
    with pytest.raises(DataError, match="not aligned yet") as caught:
        sync.read_alignment(tmp_path)
    assert "imusic align" in caught.value.hint
