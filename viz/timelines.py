"""Layouts with which other people's tools show a take: Foxglove (.json) and PlotJuggler (.xml).

Both open `data.mcap` as it is; a layout only says which of its fields stand where. Pure.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from capture.channels import FACE, HEALTH, MARKERS, samples_topic
from capture.schemas import field_names
from capture.take import Take
from viz.axes import SERIES
from viz.lettering import Ink

SUFFIXES = (".json", ".xml")
# Shapes that people move most; any of the 52 can be dragged in beside them.
SHAPES = (
    "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker", "browInnerUp", "eyeBlinkLeft",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plot:
    """One diagram. fields: (topic, path of the field in its messages)."""

    title: str
    fields: tuple[tuple[str, tuple[str, ...]], ...]


def plots_of(take: Take) -> list[Plot]:
    """What to look at first: turning rates and forces of every slot, and the face.

    Of three axes one is drawn: the others are a drag away, and 36 curves say nothing.
    """
    places = [
        (samples_topic(device), name)
        for device in take.sources
        for name in field_names(device.slots)
    ]
    rates = tuple((topic, (name, "gyro", "x")) for topic, name in places)
    forces = tuple((topic, (name, "accel", "y")) for topic, name in places)
    shapes = tuple((FACE, ("weights", shape)) for shape in SHAPES)
    return [
        Plot("turning rate about x, rad/s", rates),
        Plot("specific force along y, m/s²", forces),
        Plot("what the phone saw", shapes),
    ]


def foxglove_layout(plots: Sequence[Plot]) -> dict[str, Any]:
    """A layout to import in Foxglove: the plots, what the operator marked, what went wrong."""
    panels: dict[str, Any] = {}
    names = []
    for number, plot in enumerate(plots, 1):
        names.append(f"Plot!imusic{number}")
        panels[names[-1]] = {
            "title": plot.title,
            "paths": [
                {
                    "value": ".".join((topic, *path)),
                    "enabled": True,
                    "timestampMethod": "receiveTime",
                    "label": path[0] if path[0] != "weights" else path[-1],
                    "color": _hex(_ink(k)),
                }
                for k, (topic, path) in enumerate(plot.fields)
            ],
            "showLegend": True,
            "legendDisplay": "left",
            "isSynced": True,
            "xAxisVal": "timestamp",
        }
    for topic in (MARKERS, HEALTH):
        panels[f"RawMessages!{topic}"] = {"topicPath": topic, "foxglovePanelTitle": topic}
    beneath = _split("row", *(f"RawMessages!{topic}" for topic in (MARKERS, HEALTH)))
    shown: Any = names[-1]
    for name in reversed(names[:-1]):
        shown = _split("column", name, shown)
    return {
        "configById": panels,
        "globalVariables": {},
        "userNodes": {},
        "playbackConfig": {"speed": 1},
        "layout": {**_split("column", shown, beneath), "splitPercentage": 80},
    }


def _split(direction: str, first: Any, second: Any) -> dict[str, Any]:
    return {"direction": direction, "first": first, "second": second}


def plotjuggler_layout(plots: Sequence[Plot]) -> str:
    """A layout for PlotJuggler: the plots in one tab, one below the other."""
    root = ElementTree.Element("root")
    main = {"name": "Main Window", "parent": "main_window"}
    window = ElementTree.SubElement(root, "tabbed_widget", main)
    tab = ElementTree.SubElement(window, "Tab", tab_name="take", containers="1")
    container = ElementTree.SubElement(tab, "Container")
    sizes = ";".join(f"{1 / len(plots):.4f}" for _ in plots)
    rows = ElementTree.SubElement(
        container, "DockSplitter", orientation="-", count=str(len(plots)), sizes=sizes
    )
    for plot in plots:
        area = ElementTree.SubElement(rows, "DockArea", name=plot.title)
        drawn = ElementTree.SubElement(
            area, "plot", mode="TimeSeries", style="Lines", flip_x="false", flip_y="false"
        )
        for k, (topic, path) in enumerate(plot.fields):
            name = "/".join((topic, *path))
            ElementTree.SubElement(drawn, "curve", name=name, color=_hex(_ink(k)))
    ElementTree.SubElement(window, "currentTabIndex", index="0")
    ElementTree.SubElement(root, "use_relative_time_offset", enabled="1")
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"


def _ink(number: int) -> Ink:
    return SERIES[number % len(SERIES)]


def _hex(ink: Ink) -> str:
    return "#{:02x}{:02x}{:02x}".format(*ink)
