"""The checkpoint that ships: its card, its data, its size."""

import msgspec
import pytest

from capture.provenance import file_sha256
from model.card import CARD_FILE, FIGURES_FILE, count_parameters, model_card
from model.checkpoint import SHIPPED, load_checkpoint
from model.config import Recipe, read_recipe
from model.figures import read_figures

TEST_SET = ("arkit/alexdjulin/S07-001.csv", "arkit/applicator/*.csv")
NOT_TO_SHIP = ("arkit/animavr/*.csv",)
RECIPES = SHIPPED.parents[2] / "recipes"


@pytest.fixture(scope="module")
def shipped():
    return load_checkpoint(SHIPPED)


def test_the_card_says_what_the_checkpoint_says(shipped):
    figures, path = None, SHIPPED / FIGURES_FILE
    if path.exists():
        figures = read_figures(path, shipped.facts.onnx_sha256)
    expected = model_card(shipped.facts, count_parameters(SHIPPED), figures)
    assert (SHIPPED / CARD_FILE).read_text() == expected


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


def test_it_states_how_far_it_may_be_off(shipped):
    assert shipped.spread is not None
