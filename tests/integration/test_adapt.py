"""Enrolment as a user does it: take, `imusic adapt`, `imusic predict --wearer`. Simulated IMUs."""

import json

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, OBSERVABLE
from capture.head import seeded_head
from dataset_tools.performance import REST_S, ROUTINE_S, exercise, with_routine
from dataset_tools.virtual_imu import VirtualWearer, feel
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from model.metrics import correlation, mae_offset_free
from model.wearer import load_wearer
from tests.integration.said import run

SECONDS = 45.0


@pytest.fixture(scope="module")
def wearer() -> VirtualWearer:
    rng = np.random.default_rng(404)
    return draw_wearer(seeded_head(404), FACE_12, rng)


def imported(wearer, folder, name, seed, seconds=SECONDS, faces=True, seen=None):
    """A take of an exercise on the wearer; `seen` is what the phone saw, if not the truth."""
    performance = with_routine(exercise(seed, seconds), seed)
    felt = feel(performance, wearer, 200.0, np.random.default_rng(seed))
    arrays = {
        "slots": np.array(FACE_12.names),
        "time_s": felt.time_s,
        "accel_m_s2": felt.accel_m_s2,
        "gyro_rad_s": felt.gyro_rad_s,
        "rest_s": np.array([0.0, REST_S]),
        "routine_s": np.array([REST_S, REST_S + ROUTINE_S]),
    }
    if faces:
        weights = performance.weights if seen is None else seen(performance.weights)
        arrays |= {
            "weights": weights,
            "weight_names": np.array(ARKIT_NAMES),
            "weights_time_s": performance.time_s,
        }
    np.savez(folder / f"{name}.npz", **arrays)
    done = run("import", "samples", folder / f"{name}.npz", "--out", folder / name)
    assert done.exit_code == 0, done.stderr
    return folder / name, performance


@pytest.fixture(scope="module")
def enrolled(wearer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("enrol")
    take, _ = imported(wearer, folder, "enrol", 11)
    done = run("adapt", take, "--name", "anna", "--out", folder / "anna.safetensors", "--json")
    return folder, done


@pytest.mark.slow
def test_an_enrolment_says_how_much_it_helped(enrolled):
    folder, done = enrolled
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wearer"] == "anna"
    assert told["correlation_after"] > told["correlation_before"] + 0.005
    assert told["mae_offset_free_after"] < 0.95 * told["mae_offset_free_before"]
    facts = load_wearer(folder / "anna.safetensors", FACE_12).facts
    assert facts.name == "anna"
    assert facts.seconds == pytest.approx(SECONDS, abs=2.0)
    assert facts.after["correlation"] == pytest.approx(told["correlation_after"], abs=1e-4)


@pytest.mark.slow
def test_a_profile_helps_on_what_it_never_saw(enrolled, wearer):
    folder, _ = enrolled
    take, performance = imported(wearer, folder, "other", 12, 25.0)
    found = {}
    for name, options in (("stranger", ()), ("known", ("--wearer", folder / "anna.safetensors"))):
        out = folder / f"{name}.npz"
        done = run("predict", take, "--out", out, *options)
        assert done.exit_code == 0, done.stderr
        with np.load(out) as file:
            at, weights = file["time_s"], np.asarray(file["weights"], float)
        truth = np.stack([np.interp(at, performance.time_s, c) for c in performance.weights.T], 1)
        judged = at > REST_S + ROUTINE_S + 1.0
        found[name] = (
            correlation(weights[judged], truth[judged]),
            mae_offset_free(weights[judged], truth[judged]),
        )
    assert found["known"][0] > found["stranger"][0] + 0.02
    assert found["known"][1] < 0.95 * found["stranger"][1]


@pytest.mark.slow
def test_a_phone_that_watched_somebody_else_makes_no_profile(wearer, tmp_path):
    def unrelated(weights):
        other = with_routine(exercise(99, SECONDS), 99).weights
        return np.where(OBSERVABLE, other[: len(weights)], weights)

    take, _ = imported(wearer, tmp_path, "mixed", 13, seen=unrelated)
    out = tmp_path / "mixed.safetensors"
    done = run("adapt", take, "--out", out)
    assert done.exit_code == 1
    assert "none was written" in done.stderr
    assert not out.exists()


@pytest.mark.slow
def test_a_take_without_a_face_or_too_short_teaches_nothing_and_says_so(wearer, tmp_path):
    for name, seconds, faces in (("faceless", 25.0, False), ("short", 10.0, True)):
        take, _ = imported(wearer, tmp_path, name, 14, seconds, faces)
        done = run("adapt", take, "--out", tmp_path / f"{name}.safetensors")
        assert done.exit_code == 2
        assert "expected at least 20 s of tracked ARKit" in done.stderr
        assert not (tmp_path / f"{name}.safetensors").exists()


def test_adapt_refuses_a_bad_name_before_the_work(tmp_path):
    done = run("adapt", tmp_path, "--out", tmp_path / "anna.bin")
    assert done.exit_code == 2
    assert ".safetensors" in done.stderr
