"""How a live face is doing, on one calm screen. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capture.wire_status import SinkStatus

# Latency is drawn in steps of so many ms; the last one holds all that is beyond.
_STEP_MS, _STEPS = 2.0, 16
_BARS = " ▁▂▃▄▅▆▇█"
_SLOTS_A_ROW = 3


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What the screen shows.

    latency_ms: of the last ten seconds, from the last byte of the newest sample to publishing.
    slots: name, whether it is heard. slipped: degrees by slot. said: what happened last, oldest
    first. take: how the recording stands, "" where there is none.
    """

    state: str
    elapsed_s: float
    faces: int
    rate_hz: float
    samples: int
    lost: int
    late_ticks: int
    confidence: float
    wearer: str
    latency_ms: tuple[float, ...] = ()
    slots: tuple[tuple[str, bool], ...] = ()
    slipped: tuple[tuple[str, float], ...] = ()
    sinks: tuple[SinkStatus, ...] = ()
    minute: int = 0
    said: tuple[str, ...] = ()
    take: str = ""


def screen_text(status: LiveStatus, keys: str = "") -> str:
    """The whole screen, about a dozen lines of 80 columns."""
    head = (
        f"{status.state} {status.elapsed_s:.0f} s   {status.rate_hz:.0f} faces/s   "
        f"confidence {status.confidence:.2f}   {status.wearer or 'a stranger'}"
    )
    lines = [head, latency_line(status.latency_ms)]
    lines.append(f"samples {status.samples}   lost {status.lost}   late ticks {status.late_ticks}")
    lines += slot_lines(status.slots, dict(status.slipped))
    lines += [_sink_line(sink) for sink in status.sinks]
    if status.minute:
        lines.append(f"minute movements {status.minute}")
    if status.take:
        lines.append(status.take)
    lines += [
        f"SLIPPED: {slot} sits {degrees:.0f}° off; press it on, rest your face, then z"
        for slot, degrees in status.slipped
    ]
    lines += [f"  {line}" for line in status.said]
    return "\n".join([*lines, keys] if keys else lines)


def latency_line(latency_ms: Sequence[float]) -> str:
    """p50, p99 and a histogram."""
    if not latency_ms:
        return "latency —"
    values = np.asarray(latency_ms)
    p50, p99 = np.percentile(values, (50, 99))
    steps = np.minimum(values // _STEP_MS, _STEPS - 1).astype(int)
    counts = np.bincount(np.maximum(steps, 0), minlength=_STEPS)
    bars = "".join(_BARS[round(8 * share)] if share else " " for share in counts / counts.max())
    end = round(_STEP_MS * _STEPS)
    return f"latency p50 {p50:.1f} ms   p99 {p99:.1f} ms   0 |{bars}| {end} ms"


def slot_lines(slots: Sequence[tuple[str, bool]], slipped: dict[str, float]) -> list[str]:
    """Every slot: heard, silent or slipped."""
    cells = [
        f"{'!' if name in slipped else '●' if heard else '○'} {name:24s}" for name, heard in slots
    ]
    rows = [cells[at : at + _SLOTS_A_ROW] for at in range(0, len(cells), _SLOTS_A_ROW)]
    return ["".join(row).rstrip() for row in rows]


def _sink_line(sink: SinkStatus) -> str:
    trouble = f"   {sink.failed} failed: {sink.trouble}" if sink.trouble else ""
    return f"sink {sink.url}   {sink.frames} faces{trouble}"
