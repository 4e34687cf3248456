"""Options that verbs of several packages share."""

from typing import Any

import typer

SHORTEST_S = 0.1
LONGEST_S = 7 * 24 * 3600.0  # ours: a week, longer than any sitting


def seconds_option(meaning: str) -> Any:
    """A `typer.Option` for a duration in seconds, in [SHORTEST_S, LONGEST_S].

    Both bounds matter: infinity and NaN are numbers to typer, and only a bound refuses them.
    """
    return typer.Option(min=SHORTEST_S, max=LONGEST_S, help=meaning)
