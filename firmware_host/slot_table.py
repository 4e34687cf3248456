"""The live table of `imusic stream`: a row per slot, with traces where they are wanted."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_host.boards import printable
from firmware_host.slot_health import SlotState, StreamCounts, StreamWatch
from firmware_host.traces import Scales, SlotStrips, Traces, scales_of

if TYPE_CHECKING:
    from rich.table import Table

_SLOT_LETTERS = 23  # orbicularis_oculi_right
_DEVICE_LETTERS = 12
_WIDE, _NARROW = 72, 46  # letters that all else takes, with and without the counts
_STRIP_LETTERS = 10  # at least


@dataclass(frozen=True, slots=True)
class Screen:
    """How large the screen is, in letters, and what is drawn on it."""

    width: int
    height: int
    with_device: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether traces leave no room for the counts."""
        return self._left(_WIDE) < 2 * _STRIP_LETTERS

    @property
    def strip_columns(self) -> int:
        """How wide each of two strips is."""
        left = self._left(_NARROW if self.is_narrow else _WIDE)
        return min(60, max(_STRIP_LETTERS, left // 2))

    def strip_rows(self, slots: int) -> int:
        """How high strips of so many slots can be."""
        return 2 if self.height >= 2 * slots + 8 else 1

    def _left(self, taken: int) -> int:
        return self.width - taken - self.with_device * _DEVICE_LETTERS


class SlotTable:
    """Rows for one or several devices.

    Args:
        title: above it.
        screen: where it is drawn.
        scales: of the traces; None where there are none.
    """

    def __init__(self, title: str, screen: Screen, scales: Scales | None = None) -> None:
        from rich.table import Table
        from rich.text import Text

        self._screen, self._with_traces = screen, scales is not None
        self._with_counts = scales is None or not screen.is_narrow
        self._table: Table = Table(title=Text(printable(title)) if title else None)
        if screen.with_device:
            self._table.add_column("device")
        self._table.add_column("slot", no_wrap=True, min_width=_SLOT_LETTERS * self._with_traces)
        for heading in ("per s", "missing %", "age ms", "clipped") if self._with_counts else ():
            self._table.add_column(heading, justify="right")
        self._table.add_column("state")
        if scales is not None:
            low, high = scales.accel_m_s2
            self._table.add_column(f"accel, {low:.0f} to {high:.0f} m/s²")
            self._table.add_column(f"turning, 0 to {scales.gyro_deg_s[1]:.0f} °/s")

    def add(
        self, device: str, slot: SlotState, state: str, strips: SlotStrips | None = None
    ) -> None:
        """One slot. Names are the device's: none may steer the terminal, none is markup."""
        from rich.text import Text

        drawn = (strips.accel, strips.gyro) if strips else ("", "")
        counts = (
            f"{slot.rate_hz:.0f}",
            f"{100 * slot.missing:.1f}",
            f"{1000 * slot.age_s:.0f}",
            str(slot.clipped),
        )
        self._table.add_row(
            *([Text(printable(device))] if self._screen.with_device else []),
            Text(printable(slot.name)),
            *(counts if self._with_counts else ()),
            state,
            *(Text(text, no_wrap=True) for text in (drawn if self._with_traces else ())),
            style="" if state == "ok" else "red",
        )

    def with_caption(self, text: str) -> "Table":
        """The table with lines below."""
        from rich.text import Text

        self._table.caption = Text(text)
        return self._table


def hub_table(
    watch: StreamWatch,
    address: str,
    told: str,
    now_ns: int,
    screen: Screen,
    traces: Traces | None = None,
) -> "Table":
    """All slots of one hub. told: its account."""
    named = "waiting for the hub" if watch.info is None else f"hub {watch.info.device_id}"
    slots = watch.slots(now_ns)
    strips: tuple[SlotStrips, ...] = ()
    scales = None
    if traces is not None:
        traces.move_to(now_ns)
        scales = scales_of([traces])
        strips = traces.strips(scales, screen.strip_rows(len(slots)))
    table = SlotTable(f"{named} at {address}", screen, scales)
    for number, slot in enumerate(slots):
        drawn = strips[number] if number < len(strips) else None
        table.add("", slot, slot.verdict, drawn)
    return table.with_caption(", ".join([told, *told_health(watch.counts)]))


def told_health(counts: StreamCounts) -> list[str]:
    """Battery and radio of a device, where it tells of them."""
    told = [] if math.isnan(counts.battery) else [f"battery {100 * counts.battery:.0f} %"]
    return told if math.isnan(counts.rssi_dbm) else [*told, f"radio {counts.rssi_dbm:.0f} dBm"]
