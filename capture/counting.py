"""What `counts` of a take says about its health events, whoever reads them. No I/O.

Writer and rescuer count by the same rule: totals, and of a take of several devices each device's
own, as `NAME.samples_lost`.
"""

from collections import Counter
from typing import Any

# kind of event -> (what is counted, the fact that says how many; None: one each).
_COUNTED: dict[str, tuple[str, str | None]] = {
    "gap": ("samples_lost", "count"),
    "garbage": ("garbage_bytes", "count"),
    "packets_lost": ("packets_lost", "count"),
    "link_down": ("links_down", None),
    "refused": ("refusals", None),
    "trouble": ("troubles", None),
    "malformed": ("datagrams_malformed", None),
}


def count_health(counts: Counter[str], facts: dict[str, Any], several: bool) -> None:
    """Add one event of the health channel. several: the take has more than one device."""
    kind = facts["kind"]
    if kind == "end":
        counts["samples_sent"] = facts["samples_sent"]
    elif kind == "link_down" and facts["tries"]:
        return  # it was lost before, and has not come back yet
    elif kind in _COUNTED:
        what, fact = _COUNTED[kind]
        add(counts, what, int(facts[fact]) if fact else 1, facts.get("device", ""), several)


def add(counts: Counter[str], what: str, number: int, device: str, several: bool) -> None:
    """Add to a total, and to that of the device."""
    counts[what] += number
    if several and device:
        counts[f"{device}.{what}"] += number
