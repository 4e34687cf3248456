"""What the operator is told of a link, and what is not worth a line."""

import math

import pytest

from firmware_host.link_events import (
    LinkDown,
    LinkUp,
    Refused,
    SettingsChanged,
    SlotsBack,
    SlotsSilent,
    Trouble,
    told,
)
from firmware_host.samples import Garbage
from firmware_host.vendors.events import Stranger


@pytest.mark.parametrize(
    ("event", "line", "hint"),
    [
        (LinkUp(3, 12.34), "back after 12.3 s (3 tries)", ""),
        (LinkDown("lost it", "look", 0.5, 0), "lost it; trying again in 0.5 s", "look"),
        (LinkDown("no port", "plug", 0.5, 1), "no port; trying again in 0.5 s", "plug"),
        (Refused("it is another", "swap"), "refused: it is another", "swap"),
        (Trouble("noise", "all garbage", "baud?"), "all garbage", "baud?"),
        (SettingsChanged(("Hz: 1 before, 2 now",)), "Hz: 1 before, 2 now", ""),
        (SlotsSilent(("jaw", "brow"), 1.5), "silent for 1.5 s: jaw, brow", "wires"),
        (SlotsBack(("jaw",)), "heard again: jaw", ""),
        (Stranger("AA:BB", "fw"), "asks to be heard: AA:BB (fw)", 'id = "AA:BB"'),
    ],
)
def test_what_happens_is_told_with_what_to_do(event, line, hint):
    found = told(event)
    assert found is not None
    assert line in found[0]
    assert hint in found[1]
    assert bool(hint) == bool(found[1])


@pytest.mark.parametrize(
    "event", [LinkUp(1, math.nan), LinkDown("still no port", "plug", 5.0, 2), Garbage(3)]
)
def test_what_is_nothing_new_is_not_told(event):
    assert told(event) is None
