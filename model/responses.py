"""Site responses: how each site turns when a shape is worn, and how sure that is. No I/O.

A patch turns by A w on the head (docs/sensing.md), and A differs from face to face and with every
millimetre a sensor is moved. Before anything is known of a wearer, A is a Gaussian over many
virtual wearers; an enrolment, in which the weights are known beside the samples, turns it into that
wearer's own by Bayesian linear regression, in closed form.

Letters: R face sites, K shapes that a sensor could feel, T rows at 60 Hz.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from capture.blendshapes import OBSERVABLE
from capture.resample import TICK_HZ
from firmware_host.samples import Floats
from model.features import perceived

Array = NDArray[np.float64]

# (K,) indices into the 52 of shapes that move skin.
FELT: NDArray[np.int64] = np.flatnonzero(OBSERVABLE)
# What linear site responses leave of a row, sensor noise the least of it.
RATE_NOISE_RAD_S, FORCE_NOISE_M_S2 = 0.1, 0.6
# That is wrong alike for many rows (mounting, tissue): one counts as a fifth of an independent one.
_ROWS_ALIKE = 5.0
# Keeps covariances invertible where no virtual wearer differs: (0.06°)² per unit weight.
_SMALLEST_VARIANCE = 1e-6
_SMOOTHING_ROWS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SiteResponses:
    """A Gaussian belief about A.

    mean: (R, 3, K) rad per unit weight, head frame. covariance: (R, 3 K, 3 K), per site over its
    axes and shapes; sites are taken as independent.
    """

    mean: Array
    covariance: Array

    @property
    def variance(self) -> Array:
        """(R, 3, K) marginal variances."""
        return np.diagonal(self.covariance, axis1=1, axis2=2).reshape(self.mean.shape)


def responses_prior(rotations: Array) -> SiteResponses:
    """The belief about somebody like these: (N, R, 3, 52) rotations of N wearers' face sites."""
    found = np.asarray(rotations, float)[..., FELT]
    count, sites = found.shape[:2]
    flat = found.reshape(count, sites, -1)
    mean = flat.mean(axis=0)
    strayed = flat - mean
    covariance = np.einsum("nri,nrj->rij", strayed, strayed) / count
    covariance = covariance + _SMALLEST_VARIANCE * np.eye(flat.shape[-1])
    return SiteResponses(mean.reshape(found.shape[1:]), covariance)


def enrolled(
    prior: SiteResponses,
    features: Floats,
    change: NDArray[np.floating],
    taught: NDArray[np.bool_] | None = None,
) -> SiteResponses:
    """Update a belief by a stretch in which the weights are known.

    Both the relative rate, A ẇ + [ω]ₓ A w, and the tilt, [f]ₓ A w, are linear in A; with a Gaussian
    prior the posterior is Gaussian (Bishop 2006, Pattern Recognition and Machine Learning, section
    3.3.1).

    Args:
        features: (T, F) rows of `model.features`.
        change: (T, 52) weights minus those at rest.
        taught: (T,) rows that teach, all where None; the others only lend their weights to speeds.
    """
    seen = perceived(features, len(prior.mean))
    weights = np.asarray(change, float)[:, FELT]
    _, speed = smoothed(weights)
    heard, sites = seen.heard, len(prior.mean)
    if taught is not None:
        heard = heard & taught[:, None]
    information = np.zeros_like(prior.covariance)
    pull = np.zeros((sites, prior.covariance.shape[-1]))
    for axis in range(3):
        rate_row = _turning(seen.head_rate, weights, axis)
        rate_row[:, axis] += speed
        tilt_row = _turning(seen.head_force, weights, axis)
        for row, measured, noise in (
            (rate_row, seen.rate[..., axis], RATE_NOISE_RAD_S),
            (tilt_row, seen.force[..., axis], FORCE_NOISE_M_S2),
        ):
            flat = row.reshape(len(weights), -1) / (noise * np.sqrt(_ROWS_ALIKE))
            target = np.where(heard, measured, 0.0) / (noise * np.sqrt(_ROWS_ALIKE))
            pull += target.T @ flat
            information += _information(flat, heard)
    precision = np.linalg.inv(prior.covariance)
    covariance = np.asarray(np.linalg.inv(precision + information), float)
    pull += np.einsum("rij,rj->ri", precision, prior.mean.reshape(sites, -1))
    mean = np.einsum("rij,rj->ri", covariance, pull)
    return SiteResponses(mean.reshape(prior.mean.shape), covariance)


def smoothed(weights: Array) -> tuple[Array, Array]:
    """(T, K) weights without the jitter of a phone, and their speed per second."""
    calm = gaussian_filter1d(weights, _SMOOTHING_ROWS, axis=0)
    return calm, np.gradient(calm, axis=0) * TICK_HZ


def _information(flat: Array, heard: NDArray[np.bool_]) -> Array:
    """(R, 3 K, 3 K) sums over rows that each site heard; sites that heard the same share one."""
    out = np.empty((heard.shape[1], flat.shape[1], flat.shape[1]))
    patterns, which = np.unique(heard.T, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        out[which.ravel() == number] = flat[pattern].T @ flat[pattern]
    return out


def _turning(vectors: Array, weights: Array, axis: int) -> Array:
    """(T, 3, K): row `axis` of [v]ₓ A w as coefficients of A."""
    x, y, z = vectors.T
    zero = np.zeros(len(vectors))
    cross = ((zero, -z, y), (z, zero, -x), (-y, x, zero))[axis]
    return np.stack([part[:, None] * weights for part in cross], axis=1)


def turned_by(vectors: Array, responses: Array) -> Array:
    """(T, R, 3, K) v × A of (T, 3) vectors and (R, 3, K) responses."""
    x, y, z = (vectors[:, i, None, None] for i in range(3))
    a, b, c = responses[None, :, 0], responses[None, :, 1], responses[None, :, 2]
    return np.stack((y * c - z * b, z * a - x * c, x * b - y * a), axis=2)
