"""What a head never met costs, and what variety in training wins back. Simulated IMUs.

    python benchmarks/generalisation.py --avatar ../shared/data/mesh/facecap.glb

Trains the same small causal regressor on wearers of different head families and judges each on
every family, always on people whose performances it never saw. Short performances, so that every
one of the wearers is met. Prints Markdown: r and offset-free MAE ratio as docs/sensing.md defines
them, every person weighing the same, and the share that many wearers win back of what one head
loses. The last row is the shipped network, which was trained on two of the families and is given
the filter too. Rows are trained side by side, a thread each.
"""

import argparse
import os
import sys
from collections.abc import Sequence as Collection
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np
import torch
from strangers import STRANGERS
from torch.nn.functional import smooth_l1_loss

from capture.head import Head, build_head, identity_of, standard_head
from capture.head_check import read_head
from dataset_tools.casting import DataConfig
from dataset_tools.families import (
    OUR_PEOPLE,
    HeadFamilies,
    HeadFamily,
    drawn_person,
    ict_family,
    our_family,
    single_family,
)
from dataset_tools.processes import end_with_parent
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

STEPS, BATCH, T_LAST = 4000, 64, 999
SMALL = DenoiserConfig(width=64, layers=2, heads=4, window=24, gated=False)
ONE = Variety(0.0, 0.0, 0.0, 0.0, 0.0, twist_rad=0.0)
RECIPE = Path(__file__).parents[1] / "recipes" / "base-many.toml"
SEED = 4_000
ONE_HEAD = "(a) one head"

Table = dict[str, dict[str, dict[str, float]]]  # r and ratio by label and judging family


def main() -> None:
    """Train every regressor, judge it on every family, print the tables."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--avatar", type=Path, help="a third family: one glTF or NPZ head")
    options.add_argument("--wearers", type=int, default=1000, help="at least as many performances")
    options.add_argument("--hours", type=float, default=2.0, help="of all performances together")
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--seed", type=int, default=SEED, help="of wearers, batches and weights")
    options.add_argument("--checkpoint", type=Path, default=SHIPPED, help="judged beside them")
    options.add_argument("--rows", nargs="*", help="train these only; none: the checkpoint only")
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = options.parse_args()
    asked.data = Path(asked.data)
    families = families_of_heads(asked)
    labels = [n for n in trainings(families) if asked.rows is None or n in asked.rows]
    # Each row on one thread: torch gains little from two on a network this small.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    table: Table = {}
    with ProcessPoolExecutor(
        max(1, asked.workers),
        mp_context=get_context("spawn"),
        initializer=end_with_parent,
    ) as pool:
        for label, row in zip(labels, pool.map(row_of, labels, repeat(asked)), strict=True):
            table[label] = row
            print(f"{label}: {cells(row)}", file=sys.stderr, flush=True)
        shipped = dict(zip(families, pool.map(by_checkpoint, families, repeat(asked)), strict=True))
    print_table(table | {f"checkpoint {asked.checkpoint.name}": shipped}, list(families))
    print_won_back(table, list(families))


def families_of_heads(asked: argparse.Namespace) -> dict[str, HeadFamily]:
    """Ours, ICT-FaceKit's and, where it is named, the avatar."""
    families = {"ours": our_family(), "ict": ict_family(asked.data / "mesh/ict_face.npz")}
    if asked.avatar:
        families["avatar"] = single_family("avatar", read_head(asked.avatar))
    return families


def trainings(families: dict[str, HeadFamily]) -> dict[str, tuple[list[HeadFamily], Variety]]:
    """What to train on, by label: one head; one family; all families but one."""
    every = list(families.values())
    one = single_family("ours", standard_head())
    plans: dict[str, tuple[list[HeadFamily], Variety]] = {
        ONE_HEAD: ([one], ONE),
        "(b) less: expressions spread alike": ([alike_in_reach()], WIDE),
        "(b) less: responses of sites do not vary": ([families["ours"]], WIDE),
        many("ours"): ([families["ours"]], WIDER),
    }
    for name in list(families)[1:]:
        plans[many(name)] = ([families[name]], WIDE)
    if len(every) > 2:
        for name in families:
            others = [f for f in every if f.name != families[name].name]
            label = "(c) " if name == "avatar" else ""
            plans[f"{label}wearers of all but {name}"] = (others, WIDE)
    return plans


def alike_in_reach() -> HeadFamily:
    """People of our head on whom no expression spreads farther than on others."""

    @lru_cache(maxsize=OUR_PEOPLE)
    def person(number: int) -> Head:
        someone = drawn_person(number).amounts
        return build_head(
            identity_of({k: v for k, v in someone.items() if not k.startswith("reach_")})
        )

    return HeadFamily("ours", lambda rng: person(int(rng.integers(OUR_PEOPLE))))


def many(family: str) -> str:
    """The label of the row with many wearers of a family."""
    return ("(b) " if family == "ours" else "") + f"wearers of {family}"


def row_of(label: str, asked: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Train one row and judge it on every family."""
    torch.set_num_threads(1)
    families = families_of_heads(asked)
    pool, variety = trainings(families)[label]
    network, scale = trained(training_data(pool, variety, asked), asked)
    return {
        name: judged(network, scale, judging(family, asked)) for name, family in families.items()
    }


def training_data(
    pool: list[HeadFamily], variety: Variety, asked: argparse.Namespace
) -> list[Sequence]:
    """Sequences of train-safe people on wearers of these families, a wearer each."""
    recipe = read_recipe(RECIPE)
    config = DataConfig(
        sources=recipe.data.sources,
        hours=asked.hours,
        rate_hz=recipe.data.rate_hz,
        generated_share=0.25,
        sequence_s=min(30.0, 0.8 * 3600 * asked.hours / asked.wearers),
    )
    drawn = HeadFamilies(FACE_12, pool, 1 if variety is ONE else asked.wearers, variety)
    rng = np.random.default_rng(asked.seed)
    return draw_sequences(read_sources(config.sources, asked.data), drawn, config, rng)


def judging(family: HeadFamily, asked: argparse.Namespace) -> list[Sequence]:
    """Strangers' recordings, each on three wearers of a family; the same for every seed asked."""
    # Heads are compared here, not hands: all judges wear every sensor, and where it belongs.
    variety = Variety(0.004, 0.0, 0.1, 0.08, 0.05, twist_rad=0.0)
    drawn = HeadFamilies(FACE_12, [family], 12, variety, missing=0.0, swapped=0.0)
    return plain_sequences(read_sources(STRANGERS, asked.data), drawn, 3, SEED + 1)


def trained(data: Collection[Sequence], asked: argparse.Namespace) -> tuple[Denoiser, np.ndarray]:
    """The small regressor: the denoiser asked for the mean only, never shown weights."""
    torch.manual_seed(asked.seed)
    rng = np.random.default_rng(asked.seed + 2)
    network = Denoiser(feature_count(FACE_12), SMALL)
    seen = np.concatenate([s.features[::10] for s in data]).astype(np.float32)
    change = np.concatenate([s.change[::10] for s in data]).astype(np.float32)
    network.feature_mean.copy_(torch.from_numpy(seen.mean(axis=0)))
    network.feature_scale.copy_(torch.from_numpy(seen.std(axis=0).clip(min=0.02)))
    scale = torch.from_numpy(change.std(axis=0).clip(min=0.05))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=asked.steps)
    nothing = torch.zeros(BATCH, SMALL.window, WEIGHTS)
    last = torch.full((BATCH,), float(T_LAST))
    for _ in range(asked.steps):
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


def by_checkpoint(name: str, asked: argparse.Namespace) -> dict[str, float]:
    """A whole network on one family, with the filter that it is given, on the same performances."""
    torch.set_num_threads(1)
    checkpoint, network = load_checkpoint(asked.checkpoint), load_denoiser(asked.checkpoint)
    recipe = msgspec.convert(checkpoint.facts.recipe, Recipe)
    belief = checkpoint.belief
    sequences = judging(families_of_heads(asked)[name], asked)
    return judge_network(
        network, [estimated(s, belief, belief.responses) for s in sequences], recipe
    )


def print_table(table: Table, names: list[str]) -> None:
    """Markdown: one row per training, r / ratio per judged family."""
    print("\n| trained on | " + " | ".join(f"on {name}" for name in names) + " |")
    print("|---|" + "---|" * len(names))
    for label, row in table.items():
        print(f"| {label} | {cells(row)} |")


def cells(row: dict[str, dict[str, float]]) -> str:
    """r / offset-free ratio on every family."""
    return " | ".join(f"{f['r']:.3f} / {f['offset_free_ratio']:.3f}" for f in row.values())


def print_won_back(table: Table, names: list[str]) -> None:
    """Markdown: of what one head loses against training on the family that judges, the share that
    rows without it win back, in r / error.
    """
    strangers = [name for name in names if name != "ours" and many(name) in table]
    if ONE_HEAD not in table or not strangers:
        return
    print("\n| share won back of r / error | " + " | ".join(f"on {n}" for n in strangers) + " |")
    print("|---|" + "---|" * len(strangers))
    for label in table:
        if label.startswith(("(b)", "(c)")):
            won = []
            for name in strangers:
                lost, met, row = (table[key][name] for key in (ONE_HEAD, many(name), label))
                shares = ((row[k] - lost[k]) / (met[k] - lost[k]) for k in lost)
                unseen = label.startswith("(b)") or name == "avatar"
                won.append(" / ".join(f"{share:.0%}" for share in shares) if unseen else "–")
            print(f"| {label} | " + " | ".join(won) + " |")


if __name__ == "__main__":
    main()
