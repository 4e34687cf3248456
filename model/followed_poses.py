"""What poses a follower made, and how the face answers, found together. Pure, no I/O.

A movement into a pose c turns every site by θ = A c. What the sensors felt tells θ well; neither A
nor c is known. The prior about faces knows A roughly, the animation c roughly: about as strong as
shown, with some of whatever moves along on faces. Both are estimated in turn, each with the other's
uncertainty counted, as a Gaussian factor model by variational Bayes (Bishop 2006, chapter 10).

Letters: R face sites, K shapes that a sensor could feel, M movements, P poses of one unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.resample import TICK_HZ
from model.features import Perceived
from model.responses import FORCE_NOISE_M_S2, RATE_NOISE_RAD_S, SiteResponses

Array = NDArray[np.float64]

# How far a pose may be from the one shown: in strength, and in each shape beside, as shares of it.
STRENGTH_SPREAD, STRAY_SPREAD = 0.3, 0.05
_LEAST_SPREAD = 0.01
# What A c leaves of a site's turning: skin is not quite linear, sensors sit a little askew.
_MODEL_ERROR_RAD, _MODEL_ERROR_SHARE = 0.02, 0.1
_ROWS_ALIKE = 5.0  # as in `model.responses`
_ROUNDS = 15
_UNKNOWN = 1e-3  # information about a site that was not heard, rad⁻²
_TOGETHER = 0.7  # how much of what goes together on recorded faces is believed of these


@dataclass(frozen=True, slots=True, eq=False)
class Turned:
    """One pose, as it was felt.

    angles: (R, 3) rad at its full level, head frame. variance: (R, 3). shown: (K,) weights. judges:
    whether it was shown before.
    """

    angles: Array
    variance: Array
    shown: Array
    judges: bool = False


def felt_angles(levels: Array, seen: Perceived, rows: slice) -> tuple[Array, Array]:
    """How far each site turns at the full level of each of P poses, by least squares.

    Args:
        levels: (M, P) of the poses at the rows. seen: all rows of features.

    Returns:
        Mean and variance, both (P, R, 3).
    """
    speeds = np.asarray(np.gradient(levels, axis=0)) * TICK_HZ
    heard = seen.heard[rows].astype(float)
    poses, sites = levels.shape[1], heard.shape[1]
    information = np.tile(_UNKNOWN * np.eye(3 * poses), (sites, 1, 1))
    pull = np.zeros((sites, 3 * poses))
    rate_design = np.einsum("tp,ij->tipj", speeds, np.eye(3)) + np.einsum(
        "tp,tij->tipj", levels, _crosses(seen.head_rate[rows])
    )
    tilt_design = np.einsum("tp,tij->tipj", levels, _crosses(seen.head_force[rows]))
    for design, measured, noise in (
        (rate_design, seen.rate[rows], RATE_NOISE_RAD_S),
        (tilt_design, seen.force[rows], FORCE_NOISE_M_S2),
    ):
        flat = design.reshape(len(levels), 3, -1) / (noise * np.sqrt(_ROWS_ALIKE))
        target = np.where(heard[..., None] > 0, measured, 0.0) / (noise * np.sqrt(_ROWS_ALIKE))
        information += np.einsum("tr,tin,tim->rnm", heard, flat, flat)
        pull += np.einsum("tr,tin,tri->rn", heard, flat, target)
    covariance = np.linalg.inv(information)
    mean = np.einsum("rnm,rm->rn", covariance, pull).reshape(sites, poses, 3)
    variance = np.diagonal(covariance, axis1=1, axis2=2).reshape(sites, poses, 3)
    return mean.transpose(1, 0, 2), variance.transpose(1, 0, 2)


def _crosses(vectors: Array) -> Array:
    """(M, 3, 3) matrices [v]ₓ."""
    x, y, z = vectors.T
    zero = np.zeros(len(vectors))
    rows = np.stack((zero, -z, y, z, zero, -x, -y, x, zero), axis=-1)
    return np.asarray(rows.reshape(-1, 3, 3))


def learned(turned: Sequence[Turned], prior: SiteResponses, noise: Array) -> SiteResponses:
    """Update a belief about A by poses that were followed.

    Args:
        turned: what was felt. noise: (K, K) covariance of how recorded faces move
            (`model.kalman.Dynamics`): which shapes go together.
    """
    sites, axes, shapes = prior.mean.shape
    angles = np.stack([one.angles for one in turned])  # (M, R, 3)
    error = _MODEL_ERROR_RAD**2 + (_MODEL_ERROR_SHARE**2) * (angles**2).sum(-1, keepdims=True)
    worth = 1.0 / (np.stack([one.variance for one in turned]) + error)  # (M, R, 3)
    shown = np.stack([one.shown for one in turned])  # (M, K)
    pose_precision = _pose_precision(shown, noise)  # (M, K, K)
    pose_pull = np.einsum("mij,mj->mi", pose_precision, shown)
    poses, squares = shown, _squares(shown, _inverse(pose_precision))
    prior_precision = _inverse(prior.covariance)
    prior_pull = np.einsum("rij,rj->ri", prior_precision, prior.mean.reshape(sites, -1))
    mean, covariance = prior.mean, prior.covariance
    for _ in range(_ROUNDS):
        precision, pull = prior_precision.copy(), prior_pull.copy()
        for axis in range(axes):
            own = slice(axis * shapes, (axis + 1) * shapes)
            precision[:, own, own] += np.einsum("mr,mij->rij", worth[..., axis], squares)
            pull[:, own] += (worth[..., axis] * angles[..., axis]).T @ poses
        covariance = _inverse(precision)
        mean = np.einsum("rij,rj->ri", covariance, pull).reshape(prior.mean.shape)
        spread = np.stack([_block(covariance, a, shapes) for a in range(axes)], axis=1)
        answers = _squares(mean, spread).reshape(sites * axes, -1)  # E[a aᵀ]
        flat = worth.reshape(len(worth), -1)  # (M, 3 R)
        found = pose_precision + (flat @ answers).reshape(-1, shapes, shapes)
        towards = pose_pull + (flat * angles.reshape(flat.shape)) @ mean.reshape(-1, shapes)
        around = _inverse(found)
        poses = np.einsum("mij,mj->mi", around, towards)
        squares = _squares(poses, around)
    return SiteResponses(np.asarray(mean), np.asarray(covariance))


def _squares(mean: Array, covariance: Array) -> Array:
    """(…, K, K) E[x xᵀ] of x with (…, K) mean and (…, K, K) covariance."""
    return np.asarray(mean[..., :, None] * mean[..., None, :] + covariance)


def _inverse(matrices: Array) -> Array:
    return np.asarray(np.linalg.inv(matrices), float)


def _block(covariance: Array, axis: int, shapes: int) -> Array:
    own = slice(axis * shapes, (axis + 1) * shapes)
    return covariance[:, own, own]


def _pose_precision(shown: Array, noise: Array) -> Array:
    """(M, K, K) how surely a pose is as shown."""
    deviation = np.sqrt(np.diag(noise))
    together = _TOGETHER * noise / np.outer(deviation, deviation)
    np.fill_diagonal(together, 1.0)
    strongest = shown.max(axis=1, keepdims=True)
    spread = np.sqrt(
        (STRENGTH_SPREAD * shown) ** 2 + (STRAY_SPREAD * strongest) ** 2 + _LEAST_SPREAD**2
    )
    inverse = np.linalg.inv(together)
    return np.asarray(inverse / (spread[:, :, None] * spread[:, None, :]))
