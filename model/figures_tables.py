"""Figures as Markdown, for docs and model cards, and whether they are what was asked for. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from model.figures import Figures, Line

STILL = ("mean face", "rest face", "constant per take")
# What is given no truth about the wearer, and must be beaten by the network that has none either.
GIVEN_NOTHING = ("mean face", "rest face", "ridge", "filter, prior A")
_GROUPS_SHOWN = ("jawOpen", "smile", "cheek", "lids", "all but lids")
OURS, ENROLLED, REDONNED = "ours", "ours, enrolled", "ours, re-donned"
_LARGEST_SHARE = {"three slots dead": 1.15, "5 % lost, 2 ms off": 1.03, "head shaken": 1.10}
_LARGEST_SHARE["walking"] = 1.10


class Must(NamedTuple):
    """A figure that was asked for. text: with its threshold. met: None where nobody measured."""

    text: str
    found: str
    met: bool


def tables(figures: Figures) -> str:
    """All tables, one set for each head."""
    parts = []
    for head in figures.heads:
        for part, title, table in _TABLES:
            lines = [line for line in figures.lines if (line.part, line.head) == (part, head)]
            if lines:
                counts = f"wearers: {lines[0].wearers}, people: {lines[0].people}"
                parts.append(f"{title} Sensors on `{head}`, {counts}.\n\n{table(lines)}")
    parts.append(_musts_table(figures))
    return "\n".join(parts)


def _accuracy(lines: list[Line]) -> str:
    rows = [
        (
            line.method,
            "–" if line.method in STILL else str(line.r),
            str(line.ratio),
            "–" if line.method in STILL else str(line.jitter),
            f"{line.mae.mean:.3f}",
            *(_or_none(line.groups.get(group), line) for group in _GROUPS_SHOWN),
        )
        for line in lines
    ]
    groups = (f"r {group}" for group in _GROUPS_SHOWN)
    return _markdown(("method", "r", "offset-free ratio", "jitter", "MAE", *groups), rows)


def _or_none(r: float | None, line: Line) -> str:
    return "–" if r is None or line.method in STILL else f"{r:.2f}"


def _robustness(lines: list[Line]) -> str:
    rows = [(line.method, str(line.r), str(line.ratio), str(line.worse)) for line in lines]
    return _markdown(("condition", "r", "offset-free ratio", "error to its base"), rows)


def _steps(lines: list[Line]) -> str:
    rows = [
        (
            line.method,
            f"{line.r.mean:.3f}",
            f"{line.ratio.mean:.3f}",
            "–" if line.worse is None else f"{line.worse.mean:.3f}",
            f"{line.jitter.mean:.2f}",
            f"{line.upper_face_mm.mean:+.3f}",
        )
        for line in lines
    ]
    head = ("answer", "r", "offset-free ratio", "error to most steps", "jitter", "upper face, mm")
    return _markdown(head, rows)


_TABLES = (
    ("accuracy", "**Accuracy.**", _accuracy),
    ("robustness", "**Disturbed**, nobody enrolled.", _robustness),
    ("steps", "**Steps** of sampling, nobody enrolled.", _steps),
)


def _markdown(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _musts_table(figures: Figures) -> str:
    rows = [
        (head, must.text, must.found, "yes" if must.met else "**no**")
        for head in figures.heads
        for must in musts(figures, head)
    ]
    return _markdown(("sensors on", "must", "found", "met"), rows)


def musts(figures: Figures, head: str) -> Iterator[Must]:
    """What was asked for on a head, as far as it was measured."""
    ours, enrolled = (figures.line(head, method) for method in (OURS, ENROLLED))
    if ours is not None and enrolled is not None:
        yield from _strangers(figures, head, ours)
        yield from _enrolled(figures, head, ours, enrolled)
        for line in (ours, enrolled, figures.line(head, REDONNED)):
            if line is not None:
                jitter = line.jitter.mean
                yield Must(
                    f"{line.method}: jitter 0.7 … 1.2", f"{jitter:.2f}", 0.7 <= jitter <= 1.2
                )
    for condition, largest in _LARGEST_SHARE.items():
        line = figures.line(head, condition, "robustness")
        if line is not None and line.worse is not None:
            share = line.worse.mean
            yield Must(
                f"{condition}: error at most {largest:.2f} ×", f"{share:.3f}", share <= largest
            )
    line = figures.line(head, "mean, steps 4", "steps")
    if line is not None and line.worse is not None:
        share = line.worse.mean
        yield Must("four steps within 3 % of fifty", f"{share:.3f}", share <= 1.03)


def _strangers(figures: Figures, head: str, ours: Line) -> Iterator[Must]:
    yield Must("no enrolment: r ≥ 0.62", f"{ours.r.mean:.3f}", ours.r.mean >= 0.62)
    yield Must("no enrolment: ratio ≤ 0.88", f"{ours.ratio.mean:.3f}", ours.ratio.mean <= 0.88)
    for method in GIVEN_NOTHING:
        yield from _better(ours, figures.line(head, method))


def _enrolled(figures: Figures, head: str, ours: Line, enrolled: Line) -> Iterator[Must]:
    yield Must("enrolled: r ≥ 0.78", f"{enrolled.r.mean:.3f}", enrolled.r.mean >= 0.78)
    yield Must("enrolled: ratio ≤ 0.70", f"{enrolled.ratio.mean:.3f}", enrolled.ratio.mean <= 0.70)
    yield from _better(enrolled, figures.line(head, "filter, enrolled A"))
    yield from _better(enrolled, ours)


def _better(one: Line, other: Line | None) -> Iterator[Must]:
    """Better than another method in both figures."""
    if other is None:
        return
    still = other.method in STILL
    met = one.ratio.mean <= other.ratio.mean and (still or one.r.mean >= other.r.mean)
    r = "" if still else f"r {one.r.mean:.3f} against {other.r.mean:.3f}, "
    found = f"{r}ratio {one.ratio.mean:.3f} against {other.ratio.mean:.3f}"
    yield Must(f"{one.method}: better than {other.method}", found, met)
