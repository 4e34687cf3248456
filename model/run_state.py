"""A training run on disk: everything the next epoch depends on, in one file.

    OUT/state.safetensors    tensors of network, averages and optimiser; facts as JSON in its header

One file, because two could be of different epochs after a kill between them. It is written under
another name, forced to disk and renamed, so at any time it is whole and of one epoch.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from capture.provenance import DataUse
from firmware_host.errors import ConfigError, DataError
from model.config import Recipe

STATE_FILE = "state.safetensors"
SCHEMA_VERSION = 1
_FACTS = "facts"
_PARTS = ("network", "averaged", "best", "optimiser")
_ELSEWHERE = "choose another --out, or go on with what the run began with"

Tensors = dict[str, Tensor]


class RunFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run is and how far it came.

    recipe, data and processes decide the result, so another run may not go on from here.
    best_score: of the averages kept so far, None before any were judged.
    """

    recipe: dict[str, Any]
    data: tuple[DataUse, ...]
    processes: int
    epochs_done: int
    best_score: float | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True, eq=False)
class RunState:
    """All that the next epoch depends on.

    network, averaged, best: state of the denoiser as trained, its moving average, and the average
    that people held out liked best. optimiser: "MOMENT.PARAMETER" to tensor.
    """

    epochs_done: int
    best_score: float | None
    network: Tensors
    averaged: Tensors
    best: Tensors
    optimiser: Tensors


def save_state(
    state: RunState, recipe: Recipe, data: tuple[DataUse, ...], processes: int, folder: Path
) -> None:
    """Replace the state in `folder` whole or not at all. Raises OSError: it cannot be written."""
    facts = RunFacts(
        recipe=msgspec.to_builtins(recipe),
        data=data,
        processes=processes,
        epochs_done=state.epochs_done,
        best_score=state.best_score,
    )
    # Copies: the averages and the best ones may be the same tensors, which the format refuses.
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().clone().contiguous()
        for part in _PARTS
        for name, tensor in getattr(state, part).items()
    }
    temporary = folder / (STATE_FILE + ".part")
    save_file(tensors, temporary, {_FACTS: msgspec.json.encode(facts).decode()})
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())  # else a power cut may leave the new name with nothing in it
    temporary.replace(folder / STATE_FILE)


def load_state(
    recipe: Recipe, data: tuple[DataUse, ...], processes: int, folder: Path
) -> RunState | None:
    """The state an earlier run left in `folder`, None where none did.

    Raises:
        ConfigError: that run had another recipe, other recordings or another number of processes.
        DataError: the file is damaged, or of a version that kept something else.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return None
    try:
        facts, tensors = _read(path)
    except (OSError, SafetensorError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: not readable: {error}", "choose another --out") from error
    _refuse_another_run(path, facts, recipe, data, processes)
    parts: dict[str, Tensors] = {part: {} for part in _PARTS}
    for key, tensor in tensors.items():
        part, _, name = key.partition(".")
        parts[part][name] = tensor
    return RunState(facts.epochs_done, facts.best_score, **parts)


def _read(path: Path) -> tuple[RunFacts, Tensors]:
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if _FACTS not in header:
            raise DataError(
                f"{path}: expected facts in its header, found none: an older version wrote it",
                "choose another --out",
            )
        facts = msgspec.json.decode(header[_FACTS], type=RunFacts)
        return facts, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def _refuse_another_run(
    path: Path, facts: RunFacts, recipe: Recipe, data: tuple[DataUse, ...], processes: int
) -> None:
    if facts.schema_version != SCHEMA_VERSION:
        raise DataError(
            f"{path}: expected schema version {SCHEMA_VERSION}, got {facts.schema_version}"
        )
    asked = msgspec.to_builtins(recipe)
    for key, there, here in _differences(facts.recipe, msgspec.json.decode(_json(asked))):
        raise ConfigError(
            f"{path}: the run there has {key} = {there!r}, this recipe {here!r}", _ELSEWHERE
        )
    if facts.data != data:
        raise ConfigError(f"{path}: the run there learned from other recordings", _ELSEWHERE)
    if facts.processes != processes:
        raise ConfigError(
            f"{path}: the run there has {facts.processes} processes, this one {processes}",
            _ELSEWHERE,
        )


def _json(facts: Any) -> bytes:
    """Through JSON, where tuples are lists as in what was read."""
    return msgspec.json.encode(facts)


def _differences(there: Any, here: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """(dotted key, value there, value here) of what is not the same."""
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return [] if there == here else [(key, there, here)]
    return [
        found
        for name in sorted(there.keys() | here.keys())
        for found in _differences(there.get(name), here.get(name), f"{key}.{name}".lstrip("."))
    ]


def optimiser_tensors(optimiser: torch.optim.Optimizer, names: list[str]) -> Tensors:
    """What an optimiser remembers of each parameter, by "MOMENT.PARAMETER"."""
    state = optimiser.state_dict()["state"]
    return {
        f"{moment}.{name}": tensor
        for index, name in enumerate(names)
        for moment, tensor in state.get(index, {}).items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, names: list[str], kept: Tensors) -> None:
    """Give a fresh optimiser of the same parameters back what `optimiser_tensors` took."""
    numbers = {name: index for index, name in enumerate(names)}
    state: dict[int, Tensors] = {}
    for key, tensor in kept.items():
        moment, _, name = key.partition(".")
        state.setdefault(numbers[name], {})[moment] = tensor.clone()
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
