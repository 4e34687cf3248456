"""A checkpoint: a folder with `checkpoint.json`, `denoiser.onnx`, `baselines.safetensors` and
`belief.safetensors`.

Facts travel with weights: layout, names, normalisation, diffusion settings, hashes and licences of
the training data. Loading runs no code from the folder and refuses what it does not know by name.
`denoiser.safetensors` beside them holds the same network for further training.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.provenance import DataUse, file_sha256
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import SensorLayout, layout_from_dict
from firmware_host.samples import Floats
from model.baselines import Ridge
from model.config import DiffusionConfig
from model.kalman import Belief, Dynamics
from model.responses import FELT, SiteResponses
from model.spread import Spread, checked

SCHEMA_VERSION = 2
FEATURES_VERSION = 2
SHIPPED = Path(__file__).parent / "shipped" / "base"

_JSON, _ONNX = "checkpoint.json", "denoiser.onnx"
_BASELINES, _BELIEF = "baselines.safetensors", "belief.safetensors"
_LARGEST_BYTES = 256 << 20


class CheckpointFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of `checkpoint.json`.

    target_scale, rest_weights: 52 numbers in canonical order; the network speaks change from rest
    divided by target_scale, and rest_weights is the prior for a person's resting face.
    joined: where several checkpoints answer together, the recipe of each; `recipe` is then the
    first, with as many members. baselines_sha256, belief_sha256: set by `save_checkpoint`.
    """

    name: str
    layout: dict[str, Any]
    names: tuple[str, ...]
    window: int
    diffusion: DiffusionConfig
    target_scale: tuple[float, ...]
    rest_weights: tuple[float, ...]
    data: tuple[DataUse, ...]
    onnx_sha256: str
    recipe: dict[str, Any]
    joined: tuple[dict[str, Any], ...] = ()
    validation: dict[str, float] = {}
    simulated: bool = True
    software: str = ""
    baselines_sha256: str = ""
    belief_sha256: str = ""
    schema_version: int = SCHEMA_VERSION
    features_version: int = FEATURES_VERSION


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A loaded checkpoint.

    mean_change: (52,) of the training data, the mean-face baseline. belief: about a stranger.
    spread: how far its answers stray; None of checkpoints that do not say.
    """

    folder: Path
    facts: CheckpointFacts
    layout: SensorLayout
    target_scale: Floats
    rest_weights: Floats
    mean_change: Floats
    ridge: Ridge
    belief: Belief
    spread: Spread | None = None

    @property
    def onnx_path(self) -> Path:
        """The exported network."""
        return self.folder / _ONNX

    def saw(self, sha256: str) -> bool:
        """Whether a recording with this hash was in the training data."""
        return any(use.sha256 == sha256 for use in self.facts.data)


def load_checkpoint(folder: Path = SHIPPED) -> Checkpoint:
    """Load a checkpoint.

    Raises:
        DataError: a file is missing, too large, malformed, or not the one the JSON names.
        ConfigError: another schema or feature version than this program's.
    """
    facts = _read_facts(folder / _JSON)
    _check_versions(folder, facts)
    if file_sha256(folder / _ONNX) != facts.onnx_sha256:
        raise DataError(f"{folder / _ONNX} is not the network that {_JSON} names (hash differs)")
    tensors = _read_tensors(folder / _BASELINES, facts.baselines_sha256)
    try:
        ridge = Ridge(
            tensors["ridge_coefficients"].astype(np.float32),
            tensors["ridge_intercept"].astype(np.float32),
            float(tensors["ridge_strength"][0]),
        )
        mean = tensors["mean_change"].astype(np.float32)
    except KeyError as error:
        raise DataError(f"{folder / _BASELINES}: tensor {error.args[0]!r} is missing") from error
    layout = _layout(folder / _JSON, facts)
    return Checkpoint(
        folder=folder,
        facts=facts,
        layout=layout,
        target_scale=np.array(facts.target_scale, np.float32),
        rest_weights=np.array(facts.rest_weights, np.float32),
        mean_change=mean,
        ridge=ridge,
        belief=_belief(folder / _BELIEF, facts.belief_sha256, len(layout.face_indices)),
        spread=_spread(folder / _BASELINES, tensors),
    )


def _spread(path: Path, tensors: dict[str, NDArray[Any]]) -> Spread | None:
    """None of checkpoints from before answers had a spread."""
    return checked(tensors["spread"], str(path)) if "spread" in tensors else None


def _belief(path: Path, sha256: str, sites: int) -> Belief:
    tensors = _read_tensors(path, sha256)
    shapes = len(FELT)
    expected = {
        "responses_mean": (sites, 3, shapes),
        "responses_covariance": (sites, 3 * shapes, 3 * shapes),
        "dynamics_noise": (shapes, shapes),
        "dynamics": (2,),
    }
    for name, shape in expected.items():
        found = tensors[name].shape if name in tensors else None
        if found != shape:
            raise DataError(f"{path}: expected tensor {name!r} of shape {shape}, got {found}")
    exact = {name: tensors[name].astype(np.float64) for name in expected}
    damping, spring = (float(v) for v in exact["dynamics"])
    return Belief(
        SiteResponses(exact["responses_mean"], exact["responses_covariance"]),
        Dynamics(damping, spring, exact["dynamics_noise"]),
    )


def _read_facts(path: Path) -> CheckpointFacts:
    try:
        facts = msgspec.json.decode(_bounded(path), type=CheckpointFacts)
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: {error}") from error
    for key in ("target_scale", "rest_weights", "names"):
        if len(getattr(facts, key)) != len(ARKIT_NAMES):
            raise DataError(f"{path}: expected 52 values in {key}, got {len(getattr(facts, key))}")
    return facts


def _layout(path: Path, facts: CheckpointFacts) -> SensorLayout:
    try:
        return layout_from_dict(facts.layout)
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error


def _check_versions(folder: Path, facts: CheckpointFacts) -> None:
    found = (facts.schema_version, facts.features_version)
    if found != (SCHEMA_VERSION, FEATURES_VERSION):
        raise ConfigError(
            f"checkpoint {folder}: expected schema and feature versions "
            f"{(SCHEMA_VERSION, FEATURES_VERSION)}, got {found}",
            "use the imusic version it was made with, or train again",
        )
    if facts.names != ARKIT_NAMES:
        raise ConfigError(f"checkpoint {folder}: its blendshape names are not the canonical 52")


def _bounded(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise DataError(f"{path}: larger than {_LARGEST_BYTES >> 20} MiB, no checkpoint is")
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror}", "a checkpoint is a folder; name that"
        ) from error


def _read_tensors(path: Path, sha256: str) -> dict[str, NDArray[Any]]:
    """Tensors of the file named by `sha256`; an empty one names any."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    contents = _bounded(path)
    if sha256 and hashlib.sha256(contents).hexdigest() != sha256:
        raise DataError(f"{path} is not the file that {_JSON} names (hash differs)")
    try:
        return load(contents)
    except SafetensorError as error:
        raise DataError(f"{path}: not a safetensors file: {error}") from error


def save_checkpoint(
    folder: Path,
    facts: CheckpointFacts,
    mean_change: Floats,
    ridge: Ridge,
    belief: Belief,
    spread: Spread | None = None,
) -> None:
    """Write everything but the network, whose ONNX file must already lie in `folder`."""
    from safetensors.numpy import save_file

    tensors: dict[str, NDArray[Any]] = {
        "ridge_coefficients": ridge.coefficients.astype(np.float16),
        "ridge_intercept": ridge.intercept,
        "ridge_strength": np.array([ridge.strength], np.float32),
        "mean_change": np.asarray(mean_change, np.float32),
    }
    if spread is not None:
        tensors["spread"] = spread.coefficients
    save_file(tensors, str(folder / _BASELINES))
    believed: dict[str, NDArray[Any]] = {
        "responses_mean": belief.responses.mean.astype(np.float32),
        "responses_covariance": belief.responses.covariance.astype(np.float32),
        "dynamics": np.array([belief.dynamics.damping, belief.dynamics.spring], np.float32),
        "dynamics_noise": belief.dynamics.noise.astype(np.float32),
    }
    save_file(believed, str(folder / _BELIEF))
    facts = msgspec.structs.replace(
        facts,
        baselines_sha256=file_sha256(folder / _BASELINES),
        belief_sha256=file_sha256(folder / _BELIEF),
    )
    (folder / _JSON).write_bytes(msgspec.json.format(msgspec.json.encode(facts)))


def select_slots(known: SensorLayout, worn: SensorLayout) -> tuple[int, ...]:
    """For each slot of the checkpoint, its index in what is worn, or −1 where it is not worn.

    Raises:
        ConfigError: a worn slot that the checkpoint does not know, or no head reference.
    """
    unknown = [name for name in worn.names if name not in known.names]
    if unknown:
        raise ConfigError(
            f"slot {unknown[0]!r} of layout {worn.name!r} is unknown to this checkpoint",
            f"it knows: {', '.join(known.names)}",
        )
    if known.reference not in worn.names:
        raise ConfigError(
            f"layout {worn.name!r} lacks the head reference {known.reference!r}",
            "wear a sensor on the mastoid or forehead; without it head motion cannot be removed",
        )
    return tuple(worn.names.index(n) if n in worn.names else -1 for n in known.names)
