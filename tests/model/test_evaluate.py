"""What predictions are compared with lies on their own ticks."""

import dataclasses

import numpy as np
import pytest

from capture.recording import FaceTrack, Recording
from capture.sync import Alignment
from capture.take import Segment, new_take
from firmware_host.layout import FACE_12
from model.baselines import LAGS, Ridge
from model.evaluate import moving_baselines
from model.features import feature_count

UNIX_NS = 1_790_000_000 * 10**9


def recording_of(blocks, start_ns):
    """A take whose only clock is the host's, without faces; its first sample is at `start_ns`."""
    tick_us = np.concatenate([block.tick_us for block in blocks])
    starts = np.cumsum([0, *(len(block) for block in blocks)])
    none = np.zeros(0, np.int64)
    return Recording(
        take=new_take("take-001", FACE_12, {}, (Segment("rest", 0.0, 0.5),)),
        tick_us=tick_us,
        sequence=np.concatenate([block.sequence for block in blocks]),
        arrival_ns=start_ns + (tick_us - tick_us[0]) * 1000,
        accel_m_s2=np.concatenate([block.accel_m_s2 for block in blocks]),
        gyro_rad_s=np.concatenate([block.gyro_rad_s for block in blocks]),
        block_starts=starts,
        faces=FaceTrack(
            none,
            none,
            np.zeros((0, 52), np.float32),
            np.zeros((0, 4), np.float32),
            np.zeros((0, 3), np.float32),
            np.zeros(0, bool),
        ),
        info=None,
        gaps=(),
        garbage_bytes=0,
        samples_sent=None,
        health=(),
        markers=(),
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
