"""Checkpoints that were trained apart, from two real and tiny runs."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from firmware_host.errors import ConfigError
from model.card import CARD_FILE
from model.checkpoint import load_checkpoint
from model.config import DataConfig, DenoiserConfig, Recipe, StageConfig, WearerConfig
from model.export import load_denoiser, write_checkpoint
from model.join import join, recipes_of
from model.kalman import input_count
from model.network import open_network
from model.train import train

pytestmark = pytest.mark.slow

RECIPE = Recipe(
    name="first",
    data=DataConfig(hours=0.01, sequence_s=6.0, generated_share=1.0),
    pretrain=StageConfig(epochs=1, steps_per_epoch=3, batch=4),
    refine=StageConfig(epochs=0, steps_per_epoch=1),
    denoiser=DenoiserConfig(width=16, layers=1, heads=2, window=12, linear_share=0.4),
    wearer=WearerConfig(prior_wearers=6, enrolled_share=0.0),
)
SECOND = msgspec.structs.replace(
    RECIPE,
    name="second",
    data=msgspec.structs.replace(RECIPE.data, sequence_s=9.0),
    denoiser=msgspec.structs.replace(RECIPE.denoiser, linear_share=0.0),
)
STRANGER = msgspec.structs.replace(RECIPE, seed=1)
WIDER = msgspec.structs.replace(RECIPE, denoiser=msgspec.structs.replace(RECIPE.denoiser, width=32))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    recipes = {"first": RECIPE, "second": SECOND, "stranger": STRANGER, "wider": WIDER}
    for name, recipe in recipes.items():
        trained = train(recipe, out, out / f"work-{name}", lambda done: None, "cpu")
        write_checkpoint(trained, recipe, out / name, "test")
    trained, recipe = join([out / "first", out / "second"], "both", out)
    parts = recipes_of([out / "first", out / "second"])
    write_checkpoint(trained, recipe, out / "both", "test", parts)
    return out


def test_what_was_joined_says_the_mean_of_both_and_of_their_shares_of_ridge(made: Path):
    first, second, both = (load_denoiser(made / name) for name in ("first", "second", "both"))
    torch.manual_seed(0)
    xt, t = torch.randn(1, 12, 52), torch.tensor([600.0])
    seen = torch.randn(1, 12, input_count(load_checkpoint(made / "both").layout))
    with torch.no_grad():
        scale = second.target_scale / first.target_scale
        a = first.answers(xt, t, seen)[0]
        b = second.answers(xt / scale, t, seen)[0] * scale
        line = first.linear(seen) / first.target_scale
        expected = 0.8 * (a + b) / 2 + 0.2 * line
        torch.testing.assert_close(both(xt, t, seen), expected, atol=1e-5, rtol=1e-4)
        assert (a - b).abs().mean() > 1e-3
    run = open_network(load_checkpoint(made / "both"))
    np.testing.assert_allclose(run(xt.numpy(), 600, seen.numpy()), expected.numpy(), atol=1e-4)


def test_facts_and_card_tell_both_trainings(made: Path):
    facts = load_checkpoint(made / "both").facts
    assert [recipe["name"] for recipe in facts.joined] == ["first", "second"]
    assert facts.recipe["denoiser"]["members"] == 2
    card = (made / "both" / CARD_FILE).read_text()
    assert "2 trainings" in card
    assert "recipe `first`" in card
    assert "recipe `second`" in card
    assert "2 trainings" not in (made / "first" / CARD_FILE).read_text()


@pytest.mark.parametrize(
    ("other", "says"), [("stranger", "belief about strangers"), ("wider", "network size")]
)
def test_what_does_not_fit_together_is_named(made: Path, other, says):
    with pytest.raises(ConfigError, match=says):
        join([made / "first", made / other], "both", made)


def test_one_alone_is_no_ensemble(made: Path):
    with pytest.raises(ConfigError, match="at least two"):
        join([made / "first"], "both", made)
