"""What was heard before a take began, and belongs to it: all of it, or its last seconds. No I/O."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from firmware_host.clock import NS_PER_S
from firmware_host.samples import ImuBlock

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


@dataclass(slots=True)
class _Kept:
    now_ns: int
    call: Call
    is_lasting: bool = False


class PreRoll:
    """Keeps calls to a writer, oldest first, until the take takes them over.

    Args:
        keep_s: how far back; None keeps everything.
    """

    def __init__(self, keep_s: float | None) -> None:
        self._keep_ns = None if keep_s is None else round(keep_s * NS_PER_S)
        self._recent: deque[_Kept] = deque()
        self._lasting: list[_Kept] = []
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._lasting) + len(self._recent)

    def keep(self, call: Call, now_ns: int) -> None:
        """One more; what is too old by now is let go."""
        self._recent.append(_Kept(now_ns, call))
        while self._keep_ns is not None and now_ns - self._recent[0].now_ns > self._keep_ns:
            oldest = self._recent.popleft()
            if oldest.is_lasting:
                self._lasting.append(oldest)
            else:
                self.dropped += 1

    def pin_newest(self, method: str, device: int, size: int = 1) -> None:
        """Keep the newest calls of `method` for a device however old they get: later ones make no
        sense without. Of bytes, so many that they hold `size`.

        A hub says who it is once, and the bytes in which it did, in however many reads they came,
        are needed to read all others.
        """
        for kept in reversed(self._recent):
            name, arguments, _ = kept.call
            if name == method and arguments[-1] == device:
                kept.is_lasting = True
                size -= len(arguments[0]) if isinstance(arguments[0], bytes) else size
                if size <= 0:
                    return

    def hand_over(self) -> list[Call]:
        """All there is, oldest first; nothing is left."""
        calls = [kept.call for kept in (*self._lasting, *self._recent)]
        self._lasting.clear()
        self._recent.clear()
        return calls


def first_block_ns(calls: Iterable[Call]) -> int | None:
    """When the first samples among `calls` arrived."""
    events = (arguments[0] for method, arguments, _ in calls if method == "hub_event")
    return next((e.arrival_ns for e in events if isinstance(e, ImuBlock)), None)
