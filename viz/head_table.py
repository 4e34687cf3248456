"""A head's report for people. No I/O."""

from typing import TYPE_CHECKING

from capture.head_check import HeadReport

if TYPE_CHECKING:
    from rich.table import Table


def facts(report: HeadReport) -> list[tuple[str, str]]:
    """What the report says of the whole file, as pairs of a name and a value."""
    wide, tall, deep = report.size_mm
    spelled = {name: label for name, label in report.shapes.items() if name != label}
    example = next(iter(spelled.items()), None)
    spelling = "as ARKit has them" if example is None else f"e.g. {example[1]} for {example[0]}"
    turned = f", turned by {report.turned_deg:g}°" if report.turned_deg else ""
    return [
        ("vertices, triangles", f"{report.vertices}, {report.triangles}"),
        ("size", f"{wide:.0f} × {tall:.0f} × {deep:.0f} mm (width, height, depth)"),
        ("unit", f"{report.unit}: 1 in the file is {report.mm_per_unit:g} mm{turned}"),
        ("shapes", f"{len(report.shapes)} of 52, spelled {spelling}"),
        ("missing", _listed(report.missing)),
        ("move nothing", _listed(report.still)),
        ("other targets", _listed(report.extra)),
        ("left and right", "swapped" if report.sides_swapped else "the wearer's own"),
        ("left out", _listed(report.left_out)),
    ]


def _listed(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none"


def fact_table(report: HeadReport) -> "Table":
    """The facts, one a row."""
    from rich.table import Table

    table = Table(title=report.file, show_header=False, title_justify="left")
    for name, value in facts(report):
        table.add_row(name, value)
    return table


def site_table(report: HeadReport) -> "Table":
    """Every sensor's place, and how far the muscle under it moves it."""
    from rich.table import Table

    table = Table("sensor", "x, y, z mm", "moved most by", "mm", title_justify="left")
    table.title = f"sensors of {report.layout}"
    for site in report.sites:
        place = "  ".join(f"{value:6.1f}" for value in site.position_mm)
        moved = "" if site.pull is None else f"{site.pull_mm:.1f}"
        table.add_row(site.slot, place, site.pull or "bone", moved)
    return table
