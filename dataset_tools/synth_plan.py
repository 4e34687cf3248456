"""What a synthetic data set is made of: everything that decides its bytes."""

from pathlib import Path

import msgspec

from dataset_tools.casting import DataConfig
from firmware_host.errors import ConfigError
from firmware_host.layout import LAYOUTS

SEQUENCES_PER_SHARD = 20


class SynthPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides the bytes of a synthetic data set.

    wearers: how many different ones; each keeps head, placement, mounting and chips. data: what
    they perform, for `data.hours` in all.
    """

    data: DataConfig
    wearers: int = 1000
    seed: int = 0
    layout: str = "face-12"

    def __post_init__(self) -> None:
        if self.wearers < 1:
            raise ValueError(f"wearers: expected at least 1, got {self.wearers}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout {self.layout!r} is unknown; known: {', '.join(LAYOUTS)}")

    @property
    def sequences(self) -> int:
        """How many sequences fill the hours; at least one."""
        return max(1, round(self.data.hours * 3600 / self.data.sequence_s))

    @property
    def shards(self) -> int:
        """How many shards hold them."""
        return -(-self.sequences // SEQUENCES_PER_SHARD)


class _Recipe(msgspec.Struct):
    """The part of a recipe that says what is performed; the rest is for training."""

    data: DataConfig = DataConfig()


def plan_of(recipe: Path | None, *, hours: float, wearers: int, seed: int) -> SynthPlan:
    """The plan of a recipe's `[data]`, or without one of generated performances only.

    Raises:
        ConfigError: naming the file, the key and what was expected.
    """
    try:
        text = b"" if recipe is None else recipe.read_bytes()
        data = msgspec.toml.decode(text, type=_Recipe).data
        return SynthPlan(
            data=msgspec.structs.replace(data, hours=hours), wearers=wearers, seed=seed
        )
    except OSError as error:
        raise ConfigError(f"{recipe}: cannot read the recipe: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"{recipe or 'options'}: {error}") from error


def encode_plan(plan: SynthPlan) -> bytes:
    """A plan as JSON; plans are the same when these bytes are."""
    return msgspec.json.encode(plan)
