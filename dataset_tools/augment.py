"""New performances from recorded ones. No I/O."""

from dataclasses import replace

import numpy as np

from capture.blendshapes import INDEX, MIRROR
from dataset_tools.performance import Performance, head_motion, trimmed


def vary_performance(
    performance: Performance, other: Performance, rng: np.random.Generator, length_s: float
) -> Performance:
    """A new performance from real ones: cut, warp, mirror, borrow the upper face, scale, re-nod."""
    cut = _cut(performance, rng, length_s)
    weights = cut.weights
    if rng.random() < 0.5:
        weights = weights[:, MIRROR]
    if rng.random() < 0.3:
        donor = _cut(other, rng, length_s)
        upper = [i for n, i in INDEX.items() if n.startswith(("brow", "eye", "nose", "cheekSq"))]
        at = np.linspace(0, len(donor.weights) - 1, len(weights)).astype(int)
        weights = weights.copy()
        weights[:, upper] = donor.weights[at][:, upper]
    gain = np.exp(rng.normal(0.0, 0.2, weights.shape[1]))
    shift = rng.exponential(0.02, weights.shape[1])
    weights = np.clip(weights * gain + shift, 0.0, 1.0)
    time_s = (cut.time_s - cut.time_s[0]) * rng.uniform(0.8, 1.25)
    level = rng.uniform(0.0, 1.6)
    quat = head_motion(time_s * level, rng, weights)
    return replace(
        cut,
        time_s=time_s,
        weights=weights,
        quat_world_from_head=quat,
        tracked=cut.tracked,
    )


def _cut(performance: Performance, rng: np.random.Generator, length_s: float) -> Performance:
    spare = performance.duration_s - length_s
    if spare <= 0:
        return performance
    return trimmed(performance, performance.time_s[0] + rng.uniform(0.0, spare), length_s)
