"""What training and baselines see: one wearer's performance as features and truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One wearer's performance after the routine.

    features: (T, F) float16. change: (T, 52) float16, weights minus the person's baseline (52,).
    estimates: (T, 104) float16 of the filter (`model.kalman`), None where nothing asks for them.
    """

    person: str
    features: NDArray[np.float16]
    change: NDArray[np.float16]
    baseline: NDArray[np.float64]
    estimates: NDArray[np.float16] | None = None

    def inputs(self, start: int = 0, end: int | None = None) -> NDArray[np.float16]:
        """(N, F) or (N, F + 104): what the network is given of rows start … end."""
        if self.estimates is None:
            return self.features[start:end]
        return np.concatenate((self.features[start:end], self.estimates[start:end]), axis=1)
