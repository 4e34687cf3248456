"""What sensors brought: slots taken away, gradients that add up, and the verb."""

import json

import numpy as np
import pytest

from capture.blendshapes import INDEX
from capture.importers import import_samples
from capture.recording import read_recording
from firmware_host.layout import FACE_12
from imusic.cli import main
from model.checkpoint import load_checkpoint
from model.explain import FILTER, NETWORK, Attribution, occlusions, over_takes, stretch_of, weighed
from model.filter_shares import filter_shares
from model.kalman import WeightFilter, filtered
from model.network import open_network
from model.responses import FELT
from tests.model.test_kalman import DYNAMICS, known
from tests.model.test_responses import SITES, moving_face, people, rows_of_a_face

HZ, SECONDS = 100, 5.0
FACE = [FACE_12.names[i] for i in FACE_12.face_indices]


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """A still head; from 1 s on the left cheek turns as a smile turns it."""
    folder = tmp_path_factory.mktemp("takes")
    time_s = np.arange(round(SECONDS * HZ)) / HZ
    accel = np.zeros((len(time_s), len(FACE_12.slots), 3), np.float32)
    accel[..., 1] = 9.81
    smile = np.where(time_s > 1.0, 0.5 - 0.5 * np.cos(4.0 * (time_s - 1.0)), 0.0)
    response = load_checkpoint().belief.responses.mean
    turn = response[..., list(FELT).index(INDEX["mouthSmileLeft"])]  # (R, 3) rad
    rate = np.gradient(smile, 1 / HZ)
    gyro = np.zeros_like(accel)
    face = list(FACE_12.face_indices)
    gyro[:, face] = rate[:, None, None] * turn[None]
    gravity = np.array([0.0, 9.81, 0.0])
    accel[:, face] += smile[:, None, None] * np.cross(gravity, turn)[None]
    np.savez(
        folder / "samples.npz",
        time_s=time_s,
        accel_m_s2=accel,
        gyro_rad_s=gyro,
        slots=np.array(FACE_12.names),
        rest_s=np.array([0.0, 0.9]),
    )
    import_samples(folder / "samples.npz", folder / "take")
    return folder / "take"


def test_the_shares_of_sites_add_up_to_the_filters_estimate():
    truth = people(1, seed=50)[0]
    rows = rows_of_a_face(truth, 0.3 * moving_face(2.0))
    responses = known(truth)
    estimates, shares = filter_shares(responses, DYNAMICS, rows)
    np.testing.assert_array_equal(estimates, filtered(WeightFilter(responses, DYNAMICS), rows))
    assert shares.shape == (len(rows), SITES, 52)
    apart = np.abs(shares.sum(axis=1) - estimates[:, :52])
    assert apart.max() < 0.02 * np.abs(estimates[:, :52]).max()


def test_a_site_that_is_not_heard_brings_nothing():
    truth = people(1, seed=50)[0]
    rows = rows_of_a_face(truth, 0.3 * moving_face(1.0))
    per_slot = 9
    rows[:, per_slot : 2 * per_slot] = 0.0
    rows[:, SITES * per_slot + 1] = 0.0
    _, shares = filter_shares(known(truth), DYNAMICS, rows)
    assert np.abs(shares[:, 1]).max() < 1e-3 * np.abs(shares).max()


def test_moments_count_by_how_far_the_shape_is_from_rest():
    change = np.zeros((4, 52))
    change[:, INDEX["jawOpen"]] = [0.0, 0.0, 1.0, 1.0]
    amount = np.zeros((4, 52))
    amount[:, INDEX["jawOpen"]] = [9.0, 9.0, 0.2, 0.4]
    found = weighed(amount, change)
    assert found[INDEX["jawOpen"]] == pytest.approx(0.3)
    assert np.isnan(found[INDEX["cheekPuff"]])


def test_a_mean_over_takes_knows_what_moved_in_any_of_them():
    first, second = np.full((52, 11), np.nan), np.full((52, 11), np.nan)
    first[0], second[0], second[1] = 1.0, 3.0, 5.0
    merged = over_takes(
        [[Attribution(NETWORK, "occlusion", "all", amount)] for amount in (first, second)]
    )
    assert merged[0].amount[0, 0] == 2.0
    assert merged[0].amount[1, 0] == 5.0
    assert np.isnan(merged[0].amount[2]).all()


def test_taking_the_cheek_away_costs_the_smile_most(take):
    checkpoint = load_checkpoint()
    stretch = stretch_of(read_recording(take), checkpoint, 60.0)
    found = occlusions(stretch, open_network(checkpoint), {"two": FACE[4:6], "all": FACE})
    by_name = {(one.model, one.sensors): one.amount for one in found}
    smile = by_name[FILTER, "all"][INDEX["mouthSmileLeft"]]
    assert FACE[int(np.argmax(smile))].endswith("_left")
    few = by_name[NETWORK, "two"]
    assert np.isnan(few[:, [0, 1, 2, 3, *range(6, 11)]]).all()
    assert np.isfinite(few[INDEX["mouthSmileLeft"], 4:6]).all()


def test_gradients_of_slots_add_up_to_what_the_network_says(take):
    pytest.importorskip("torch", reason="gradients need torch")
    from model.export import load_denoiser
    from model.gradients import gradients

    checkpoint = load_checkpoint()
    stretch = stretch_of(read_recording(take), checkpoint, 1.0)
    shares, change = gradients(stretch, load_denoiser(checkpoint.folder), steps=8)
    smile = INDEX["mouthSmileLeft"]
    told, said = shares.sum(axis=1)[:, smile], change[:, smile]
    assert np.abs(said).max() > 0.05  # there is something to explain
    assert np.abs(told - said).mean() < 0.25 * np.abs(said).mean()


def test_the_verb_writes_a_page_and_tells_numbers(take, tmp_path, capsys):
    page = tmp_path / "explained.md"
    argv = ["explain", str(take), "--out", str(page), "--seconds", "1", "--no-gradients"]
    assert main([*argv, "--no-sets", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["slots"] == FACE
    assert [one["model"] for one in facts["attributions"]] == ["network", "filter", "ridge"]
    pictures = tmp_path / "explained-pictures"
    assert {path.stem for path in pictures.iterdir()} == {"heads", "shares", "agreement", "tree"}
    assert "arXiv:1703.01365" in page.read_text()


@pytest.mark.parametrize(
    ("out", "complaint"),
    [("explained.txt", "expected .md, .html, .png, .webp"), ("no/explained.md", "no folder")],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(
    take, tmp_path, capsys, out, complaint
):
    assert main(["explain", str(take), "--out", str(tmp_path / out)]) == 2
    assert complaint in capsys.readouterr().err
