"""What everybody who uses a take has to say where its timeline is not to be trusted. No I/O."""

from capture.sync import Alignment
from firmware_host.errors import DataError


def doubt_of(alignment: Alignment) -> str:
    """A line for people; "" where the sync is good."""
    if alignment.verdict == "good":
        return ""
    why = "; ".join(alignment.notes) or "nothing in the take supports it"
    return (
        f"WARNING: the sync of {alignment.take} is {alignment.verdict.upper()}, and so is all that "
        f"is made of the phone's face in it: {why}"
    )


def require_not_bad(alignment: Alignment, hint: str = "") -> None:
    """Refuse to learn from a take whose clocks contradict each other. Raises DataError."""
    if alignment.verdict == "bad":
        raise DataError(
            f"the sync of {alignment.take} is bad: {'; '.join(alignment.notes)}",
            hint or f"look at it: imusic plot sync {alignment.take} --out sync.svg",
        )
