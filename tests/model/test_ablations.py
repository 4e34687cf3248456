"""Each ablation changes what it is named after and nothing else."""

import importlib
from pathlib import Path

import msgspec
import pytest

from firmware_host.layout import FACE_12
from model.config import Recipe
from model.ensemble import Ensemble
from model.features import feature_count
from model.kalman import input_count

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def ablations(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("ablations")


@pytest.fixture
def root(tmp_path):
    """Recordings that are there; nobody reads them."""
    for name in ("a_1.csv", "a_2.csv", "a_3.csv", "a_4.csv", "b.csv"):
        (tmp_path / name).touch()
    return tmp_path


def plain(ablations) -> Recipe:
    recipe = ablations.read_recipe(ablations.RECIPE)
    sources = [{"person": p, "files": f"{p}*.csv", "licence": "MIT"} for p in "ab"]
    data = msgspec.convert({"sources": sources, "generated_share": 0.25}, type(recipe.data))
    return msgspec.structs.replace(recipe, data=data)


def changed(before: Recipe, after: Recipe) -> set[str]:
    fields = Recipe.__struct_fields__
    return {name for name in fields if getattr(before, name) != getattr(after, name)}


def test_every_variant_changes_its_own_part_of_the_recipe(ablations, root):
    before = plain(ablations)
    one_pass = {"denoiser", "diffusion"}
    expected = {
        "whole": set(),
        **dict.fromkeys(("gru", "tcn", "transformer"), one_pass),
        **{key: {"pretrain", "refine"} for key in ("no pretrain", "no refine")},
        "a third of the data": {"data"},
        **{key: {"denoiser"} for key in ("window of 12 rows", "window of 48 rows")},
        **{key: {"wearer"} for key in ("no slot dropout", "no enrolled wearers")},
        "nothing generated": {"data", "refine_generated_share"},
    }
    found = {name: changed(before, v(before, root)) for name, v in ablations.VARIANTS.items()}
    assert found == expected


def test_stages_are_left_out_but_not_their_steps(ablations, root):
    before = plain(ablations)
    epochs = before.pretrain.epochs + before.refine.epochs
    without = {k: ablations.VARIANTS[k](before, root) for k in ("no pretrain", "no refine")}
    found = {k: (recipe.pretrain.epochs, recipe.refine.epochs) for k, recipe in without.items()}
    assert found == {"no pretrain": (0, epochs), "no refine": (epochs, 0)}


def test_a_third_of_the_data_is_two_of_four_recordings_and_the_only_one(ablations, root):
    sources = ablations.VARIANTS["a third of the data"](plain(ablations), root).data.sources
    assert [(s.person, s.files) for s in sources] == [
        ("a", "a_1.csv"),
        ("a", "a_2.csv"),
        ("b", "b.csv"),
    ]


def test_regressors_are_of_about_the_size_of_the_denoiser(ablations, root):
    def numbers(name):
        recipe = ablations.VARIANTS[name](plain(ablations), root)
        made = Ensemble(input_count(FACE_12), feature_count(FACE_12), recipe.denoiser)
        return sum(p.numel() for p in made.parameters())

    for kind in ("gru", "tcn", "transformer"):
        assert numbers(kind) == pytest.approx(numbers("whole"), rel=0.1)
