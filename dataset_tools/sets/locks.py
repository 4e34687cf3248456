"""One writer at a time: a lock that ends with the process that holds it, however that ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from firmware_host.errors import ConfigError

LOCK_FILE = ".lock"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only one who changes `folder`, an existing one.

    Raises:
        ConfigError: somebody else does so now.
    """
    with (folder / LOCK_FILE).open("a+b") as file:
        try:
            _lock(file)
        except OSError as error:
            raise ConfigError(
                f"{folder} is being changed by another command", "wait until it is done"
            ) from error
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
