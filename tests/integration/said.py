"""Run a verb of `imusic` in this process, and keep what it says."""

import contextlib
import io
from dataclasses import dataclass

from imusic.cli import main


@dataclass(frozen=True)
class Said:
    """How it ended. stderr: in one line."""

    exit_code: int
    stdout: str
    stderr: str


def run(*words) -> Said:
    """The verb and its arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Said(code, out.getvalue(), " ".join(err.getvalue().split()))
