"""What `imusic explain` tells: numbers for machines, a page or one picture for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.outputs import require_writable
from firmware_host.errors import ConfigError
from firmware_host.layout import SensorLayout
from model.agreement import SHUFFLES, Agreement, Score, agreement, anatomy, shares, tree
from model.explain import NETWORK, Attribution
from viz.pages import Block, Heading, Paragraph, Picture, Table, check_page, write_page
from viz.scene import Image

PICTURES, PAGES = (".png", ".webp"), (".md", ".html")
_MOST_HEADS = 12
_SCALE = 2.0
_MEANING = (
    "Occlusion: how far a weight moves when the readings of one slot are taken away. Gradients: "
    "integrated gradients (arXiv:1703.01365) from a face at rest to what was felt; the part that "
    "passes through the filter's estimate is shared out among the slots that it was made of. "
    "Moments count by how far the shape is from rest, takes count alike."
)
_TRUTH = (
    "By anatomy a slot belongs to a shape where it sits over a muscle that makes the shape's FACS "
    "unit: tables of correspondence, not a measurement. A sensor beside a muscle may feel it well, "
    "so an agreement of 1 is not to be wished for. The control gives every amount of a shape to a "
    f"slot drawn anew, {SHUFFLES} times."
)


@dataclass(frozen=True, eq=False)
class Explanation:
    """All attributions of some takes, those of the widest set first.

    simulated: whether any take is of virtual sensors. seconds: explained, over all takes.
    """

    layout: SensorLayout
    takes: tuple[str, ...]
    simulated: bool
    seconds: float
    attributions: tuple[Attribution, ...]

    @property
    def slots(self) -> list[str]:
        """Names of the face slots."""
        return [self.layout.slots[i].name for i in self.layout.face_indices]

    @property
    def widest(self) -> list[Attribution]:
        """Those of the first set."""
        first = self.attributions[0].sensors
        return [one for one in self.attributions if one.sensors == first]

    @cached_property
    def agreements(self) -> list[tuple[Attribution, Agreement]]:
        """Each with how far it agrees with anatomy, where that can be said."""
        truth = anatomy(self.slots)
        judged = [(one, agreement(one.amount, truth)) for one in self.attributions]
        return [(one, found) for one, found in judged if found is not None]


def shown_first(attributions: Sequence[Attribution]) -> Attribution:
    """The one that is painted: of a network, by gradients where there are any."""
    networks = [one for one in attributions if one.model.startswith(NETWORK)]
    by_gradients = [one for one in networks if one.method == "gradients"]
    return (by_gradients or networks or list(attributions))[0]


def check_explanation(out: Path) -> None:
    """Refuse an output early. Raises ConfigError."""
    if out.suffix in PAGES:
        check_page(out)
        return
    if out.suffix not in PICTURES:
        raise ConfigError(f"{out}: expected {', '.join((*PAGES, *PICTURES))}, got {out.suffix!r}")
    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another name; nothing is overwritten")
    require_writable(out)


def told(explanation: Explanation) -> dict[str, Any]:
    """Everything, plain values for JSON."""
    found = {id(one): found for one, found in explanation.agreements}
    return {
        "takes": list(explanation.takes),
        "simulated": explanation.simulated,
        "seconds": round(explanation.seconds, 1),
        "slots": explanation.slots,
        "attributions": [_told(one, found.get(id(one))) for one in explanation.attributions],
    }


def _told(one: Attribution, found: Agreement | None) -> dict[str, Any]:
    moved = _moved(one.amount)
    amounts = {
        name: [round(float(v), 5) for v in row]
        for name, row, known in zip(ARKIT_NAMES, one.amount, moved, strict=True)
        if known
    }
    facts: dict[str, Any] = {"model": one.model, "method": one.method, "sensors": one.sensors}
    if found is not None:
        facts["iou"], facts["correlation"] = _score(found.iou), _score(found.correlation)
        facts["by_shape"] = {
            name: {"iou": round(iou, 3), "correlation": round(r, 3)}
            for name, (iou, r) in found.by_shape.items()
        }
    return {**facts, "amounts": amounts}


def _score(score: Score) -> dict[str, float]:
    return {
        "value": round(score.value, 3),
        "shuffled": round(score.control, 3),
        "shuffled_95": round(score.control_95, 3),
        "p": round(score.p, 4),
    }


def table_of(explanation: Explanation) -> Table:
    """Agreement with anatomy: a row an attribution."""
    head = ("", "sensors", "shapes", "IoU", "shuffled", "p", "correlation", "shuffled", "p")
    rows = []
    for one, found in explanation.agreements:
        cells = (one.name, one.sensors, str(len(found.by_shape)))
        rows.append((*cells, *_cells(found.iou), *_cells(found.correlation)))
    return Table(head, tuple(rows))


def _cells(score: Score) -> tuple[str, str, str]:
    return f"{score.value:.2f}", f"{score.control:.2f}", f"{score.p:.3f}"


def write_explanation(explanation: Explanation, out: Path) -> None:
    """Write a page, or the painted heads as one picture; never overwrites.

    Raises:
        ConfigError: as `check_explanation`.
    """
    from viz.video import write_picture

    check_explanation(out)
    if out.suffix in PAGES:
        write_page(blocks_of(explanation), out)
    else:
        write_picture(out, heads_of(explanation, shown_first(explanation.widest)))


def heads_of(explanation: Explanation, one: Attribution) -> Image:
    """One attribution painted on heads that wear a shape each."""
    from capture.head import standard_head
    from viz.explain_figures import painted_heads

    truth = anatomy(explanation.slots)
    found = agreement(one.amount, truth, shuffles=1)
    judged = {} if found is None else found.by_shape
    # Of a pair one side tells enough; the other is in the table.
    shapes = [name for name in judged if not name.endswith("Right")][:_MOST_HEADS]
    shapes = shapes or [ARKIT_NAMES[i] for i in np.flatnonzero(_moved(one.amount))][:_MOST_HEADS]
    if not shapes:
        raise ConfigError("no shape moves in these takes", "there is nothing to explain")
    notes = [f"IoU {judged[s][0]:.2f}, r {judged[s][1]:.2f}" if s in judged else "" for s in shapes]
    return painted_heads(
        shares(one.amount), truth, explanation.layout, standard_head(), shapes, notes=notes
    )


def _moved(amount: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(amount).any(axis=1))


def blocks_of(explanation: Explanation) -> list[Block]:
    """The page."""
    from viz.explain_figures import amounts_page, tree_page

    first, truth = shown_first(explanation.widest), anatomy(explanation.slots)
    told_of = "simulated IMUs" if explanation.simulated else "real sensors"
    about = f"{len(explanation.takes)} takes, {explanation.seconds:.0f} s, {told_of}"
    heads = heads_of(explanation, first)
    matrix = amounts_page(
        shares(first.amount), truth, explanation.slots, ("What each sensor brought", first.name)
    )
    blocks: list[Block] = [
        Heading(1, "Which sensors mattered for which expression"),
        Paragraph(f"{', '.join(explanation.takes)}: {about}."),
        Paragraph(_MEANING),
        Picture("heads", heads, "Heads painted by what each sensor brought; ringed: by anatomy"),
        Paragraph(f"Hot is what mattered most ({first.name}); rings stand where anatomy has it."),
        Picture("shares", matrix.image(_SCALE), "Share of each sensor in each shape"),
        Heading(2, "Beside anatomy"),
        Paragraph(_TRUTH),
        Picture("agreement", _bars(explanation).image(_SCALE), "Agreement beside shuffled slots"),
        table_of(explanation),
    ]
    if len(explanation.attributions) > 1:
        names = [f"{one.name}, {one.sensors}" for one in explanation.attributions]
        joins = tree([one.amount for one in explanation.attributions])
        page = tree_page(joins, names, "average linkage; a slot that is not worn counts as 0")
        blocks += [
            Heading(2, "Models and sets of sensors"),
            Picture("tree", page.image(_SCALE), "Dendrogram over models and sets of sensors"),
        ]
    return blocks


def _bars(explanation: Explanation) -> Any:
    from viz.explain_figures import Bar, agreement_page

    widest = {id(one) for one in explanation.widest}
    found = [(one, a) for one, a in explanation.agreements if id(one) in widest]
    first = explanation.attributions[0].sensors
    iou = [Bar(o.name, a.iou.value, a.iou.control, a.iou.control_95) for o, a in found]
    r = [
        Bar(o.name, a.correlation.value, a.correlation.control, a.correlation.control_95)
        for o, a in found
    ]
    return agreement_page(iou, r, f"mean over shapes that moved and have a slot; {first}")
