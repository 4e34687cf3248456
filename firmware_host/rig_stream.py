"""Watching a whole rig: what `imusic stream --rig` shows. A shell around the links of the rig."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from firmware_host.link_events import LinkDown, Refused, RigEvent, Trouble, told
from firmware_host.rig import DeviceConfig
from firmware_host.samples import ImuBlock
from firmware_host.slot_health import StreamWatch
from firmware_host.slot_table import Screen, SlotTable, told_health
from firmware_host.supervisor import DeviceLink, LinkState, RigLinks
from firmware_host.traces import Traces, scales_of

if TYPE_CHECKING:
    from rich.table import Table

FAREWELL_S = 1.0  # how long devices may take to end their streams


class RigWatch:
    """All devices of a rig and how each is doing.

    on_notice: gets (device, line, hint) when something happens to one. plot_on: the screen on which
    traces are drawn; None for none.
    """

    def __init__(
        self,
        devices: Sequence[DeviceConfig],
        on_notice: Callable[[str, str, str], None],
        plot_on: Screen | None = None,
    ) -> None:
        self.links = RigLinks(devices, self._take)
        self.watches = tuple(StreamWatch() for _ in devices)
        self._traces = tuple(Traces(plot_on.strip_columns) for _ in devices if plot_on)
        self.counts: tuple[dict[str, int], ...] = tuple(
            {"links_down": 0, "refusals": 0, "troubles": 0} for _ in devices
        )
        self._on_notice = on_notice

    async def run(
        self, seconds: float | None, every_s: float, on_tick: Callable[[int], None]
    ) -> None:
        """Watch until every device has ended, for `seconds`, or until cancelled.

        Args:
            every_s: how often `on_tick` is called, with the host's monotonic ns.

        Raises:
            EnvironmentMissing: a library that some device needs is not installed.
        """
        now = asyncio.get_running_loop().time
        end_s = math.inf if seconds is None else now() + seconds
        async with self.links:
            try:
                while now() < end_s and not self.links.is_over:
                    await asyncio.sleep(min(every_s, max(0.0, end_s - now())))
                    self.links.check()
                    on_tick(time.monotonic_ns())
            finally:
                self.links.stop()
            until_s = now() + FAREWELL_S
            while now() < until_s and not self.links.is_over:
                await asyncio.sleep(0.05)

    def to_json(self, now_ns: int) -> list[dict[str, Any]]:
        """One object a device."""
        return [self._device_json(link, now_ns) for link in self.links.links]

    def accounts(self) -> list[str]:
        """A line a device: what happened to it so far."""
        return [f"{link.name}: {self._account(link)}" for link in self.links.links]

    def table(self, now_ns: int, screen: Screen) -> "Table":
        """A row a slot, and the account of each device below."""
        slots = [watch.slots(now_ns) for watch in self.watches]
        rows = screen.strip_rows(sum(map(len, slots)))
        for traces in self._traces:
            traces.move_to(now_ns)
        scales = scales_of(self._traces) if self._traces else None
        table = SlotTable("", screen, scales)
        for link, states in zip(self.links.links, slots, strict=True):
            drawn = self._traces[link.index].strips(scales, rows) if scales else ()
            for number, slot in enumerate(states):
                state = slot.verdict if link.state is LinkState.UP else link.state.value
                table.add(link.name, slot, state, drawn[number] if number < len(drawn) else None)
        return table.with_caption("\n".join(self.accounts()))

    def _device_json(self, link: DeviceLink, now_ns: int) -> dict[str, Any]:
        watch = self.watches[link.index]
        return {
            "name": link.name,
            "url": link.config.url,
            "state": link.state.value,
            "error": None if link.error is None else str(link.error),
            "device_id": None if link.info is None else link.info.device_id,
            "rate_hz": watch.rate_hz(now_ns),
            **asdict(watch.counts),
            **self.counts[link.index],
            "slots": [asdict(slot) | {"verdict": slot.verdict} for slot in watch.slots(now_ns)],
        }

    def _account(self, link: DeviceLink) -> str:
        counts_of = self.watches[link.index].counts
        told_counts = {
            "samples": counts_of.samples,
            "lost": counts_of.lost,
            "bytes of garbage": counts_of.garbage_bytes,
            "links lost": self.counts[link.index]["links_down"],
        }
        told_ones = [f"{number} {what}" for what, number in told_counts.items()]
        return ", ".join([link.state.value, *told_ones, *told_health(counts_of)])

    def _take(self, link: DeviceLink, event: RigEvent, _: int) -> None:
        counts = self.counts[link.index]
        if isinstance(event, LinkDown):
            counts["links_down"] += event.tries == 0
        elif isinstance(event, Refused):
            counts["refusals"] += 1
        elif isinstance(event, Trouble):
            counts["troubles"] += 1
        self.watches[link.index].take(event)
        if self._traces and isinstance(event, ImuBlock):
            self._traces[link.index].take(event)
        if (line := told(event)) is not None:
            self._on_notice(link.name, *line)
