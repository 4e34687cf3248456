"""A page that compares generated performances with recordings: Markdown, and plots beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX, OBSERVABLE, REGIONS
from dataset_tools.curves import Array
from dataset_tools.face_statistics import FaceStatistics, band_edge_hz, face_statistics
from dataset_tools.performance import Performance, generate_performance
from dataset_tools.recordings import read_performance
from firmware_host.errors import DataError
from viz.scene import Image

# Tracked recordings under which trained weights may ship (see recipes/base-many.toml), below
# IMUSIC_DATA. Animated faces are left out: they hold ten shapes, mirrored and cleaned.
TRACKED = (
    "arkit/alexdjulin/alex_rom_*.csv",
    "arkit/alexdjulin/facial.csv",
    "arkit/sentien/recording.csv",
    "arkit/kodai100_npz/*.npz",
    "arkit/llv/dao.gesichter",
)
FAR_OFF = 2.0  # a deviation that is so many times larger or smaller is named
_PAIR_GAP = 0.45  # a correlation that differs by more is named
REPORT, PLOTS = "report.md", ("shapes.png", "spectra.png", "together.png")


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Statistics of recordings and of what was generated. files: names of the recordings."""

    files: tuple[str, ...]
    seeds: int
    seconds: float
    real: FaceStatistics
    made: FaceStatistics

    @property
    def ratio(self) -> Array:
        """(52,) generated over recorded deviation; NaN where never recorded."""
        return self.made.deviation / self.real.deviation

    @property
    def likeness(self) -> float:
        """Pearson r between the correlations of all pairs of observable shapes."""
        rows, columns = _pairs(self)
        return float(
            np.corrcoef(self.real.correlation[rows, columns], self.made.correlation[rows, columns])[
                0, 1
            ]
        )


def compare(files: Sequence[Path], seeds: int = 40, seconds: float = 30.0) -> Comparison:
    """Read recordings, generate `seeds` performances of `seconds`, and compute both statistics.

    Raises DataError where there are no files or one is unreadable.
    """
    if not files:
        raise DataError(
            "no recordings to compare with", "name files, or set IMUSIC_DATA to their folder"
        )
    takes = [read_performance(path) for path in files]
    heads = [take for take, path in zip(takes, files, strict=True) if _head_recorded(take, path)]
    made = [generate_performance(seed, seconds) for seed in range(seeds)]
    return Comparison(
        files=tuple(path.name for path in files),
        seeds=seeds,
        seconds=seconds,
        real=face_statistics(takes, heads),
        made=face_statistics(made, made),
    )


def tracked_files(root: Path) -> list[Path]:
    """The recordings of TRACKED below `root`, those that are there."""
    return [path for pattern in TRACKED for path in sorted(root.glob(pattern))]


def _head_recorded(take: Performance, path: Path) -> bool:
    """Whether the head is the recording's: a generated one would differ with the seed."""
    other = read_performance(path, seed=1)
    return bool(np.array_equal(take.quat_world_from_head, other.quat_world_from_head))


def write_report(comparison: Comparison, out: Path) -> list[Path]:
    """Write REPORT and PLOTS into the folder `out`, which is made; return what was written."""
    from viz.video import write_png

    out.mkdir(parents=True, exist_ok=True)
    drawn = (_shapes_plot(comparison), _spectra_plot(comparison), _together_plot(comparison))
    for name, image in zip(PLOTS, drawn, strict=True):
        write_png(out / name, image)
    (out / REPORT).write_text(report_text(comparison), "utf-8")
    return [out / REPORT, *(out / name for name in PLOTS)]


def report_text(comparison: Comparison) -> str:
    """The report in Markdown: what was compared, how near it is, and where it differs."""
    real, made = comparison.real, comparison.made
    ratio = comparison.ratio
    known = OBSERVABLE & np.isfinite(ratio) & (ratio > 0)
    within = np.mean((ratio[known] < FAR_OFF) & (ratio[known] > 1 / FAR_OFF))
    return "\n".join(
        [
            "# Generated performances beside recordings",
            "",
            f"{made.takes} generated performances ({made.minutes:.0f} min) against {real.takes} "
            f"recordings ({real.minutes:.1f} min): {', '.join(comparison.files)}. Long takes weigh "
            "more, and few people are in them: this says what is far off, not what is right.",
            "",
            "## How near",
            "",
            "| | recorded | generated |",
            "|---|---|---|",
            *_rows(real, made),
            "",
            f"Of {known.sum()} observable shapes {100 * within:.0f} % deviate from their mean as "
            f"much as in the recordings within a factor of {FAR_OFF:g}; the median ratio is "
            f"{np.median(ratio[known]):.2f}. Which shapes go together agrees with r = "
            f"{comparison.likeness:.2f} over all pairs.",
            "",
            "## Where they differ",
            "",
            *_differences(comparison),
            "",
            "## Every shape",
            "",
            "| shape | recorded mean | generated | recorded deviation | generated | ratio |",
            "|---|---|---|---|---|---|",
            *_every_shape(comparison),
            "",
            *(f"![{name.removesuffix('.png')}]({name})" for name in PLOTS),
            "",
        ]
    )


def _rows(real: FaceStatistics, made: FaceStatistics) -> list[str]:
    lines = [
        f"| blinks per minute | {real.blinks_per_min:.1f} | {made.blinks_per_min:.1f} |",
        f"| blink at half depth, s | {real.blink_s:.3f} | {made.blink_s:.3f} |",
        f"| head, rms rad/s | {real.head_rad_s:.2f} | {made.head_rad_s:.2f} |",
    ]
    for region, shapes in REGIONS.items():
        at = np.array(shapes)
        edges = [f"{band_edge_hz(s, at, 0.5):.1f}, {band_edge_hz(s, at, 0.95):.1f}" for s in
                 (real, made)]  # fmt: skip
        lines.append(
            f"| {region}: half and 95 % of the power below, Hz | {edges[0]} | {edges[1]} |"
        )
    return lines


def _differences(comparison: Comparison) -> list[str]:
    ratio = comparison.ratio
    lines = []
    for label, found in (
        ("moves too much", np.flatnonzero(ratio > FAR_OFF)),
        ("moves too little", np.flatnonzero(ratio < 1 / FAR_OFF)),
    ):
        named = ", ".join(f"{ARKIT_NAMES[i]} ({ratio[i]:.2f})" for i in found) or "none"
        lines.append(f"- {label}, by a factor above {FAR_OFF:g}: {named}")
    rows, columns = _pairs(comparison)
    gap = comparison.made.correlation[rows, columns] - comparison.real.correlation[rows, columns]
    order = np.argsort(-np.abs(gap))
    lines.append(f"- {np.mean(np.abs(gap) > _PAIR_GAP):.1%} of pairs differ in correlation by more "
                 f"than {_PAIR_GAP}; the furthest, recorded and generated:")  # fmt: skip
    for k in order[:12]:
        pair = f"{ARKIT_NAMES[rows[k]]} with {ARKIT_NAMES[columns[k]]}"
        real, made = (
            s.correlation[rows[k], columns[k]] for s in (comparison.real, comparison.made)
        )
        lines.append(f"  - {pair}: {real:.2f}, {made:.2f}")
    return lines


def _pairs(comparison: Comparison) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of pairs of shapes that were recorded together, right sides left out."""
    moves = OBSERVABLE & (comparison.real.deviation > 0.01)
    moves &= np.array(
        [not name.endswith("Right") or name in _ONE_OF_A_KIND for name in ARKIT_NAMES]
    )
    rows, columns = np.triu_indices(len(ARKIT_NAMES), 1)
    known = np.isfinite(comparison.real.correlation) & np.isfinite(comparison.made.correlation)
    both = moves[rows] & moves[columns] & known[rows, columns]
    return rows[both], columns[both]


_ONE_OF_A_KIND = ("jawRight", "mouthRight")  # these are no mirror image of a left one


def _every_shape(comparison: Comparison) -> list[str]:
    real, made, ratio = comparison.real, comparison.made, comparison.ratio
    return [
        f"| {name} | {real.mean[i]:.2f} | {made.mean[i]:.2f} | {real.deviation[i]:.3f} | "
        f"{made.deviation[i]:.3f} | {ratio[i]:.2f} |"
        for i, name in enumerate(ARKIT_NAMES)
    ]


def _shapes_plot(comparison: Comparison) -> Image:
    from viz.charts import bars, beside

    real, made = comparison.real, comparison.made
    pages = [
        bars(title, ARKIT_NAMES, {"recorded": a, "generated": b})
        for title, a, b in (
            ("mean weight", real.mean, made.mean),
            ("standard deviation within a take", real.deviation, made.deviation),
        )
    ]
    return beside(pages, 2)


def _spectra_plot(comparison: Comparison) -> Image:
    from viz.charts import beside, lines

    real, made = comparison.real, comparison.made
    panels = {"jawOpen": [INDEX["jawOpen"]], **{k: list(v) for k, v in REGIONS.items()}}
    drawn = []
    for title, shapes in panels.items():
        power = {
            label: np.nanmean(s.spectrum[1:, shapes], axis=1)
            for label, s in (("recorded", real), ("generated", made))
        }
        drawn.append(lines(title, real.frequency_hz[1:], power, ("Hz", "power per Hz")))
    return beside(drawn, 3)


def _together_plot(comparison: Comparison) -> Image:
    from viz.charts import matrices

    shown = {
        "recorded": comparison.real.correlation,
        "generated": comparison.made.correlation,
    }
    return matrices("which shapes go together (correlation)", ARKIT_NAMES, shown)
