"""Worker processes that do not outlive who started them."""

import os
import threading
from collections.abc import Callable
from multiprocessing import parent_process


def end_with_parent() -> None:
    """Initialiser of a process pool: a worker whose parent was killed ends too.

    A pool's workers wait on a queue whose other end they hold themselves, so nothing else tells
    them that nobody will ever fill it again.
    """
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.join,), daemon=True).start()


def _follow(wait: Callable[[], None]) -> None:
    wait()
    os._exit(1)
