"""What each part of a training is worth: the same small recipe with one thing changed.

    python benchmarks/ablations.py --out runs/ablations

Trains every variant of recipes/ablation.toml and judges it on strangers who wear sensors on
facecap.glb, a make of head that is in no training; nobody is enrolled. Prints a Markdown table, r
and offset-free MAE ratio as docs/sensing.md defines them. Simulated IMUs. Variants that are done
are not done again, one that was broken off goes on. One training each: differences below 0.01 are
chance. Sensors and the head reference are taken away from the whole network by `figures.py`.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from strangers import STRANGERS
from takes import SEED, head_of

from capture.take import software
from dataset_tools.families import HeadFamilies, single_family
from dataset_tools.recordings import Source, read_sources
from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12
from model.checkpoint import load_checkpoint
from model.config import DenoiserConfig, DiffusionConfig, Recipe, StageConfig, read_recipe
from model.data import plain_sequences
from model.export import load_denoiser, write_checkpoint
from model.run_logs import EpochDone
from model.train import judge_network, train

RECIPE = Path(__file__).parents[1] / "recipes" / "ablation.toml"
Variant = Callable[[Recipe, Path], Recipe]
_changed = msgspec.structs.replace


def network(**changes: object) -> Variant:
    """Another network."""
    return lambda recipe, _: _changed(recipe, denoiser=_changed(recipe.denoiser, **changes))


def one_pass(kind: str, **size: int) -> Variant:
    """A regressor of about as many numbers in place of diffusion."""

    def variant(recipe: Recipe, _: Path) -> Recipe:
        denoiser: DenoiserConfig = _changed(recipe.denoiser, kind=kind, heads=1, **size)
        if kind == "transformer":
            denoiser = _changed(denoiser, heads=recipe.denoiser.heads)
        one = DiffusionConfig(num_inference_steps=1)
        return _changed(recipe, denoiser=denoiser, diffusion=one)

    return variant


def one_stage(kept: str) -> Variant:
    """All steps in one stage, at the learning rate of the first."""

    def variant(recipe: Recipe, _: Path) -> Recipe:
        epochs = recipe.pretrain.epochs + recipe.refine.epochs
        other = "refine" if kept == "pretrain" else "pretrain"
        stage: StageConfig = getattr(recipe, kept)
        whole = _changed(stage, epochs=epochs, learning_rate=recipe.pretrain.learning_rate)
        return _changed(recipe, **{kept: whole, other: _changed(getattr(recipe, other), epochs=0)})

    return variant


def a_third(recipe: Recipe, root: Path) -> Recipe:
    """A third of everybody's recordings, and no less than one."""
    kept = []
    for source in recipe.data.sources:
        names = [str(path.relative_to(root)) for path in sorted(root.glob(source.files))]
        own = names[: -(-len(names) // 3)]
        kept += [Source(person=source.person, files=n, licence=source.licence) for n in own]
    return _changed(recipe, data=_changed(recipe.data, sources=tuple(kept)))


VARIANTS: dict[str, Variant] = {
    "whole": lambda recipe, _: recipe,
    "gru": one_pass("gru", width=92),
    "tcn": one_pass("tcn", width=80, layers=3),
    "transformer": one_pass("transformer"),
    "no pretrain": one_stage("refine"),
    "no refine": one_stage("pretrain"),
    "a third of the data": a_third,
    "window of 12 rows": network(window=12),
    "window of 48 rows": network(window=48),
    "no slot dropout": lambda recipe, _: _changed(
        recipe, wearer=_changed(recipe.wearer, slot_dropout=0.0)
    ),
    "no enrolled wearers": lambda recipe, _: _changed(
        recipe, wearer=_changed(recipe.wearer, enrolled_share=0.0)
    ),
    "nothing generated": lambda recipe, _: _changed(
        recipe, data=_changed(recipe.data, generated_share=0.0), refine_generated_share=0.0
    ),
}


def main() -> None:
    """Train and judge what is not there yet; print the table."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    data = Path(os.environ.get("IMUSIC_DATA", "../shared/data"))
    options.add_argument("--data", type=Path, default=data)
    options.add_argument("--recipe", type=Path, default=RECIPE)
    options.add_argument("--out", type=Path, required=True, help="a folder for every variant")
    options.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options.add_argument("--head", help="ours, people, ict or a head's file; default: facecap.glb")
    options.add_argument("--wearers", type=int, default=3)
    asked = options.parse_args()
    plain = read_recipe(asked.recipe)
    print("| trained with | numbers | r | offset-free ratio |\n|---|---|---|---|")
    started_s = time.monotonic()
    for number, name in enumerate(asked.only, 1):
        recipe = _changed(VARIANTS[name](plain, asked.data), name=name)
        folder = asked.out / name.replace(" ", "-")
        figures = figures_of(recipe, folder, asked)
        cells = (f"{figures['numbers']:.0f}", f"{figures['r']:.3f}", f"{figures['ratio']:.3f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        minutes = (time.monotonic() - started_s) / 60 / number * (len(asked.only) - number)
        sys.stderr.write(f"{name} is done; about {minutes:.0f} min left\n")


def figures_of(recipe: Recipe, folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """r and ratio of a variant, trained and judged where that was not done before."""
    judged = folder / "judged.json"
    if judged.exists():
        return msgspec.json.decode(judged.read_bytes(), type=dict[str, float])
    checkpoint = folder / "checkpoint"
    if not checkpoint.exists():
        trained = train(recipe, asked.data, folder, _say(recipe.name))
        assert trained is not None  # there is one process
        write_checkpoint(trained, recipe, checkpoint, software())
    found = judge(recipe, checkpoint, asked)
    judged.write_bytes(msgspec.json.encode(found))
    return found


def judge(recipe: Recipe, folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """A checkpoint on strangers, every person weighing the same."""
    head = head_of(asked.head or str(asked.data / "mesh/facecap.glb"), asked.data, SEED)
    worn = HeadFamilies(FACE_12, [single_family("judging", head)], asked.wearers)
    belief, people = load_checkpoint(folder).belief, read_sources(STRANGERS, asked.data)
    sequences = plain_sequences(people, worn, asked.wearers, SEED, belief=belief)
    denoiser = load_denoiser(folder)
    found = judge_network(denoiser, sequences, recipe)
    numbers = sum(p.numel() for p in denoiser.parameters())
    return {"numbers": float(numbers), "r": found["r"], "ratio": found["offset_free_ratio"]}


def _say(name: str) -> Callable[[EpochDone], None]:
    def say(done: EpochDone) -> None:
        sys.stderr.write(
            f"{name}: {done.stage} {done.epoch} of {done.epochs}, loss {done.loss:.4f}, "
            f"{done.seconds_left / 60:.0f} min left\n"
        )

    return say


if __name__ == "__main__":
    try:
        main()
    except ConfigError as error:
        sys.exit(f"ablations: {error}")
