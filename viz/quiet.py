"""Keep C libraries from talking on the operator's terminal."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def quiet_stderr() -> Iterator[IO[bytes]]:
    """Send file descriptor 2 to a temporary file, which is yielded, for the block's duration.

    Mesa, GLFW and FFmpeg write there past Python. Read the file where the block failed: what they
    said may be the reason.
    """
    with tempfile.TemporaryFile() as heard:
        if sys.stderr is not None:
            sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            yield heard
        finally:
            os.dup2(kept, 2)
            os.close(kept)
