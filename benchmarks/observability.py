"""Which shapes can be known from these sensors at all? Simulated IMUs.

    python benchmarks/observability.py --write capture/observability.json

For wearers who are known (the regressor is fitted on the same wearer, other people's performances),
ridge regression sees features from one second before to one second after: nobody live will know
more. Prints the variance that it explains per shape, on performances of people it never saw, for
several subsets of the layout, as a Markdown table; left and right are averaged.
"""

import argparse
import json
import os
from collections.abc import Sequence as Collection
from pathlib import Path

import numpy as np
from strangers import STRANGERS

from capture.blendshapes import ARKIT_NAMES
from dataset_tools.casting import Cast, cast_of, draw_performance
from dataset_tools.families import HeadFamilies, ict_family, our_family
from dataset_tools.performance import baseline, with_routine
from dataset_tools.recordings import Recorded, read_sources
from dataset_tools.virtual_imu import VirtualWearer
from firmware_host.layout import FACE_12
from model.config import read_recipe
from model.data import perceive
from model.features import PER_SLOT
from model.metrics import active_shapes
from model.sequences import Sequence

LAGS = tuple(range(-60, 61, 6))  # rows at 60 Hz; negative looks ahead
STRENGTH = 300.0
RECIPE = Path(__file__).parents[1] / "recipes" / "base-many.toml"
FACE = tuple(FACE_12.names[i] for i in FACE_12.face_indices)
SUBSETS: dict[str, tuple[str, ...]] = {
    "11": FACE,
    "9, no forehead": tuple(n for n in FACE if not n.startswith("frontalis")),
    "7": tuple(n for n in FACE if n.startswith(("frontalis", "zygo", "buccinator", "mentalis"))),
    "5": tuple(n for n in FACE if n.startswith(("frontalis", "zygomaticus", "mentalis"))),
    "3": tuple(n for n in FACE if n.startswith(("zygomaticus", "mentalis"))),
    "1": ("mentalis",),
}
SEED = 60_000


def main() -> None:
    """Fit and judge every wearer, print the table, and write it where asked."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--wearers", type=int, default=6)
    options.add_argument("--hours", type=float, default=0.4, help="to fit on, per wearer")
    options.add_argument("--write", type=Path, help="JSON file for the table")
    asked = options.parse_args()
    root = Path(asked.data)
    families = HeadFamilies(
        FACE_12,
        (our_family(), ict_family(root / "mesh/ict_face.npz")),
        40,
        disturbed=0.0,
        missing=0.0,
        swapped=0.0,
    )
    cast = cast_of(read_sources(read_recipe(RECIPE).data.sources, root))
    strangers = read_sources(STRANGERS, root)
    rows = [
        explained(families.wearer(np.random.default_rng((SEED, k))), cast, strangers, asked.hours)
        for k in range(asked.wearers)
    ]
    known = {name: _mean([row[name] for row in rows]) for name in SUBSETS}
    print(markdown(known))
    if asked.write:
        asked.write.write_text(json.dumps(stored(known), indent=1) + "\n")


def explained(
    wearer: VirtualWearer, cast: Cast, strangers: Collection[Recorded], hours: float
) -> dict[str, np.ndarray]:
    """(52,) variance explained on strangers' performances, by subset; NaN where nothing moved."""
    rng = np.random.default_rng(SEED)
    fitted = []
    for _ in range(max(1, round(hours * 120))):
        person, worn = draw_performance(cast, 0.25, 30.0, rng)
        fitted.append(perceive(worn, wearer, rng, 120.0, person))
    judged = []
    for k, item in enumerate(strangers):
        worn = with_routine(item.performance, k, rest_weights=baseline(item.performance))
        judged.append(perceive(worn, wearer, rng, 200.0, item.person))
    return {name: _explained(fitted, judged, columns(slots)) for name, slots in SUBSETS.items()}


def columns(slots: Collection[str]) -> np.ndarray:
    """Which features a subset has: its slots', and the head's."""
    per_slot = len(FACE) * PER_SLOT
    kept = [np.arange(i * PER_SLOT, (i + 1) * PER_SLOT) for i, n in enumerate(FACE) if n in slots]
    return np.concatenate([*kept, per_slot + len(FACE) + np.arange(6)])


def lagged(features: np.ndarray) -> np.ndarray:
    """(T, F) → (T, L · F), repeated at both ends."""
    rows = np.arange(len(features))
    return np.concatenate(
        [features[np.clip(rows - lag, 0, len(features) - 1)] for lag in LAGS], axis=1
    )


def _explained(
    fitted: Collection[Sequence], judged: Collection[Sequence], kept: np.ndarray
) -> np.ndarray:
    width = len(kept) * len(LAGS) + 1
    xx, xy = np.zeros((width, width)), np.zeros((width, len(ARKIT_NAMES)))
    for sequence in fitted:
        x = _design(sequence, kept)[::4]
        xx += x.T @ x
        xy += x.T @ np.asarray(sequence.change, np.float32)[::4]
    penalty = np.full(width, STRENGTH)
    penalty[-1] = 1e-6
    solution = np.linalg.solve(xx + np.diag(penalty), xy).astype(np.float32)
    by_person: dict[str, list[np.ndarray]] = {}
    for sequence in judged:
        truth = np.asarray(sequence.change, float)
        error = _design(sequence, kept) @ solution - truth
        share = 1.0 - error.var(axis=0) / np.maximum(truth.var(axis=0), 1e-9)
        share = np.where(active_shapes(truth), np.clip(share, 0.0, 1.0), np.nan)
        by_person.setdefault(sequence.person, []).append(share)
    people = [_mean(shares) for shares in by_person.values()]
    return _mean(people)


def _mean(rows: Collection[np.ndarray]) -> np.ndarray:
    """Mean over rows where there is a number; NaN where there is none."""
    stacked = np.stack(list(rows))
    known = np.isfinite(stacked)
    total = np.where(known, stacked, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _design(sequence: Sequence, kept: np.ndarray) -> np.ndarray:
    x = lagged(np.clip(np.asarray(sequence.features[:, kept], np.float32), -20.0, 20.0))
    return np.concatenate((x, np.ones((len(x), 1), np.float32)), axis=1)


def stored(known: dict[str, np.ndarray]) -> dict[str, object]:
    """As it lies beside the layout: per subset, slots and variance explained by shape."""
    return {
        "layout": FACE_12.name,
        "simulated": True,
        "made_by": "python benchmarks/observability.py --write capture/observability.json",
        "subsets": {
            name: {
                "slots": list(SUBSETS[name]),
                "variance_explained": {
                    shape: round(float(value), 3)
                    for shape, value in zip(ARKIT_NAMES, values, strict=True)
                    if np.isfinite(value)
                },
            }
            for name, values in known.items()
        },
    }


def markdown(known: dict[str, np.ndarray]) -> str:
    """One row per shape, best known first."""
    lines = ["| shape | " + " | ".join(known) + " |", "|---|" + "---|" * len(known)]
    index = {name: i for i, name in enumerate(ARKIT_NAMES)}
    rows = []
    for name, i in index.items():
        other = index.get(name.replace("Left", "Right"), i)
        if name.endswith("Right"):
            continue
        values = [_mean([v[[i]], v[[other]]])[0] for v in known.values()]
        if np.isfinite(values[0]):
            shown = name.removesuffix("Left") if i != other else name
            rows.append((shown if shown not in ("jaw", "mouth") else shown + " sideways", values))
    for shape, values in sorted(rows, key=lambda row: -row[1][0]):
        lines.append(f"| {shape} | " + " | ".join(f"{v:.2f}" for v in values) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
