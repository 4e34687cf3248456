"""What `imusic evaluate --report` writes: figures, plots, and the best and worst seconds drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.observability import observability
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats
from model.judging import NUMBERS, Judged
from viz.pages import Block, Heading, Paragraph, Picture, Table, write_page
from viz.scene import Image

if TYPE_CHECKING:
    from viz.scene import Renderer

TRACK_LABELS = {"model": "network"}
SIMULATED = "simulated IMUs"
_MOMENTS, _PICTURE_PX = 5, 192
_MEANING = (
    ("correlation", "r with each take's mean removed, mean over shapes that move"),
    ("offset free", "after removing each shape's median over the take: no resting offsets"),
    ("mae", "mean absolute error of the weights, 0 … 1, without gaze and tongue; mae all with"),
    ("vertex, lip error", "mean distance on the skin of the standard head, of its lips"),
    ("upper face deviation", "how much less brows and lids move than the true ones (FDD)"),
    ("jitter ratio", "second differences against those of the truth; 0.7 … 1.2 is good"),
    ("activation f1", "which shapes are more than 0.1 above rest"),
    ("onset delay", "how late the track moves, from the best shift of its speeds"),
    ("spread coverage 90", "share of truth inside the interval that should hold 90 % of it"),
    ("constant", "stands still at the take's own median, which only the truth knows"),
    ("kalman", "the filter alone, with the prior about anybody; enrolled: with the profile"),
)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedTake:
    """A take in the report. layout: what was worn. figures: those of `judged`. sync: the verdict
    on its timeline, by which truth and prediction were laid beside each other."""

    name: str
    layout: SensorLayout
    simulated: bool
    judged: Judged
    figures: dict[str, Any]
    sync: str = "good"

    @property
    def observable(self) -> dict[str, float]:
        """By shape, the share of its variance that what was worn can know."""
        known = observability(self.layout)
        return {name: round(float(v), 4) for name, v in zip(ARKIT_NAMES, known, strict=True)}

    def told(self) -> dict[str, Any]:
        """Everything, plain values for JSON."""
        return {
            "simulated": self.simulated,
            "sync": self.sync,
            **self.figures,
            "observability_per_shape": self.observable,
        }


def table_of(figures: dict[str, Any], intervals: bool = True) -> Table:
    """Those figures that are one number per track; what a track does not have is a dash."""
    names = list(figures["mae"])
    head = ("", *(TRACK_LABELS.get(name, name.replace("_", " ")) for name in names))
    rows = []
    for figure in (name for name in NUMBERS if name in figures):
        between = figures["intervals"].get(figure, {}) if intervals else {}
        cells = (_cell(figures[figure].get(name), between.get(name)) for name in names)
        rows.append((figure.replace("_", " "), *cells))
    return Table(head, tuple(rows))


def regions_of(figures: dict[str, Any]) -> Table:
    """Offset-free mean absolute error per facial region."""
    found = figures["mae_offset_free_by_region"]
    head = ("", *(TRACK_LABELS.get(name, name.replace("_", " ")) for name in found))
    regions = list(found["model"])
    return Table(head, tuple((r, *(_cell(found[name][r]) for name in found)) for r in regions))


def _cell(value: float | None, between: tuple[float, float] | None = None) -> str:
    if value is None or not np.isfinite(value):
        return "-"
    shown = f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
    return shown if between is None else f"{shown} ({between[0]:.3f} … {between[1]:.3f})"


def write_report(
    takes: Sequence[JudgedTake], together: dict[str, Any] | None, about: str, out: Path
) -> None:
    """Write the report, whole or not at all.

    Args:
        together: figures over all takes (`over_takes`); None of a single one.
        about: which network and which profile, one sentence.

    Raises:
        ConfigError: as `check_page`.
    """
    from viz.offscreen import open_renderer

    renderer = open_renderer(_PICTURE_PX, _MOMENTS)
    try:
        write_page(report_blocks(takes, together, about, renderer), out)
    finally:
        renderer.close()


def report_blocks(
    takes: Sequence[JudgedTake],
    together: dict[str, Any] | None,
    about: str,
    renderer: "Renderer",
) -> list[Block]:
    """The report. renderer: draws `_MOMENTS` captioned heads side by side."""
    simulated = any(take.simulated for take in takes)
    blocks: list[Block] = [Heading(1, "Accuracy" + (f", {SIMULATED}" if simulated else ""))]
    blocks.append(Paragraph(about))
    if simulated:
        blocks.append(
            Paragraph(
                "Takes marked so were felt by virtual IMUs on a virtual head: their figures are "
                "accuracy on simulated IMUs and say nothing certain about real ones."
            )
        )
    if together is not None:
        blocks += [
            Heading(2, f"All {len(takes)} takes" + (f" ({SIMULATED} among them)" * simulated)),
            Paragraph("Every take weighs the same; in brackets 95 % intervals, takes drawn anew."),
            table_of(together),
        ]
    for number, take in enumerate(takes, 1):
        blocks += _chapter(take, number, renderer)
    return [*blocks, Heading(2, "What the figures are"), Table(("figure", "is"), _MEANING)]


def _chapter(take: JudgedTake, number: int, renderer: "Renderer") -> list[Block]:
    mark = f" ({SIMULATED})" if take.simulated else ""
    if take.sync != "good":
        mark += f" (SYNC {take.sync.upper()}: truth and prediction may lie apart)"
    return [
        Heading(2, f"{take.name}{mark}"),
        Paragraph(
            f"{take.figures['seconds_judged']:.1f} s judged. In brackets 95 % intervals, "
            "ten-second pieces drawn anew."
        ),
        table_of(take.figures),
        Heading(3, "Regions, offset-free MAE"),
        regions_of(take.figures),
        Heading(3, "Shapes"),
        *_shapes(take, number, mark),
        Heading(3, "Ten seconds at a time"),
        Picture(f"take-{number}-seconds", _over_time(take, mark), f"error in each piece{mark}"),
        *_best_and_worst(take, number, mark, renderer),
    ]


def _shapes(take: JudgedTake, number: int, mark: str) -> list[Block]:
    found = take.figures["correlation_per_shape"]
    if not found:
        return [Paragraph("No shape moved.")]
    known = {name: float(np.sqrt(take.observable[name])) for name in found}
    order = sorted(found, key=lambda name: -float(found[name]))
    return [
        Paragraph(
            "r of the network beside the observability of the shape: the root of the variance that "
            "a regressor explains for wearers it knows, over other recordings on simulated IMUs. "
            "A take that moves a shape a lot may do better."
        ),
        Table(
            ("shape", "r", "observability"),
            tuple((name, f"{found[name]:.2f}", f"{known[name]:.2f}") for name in order),
        ),
        Picture(f"take-{number}-shapes", _shapes_plot(order, found, known, mark), f"r{mark}"),
    ]


def _shapes_plot(
    order: Sequence[str], found: dict[str, float], known: dict[str, float], mark: str
) -> Image:
    from viz.charts import bars

    # A chart of bars begins at zero: what is below is in the table.
    series = {
        "network": np.array([max(found[name], 0.0) for name in order]),
        "observability": np.array([known[name] for name in order]),
    }
    return bars(f"r per shape{mark}", order, series, 1.0)


def _over_time(take: JudgedTake, mark: str) -> Image:
    from viz.charts import bars

    told = take.figures["ten_seconds"]["all"]
    names = [f"{piece['start_s']:.1f} ... {piece['end_s']:.1f} s" for piece in told]
    shown = {
        label: np.array([piece[key] for piece in told])
        for key, label in (("error_mm", "network"), ("movement_mm", "movement"))
    }
    return bars(f"offset-free vertex error, mm{mark}", names, shown)


def _best_and_worst(take: JudgedTake, number: int, mark: str, renderer: "Renderer") -> list[Block]:
    blocks: list[Block] = []
    for which in ("best", "worst"):
        span = take.figures["ten_seconds"][which]
        if span is None:
            continue
        text = (
            f"The {which} piece, {span['start_s']:.1f} … {span['end_s']:.1f} s after the first "
            f"sample: the network leaves {span['share']:.0%} of the movement, "
            f"{span['error_mm']:.2f} of {span['movement_mm']:.2f} mm{mark}."
        )
        image = _drawn(take.judged, span["start_s"], span["end_s"], renderer)
        picture = Picture(f"take-{number}-{which}", image, f"above ARKit, below the network{mark}")
        blocks += [Paragraph(text), picture]
    return blocks or [Paragraph("Too short, or too still, for a best and a worst piece.")]


def _drawn(judged: Judged, start_s: float, end_s: float, renderer: "Renderer") -> Image:
    """The truth above the network, at moments spread evenly over the time between."""
    from viz.scene import Panel

    wanted = start_s + (end_s - start_s) * (np.arange(_MOMENTS) + 0.5) / _MOMENTS
    at = np.minimum(np.searchsorted(judged.time_s, wanted), len(judged.time_s) - 1)

    def row(weights: Floats, label: str) -> Image:
        return renderer.draw(
            [Panel(weights[k], caption=f"{label} {judged.time_s[k]:.1f} s") for k in at]
        )

    tracks = (judged.truth.weights, "ARKit"), (judged.tracks["model"].weights, "network")
    return np.vstack([row(np.asarray(w, np.float32), label) for w, label in tracks])
