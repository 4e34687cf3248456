"""A phone's face with holes, filled by what sensors feel. Simulated IMUs.

    python benchmarks/hybrid.py [--wearers 3] [--head FILE] [--json]

Real recordings of people that no training saw are worn by virtual wearers; gaps of 0.2 to 5 seconds
are cut out of the phone's face, and every method fills them. Error is MAE (times 100) in the gaps,
over observable shapes that move, mean over recordings and wearers. `hold` keeps the last face.
`line` draws a line to the first face after the gap, which nobody knows live. `sensors` is the
network alone. `inpainting` gives what the phone saw within the window to the sampling of the
network, and shifts what it says as `hybrid live` does. Both hybrids are `model.hybrid`.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from strangers import STRANGERS
from takes import RATE_HZ, SEED, head_of
from trials import Network, Seen

from capture.blendshapes import OBSERVABLE, REGIONS, BlendshapeFrame
from capture.resample import TICK_HZ
from dataset_tools.performance import trimmed, with_routine
from dataset_tools.recordings import read_performance
from dataset_tools.virtual_imu import feel
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from model.checkpoint import SHIPPED, load_checkpoint
from model.data import OPENING_ROWS, noticed, weights_at
from model.diffusion import cosine_alphas_cumprod
from model.hybrid import Hybrid, repaired
from model.kalman import WeightFilter, filtered
from model.network import open_network

Array = np.ndarray
GAPS_S = (0.2, 0.5, 1.0, 2.0, 5.0)
NS_PER_S = 1_000_000_000
# Rows given to the network are this noisy to it: half-way of the diffusion.
HALF_WAY = 499


def main() -> None:
    """Cut, fill, print a table."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--wearers", type=int, default=2)
    options.add_argument("--seconds", type=float, default=30.0, help="of each recording")
    options.add_argument("--head", default="people", help="people, ours, ict, or a head's file")
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    root, network = Path(asked.data), Network(load_checkpoint(SHIPPED))
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for path in sorted(p for source in STRANGERS for p in root.glob(source.files)):
        for seed in range(SEED, SEED + asked.wearers):
            seen = worn(path, seed, asked.head, root, asked.seconds)
            felt = network.weights(seen)
            for length_s in GAPS_S:
                known = cut(len(felt), round(length_s * TICK_HZ), seed)
                for method, face in filled(seen, felt, known, network).items():
                    row = found.setdefault(method, {}).setdefault(f"{length_s:g} s", [])
                    row.append(errors(face, seen.truth, known))
    table = {
        method: {gap: mean_of(rows) for gap, rows in by_gap.items()}
        for method, by_gap in found.items()
    }
    if asked.json:
        print(json.dumps(table))
        return
    print("Simulated IMUs. 100 x MAE within gaps of the phone's face.\n")
    print_table(table, [f"{length_s:g} s" for length_s in GAPS_S], "all")
    for region in REGIONS:
        print(f"\n{region}\n")
        print_table(table, [f"{length_s:g} s" for length_s in GAPS_S], region)


def worn(path: Path, seed: int, head: str, root: Path, seconds: float) -> Seen:
    """What a wearer's sensors feel of the beginning of a recording, and the truth."""
    rng = np.random.default_rng(seed)
    whole = read_performance(path, seed=seed)
    performance = with_routine(trimmed(whole, whole.time_s[0], seconds), seed)
    wearer = draw_wearer(head_of(head, root, seed), FACE_12, rng)
    features = noticed(feel(performance, wearer, RATE_HZ, rng), wearer.layout)[OPENING_ROWS:]
    ticks = np.arange(OPENING_ROWS + 1, OPENING_ROWS + len(features) + 1)
    return Seen(features, weights_at(ticks / TICK_HZ, performance))


def cut(rows: int, gap: int, seed: int) -> Array:
    """(T,) what is left of the phone's face: gaps after stretches of one to two seconds."""
    rng = np.random.default_rng(seed)
    known, start = np.ones(rows, bool), 2 * TICK_HZ
    while (start := start + int(rng.integers(TICK_HZ, 2 * TICK_HZ))) + gap < rows - TICK_HZ // 2:
        known[start : start + gap] = False
        start += gap
    return known


def filled(seen: Seen, felt: Array, known: Array, network: Network) -> dict[str, Array]:
    """(T, 52) by every method."""
    truth, rows = seen.truth, np.arange(len(felt))
    last = np.maximum.accumulate(np.where(known, rows, 0))
    line = np.stack([np.interp(rows, rows[known], w[known]) for w in truth.T], axis=1)
    given = np.where(known[:, None], truth, np.nan)
    inpainted = in_network(seen, truth, known, network)
    return {
        "hold": truth[last],
        "line (knows the end)": line,
        "sensors": felt,
        "inpainting": live(inpainted, truth, known),
        "hybrid live": live(felt, truth, known),
        "hybrid offline": repaired(rows / TICK_HZ, felt, rows / TICK_HZ, given)[0],
    }


def live(felt: Array, truth: Array, known: Array) -> Array:
    """`model.hybrid.Hybrid` on a phone without latency."""
    hybrid, out = Hybrid(), np.empty(felt.shape, np.float32)
    for row, weights in enumerate(felt):
        time_ns = row * NS_PER_S // TICK_HZ
        told = BlendshapeFrame(time_ns, weights.astype(np.float32))
        out[row] = hybrid.fuse(told).weights
        if known[row]:
            hybrid.see(time_ns, truth[row].astype(np.float32))
    return out


def in_network(seen: Seen, truth: Array, known: Array, network: Network) -> Array:
    """(T, 52): the rows that the phone told of are given to the network, half-way of sampling."""
    checkpoint, denoise = network.checkpoint, open_network(network.checkpoint)
    window, scale = checkpoint.facts.window, checkpoint.target_scale
    belief = checkpoint.belief
    estimates = filtered(WeightFilter(belief.responses, belief.dynamics), seen.features)
    inputs = np.concatenate((seen.features, estimates), axis=1)[None].astype(np.float32)
    level = cosine_alphas_cumprod(checkpoint.facts.diffusion.num_train_timesteps)
    top, level_half = len(level) - 1, float(level[HALF_WAY]) ** 0.5
    change = (truth - truth[0]) / scale
    out = np.zeros(truth.shape)
    for end in range(window, len(truth) + 1):
        rows = slice(end - window, end)
        x0 = np.array(
            denoise(np.zeros((1, window, truth.shape[1]), np.float32), top, inputs[:, rows])
        )
        if (told := np.flatnonzero(known[rows])).size:
            x0 += change[rows][told[-1]] - x0[0, told[-1]]
            x0[0, told] = change[rows][told]
            x0 = denoise((level_half * x0).astype(np.float32), HALF_WAY, inputs[:, rows])
        out[end - 1] = x0[0, -1] * scale
    return np.clip(truth[0] + out, 0.0, 1.0)


def errors(face: Array, truth: Array, known: Array) -> dict[str, float]:
    """100 x MAE in the gaps, of all observable shapes that move, and by region."""
    moves = truth.std(axis=0) > 0.01
    groups = {"all": np.flatnonzero(OBSERVABLE), **{name: list(of) for name, of in REGIONS.items()}}
    error = 100.0 * np.abs(face - truth)[~known]
    return {
        name: float(error[:, [k for k in of if moves[k]]].mean())
        for name, of in groups.items()
        if (~known).any() and any(moves[k] for k in of)
    }


def mean_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean by region over those that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def print_table(
    table: dict[str, dict[str, dict[str, float]]], gaps: list[str], region: str
) -> None:
    """Markdown: a method a row, a length of gaps a column."""
    print("| filled by | " + " | ".join(gaps) + " |")
    print("|---|" + "---|" * len(gaps))
    for method, by_gap in table.items():
        cells = (f"{by_gap[gap].get(region, float('nan')):.2f}" for gap in gaps)
        print(f"| {method} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
