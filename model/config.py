"""Recipes: what a training run is made of. Read from TOML at the border."""

from pathlib import Path
from typing import Literal

import msgspec

from dataset_tools.casting import DataConfig
from firmware_host.errors import ConfigError


class DenoiserConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size of the network. `window` is in rows at 60 Hz.

    kind: `diffusion` denoises; the others (`model.regressors`) answer in one pass without noise,
    and are there to be compared with. gated: the filter's estimates follow the features, and a gate
    per shape says how much of them the answer begins with. members: networks of this size that
    learn apart and answer together.
    linear_share: how much of the answer is that of ridge regression, smoothed (`model.ensemble`).
    """

    kind: Literal["diffusion", "gru", "tcn", "transformer"] = "diffusion"
    width: int = 128
    layers: int = 4
    heads: int = 4
    window: int = 64
    dropout: float = 0.1
    gated: bool = True
    members: int = 1
    linear_share: float = 0.0

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.heads, self.window, self.members) < 1:
            raise ValueError(
                "denoiser: width, layers, heads, window and members must be at least 1"
            )
        if self.width % (2 * self.heads):
            raise ValueError(
                f"denoiser: width must be a multiple of 2 x heads = {2 * self.heads}, "
                f"got {self.width}"
            )
        if not 0 <= self.linear_share <= 1:
            raise ValueError(f"denoiser: linear_share must be in [0, 1], got {self.linear_share}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"denoiser: dropout must be in [0, 1), got {self.dropout}")


class DiffusionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Noise in training and sampling.

    `noise_scale` scales the noise that sampling starts from: 0 aims at the mean (least error), 1
    draws a sample (true dynamics).
    """

    num_train_timesteps: int = 1000
    num_inference_steps: int = 2
    noise_scale: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.num_inference_steps <= self.num_train_timesteps:
            raise ValueError(
                f"diffusion: num_inference_steps must be in [1, {self.num_train_timesteps}], "
                f"got {self.num_inference_steps}"
            )
        if not 0 <= self.noise_scale <= 2:
            raise ValueError(f"diffusion: noise_scale must be in [0, 2], got {self.noise_scale}")


class StageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage of training.

    huber_beta: errors below it, in deviations of a shape, count squared, beyond it absolute. Small
    values aim at the median (still where little is felt), large ones at the mean.
    accumulate: a step's gradient is the mean over so many batches, of which one at a time is in
    memory; a step sees batch x accumulate x processes windows.
    """

    epochs: int
    steps_per_epoch: int
    batch: int = 64
    learning_rate: float = 1e-3
    huber_beta: float = 0.3
    velocity_weight: float = 0.0
    acceleration_weight: float = 0.0
    ema_decay: float = 0.999
    expert_dropout: float = 0.1
    accumulate: int = 1

    def __post_init__(self) -> None:
        for name in ("steps_per_epoch", "batch", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


class WearerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of the wearers in training.

    prior_wearers: how many make the belief about a stranger. enrolled_share: of sequences, how many
    wearers were enrolled before, for a time between the two enrolment_s. redonned_share: of those,
    how many have put their sensors on anew since. slot_dropout: chance of a slot to be dead, in
    half of all sequences.
    """

    prior_wearers: int = 1200
    enrolled_share: float = 0.5
    enrolment_s: tuple[float, float] = (45.0, 120.0)
    redonned_share: float = 0.2
    slot_dropout: float = 0.1


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole training: `pretrain` on virtual wearers, then `refine` on takes.

    refine_takes is a glob of paired takes (IMU and ARKit). Without any, refine uses virtual
    wearers, who perform generated faces for a refine_generated_share of the time and real
    recordings otherwise, and the checkpoint says so.

    precision: of the matrix products in training; weights, optimiser and losses are float32 always.
    """

    name: str
    data: DataConfig
    pretrain: StageConfig
    refine: StageConfig
    seed: int = 0
    layout: str = "face-12"
    denoiser: DenoiserConfig = DenoiserConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    wearer: WearerConfig = WearerConfig()
    refine_takes: str = ""
    refine_generated_share: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        steps = self.diffusion.num_inference_steps
        if self.denoiser.kind != "diffusion" and steps != 1:
            raise ValueError(
                f"a {self.denoiser.kind} answers in one pass: expected num_inference_steps = 1, "
                f"got {steps}"
            )


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises ConfigError naming the file, the key and what was expected."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the recipe: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
