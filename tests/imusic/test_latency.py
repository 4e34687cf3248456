"""Figures of the whole chain: exact on made-up messages, and there at all on a real chain."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imusic.latency_figures import Heard, Performed, figures, grid_ns, lines, motion_lag_ms

ROOT = Path(__file__).parents[2]
START = 600_000


def wave(time_s):
    """(N, 52) weights that move, no two shapes alike."""
    shape = np.arange(52)
    return 0.4 + 0.3 * np.sin(2 * np.pi * (0.3 + 0.02 * shape) * time_s[:, None] + shape)


def heard(count=1200, lag_s=0.0, late_ms=5.0, without=()):
    ticks = np.array([START + k for k in range(count) if k not in without], np.int64)
    time_ns = grid_ns(ticks)
    received = time_ns + round(late_ms * 1e6)
    weights = wave((received - grid_ns(np.array([START]))[0]) / 1e9 - lag_s)
    sequence = ticks - START
    return Heard(
        received, time_ns, time_ns + 10**15, time_ns - 1_000_000, sequence, weights.astype("f4")
    )


def told(**facts):
    return figures(heard(**facts), [0.1, 0.2, 0.3], 10**15)


def test_latency_is_from_the_newest_sample_to_the_subscriber():
    found = told(late_ms=5.0)
    assert found["latency_ms"] == pytest.approx({"p50": 6.0, "p99": 6.0, "max": 6.0})
    assert found["emission_late_ms"]["p99"] == pytest.approx(0.0)
    assert found["histogram_ms"] == {"6": 1200}
    assert found["bare_loop_late_ms"]["p50"] == pytest.approx(0.2)


def test_ticks_and_messages_that_are_missing_are_counted():
    assert (told()["missed_ticks"], told()["missed_messages"], told()["off_grid"]) == (0, 0, 0)
    found = told(without=(500, 501, 700))
    assert (found["missed_ticks"], found["missed_messages"]) == (3, 3)


def test_a_time_beside_the_grid_is_counted():
    whole = heard()
    whole.time_ns[7] += 1000
    assert figures(whole, [], 10**15)["off_grid"] == 1


@pytest.mark.parametrize("lag_s", [0.0, 0.0213, 0.08])
def test_the_lag_of_a_motion_is_found_between_the_steps(lag_s):
    start = int(grid_ns(np.array([START]))[0])
    time_ns = start + np.arange(-600, 3000, dtype=np.int64) * 8_333_333
    truth = Performed(time_ns, wave((time_ns - start) / 1e9))
    assert motion_lag_ms(heard(lag_s=lag_s), truth) == pytest.approx(1000 * lag_s, abs=1.0)


def test_a_face_that_follows_nothing_tells_no_lag():
    still = heard()
    still.weights[:] = 0.2
    time_ns = still.received_ns
    assert motion_lag_ms(still, Performed(time_ns, wave(np.arange(len(time_ns)) / 60))) is None


def test_people_read_every_figure():
    found = told() | {"motion_lag_ms": 21.3, "first_face_s": 1.5}
    text = "\n".join(lines(found | {"core_share": 0.31, "resident_mb": 131.0}))
    for part in ("p50 6.00 ms", "21 ms", "1.50 s", "131 MB", "31 %", "0 ticks missed", "█ 1200"):
        assert part in text


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a pty needs POSIX")
def test_the_chain_is_measured_by_one_command():
    done = subprocess.run(
        [sys.executable, "-m", "imusic", "latency", "--seconds", "6", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["faces"] > 60
    assert found["off_grid"] == 0
    assert found["latency_ms"]["p50"] > 0
    assert found["resident_mb"] is None or found["resident_mb"] > 10
