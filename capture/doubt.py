"""What everybody who uses a take has to say where its timeline is not to be trusted. No I/O."""

from capture.sync import Alignment


def doubt_of(alignment: Alignment) -> str:
    """A line for people; "" where the sync is good."""
    if alignment.verdict == "good":
        return ""
    why = "; ".join(alignment.notes) or "nothing in the take supports it"
    return (
        f"WARNING: the sync of {alignment.take} is {alignment.verdict.upper()}, and so is all that "
        f"is made of the phone's face in it: {why}"
    )
