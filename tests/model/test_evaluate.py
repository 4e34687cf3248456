"""What predictions are compared with lies on their own ticks."""

import dataclasses

import numpy as np
import pytest

from capture.recording import DeviceTrack, FaceTrack, Recording
from capture.sync import Alignment
from capture.take import Segment, new_take
from firmware_host.layout import FACE_12
from model.baselines import LAGS, Ridge
from model.evaluate import judge_take, moving_baselines, resting_face
from model.features import feature_count
from model.predict import Prediction
from model.responses import FELT, SiteResponses
from model.wearer import Wearer, WearerFacts

UNIX_NS = 1_790_000_000 * 10**9


def recording_of(blocks, start_ns):
    """A take whose only clock is the host's, without faces; its first sample is at `start_ns`."""
    tick_us = np.concatenate([block.tick_us for block in blocks])
    starts = np.cumsum([0, *(len(block) for block in blocks)])
    none = np.zeros(0, np.int64)
    return Recording(
        take=new_take("take-001", FACE_12, {}, (Segment("rest", 0.0, 0.5),)),
        tracks=(
            DeviceTrack(
                name="hub",
                slots=tuple(range(len(FACE_12.slots))),
                tick_us=tick_us,
                sequence=np.concatenate([block.sequence for block in blocks]),
                arrival_ns=start_ns + (tick_us - tick_us[0]) * 1000,
                accel_m_s2=np.concatenate([block.accel_m_s2 for block in blocks]),
                gyro_rad_s=np.concatenate([block.gyro_rad_s for block in blocks]),
                block_starts=starts,
            ),
        ),
        faces=FaceTrack(
            none,
            none,
            np.zeros((0, 52), np.float32),
            np.zeros((0, 4), np.float32),
            np.zeros((0, 3), np.float32),
            np.zeros(0, bool),
        ),
    )


def faces_of(start_ns):
    """Four seconds of ARKit at 60 Hz: 0.2 until 0.5 s, 0.6 from then on."""
    time_s = np.arange(240) / 60
    host_ns = start_ns + np.rint(time_s * 1e9).astype(np.int64)
    return FaceTrack(
        host_ns,
        host_ns,
        np.where(time_s[:, None] <= 0.5, 0.2, 0.6) * np.ones(52, np.float32),
        np.tile(np.float32([1, 0, 0, 0]), (240, 1)),
        np.zeros((240, 3), np.float32),
        np.ones(240, bool),
    )


def alignment_from(origin_ns):
    return Alignment(
        take="take-001",
        origin_ns=origin_ns,
        hub=None,
        phone=None,
        phone_latency_s=0.0,
        phone_latency_uncertainty_s=0.0,
        correlation=0.0,
        peak_ratio=0.0,
        thirds_s=(),
        verdict="good",
    )


@pytest.fixture
def moving_ridge(checkpoint):
    rng = np.random.default_rng(3)
    shape = (len(LAGS) * feature_count(FACE_12), 52)
    ridge = Ridge(rng.normal(0, 0.01, shape).astype(np.float32), np.zeros(52, np.float32), 1.0)
    return dataclasses.replace(checkpoint, ridge=ridge)


def ridge_at(*args):
    return moving_baselines(*args)["ridge"].weights


def ticks_ns(start_ns, seconds):
    first = start_ns * 60 // 10**9 + 60
    return np.array([(first + k) * 10**9 // 60 + 1 for k in range(round(seconds * 60))])


def test_ridge_of_a_face_does_not_depend_on_which_other_faces_are_missing(moving_ridge, blocks):
    recording = recording_of(blocks(3.0), 100 * 10**9)
    host_ns = ticks_ns(100 * 10**9, 1.5)
    alignment = alignment_from(100 * 10**9)
    whole = ridge_at(host_ns, recording, moving_ridge, alignment)
    assert whole.std(axis=0).max() > 0.01
    kept = np.r_[0:20, 27, 40:90]
    np.testing.assert_array_equal(
        ridge_at(host_ns[kept], recording, moving_ridge, alignment), whole[kept]
    )


def test_the_filter_states_its_spread_and_does_not_depend_on_which_faces_are_missing(
    checkpoint, blocks
):
    recording = recording_of(blocks(3.0), 100 * 10**9)
    host_ns, alignment = ticks_ns(100 * 10**9, 1.5), alignment_from(100 * 10**9)
    whole = moving_baselines(host_ns, recording, checkpoint, alignment)["kalman"]
    assert whole.weights.std(axis=0).max() > 0.005
    assert (whole.deviation[:, FELT] > 0).all()
    assert not np.delete(whole.deviation, FELT, axis=1).any()
    kept = np.r_[0:20, 27, 40:90]
    part = moving_baselines(host_ns[kept], recording, checkpoint, alignment)["kalman"]
    np.testing.assert_array_equal(part.weights, whole.weights[kept])


def test_who_is_enrolled_has_a_filter_with_their_own_responses_and_rest(checkpoint, blocks):
    recording = recording_of(blocks(3.0), 100 * 10**9)
    prior = checkpoint.belief.responses
    facts = WearerFacts(
        name="anna", slots=(), take="", take_sha256="", seconds=0.0, simulated=True, before={},
        after={},
    )  # fmt: skip
    asked = (ticks_ns(100 * 10**9, 1.5), recording, checkpoint, alignment_from(100 * 10**9))
    known = moving_baselines(*asked, Wearer(facts, prior, np.full(52, 0.15, np.float32)))
    assert list(known) == ["ridge", "kalman", "kalman_enrolled"]
    # With nothing learnt but rest, changes are those of the prior, on another face.
    clear = (known["kalman"].weights > 0).all(axis=0)
    np.testing.assert_allclose(
        known["kalman_enrolled"].change[:, clear], known["kalman"].change[:, clear], atol=1e-6
    )
    halved = SiteResponses(0.5 * prior.mean, 1e-6 * prior.covariance)
    own = moving_baselines(*asked, Wearer(facts, halved, np.full(52, 0.15, np.float32)))
    np.testing.assert_array_equal(own["kalman"].weights, known["kalman"].weights)
    assert np.abs(own["kalman_enrolled"].weights - known["kalman_enrolled"].weights).max() > 0.01


def test_rest_is_what_arkit_saw_while_the_wearer_rested_and_the_prior_where_it_saw_too_little(
    checkpoint, blocks
):
    recording = recording_of(blocks(3.0), 100 * 10**9)
    alignment = alignment_from(100 * 10**9)
    np.testing.assert_allclose(resting_face(recording, alignment, checkpoint), 0.05)
    seen = dataclasses.replace(recording, faces=faces_of(100 * 10**9))
    np.testing.assert_allclose(resting_face(seen, alignment, checkpoint), 0.2, atol=1e-6)


def test_judging_puts_every_track_on_the_ticks_after_the_opening(checkpoint, blocks):
    recording = dataclasses.replace(
        recording_of(blocks(4.0), 100 * 10**9), faces=faces_of(100 * 10**9)
    )
    host_ns = ticks_ns(99 * 10**9, 3.5)
    weights = np.full((len(host_ns), 52), 0.4, np.float32)
    prediction = Prediction(
        host_ns, host_ns / 1e9, weights, np.zeros((len(host_ns), 4)), np.ones(len(host_ns))
    )
    judged = judge_take(recording, checkpoint, prediction, alignment_from(100 * 10**9))
    assert judged.time_s[0] == pytest.approx(1.5, abs=0.02)  # rest ends at 0.5 s
    assert list(judged.tracks) == [
        "model", "ridge", "kalman", "mean_face", "rest_face", "constant"
    ]  # fmt: skip
    assert {track.weights.shape for track in judged.tracks.values()} == {(len(judged.time_s), 52)}
    np.testing.assert_allclose(judged.tracks["rest_face"].weights, 0.05)
    np.testing.assert_allclose(judged.tracks["constant"].weights, 0.6, atol=1e-6)
    assert judged.figures()["mae"]["model"] == pytest.approx(0.2, abs=1e-6)
    assert judged.figures()["activation_f1"]["model"] == 1.0


def test_ridge_on_unix_time_is_that_of_any_other_clock(moving_ridge, blocks):
    sent = blocks(3.0)
    here = ridge_at(
        ticks_ns(100 * 10**9, 1.5),
        recording_of(sent, 100 * 10**9),
        moving_ridge,
        alignment_from(100 * 10**9),
    )
    there = ridge_at(
        ticks_ns(UNIX_NS, 1.5), recording_of(sent, UNIX_NS), moving_ridge, alignment_from(UNIX_NS)
    )
    np.testing.assert_allclose(there, here, atol=1e-6)
