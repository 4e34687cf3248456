"""Enrolment without a camera as a user does it: followed take, `imusic adapt`. Simulated IMUs."""

import json

import numpy as np
import pytest

from capture.guided import Script, read_script
from capture.head import seeded_head
from capture.recording import read_recording
from dataset_tools.followers import Habits, follow
from dataset_tools.performance import exercise, with_routine
from dataset_tools.synth_takes import write_followed
from dataset_tools.virtual_imu import VirtualWearer
from dataset_tools.wearers import draw_wearer
from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12
from model.adapt import adapt_take
from model.checkpoint import SHIPPED, load_checkpoint
from model.wearer import load_wearer
from tests.integration.said import run

ENROL = read_script("enrol")
# Opening, smiles, lips and jaw: enough to teach and judge, in a third of the time.
SHORT = Script(
    name="short",
    steps=tuple(
        step
        for step in ENROL.steps
        if step.label
        in ("rest", "routine", "brows up", "smile", "half smiles", "nose", "jaw open", "lower lip")
    ),
)


@pytest.fixture(scope="module")
def wearer() -> VirtualWearer:
    return draw_wearer(seeded_head(404), FACE_12, np.random.default_rng(404))


def followed_take(folder, wearer, seed=21, habits=None, watched=False):
    followed = follow(SHORT, seed, habits)
    write_followed(followed, SHORT, wearer, np.random.default_rng(seed), folder, watched)
    return folder


@pytest.mark.slow
def test_a_wearer_who_followed_is_known_better_than_a_stranger(wearer, tmp_path):
    take = followed_take(tmp_path / "enrol", wearer, habits=Habits(lag_s=0.45))
    out = tmp_path / "anna.safetensors"
    done = run("adapt", take, "--name", "anna", "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["followed"] >= 0.7 * told["shown"]
    assert told["delay_s"] == pytest.approx(0.42, abs=0.1)
    assert told["correlation_after"] > told["correlation_before"]
    facts = load_wearer(out, FACE_12).facts
    assert facts.simulated
    assert facts.following["followed"] == told["followed"]


def test_a_face_that_stood_still_makes_no_profile(wearer, tmp_path):
    take = followed_take(tmp_path / "still", wearer, habits=Habits(skipped=1.0))
    done = run("adapt", take, "--out", tmp_path / "still.safetensors")
    assert done.exit_code == 2
    assert "movements that were followed" in done.stderr
    assert "imusic enrol" in done.stderr
    assert not (tmp_path / "still.safetensors").exists()


def test_following_is_refused_where_nothing_was_shown(wearer, tmp_path):
    from capture.importers import import_samples
    from dataset_tools.virtual_imu import feel

    performance = with_routine(exercise(3, 5.0), 3)
    felt = feel(performance, wearer, 200.0, np.random.default_rng(3))
    np.savez(
        tmp_path / "plain.npz",
        slots=np.array(FACE_12.names),
        time_s=felt.time_s,
        accel_m_s2=felt.accel_m_s2,
        gyro_rad_s=felt.gyro_rad_s,
    )
    import_samples(tmp_path / "plain.npz", tmp_path / "plain")
    with pytest.raises(ConfigError, match="no face was shown") as caught:
        adapt_take(
            read_recording(tmp_path / "plain"), load_checkpoint(SHIPPED), "a", "", follow=True
        )
    assert "imusic enrol" in caught.value.hint
