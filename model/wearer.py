"""A wearer's profile: what an enrolment taught about one face, one `.safetensors` file per wearer.

It holds the wearer's site responses and resting face, and, as JSON in the file's header, who, from
which take, for which slots, and how much it helped on the part of that take that it was not fitted
to. A profile belongs to one donning: sensors moved by millimetres answer differently.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.outputs import require_writable, whole_file
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats
from model.responses import FELT, SiteResponses

SCHEMA_VERSION = 1
_LARGEST_BYTES = 64 << 20
_FACTS = "imusic_wearer"
_MEAN, _COVARIANCE, _REST = "responses_mean", "responses_covariance", "rest_weights"


class WearerFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who, from what, and how well. Figures are of `model.metrics`, before and after, on the
    held-out part of the take; simulated: the take came from virtual IMUs. following: of a wearer
    who followed an animated face and was not watched: the delay, movements followed and shown.
    """

    name: str
    slots: tuple[str, ...]
    take: str
    take_sha256: str
    seconds: float
    simulated: bool
    before: dict[str, float]
    after: dict[str, float]
    software: str = ""
    schema_version: int = SCHEMA_VERSION
    following: dict[str, float] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Wearer:
    """responses: the posterior about A, face slots as in facts.slots. rest_weights: (52,)."""

    facts: WearerFacts
    responses: SiteResponses
    rest_weights: Floats


def find_wearer(name: str, folders: Sequence[Path] = ()) -> Path:
    """The profile of a name: a file of that path, or `NAME.safetensors` here, in `wearers` here, or
    where profiles are kept for this user (`wearers_folder`).

    Raises:
        ConfigError: there is none; names those that there are.
    """
    places = [*folders, Path(), Path("wearers"), wearers_folder()]
    tried = [Path(name), *(folder / f"{name}.safetensors" for folder in places)]
    found = next((path for path in tried if path.is_file()), None)
    if found is not None:
        return found
    known = sorted({path.stem for folder in places for path in folder.glob("*.safetensors")})
    raise ConfigError(
        f"no profile of {name!r}: it is no file, and there is no {name}.safetensors here, in "
        f"wearers/ or in {places[-1]}",
        f"known: {', '.join(known)}" if known else "make one: imusic enrol, or imusic adapt",
    )


def wearers_folder() -> Path:
    """Where this user's profiles may be kept, to be found by name from anywhere."""
    from platformdirs import user_data_path

    return user_data_path("imusic", appauthor=False) / "wearers"


def save_wearer(wearer: Wearer, path: Path) -> None:
    """Write a profile, whole or not at all.

    Raises:
        ConfigError: the file exists, is not named `.safetensors`, or cannot be written.
    """
    from safetensors.numpy import save

    check_wearer_output(path)
    tensors: dict[str, NDArray[Any]] = {
        _MEAN: wearer.responses.mean.astype(np.float32),
        _COVARIANCE: wearer.responses.covariance.astype(np.float32),
        _REST: np.asarray(wearer.rest_weights, np.float32),
    }
    facts = msgspec.json.encode(wearer.facts).decode()
    with whole_file(path) as beside:
        beside.write_bytes(save(tensors, {_FACTS: facts}))


def check_wearer_output(path: Path) -> None:
    """Refuse an output early. Raises ConfigError as `save_wearer`."""
    if path.suffix != ".safetensors":
        raise ConfigError(f"{path}: expected a name that ends in .safetensors")
    if path.exists():
        raise ConfigError(f"{path} exists already", "choose another name; nothing is overwritten")
    require_writable(path)


def load_wearer(path: Path, layout: SensorLayout) -> Wearer:
    """Read a profile for the face slots of a checkpoint's layout.

    Raises:
        DataError: missing, damaged, or no profile.
        ConfigError: of another schema, or for other slots.
    """
    tensors, facts = _read(path)
    known = tuple(layout.slots[i].name for i in layout.face_indices)
    if facts.schema_version != SCHEMA_VERSION:
        raise ConfigError(
            f"{path}: expected wearer schema {SCHEMA_VERSION}, got {facts.schema_version}",
            "enrol again with this version: imusic adapt TAKE --out FILE",
        )
    if facts.slots != known:
        raise ConfigError(
            f"{path}: enrolled with the slots {', '.join(facts.slots)}; "
            f"this checkpoint knows {', '.join(known)}",
            "use the checkpoint it was enrolled with, or enrol again",
        )
    responses = SiteResponses(
        tensors[_MEAN].astype(np.float64), tensors[_COVARIANCE].astype(np.float64)
    )
    return Wearer(facts, responses, tensors[_REST].astype(np.float32))


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], WearerFacts]:
    from safetensors import SafetensorError, safe_open

    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise DataError(f"{path}: larger than {_LARGEST_BYTES >> 20} MiB, no profile is")
        with safe_open(str(path), framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise DataError(f"{path}: not a safetensors file: {error}") from error
    if _FACTS not in header:
        raise DataError(f"{path} is no wearer's profile", "make one: imusic adapt TAKE --out FILE")
    try:
        facts = msgspec.json.decode(header[_FACTS], type=WearerFacts)
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: {error}") from error
    _check_tensors(path, tensors, len(facts.slots))
    return tensors, facts


def _check_tensors(path: Path, tensors: dict[str, NDArray[Any]], sites: int) -> None:
    width = 3 * len(FELT)
    expected = {
        _MEAN: (sites, 3, len(FELT)),
        _COVARIANCE: (sites, width, width),
        _REST: (len(ARKIT_NAMES),),
    }
    for name, shape in expected.items():
        found = tensors[name].shape if name in tensors else None
        if found != shape:
            raise DataError(f"{path}: expected tensor {name!r} of shape {shape}, got {found}")
        if not np.isfinite(tensors[name]).all():
            raise DataError(f"{path}: tensor {name!r} holds values that are not finite")
