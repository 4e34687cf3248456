"""The Kalman filter's estimate, taken apart: what each site's readings gave to it. No I/O.

Its gains are those of the filter as it ran; with these held, the mean is linear in what was
measured, so it is the sum of what every site alone would have brought. Only the clipping of weights
within the filter is not shared out.
"""

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.resample import TICK_HZ
from firmware_host.samples import Floats
from model.kalman import Dynamics, FilterState, WeightFilter
from model.responses import FELT, SiteResponses

Array = NDArray[np.float64]
_SHAPES = len(FELT)


def filter_shares(
    responses: SiteResponses, dynamics: Dynamics, features: Floats
) -> tuple[Floats, Floats]:
    """(T, 104) estimates as `model.kalman.filtered` gives, and (T, R, 52) shares of its changes."""
    shared = _SharedFilter(responses, dynamics)
    states = shared.states(shared.at_rest(), features)
    shares = np.zeros((len(features), len(responses.mean), len(ARKIT_NAMES)), np.float32)
    shares[:, :, FELT] = np.stack(shared.shares)[:, :_SHAPES].transpose(0, 2, 1)
    return np.stack([state.row() for state in states]), shares


class _SharedFilter(WeightFilter):
    """A filter that keeps, per row, what of its mean (2 K) each of R sites brought: (2 K, R)."""

    def __init__(self, responses: SiteResponses, dynamics: Dynamics) -> None:
        super().__init__(responses, dynamics)
        self._damping, self._spring = dynamics.damping, dynamics.spring
        self._rates = responses.mean.reshape(-1, _SHAPES)
        sites = len(responses.mean)
        self._share = np.zeros((2 * _SHAPES, sites))
        # Which of the 6 R measurements are of which site: rates of all sites, then forces.
        self._own = np.tile(np.repeat(np.eye(sites), 3, axis=0), (2, 1))  # (6 R, R)
        self.shares: list[Array] = []

    def _corrected(
        self, state: FilterState, lean: Array, tilt: Array, measured: Array, noise: Array
    ) -> FilterState:
        after = super()._corrected(state, lean, tilt, measured, noise)
        seen = np.block([[lean, self._rates], [tilt, np.zeros_like(tilt)]])  # H (6 R, 2 K)
        gain = after.covariance @ seen.T / noise  # K = P⁺ Hᵀ R⁻¹
        weights, speed = self._share[:_SHAPES], self._share[_SHAPES:]
        before = np.concatenate(
            (weights + speed / TICK_HZ, self._damping * speed - self._spring * weights)
        )
        self._share = before + gain @ (self._own * measured[:, None] - seen @ before)
        self.shares.append(self._share)
        return after
