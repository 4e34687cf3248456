"""Rigid patches on a turning head: what an ideal IMU on each of them reads. Pure, no I/O.

With ω and ω̇ the head's angular rate and its derivative in the head frame, ρ a patch's place from
the pivot and u gravity plus the pivot's own acceleration (both head frame), the specific force is

    f = u + ω̇ × ρ + ω × (ω × ρ + 2 ρ̇) + ρ̈

and a patch turned by the rotation vector θ from the head reads, in its own frame,

    Rᵀ f   and   Rᵀ ω + J θ̇,   R = exp[θ]×,   J the right Jacobian of SO(3)

(Solà, Deray and Atchuthan 2018, "A micro Lie theory for state estimation", appendix B). Vectors are
triples of component arrays: one array per axis is several times faster than a last axis of three.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Triple = tuple[Array, Array, Array]


@dataclass(frozen=True, slots=True, eq=False)
class HeadMotion:
    """The head at N instants, in its own frame, every field (N, 3).

    rate_rad_s, rate_change_rad_s2: ω and ω̇. support_m_s2: gravity upwards plus the acceleration of
    the pivot, as the head sees them.
    """

    rate_rad_s: Array
    rate_change_rad_s2: Array
    support_m_s2: Array


def head_rates(quat: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Angular rate and its derivative, (N, 3) in the body frame.

    Args:
        quat, first, second: (N, 4) a quaternion path of any length, wxyz, and its derivatives.
    """
    square = np.einsum("ni,ni->n", quat, quat)[:, None]
    rate = 2.0 * _relative(quat, first) / square
    growth = 2.0 * np.einsum("ni,ni->n", quat, first)[:, None] / square
    return rate, 2.0 * _relative(quat, second) / square - rate * growth


def _relative(p: Array, q: Array) -> Array:
    """Vector part of p* q."""
    w, u = p[:, :1], p[:, 1:]
    return np.asarray(w * q[:, 1:] - u * q[:, :1] - np.cross(u, q[:, 1:]))


def specific_force(head: HeadMotion, arm: Triple, arm_rate: Triple, arm_change: Triple) -> Triple:
    """Specific force of S patches in the head frame; arm and its derivatives are (N, S) triples."""
    spin, turn = _columns(head.rate_rad_s), _columns(head.rate_change_rad_s2)
    swept = _cross(spin, arm)
    x, y, z = arm_rate
    swept = _cross(spin, _sum(swept, (2.0 * x, 2.0 * y, 2.0 * z)))
    total = _sum(_sum(_cross(turn, arm), swept), arm_change)
    return _sum(total, _columns(head.support_m_s2))


def seen_from_patch(
    turn: Triple, turn_rate: Triple, force: Triple, head_rate: Array
) -> tuple[Triple, Triple]:
    """Force and angular rate in the frame of patches turned by θ from the head.

    Args:
        turn, turn_rate: θ and θ̇, (N, S) triples. force: (N, S) triple, head frame.
        head_rate: (N, 3) ω in the head frame.
    """
    square = np.maximum(turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2, 1e-16)
    angle = np.sqrt(square)
    sine = np.sin(angle) / angle
    versine = 2.0 * (np.sin(0.5 * angle) / angle) ** 2
    rest = (1.0 - sine) / square
    omega = _columns(head_rate)
    inner = _cross(turn, force)
    felt = _turned(turn, force, inner, sine, versine)
    slow = [sine * o + versine * r for o, r in zip(omega, turn_rate, strict=True)]
    fast = [versine * o + rest * r for o, r in zip(omega, turn_rate, strict=True)]
    bend = _cross(turn, (fast[0], fast[1], fast[2]))
    bent = _cross(turn, (bend[0] - slow[0], bend[1] - slow[1], bend[2] - slow[2]))
    return felt, _sum(_sum(omega, turn_rate), bent)


def mounted(matrix: Array, vector: Triple) -> Triple:
    """Apply (S, 3, 3) matrices, one per patch, to an (N, S) triple."""
    x, y, z = vector
    rows = [matrix[:, i, 0] * x + matrix[:, i, 1] * y + matrix[:, i, 2] * z for i in range(3)]
    return rows[0], rows[1], rows[2]


def _turned(turn: Triple, v: Triple, inner: Triple, sine: Array, versine: Array) -> Triple:
    """Rᵀ v = v + θ × (b θ × v − a v), with inner = θ × v."""
    mixed = [versine * i - sine * a for i, a in zip(inner, v, strict=True)]
    return _sum(v, _cross(turn, (mixed[0], mixed[1], mixed[2])))


def _columns(vectors: Array) -> Triple:
    return vectors[:, 0:1], vectors[:, 1:2], vectors[:, 2:3]


def _sum(a: Triple, b: Triple) -> Triple:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _cross(a: Triple, b: Triple) -> Triple:
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )
