"""What a head never met costs, and what variety in training wins back. Simulated IMUs.

    python benchmarks/generalisation.py --avatar ../shared/data/mesh/facecap.glb

Trains the same small causal regressor on wearers of different head families and judges each on
every family, always on people whose performances it never saw. Prints one Markdown table, r and
offset-free MAE ratio as docs/sensing.md defines them, every person weighing the same. The last line
is the shipped network, which was trained on two of the families and is given the filter too.
"""

import argparse
import os
import time
from collections.abc import Sequence as Collection
from pathlib import Path

import msgspec
import numpy as np
import torch
from strangers import STRANGERS
from torch.nn.functional import smooth_l1_loss

from capture.head import standard_head
from capture.head_check import read_head
from dataset_tools.casting import DataConfig
from dataset_tools.families import (
    HeadFamilies,
    HeadFamily,
    ict_family,
    our_family,
    single_family,
)
from dataset_tools.recordings import read_sources
from dataset_tools.wearers import WIDE, WIDER, Variety
from firmware_host.layout import FACE_12
from model.checkpoint import SHIPPED, load_checkpoint
from model.config import DenoiserConfig, Recipe, read_recipe
from model.data import draw_sequences, estimated, plain_sequences
from model.denoiser import WEIGHTS, Denoiser
from model.export import load_denoiser
from model.features import feature_count
from model.sequences import Sequence
from model.stages import draw_batch, predict_sequence
from model.train import judge, judge_network

STEPS, BATCH, T_LAST = 2500, 64, 999
SMALL = DenoiserConfig(width=64, layers=2, heads=4, window=24, gated=False)
ONE = Variety(0.0, 0.0, 0.0, 0.0, 0.0, twist_rad=0.0)
RECIPE = Path(__file__).parents[1] / "recipes" / "base-many.toml"
SEED = 4_000


def main() -> None:
    """Train every regressor, judge it on every family, print the table."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--avatar", type=Path, help="a third family: one glTF or NPZ head")
    options.add_argument("--wearers", type=int, default=1000)
    options.add_argument("--hours", type=float, default=1.0)
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--checkpoint", type=Path, default=SHIPPED, help="judged beside them")
    options.add_argument("--only-checkpoint", action="store_true", help="train nothing")
    asked = options.parse_args()
    root = Path(asked.data)
    families = {"ours": our_family(), "ict": ict_family(root / "mesh/ict_face.npz")}
    if asked.avatar:
        families["avatar"] = single_family("avatar", read_head(asked.avatar))
    judges = {name: judging(family, root) for name, family in families.items()}
    table: dict[str, dict[str, dict[str, float]]] = {}
    plans = {} if asked.only_checkpoint else trainings(families, asked.wearers)
    for label, (pool, variety) in plans.items():
        started = time.monotonic()
        data = training_data(pool, variety, asked.wearers, root, asked.hours)
        network, scale = trained(data, asked.steps)
        table[label] = {name: judged(network, scale, judges[name]) for name in judges}
        print(f"{label}: {time.monotonic() - started:.0f} s", flush=True)
    table[f"checkpoint {asked.checkpoint.name}"] = by_checkpoint(asked.checkpoint, judges)
    print_table(table, list(families))


def trainings(
    families: dict[str, HeadFamily], wearers: int
) -> dict[str, tuple[list[HeadFamily], Variety]]:
    """What to train on, by label: one head; one family; all families but one."""
    every = list(families.values())
    one = single_family("ours", standard_head())
    plans: dict[str, tuple[list[HeadFamily], Variety]] = {"(a) one head": ([one], ONE)}
    plans[f"(b) {wearers} wearers of ours, responses varied"] = ([families["ours"]], WIDER)
    for name, family in families.items():
        plans[f"{wearers} wearers of {name}"] = ([family], WIDE)
    if len(every) > 2:
        for name in families:
            others = [f for f in every if f.name != families[name].name]
            label = "(c) " if name == "avatar" else ""
            plans[f"{label}{wearers} wearers of all but {name}"] = (others, WIDE)
    return plans


def training_data(
    pool: list[HeadFamily], variety: Variety, wearers: int, root: Path, hours: float
) -> list[Sequence]:
    """Sequences of train-safe people on wearers of these families."""
    recipe = read_recipe(RECIPE)
    config = DataConfig(
        sources=recipe.data.sources, hours=hours, rate_hz=recipe.data.rate_hz, generated_share=0.25
    )
    drawn = HeadFamilies(FACE_12, pool, 1 if variety is ONE else wearers, variety)
    rng = np.random.default_rng(SEED)
    return draw_sequences(read_sources(config.sources, root), drawn, config, rng)


def judging(family: HeadFamily, root: Path) -> list[Sequence]:
    """Strangers' recordings, each on three wearers of a family."""
    # Heads are compared here, not hands: all judges wear every sensor, and where it belongs.
    variety = Variety(0.004, 0.0, 0.1, 0.08, 0.05, twist_rad=0.0)
    drawn = HeadFamilies(FACE_12, [family], 12, variety, missing=0.0, swapped=0.0)
    return plain_sequences(read_sources(STRANGERS, root), drawn, 3, SEED + 1)


def trained(data: Collection[Sequence], steps: int) -> tuple[Denoiser, np.ndarray]:
    """The small regressor: the denoiser asked for the mean only, never shown weights."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED + 2)
    network = Denoiser(feature_count(FACE_12), SMALL)
    seen = np.concatenate([s.features[::10] for s in data]).astype(np.float32)
    change = np.concatenate([s.change[::10] for s in data]).astype(np.float32)
    network.feature_mean.copy_(torch.from_numpy(seen.mean(axis=0)))
    network.feature_scale.copy_(torch.from_numpy(seen.std(axis=0).clip(min=0.02)))
    scale = torch.from_numpy(change.std(axis=0).clip(min=0.05))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    nothing = torch.zeros(BATCH, SMALL.window, WEIGHTS)
    last = torch.full((BATCH,), float(T_LAST))
    for _ in range(steps):
        features, target = draw_batch(data, SMALL.window, BATCH, rng)
        loss = smooth_l1_loss(network(nothing, last, features), target / scale, beta=0.3)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network.eval(), scale.numpy()


def judged(network: Denoiser, scale: np.ndarray, data: list[Sequence]) -> dict[str, float]:
    """r and offset-free MAE ratio."""
    return judge(
        data,
        lambda s: predict_sequence(network, np.asarray(s.features, np.float32), T_LAST + 1) * scale,
    )


def by_checkpoint(folder: Path, judges: dict[str, list[Sequence]]) -> dict[str, dict[str, float]]:
    """A whole network, with the filter that it is given, on the same performances."""
    checkpoint, network = load_checkpoint(folder), load_denoiser(folder)
    recipe = msgspec.convert(checkpoint.facts.recipe, Recipe)
    belief = checkpoint.belief
    return {
        name: judge_network(
            network, [estimated(s, belief, belief.responses) for s in sequences], recipe
        )
        for name, sequences in judges.items()
    }


def print_table(table: dict[str, dict[str, dict[str, float]]], names: list[str]) -> None:
    """Markdown: one row per training, r / ratio per judged family."""
    print("\n| trained on | " + " | ".join(f"on {name}: r / ratio" for name in names) + " |")
    print("|---|" + "---|" * len(names))
    for label, row in table.items():
        cells = (f"{row[n]['r']:.3f} / {row[n]['offset_free_ratio']:.3f}" for n in names)
        print(f"| {label} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
