"""What training and baselines see: one wearer's performance as features and truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One wearer's performance after the routine.

    features: (T, F) float16. change: (T, 52) float16, weights minus the person's baseline (52,).
    """

    person: str
    features: NDArray[np.float16]
    change: NDArray[np.float16]
    baseline: NDArray[np.float64]
