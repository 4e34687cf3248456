import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12
from model.baselines import Ridge, fit_ridge, lagged, mean_change
from model.card import CARD_FILE
from model.checkpoint import load_checkpoint
from model.config import (
    DataConfig,
    DenoiserConfig,
    DiffusionConfig,
    Recipe,
    StageConfig,
    WearerConfig,
    read_recipe,
)
from model.denoiser import Denoiser
from model.diffusion import cosine_alphas_cumprod
from model.ensemble import Answers, Ensemble, Linear, linear_lags
from model.export import load_denoiser, write_checkpoint
from model.features import feature_count
from model.kalman import ESTIMATED, input_count
from model.network import open_network
from model.sequences import Sequence
from model.stages import add_drawn_noise, draw_batch, drop_experts, loss_of, predict_sequence
from model.train import train

SMALL = DenoiserConfig(
    width=16, layers=2, heads=2, window=12, dropout=0.0, members=2, linear_share=0.25
)
RAW, WIDTH = feature_count(FACE_12), input_count(FACE_12)


def network(seed: int = 0) -> Denoiser:
    torch.manual_seed(seed)
    made = Denoiser(WIDTH, SMALL)
    torch.nn.init.normal_(made.to_weights.weight, std=0.1)  # a fresh one answers zero
    return made.eval()


def ensemble(seed: int = 0) -> Ensemble:
    torch.manual_seed(seed)
    made = Ensemble(WIDTH, RAW, SMALL)
    for member in made.members:
        torch.nn.init.normal_(member.to_weights.weight, std=0.1)
    return made.eval()


def inputs(batch: int = 2):
    torch.manual_seed(1)
    return (
        torch.randn(batch, 12, 52),
        torch.full((batch,), 500.0),
        torch.randn(batch, 12, WIDTH),
    )


def sequences(count: int = 4, rows: int = 60) -> list[Sequence]:
    """Faces that follow linearly from what is felt, on two people."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(0, 0.02, (RAW, 52))
    made = []
    for i in range(count):
        seen = rng.normal(size=(rows, RAW))
        change = (seen @ mixing).astype(np.float16)
        estimates = np.concatenate((0.5 * change, np.full_like(change, 0.1)), axis=1)
        made.append(Sequence(f"p{i % 2}", seen.astype(np.float16), change, np.zeros(52), estimates))
    return made


def test_a_fresh_network_says_half_of_what_the_filter_says():
    torch.manual_seed(0)
    fresh, (xt, t, seen) = Denoiser(WIDTH, SMALL).eval(), inputs()
    fresh.target_scale.fill_(0.25)
    torch.nn.init.zeros_(fresh.to_gate.weight)
    torch.nn.init.zeros_(fresh.to_gate.bias)
    estimate = seen[..., RAW : RAW + 52]
    torch.testing.assert_close(fresh(xt, t, seen), 0.5 * estimate / 0.25)


def test_a_fresh_network_without_a_filter_predicts_rest():
    alone = Denoiser(RAW, msgspec.structs.replace(SMALL, gated=False)).eval()
    xt, t, seen = inputs()
    assert alone(xt, t, seen[..., :RAW]).abs().max() == 0


def test_row_k_never_sees_later_rows():
    made, (xt, t, seen) = network(), inputs()
    with torch.no_grad():
        whole = made(xt, t, seen)
        for k in (0, 5, 10):
            changed_xt, changed = xt.clone(), seen.clone()
            changed[:, k + 1 :] += 3.0
            changed_xt[:, k + 1 :] -= 2.0
            torch.testing.assert_close(made(changed_xt, t, changed)[:, : k + 1], whole[:, : k + 1])


def test_gradients_reach_every_parameter():
    made, (xt, t, seen) = network().train(), inputs()
    made(xt, t, seen).square().mean().backward()
    silent = [n for n, p in made.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert silent == []


def test_members_begin_differently_and_the_answer_is_their_mean():
    made, (xt, t, seen) = ensemble(), inputs()
    made.linear.intercept.fill_(2.0)
    for member in made.members:
        member.target_scale.fill_(0.5)
    answers = Answers(made)(xt, t, seen)
    assert answers.shape == (2, 2, 12, 52)
    assert (answers[0] - answers[1]).abs().mean() > 0.01
    torch.testing.assert_close(answers[1], made.members[1](xt, t, seen))
    torch.testing.assert_close(made(xt, t, seen), 0.75 * answers.mean(dim=0) + 0.25 * 2.0 / 0.5)


def test_the_linear_member_is_ridge_over_the_last_rows():
    data = sequences(4, 300)
    ridge = fit_ridge(data, every=1, lags=linear_lags(12))
    line = Linear(RAW, 12)
    line.set_ridge(ridge)
    rows = np.asarray(data[0].inputs(40, 52), np.float32)
    said = line(torch.from_numpy(rows)[None])[0].numpy()
    plain = ridge.predict(rows[:, :RAW])
    shares = 0.4 * 0.6 ** np.arange(8) / (1 - 0.6**8)
    expected = sum(s * plain[np.maximum(np.arange(12) - k, 0)] for k, s in enumerate(shares))
    np.testing.assert_allclose(said[-1], expected[-1], atol=1e-4)
    np.testing.assert_allclose(said, expected, atol=1e-4)


def test_scales_are_those_of_every_member():
    made = ensemble()
    made.set_scales(torch.full((WIDTH,), 1.0), torch.full((WIDTH,), 2.0), torch.full((52,), 3.0))
    for member in made.members:
        assert member.feature_mean.unique().tolist() == [1.0]
        assert member.feature_scale.unique().tolist() == [2.0]
        assert member.target_scale.unique().tolist() == [3.0]


def test_one_small_batch_is_learned_by_heart():
    torch.manual_seed(0)
    made, data = Denoiser(WIDTH, SMALL), sequences(1, 13)
    stage = StageConfig(epochs=1, steps_per_epoch=1, velocity_weight=0.1, acceleration_weight=0.1)
    signal = torch.from_numpy(cosine_alphas_cumprod(1000)).float()
    optimiser = torch.optim.Adam(made.parameters(), 1e-2)
    seen, target = draw_batch(data, 12, 4, np.random.default_rng(0))
    losses = []
    for _ in range(150):
        drawn = add_drawn_noise(seen, target, signal, DiffusionConfig())
        loss = loss_of(made(drawn.xt, drawn.t, seen), target, stage, torch.ones(52))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-10:]) < 0.15 * losses[0]


def test_experts_are_hidden_one_at_a_time_and_about_as_often_as_asked():
    torch.manual_seed(0)
    seen = torch.full((4000, 2, RAW + ESTIMATED), 2.0)
    dropped = drop_experts(seen, RAW, 0.2)
    deaf = (dropped[..., :RAW] == 0).all(dim=-1).all(dim=-1)
    blind = (dropped[..., RAW : RAW + 52] == 0).all(dim=-1).all(dim=-1)
    assert not (deaf & blind).any()
    assert abs(float(deaf.float().mean()) - 0.2) < 0.03
    assert abs(float(blind.float().mean()) - 0.2) < 0.03
    assert (dropped[blind][..., RAW + 52 :] == 1).all()  # and it does not know
    assert (dropped[~deaf & ~blind] == 2).all()
    torch.testing.assert_close(drop_experts(seen[..., :RAW], RAW, 1.0), seen[..., :RAW])


def test_predicting_a_sequence_gives_a_row_for_every_row():
    made = ensemble()
    for rows in (5, 12, 40):
        assert predict_sequence(made, np.zeros((rows, WIDTH), np.float32), 1000).shape == (rows, 52)


def test_ridge_finds_a_linear_face_and_leaves_people_out_to_choose_its_strength():
    data = sequences(6, 3000)
    found = fit_ridge(data, every=1)
    truth = np.asarray(data[0].change, float)
    error = found.predict(np.asarray(data[0].features, np.float32)) - truth
    assert np.abs(error).mean() < 0.1 * np.abs(truth).mean()
    assert isinstance(found, Ridge)
    np.testing.assert_allclose(
        mean_change(data), np.mean([s.change for s in data], (0, 1)), atol=1e-4
    )


def test_lags_look_back_only():
    rows = np.arange(40, dtype=np.float32)[:, None]
    assert lagged(rows)[35].tolist() == [35, 34, 33, 31, 27, 19, 3]
    assert lagged(rows)[0].tolist() == [0] * 7


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    stage = StageConfig(epochs=1, steps_per_epoch=3, batch=4)
    return Recipe(
        name="test",
        data=DataConfig(hours=0.01, sequence_s=6.0, generated_share=1.0),
        pretrain=stage,
        refine=stage,
        denoiser=SMALL,
        wearer=WearerConfig(prior_wearers=6, enrolled_share=0.5, enrolment_s=(4.0, 5.0)),
    )


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    """A real, tiny run of both stages on generated performances."""
    out = tmp_path_factory.mktemp("run")
    told: list[tuple[str, int]] = []
    result = train(recipe, out, out / "work", lambda done: told.append((done.stage, done.epoch)))
    assert told == [("pretrain", 1), ("refine", 1)]
    write_checkpoint(result, recipe, out / "checkpoint", "test")
    return out


@pytest.mark.slow
def test_training_writes_a_checkpoint_whose_onnx_is_the_network(trained):
    loaded = load_checkpoint(trained / "checkpoint")
    denoiser, run = load_denoiser(trained / "checkpoint"), open_network(loaded)
    xt, _, seen = inputs(1)
    with torch.no_grad():
        expected = denoiser(xt, torch.tensor([700.0]), seen).numpy()
    np.testing.assert_allclose(run(xt.numpy(), 700, seen.numpy()), expected, atol=1e-5)
    assert loaded.facts.names[17] == "jawOpen"
    assert loaded.layout == FACE_12
    assert not loaded.saw("0" * 64)


@pytest.mark.slow
def test_the_exported_network_names_no_file_of_this_machine(trained):
    network = (trained / "checkpoint" / "denoiser.onnx").read_bytes()
    assert b".py" not in network
    assert str(Path(__file__).parents[2]).encode() not in network


@pytest.mark.slow
def test_training_writes_a_model_card_that_claims_nothing_without_held_out_people(trained):
    card = (trained / "checkpoint" / CARD_FILE).read_text()
    assert card.startswith("# Model card: test")
    assert load_checkpoint(trained / "checkpoint").facts.onnx_sha256 in card
    assert "nothing is claimed" in card
    assert "ICT" not in card


@pytest.mark.slow
def test_a_finished_run_resumes_to_the_same_network_without_training(trained, recipe):
    said: list[str] = []
    again = train(recipe, trained, trained / "work", lambda done: said.append(str(done)))
    assert said == []
    before = load_denoiser(trained / "checkpoint").state_dict()
    for key, value in again.denoiser.state_dict().items():
        torch.testing.assert_close(value, before[key])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "change", "error", "says"),
    [
        ("checkpoint.json", lambda d: d | {"schema_version": 99}, ConfigError, "99"),
        ("checkpoint.json", lambda d: d | {"features_version": 0}, ConfigError, "feature"),
        ("checkpoint.json", lambda d: d | {"names": d["names"][::-1]}, ConfigError, "canonical"),
        ("checkpoint.json", lambda d: d | {"target_scale": [1.0]}, DataError, "52"),
        ("checkpoint.json", lambda d: d | {"surprise": 1}, DataError, "surprise"),
        ("checkpoint.json", lambda d: d | {"onnx_sha256": "0"}, DataError, "hash"),
    ],
)
def test_a_checkpoint_that_is_not_ours_is_refused_by_name(
    trained, tmp_path, file, change, error, says
):
    folder = tmp_path / "checkpoint"
    shutil.copytree(trained / "checkpoint", folder)
    facts = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(change(facts)))
    with pytest.raises(error, match=says):
        load_checkpoint(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["checkpoint.json", "denoiser.onnx", "baselines.safetensors", "belief.safetensors"]
)
def test_a_damaged_or_missing_file_is_named(trained, tmp_path, name):
    folder = tmp_path / "checkpoint"
    shutil.copytree(trained / "checkpoint", folder)
    (folder / name).write_bytes(b"\x00\x01 not what it says")
    with pytest.raises(DataError, match=name.split(".")[0]):
        load_checkpoint(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match="cannot be read"):
        load_checkpoint(folder)


def test_the_recipes_in_the_repository_are_valid():
    for path in sorted((Path(__file__).parents[2] / "recipes").glob("*.toml")):
        recipe = read_recipe(path)
        files = [source.files for source in recipe.data.sources]
        assert files
        assert not any("S07" in f or "applicator" in f or "animavr" in f for f in files)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = 1", "name"),
        ("name = 'x'\n[data]\n[pretrain]\nepochs = 1", "steps_per_epoch"),
        ("name = 'x'\nwidth = 3", "width"),
        ("not toml at all", "recipe.toml"),
    ],
)
def test_a_wrong_recipe_names_the_key(tmp_path, text, says):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_recipe(path)


def test_recipes_survive_the_round_trip_into_a_checkpoint(recipe):
    assert msgspec.convert(msgspec.to_builtins(recipe), Recipe) == recipe
