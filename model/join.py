"""Let checkpoints that were trained apart answer together. torch; reads folders, writes none."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from dataset_tools.recordings import read_sources
from firmware_host.errors import ConfigError
from firmware_host.layout import LAYOUTS
from model.checkpoint import Checkpoint, load_checkpoint
from model.config import Recipe
from model.data import plain_sequences
from model.ensemble import Ensemble
from model.epochs import families_for
from model.export import load_denoiser
from model.features import feature_count
from model.kalman import input_count
from model.spread_fit import spread_over
from model.train import WORN_TIMES, Trained, judge_network, judge_ridge


def join(folders: list[Path], name: str, root: Path) -> tuple[Trained, Recipe]:
    """One network whose members are those of all `folders`; everything else is the first one's.

    Ridge has the mean of their shares in the answer. The people held out from the first judge it.

    Args:
        name: of the joined checkpoint. root: folder of recordings.

    Raises:
        ConfigError: fewer than two, or they are of different size, layout, belief or recordings.
    """
    checkpoints = [load_checkpoint(folder) for folder in folders]
    recipes = [msgspec.convert(c.facts.recipe, Recipe) for c in checkpoints]
    _check_alike(checkpoints, recipes)
    networks = [load_denoiser(folder) for folder in folders]
    recipe = msgspec.structs.replace(
        recipes[0],
        name=name,
        denoiser=msgspec.structs.replace(
            recipes[0].denoiser,
            members=sum(r.denoiser.members for r in recipes),
            linear_share=sum(r.denoiser.linear_share for r in recipes) / len(recipes),
        ),
    )
    network = _joined(networks, recipe)
    first = checkpoints[0]
    recorded = read_sources(recipe.data.sources, root)
    held_out = read_sources(recipe.data.held_out, root)
    families = families_for(recipe, root)
    judges = plain_sequences(held_out, families, WORN_TIMES, recipe.seed + 1, belief=first.belief)
    scored = judge_network(network, judges, recipe)
    scored |= {f"ridge_{key}": value for key, value in judge_ridge(first.ridge, judges).items()}
    return (
        Trained(
            denoiser=network,
            target_scale=network.target_scale.numpy(),
            rest_weights=first.rest_weights,
            mean_change=first.mean_change,
            ridge=first.ridge,
            belief=first.belief,
            recorded=recorded,
            validation=scored,
            spread=spread_over(network, judges, recorded, families, first.belief, recipe),
        ),
        recipe,
    )


def recipes_of(folders: list[Path]) -> tuple[dict[str, Any], ...]:
    """The recipes of what is joined, as `checkpoint.json` holds them."""
    return tuple(load_checkpoint(folder).facts.recipe for folder in folders)


def _check_alike(checkpoints: list[Checkpoint], recipes: list[Recipe]) -> None:
    if len(checkpoints) < 2:
        raise ConfigError(f"join: expected at least two checkpoints, got {len(checkpoints)}")
    first, plan = checkpoints[0], recipes[0]
    for checkpoint, recipe in zip(checkpoints[1:], recipes[1:], strict=True):
        alike = {
            "layout": checkpoint.facts.layout == first.facts.layout,
            "network size": _size(recipe) == _size(plan),
            "diffusion": recipe.diffusion == plan.diffusion,
            "belief about strangers": checkpoint.facts.belief_sha256 == first.facts.belief_sha256,
            "recordings": checkpoint.facts.data == first.facts.data,
        }
        if different := [what for what, same in alike.items() if not same]:
            raise ConfigError(
                f"{checkpoint.folder} and {first.folder} cannot answer together: "
                f"they differ in {', '.join(different)}",
                "train both with the same recordings, seed, layout and size of network",
            )


def _size(recipe: Recipe) -> Any:
    return msgspec.structs.replace(recipe.denoiser, members=1, linear_share=0.0)


def _joined(networks: list[Ensemble], recipe: Recipe) -> Ensemble:
    layout = LAYOUTS[recipe.layout]
    joined = Ensemble(input_count(layout), feature_count(layout), recipe.denoiser)
    joined.members = torch.nn.ModuleList(m for network in networks for m in network.members)
    shares = np.array([network.linear_share for network in networks])
    for network, share in zip(networks, shares / max(shares.sum(), 1e-9), strict=True):
        joined.linear.kernel += float(share) * network.linear.kernel
        joined.linear.intercept += float(share) * network.linear.intercept
    return joined.eval()
