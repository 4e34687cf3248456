"""From a trained network to a checkpoint folder: ONNX for live use, safetensors for training on."""

import warnings
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from capture.blendshapes import ARKIT_NAMES
from capture.provenance import file_sha256
from firmware_host.errors import DataError
from firmware_host.layout import LAYOUTS, layout_to_dict
from model.card import CARD_FILE, model_card
from model.checkpoint import CheckpointFacts, load_checkpoint, save_checkpoint
from model.config import Recipe
from model.denoiser import WEIGHTS
from model.ensemble import Ensemble
from model.features import feature_count
from model.kalman import input_count
from model.train import Trained


def write_checkpoint(
    trained: Trained,
    recipe: Recipe,
    folder: Path,
    software: str,
    joined: tuple[dict[str, Any], ...] = (),
) -> None:
    """Write a whole checkpoint with its model card into `folder` (created).

    joined: the recipes of those that answer together, where there are several.
    """
    folder.mkdir(parents=True, exist_ok=True)
    onnx = folder / "denoiser.onnx"
    export_onnx(trained.denoiser, onnx)
    state = {k: v.contiguous() for k, v in trained.denoiser.state_dict().items()}
    save_file(state, folder / "denoiser.safetensors")
    facts = CheckpointFacts(
        name=recipe.name,
        layout=layout_to_dict(LAYOUTS[recipe.layout]),
        names=ARKIT_NAMES,
        window=recipe.denoiser.window,
        diffusion=recipe.diffusion,
        target_scale=tuple(float(v) for v in trained.target_scale),
        rest_weights=tuple(float(v) for v in trained.rest_weights),
        data=tuple(r.use for r in trained.recorded),
        onnx_sha256=file_sha256(onnx),
        recipe=msgspec.to_builtins(recipe),
        joined=joined,
        validation=trained.validation,
        software=software,
    )
    save_checkpoint(
        folder, facts, trained.mean_change, trained.ridge, trained.belief, trained.spread
    )
    parameters = sum(p.numel() for p in trained.denoiser.parameters())
    (folder / CARD_FILE).write_text(model_card(facts, parameters), encoding="utf-8")


def export_onnx(denoiser: Ensemble, path: Path) -> None:
    """Export with a batch of one: inputs xt, t, features; output x0."""
    window, features = denoiser.window, len(denoiser.first.feature_mean)
    example = (torch.zeros(1, window, WEIGHTS), torch.zeros(1), torch.zeros(1, window, features))
    with warnings.catch_warnings():
        # The exporter uses names of its own library that are about to go.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            denoiser.eval(),
            example,
            path,
            input_names=["xt", "t", "features"],
            output_names=["x0"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _forget_whence(path)


def _forget_whence(path: Path) -> None:
    """Take out the exporter's notes: stack traces that name files of the machine it ran on."""
    import onnx

    network = onnx.load(path)
    network.doc_string = ""
    del network.metadata_props[:]
    graph = network.graph
    parts: list[Any] = [graph, *graph.node, *graph.input, *graph.output]
    for part in (*parts, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    onnx.save(network, path)


def load_denoiser(folder: Path) -> Ensemble:
    """The network of a checkpoint folder, from its safetensors.

    Raises:
        DataError: the tensors are missing or do not fit the recipe in `checkpoint.json`.
    """
    facts = load_checkpoint(folder).facts
    recipe = msgspec.convert(facts.recipe, Recipe)
    layout = LAYOUTS[recipe.layout]
    network = Ensemble(input_count(layout), feature_count(layout), recipe.denoiser)
    path = folder / "denoiser.safetensors"
    try:
        network.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{path}: not this checkpoint's tensors: {first}") from error
    return network.eval()
