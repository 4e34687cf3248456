"""How long the disk lasts, and when a take must end while there is room to end it. No I/O.

A full disk costs the end of a take: its last seconds, its index, and `take.toml`. So a take ends
RESERVE_BYTES before that, whole and by the usual way.
"""

import math
from collections import deque

from firmware_host.clock import NS_PER_S

# What may be on its way when the take ends, and its index: tens of MB after an hour. Ours.
RESERVE_BYTES = 128 * 1024 * 1024
# Twelve slots at 200 Hz and a phone take about 0.2 MB/s; noise compresses worse than rest.
USUAL_BYTES_S = 400_000
WARN_S = 15 * 60.0
PACE_S = 60.0


def needed_bytes(duration_s: float | None) -> int:
    """What must be free for a take of this length to begin; a minute, where it has no limit."""
    return RESERVE_BYTES + round(USUAL_BYTES_S * (60.0 if duration_s is None else duration_s))


class DiskGuard:
    """Looks at free space as it is told of it."""

    def __init__(self, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._reserve_bytes = reserve_bytes
        self._looks: deque[tuple[int, int]] = deque()

    def look(self, now_ns: int, free_bytes: int) -> None:
        """`free_bytes` are free now."""
        self._looks.append((now_ns, free_bytes))
        while now_ns - self._looks[0][0] > PACE_S * NS_PER_S:
            self._looks.popleft()

    @property
    def is_full(self) -> bool:
        """Whether a take must end now."""
        return bool(self._looks) and self._looks[-1][1] <= self._reserve_bytes

    @property
    def left_s(self) -> float:
        """How long the disk lasts at its pace of late, whoever fills it; inf where nobody does."""
        if len(self._looks) < 2:
            return math.inf
        (first_ns, first), (last_ns, last) = self._looks[0], self._looks[-1]
        pace = (first - last) * NS_PER_S / max(last_ns - first_ns, 1)
        return max(0.0, (last - self._reserve_bytes) / pace) if pace > 0 else math.inf

    @property
    def warning(self) -> str:
        """For the operator; empty where there is room."""
        if self.is_full:
            return "the disk is full"
        if self.left_s < WARN_S:
            return f"the disk lasts {self.left_s / 60:.0f} minutes more"
        return ""
