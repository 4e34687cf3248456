"""The model card of a checkpoint: what it is, what it saw, how well it did, what it cannot see.

Made from `checkpoint.json` and, where they were measured, `figures.json` alone, so that card and
facts cannot disagree.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture.outputs import require_writable, whole_file
from firmware_host.errors import DataError
from model.checkpoint import load_checkpoint
from model.figures import read_figures
from model.figures_tables import tables

if TYPE_CHECKING:
    from capture.provenance import DataUse
    from model.checkpoint import CheckpointFacts
    from model.figures import Figures

CARD_FILE, FIGURES_FILE = "README.md", "figures.json"
_GIVEN = ("feature_mean", "feature_scale", "target_scale", "kernel", "intercept")

_KINDS = {
    "diffusion": "A causal Transformer denoiser",
    "gru": "A recurrent network, for comparison with the denoiser,",
    "tcn": "A network of causal convolutions, for comparison with the denoiser,",
    "transformer": "A causal Transformer without diffusion, for comparison with the denoiser,",
}

_HEAD = """# Model card: {name}

{kind} that turns a window of face IMU features into the 52 ARKit
blendshapes, for `imusic live` and `imusic predict`: {parameters:.2f} million parameters in
{members} members whose mean is the answer (ridge regression has {linear:.0%} of it), {window} rows
of history at 60 Hz, DDIM steps per frame: {steps}, no look-ahead. It is given the features and,
beside them, what a Kalman filter through the wearer's site responses makes of them
(`belief.safetensors`: the prior over virtual wearers; or a profile by `imusic adapt`); a gate per
shape says how much of the filter's answer it keeps.

- **Sensors**: layout `{layout}`, {slots} slots including the rigid `{reference}`. Fewer may be
  worn; the reference must be.
- **Made by**: {software}, `imusic train` with the recipe in `checkpoint.json`.
- **Licence**: that of this repository.
- **Network**: `denoiser.onnx`, SHA-256 `{sha}`.

## For what

Driving avatars, previews and research on face IMUs. Not for judging what a person feels, is or
intends, and not for identifying anyone.
"""

_TRAINING = """
## What it was trained on

Virtual wearers only. Every epoch {hours:g} h of performances of {sequence_s:g} s, each on a wearer
drawn anew (recipe `{name}`, seed {seed}); places, mounting, skin, chips and what befalls them
differ. Heads: {families}.

1. `pretrain`: {pretrain}; {generated:.0%} of the performances are
   generated, the others are the recordings below, cut, warped, mirrored and recombined.
2. `refine`: {refine}, {refine_generated:.0%} of the performances
   generated. No paired recording of a real face with real IMUs was there to refine on.

Of all sequences, {enrolled:.0%} are worn by somebody who was enrolled before, {redonned:.0%} of
those with sensors put on anew since. Of all epochs, the one whose network served the people held
out best was kept.
"""

_JOINED = """
## {count} trainings

Each met its own virtual wearers; their answers are averaged (`imusic join`).
"""

_DATA = """
| person | licence | recordings | SHA-256, first 12 digits |
|---|---|---|---|
"""

_ACCURACY = """
## Accuracy (simulated IMUs)

On people held out of the training ({held_out}), worn by virtual wearers it never met, none of them
enrolled. Since the epoch was chosen by the same people, these figures flatter a little. They are as
defined in `docs/sensing.md`; `docs/accuracy.md` has those of the public test set.

| | correlation | offset-free MAE, ratio to a still face |
|---|---|---|
| network | {r:.3f} | {offset_free_ratio:.3f} |
| ridge with lags | {ridge_r:.3f} | {ridge_offset_free_ratio:.3f} |
"""

_UNJUDGED = """
## Accuracy

Nobody was held out of the training, so nothing is claimed.
"""

_FIGURES = """
## Figures (simulated IMUs)

Over virtual wearers × people who are in no training, as `docs/accuracy.md` explains. Measured by
`{command}` of {software}.

"""

_LIMITS = """
## What it cannot see

The tongue moves no sensor. Lids and gaze pull at the skin below the eye, how far on real faces is
not measured: `eyeLook*` and `tongueOut` are guesses, blinks close to one. A person's constant ARKit
offsets are not felt either; without an enrolment the resting face is the mean of the training
people's. Left and right are the wearer's own. Sensors that slip after the opening routine, ringing
tissue, tugging cables and taps were part of the training, as we assume them to be; nobody has
measured them on faces here.
"""


def model_card(facts: "CheckpointFacts", parameters: int, figures: "Figures | None" = None) -> str:
    """The card as Markdown. parameters: how many numbers were learnt. figures: of this network."""
    head = _HEAD.format(
        name=facts.name,
        kind=_KINDS[facts.recipe["denoiser"].get("kind", "diffusion")],
        parameters=parameters / 1e6,
        members=facts.recipe["denoiser"].get("members", 1),
        linear=facts.recipe["denoiser"].get("linear_share", 0.0),
        window=facts.window,
        steps=facts.diffusion.num_inference_steps,
        layout=facts.layout["name"],
        slots=len(facts.layout["slots"]),
        reference=facts.layout["reference"],
        software=facts.software,
        sha=facts.onnx_sha256,
    )
    measured = "" if figures is None else _measured(figures)
    return head + _trainings(facts) + _accuracy(facts) + measured + _LIMITS


def _measured(figures: "Figures") -> str:
    return _FIGURES.format(software=figures.software, command=figures.command) + tables(figures)


def write_figures(folder: Path, path: Path) -> None:
    """Put figures of a checkpoint into its folder and its card.

    Raises:
        ConfigError: they are of another network, or the folder cannot be written to.
        DataError: the checkpoint or the figures cannot be read.
    """
    facts = load_checkpoint(folder).facts
    require_writable(folder / CARD_FILE)
    figures = read_figures(path, facts.onnx_sha256)
    card = model_card(facts, count_parameters(folder), figures)
    for name, text in ((FIGURES_FILE, path.read_text("utf-8")), (CARD_FILE, card)):
        with whole_file(folder / name) as beside:
            beside.write_text(text, encoding="utf-8")


def count_parameters(folder: Path) -> int:
    """How many numbers a checkpoint's network learnt; what it was given (scales, ridge) is none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / "denoiser.safetensors"
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return sum(t.size for name, t in tensors.items() if not name.endswith(_GIVEN))


def _trainings(facts: "CheckpointFacts") -> str:
    if not facts.joined:
        text = _training(facts.recipe)
    else:
        texts = [_training(recipe).replace("## What it", "### What it") for recipe in facts.joined]
        text = _JOINED.format(count=len(texts)) + "".join(texts)
    return text + _DATA + "".join(_data_rows(facts.data))


def _training(recipe: dict[str, Any]) -> str:
    data = recipe["data"]
    families = "people of our own head"
    if data["ict_head"]:
        families += ",\nrandom identities of the ICT-FaceKit head, and blends of both"
    return _TRAINING.format(
        name=recipe["name"],
        seed=recipe["seed"],
        sequence_s=data["sequence_s"],
        hours=data["hours"],
        families=families,
        generated=data["generated_share"],
        pretrain=_stage(recipe["pretrain"]),
        refine=_stage(recipe["refine"]),
        refine_generated=recipe["refine_generated_share"],
        enrolled=recipe["wearer"]["enrolled_share"],
        redonned=recipe["wearer"]["redonned_share"],
    )


def _stage(stage: dict[str, Any]) -> str:
    return f"{stage['epochs']} epochs of {stage['steps_per_epoch']} steps"


def _data_rows(data: "Sequence[DataUse]") -> list[str]:
    rows = []
    for (person, licence), uses in groupby(data, key=lambda use: (use.person, use.licence)):
        hashes = [use.sha256[:12] for use in uses]
        rows.append(f"| {person} | {licence} | {len(hashes)} | {' '.join(hashes)} |\n")
    return rows


def _accuracy(facts: "CheckpointFacts") -> str:
    if not facts.validation:
        return _UNJUDGED
    held_out = sorted({source["person"] for source in facts.recipe["data"]["held_out"]})
    return _ACCURACY.format(held_out=", ".join(held_out), **facts.validation)
