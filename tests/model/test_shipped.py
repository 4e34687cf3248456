"""The checkpoint that ships: its card, its data, its size."""

import msgspec
import pytest
from safetensors.numpy import load_file

from capture.provenance import file_sha256
from model.card import CARD_FILE, model_card
from model.checkpoint import SHIPPED, load_checkpoint
from model.config import Recipe, read_recipe

TEST_SET = ("arkit/alexdjulin/S07-001.csv", "arkit/applicator/*.csv")
NOT_TO_SHIP = ("arkit/animavr/*.csv",)
BUFFERS = ("feature_mean", "feature_scale", "target_scale", "kernel", "intercept")
RECIPES = SHIPPED.parents[2] / "recipes"


@pytest.fixture(scope="module")
def shipped():
    return load_checkpoint(SHIPPED)


def test_the_card_says_what_the_checkpoint_says(shipped):
    tensors = load_file(SHIPPED / "denoiser.safetensors")
    parameters = sum(t.size for name, t in tensors.items() if not name.endswith(BUFFERS))
    assert (SHIPPED / CARD_FILE).read_text() == model_card(shipped.facts, parameters)


def test_the_card_names_every_person_and_their_licence(shipped):
    card = (SHIPPED / CARD_FILE).read_text()
    assert shipped.facts.data
    for use in shipped.facts.data:
        assert f"| {use.person} | {use.licence} |" in card
        assert use.sha256[:12] in card


def test_it_was_made_by_the_recipes_in_the_repository(shipped):
    made_by = [msgspec.convert(recipe, Recipe) for recipe in shipped.facts.joined]
    assert made_by == [read_recipe(RECIPES / f"base-{kind}.toml") for kind in ("many", "long")]
    assert shipped.facts.recipe["denoiser"]["members"] == len(made_by)


def test_it_beats_ridge_on_people_held_out_of_its_training(shipped):
    figures = shipped.facts.validation
    assert figures["r"] > figures["ridge_r"]
    assert figures["offset_free_ratio"] < min(1.0, figures["ridge_offset_free_ratio"])


def test_it_weighs_at_most_12_mb():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 12_000_000


def test_neither_the_test_set_nor_what_may_not_ship_was_in_its_training(shipped, data):
    for pattern in TEST_SET + NOT_TO_SHIP:
        paths = sorted(data.glob(pattern))
        assert paths
        assert not any(shipped.saw(file_sha256(path)) for path in paths)
