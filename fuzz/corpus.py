"""Where inputs lie: those in the repository, and those that a run found."""

import hashlib
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

HERE = Path(__file__).parent
CORPUS, FOUND = HERE / "corpus", HERE / "found"
MAX_INPUT = 2048  # bytes
KEPT = 24  # inputs for each target
_OURS = ("/firmware_host/", "/capture/")

Step = tuple[CodeType, int, int]  # from one line to another


def inputs(name: str) -> list[bytes]:
    """The inputs kept for a target, in a fixed order."""
    folder = CORPUS / name
    return [path.read_bytes() for path in sorted(folder.glob("*"))] if folder.is_dir() else []


def seed(name: str, folder: Path) -> None:
    """Put the good messages of a target into a folder, as inputs to begin with."""
    from fuzz.targets import joined, target_named

    target = target_named(name)
    for number in range(3):
        chunks = target.golden(number)
        (folder / f"golden-{number}").write_bytes(joined(chunks, target.is_stream))


def keep(name: str) -> tuple[int, int]:
    """Replace the corpus of a target by the few inputs, kept or found, that walk every step that
    any of them does; the shorter ones first. Returns how many were kept, and of how many.
    """
    files = [path for folder in (CORPUS / name, FOUND / name) for path in folder.glob("*")]
    known = sorted({path.read_bytes() for path in files}, key=lambda data: (len(data), data))
    walked = {data: steps(name, data) for data in known if len(data) <= MAX_INPUT}
    kept: list[bytes] = []
    covered: set[Step] = set()
    while len(kept) < KEPT:
        best = max(walked, key=lambda data: (len(walked[data] - covered), -len(data)), default=b"")
        if best not in walked or not walked[best] - covered:
            break
        covered |= walked.pop(best)
        kept.append(best)
    for path in (CORPUS / name).glob("*"):
        path.unlink()
    for data in kept:
        (CORPUS / name / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    return len(kept), len(known)


def steps(name: str, data: bytes) -> set[Step]:
    """The steps from line to line that our code goes when a target is fed this."""
    from fuzz.targets import cut, target_named

    target = target_named(name)
    feed = target.begin()
    found: set[Step] = set()
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        if not any(place in code.co_filename for place in _OURS):
            return None
        if event == "line":
            found.add((code, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        return trace

    chunks = cut(data, target.is_stream)
    sys.settrace(trace)
    try:
        for chunk in chunks:
            feed(chunk)
    finally:
        sys.settrace(None)
    return found
