"""How differently kinds of heads move the sensors, shape by shape. Simulated.

    python benchmarks/heads_apart.py --heads ../shared/data/mesh/facecap.glb

For every ARKit shape: how much it turns all face sensors of `face-12` together (the norm of the
site responses, rad per unit weight), on our standard head, on the mean of ICT-FaceKit and on other
heads; and the cosine between our responses and theirs. Sensors sit where they belong.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.head import Head, identity_head, standard_head
from capture.head_check import read_head
from dataset_tools.wearers import worn_sites
from firmware_host.layout import FACE_12

IDENTITIES = 40
_NOTHING_RAD = 0.002


def main() -> None:
    """Print one Markdown row per shape, those that agree least first."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=Path(os.environ.get("IMUSIC_DATA", "../shared/data"))
    )
    options.add_argument("--heads", type=Path, nargs="*", default=(), help="glTF or NPZ")
    asked = options.parse_args()
    ict = identity_head(asked.data / "mesh/ict_face.npz", np.zeros(IDENTITIES))
    others = {"ict": ict, **{path.name: read_head(path) for path in asked.heads}}
    print_table(turning(standard_head()), {name: turning(head) for name, head in others.items()})


def turning(head: Head) -> np.ndarray:
    """(3 R, 52) how sensors on the face turn, rad per unit weight."""
    sites = worn_sites(head, FACE_12, np.random.default_rng(0), 0.0)
    return sites.rotation[list(FACE_12.face_indices)].reshape(-1, len(ARKIT_NAMES))


def print_table(ours: np.ndarray, others: Mapping[str, np.ndarray]) -> None:
    """Markdown: norms, and cosines to ours where both move anything."""
    names = list(others)
    print("| shape | ours | " + " | ".join(f"{n} | cosine" for n in names) + " |")
    print("|---|---|" + "---|---|" * len(names))
    norms = {name: np.linalg.norm(theirs, axis=0) for name, theirs in others.items()}
    own = np.linalg.norm(ours, axis=0)
    cosines = {
        name: np.where(
            (own > _NOTHING_RAD) & (norms[name] > _NOTHING_RAD),
            (ours * theirs).sum(axis=0) / np.maximum(own * norms[name], 1e-9),
            np.nan,
        )
        for name, theirs in others.items()
    }
    for shape in np.argsort(np.nan_to_num(cosines[names[-1]], nan=-1.0)):
        cells = "".join(
            f" {norms[n][shape]:.3f} | {cosines[n][shape]:+.2f} |"
            if np.isfinite(cosines[n][shape])
            else f" {norms[n][shape]:.3f} | – |"
            for n in names
        )
        print(f"| {ARKIT_NAMES[shape]} | {own[shape]:.3f} |{cells}")


if __name__ == "__main__":
    main()
