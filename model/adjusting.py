"""What was done to a live face while its take was recorded, and is done again offline. Pure.

`imusic live --record` keeps every re-zero, change of wearer and undo in the take's `health`, kind
`adjust`, with the tick before which it happened. A profile is not in the take: who was worn then is
named, and offline whoever is given stays on.
"""

from collections.abc import Iterable
from typing import Any

from model.driving import Action
from model.predictor import Predictor
from model.wearer import Wearer

KIND = "adjust"
REZERO, UNDO, WEARER = "rezero", "undo", "wearer"


def adjustments(health: Iterable[dict[str, Any]]) -> list[tuple[int, Action]]:
    """(host ns, what was done then), in order, of the health of a take."""
    return [
        (int(facts["time_ns"]), _ACTIONS[facts["what"]])
        for facts in health
        if facts["kind"] == KIND and facts.get("what") in _ACTIONS
    ]


def rezero(predictor: Predictor) -> str:
    """The face is at rest now. Gives "" or why not."""
    return predictor.rezero()


def undo(predictor: Predictor) -> str:
    """The last one was a mistake. Gives "" or why not."""
    return predictor.undo()


def wear(predictor: Predictor, wearer: Wearer | None) -> str:
    """Somebody else's profile. Gives ""."""
    return predictor.wear(wearer)


def _same_wearer(predictor: Predictor) -> None:
    predictor.wear(predictor.wearer)  # so that an undo later takes back the same thing


_ACTIONS: dict[str, Action] = {
    REZERO: lambda predictor: rezero(predictor) and None,
    UNDO: lambda predictor: undo(predictor) and None,
    WEARER: _same_wearer,
}
