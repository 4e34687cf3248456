"""What was done to a live face while its take was recorded, and is done again offline. Pure.

`imusic live --record` keeps every re-zero, change of wearer and undo in the take's `health`, kind
`adjust`, with the tick before which it happened. A profile is not in the take: who was worn then is
named, and offline whoever is given stays on.
"""

from collections.abc import Iterable
from typing import Any

from model.driving import Action
from model.predictor import Predictor

KIND = "adjust"
REZERO, UNDO, WEARER = "rezero", "undo", "wearer"


def adjustments(health: Iterable[dict[str, Any]]) -> list[tuple[int, Action]]:
    """(host ns, what was done then), in order, of the health of a take."""
    return [
        (int(facts["time_ns"]), _ACTIONS[facts["what"]])
        for facts in health
        if facts["kind"] == KIND and facts.get("what") in _ACTIONS
    ]


def _rezero(predictor: Predictor) -> None:
    predictor.rezero()


def _undo(predictor: Predictor) -> None:
    predictor.undo()


def _same_wearer(predictor: Predictor) -> None:
    predictor.wear(predictor.wearer)  # so that an undo later takes back the same thing


_ACTIONS: dict[str, Action] = {REZERO: _rezero, UNDO: _undo, WEARER: _same_wearer}
