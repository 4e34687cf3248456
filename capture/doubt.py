"""What everybody who uses a take has to say where its timeline is not to be trusted."""

from pathlib import Path

from capture.recording import read_recording
from capture.sync import Alignment, align, read_alignment
from capture.take import SYNC_FILE
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


def doubt_in(folder: Path) -> str:
    """The same of a take's folder, by its `sync.json` where it has one, else aligned here.

    A take that cannot be aligned is doubtful too, and the line says why.
    """
    try:
        aligned = (folder / SYNC_FILE).is_file()
        return doubt_of(read_alignment(folder) if aligned else align(read_recording(folder)))
    except DataError as error:
        return f"WARNING: the sync of {folder.name} is UNKNOWN: {error}"
