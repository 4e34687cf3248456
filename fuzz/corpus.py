"""Where inputs lie: those in the repository, and those that a run found."""

from pathlib import Path

HERE = Path(__file__).parent
CORPUS, FOUND = HERE / "corpus", HERE / "found"
MAX_INPUT = 2048  # bytes


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
