"""A network's spread, from what it misses on people held out and on wearers never met. torch."""

import msgspec
import numpy as np

from dataset_tools.families import HeadFamilies
from dataset_tools.recordings import Recorded
from firmware_host.layout import LAYOUTS
from model.config import Recipe
from model.data import Acquaintance, draw_sequences
from model.ensemble import Ensemble
from model.features import heard_share
from model.kalman import Belief
from model.sequences import Sequence
from model.spread import Missed, Spread, fit_spread
from model.stages import predict_sequence

_HOURS = 0.1  # of wearers never met, at most
_SEED = 9


def spread_over(
    network: Ensemble,
    held_out: list[Sequence],
    recorded: list[Recorded],
    families: HeadFamilies,
    belief: Belief,
    recipe: Recipe,
) -> Spread:
    """How far `network` strays on the people held out, and on those it knows on other wearers.

    Args:
        held_out: with estimates. recorded: whom it was trained on.
    """
    data = msgspec.structs.replace(recipe.data, hours=min(recipe.data.hours, _HOURS))
    rng = np.random.default_rng((recipe.seed, _SEED))
    met = Acquaintance(belief, recipe.wearer)
    others = draw_sequences(recorded, families, data, rng, met=met)
    return fit_spread([_missed(network, s, recipe) for s in (*held_out, *others)])


def _missed(network: Ensemble, sequence: Sequence, recipe: Recipe) -> Missed:
    inputs = np.asarray(sequence.inputs(), np.float32)
    seen, estimates = np.split(inputs, [sequence.features.shape[1]], axis=1)
    scaled = predict_sequence(network, inputs, recipe.diffusion.num_train_timesteps)
    change = scaled * network.target_scale.cpu().numpy()
    heard = heard_share(seen, len(LAYOUTS[recipe.layout].face_indices))
    return Missed(
        sequence.person,
        np.asarray(sequence.change, float),
        np.asarray(change, float),
        estimates,
        heard,
    )
