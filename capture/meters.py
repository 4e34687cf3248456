"""How a recording is doing, device by device: what a status line shows. No I/O, no clock."""

import math
from dataclasses import dataclass

from firmware_host.clock import NS_PER_S
from firmware_host.link_events import LinkDown, RigEvent
from firmware_host.running_clock import RunningClock
from firmware_host.samples import Gap, Garbage, HubStatus, ImuBlock
from firmware_host.vendors.events import Health


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """One device. state: of its link. age_s: since it last gave samples. late_s: how long after the
    fastest message of late the newest block came. silent: slots that give nothing. battery: charge
    in [0, 1], NaN where it never said.
    """

    name: str
    state: str
    samples: int
    lost: int
    garbage_bytes: int
    links_down: int
    rate_hz: float
    age_s: float
    late_s: float
    silent: tuple[str, ...]
    battery: float = math.nan


class DeviceMeter:
    """Counts what the status of one device shows."""

    def __init__(self) -> None:
        self.samples = self.lost = self.garbage_bytes = self.links_down = 0
        self.last_ns = 0
        self.late_s = self.battery = math.nan
        self._clock = RunningClock()
        self._counted = (0, 0)  # (time, samples) at the last look

    def take(self, event: RigEvent) -> None:
        """Take note of one event."""
        if isinstance(event, Gap):
            self.lost += event.count
        elif isinstance(event, Garbage):
            self.garbage_bytes += event.count
        elif isinstance(event, LinkDown):
            self.links_down += event.tries == 0
        elif isinstance(event, Health | HubStatus) and math.isfinite(event.battery):
            self.battery = event.battery
        if not isinstance(event, ImuBlock):
            return
        self.samples += len(event)
        self.last_ns = event.arrival_ns
        device_ns = event.tick_us[-1:] * 1000
        self._clock.update(int(device_ns[0]), event.arrival_ns)
        self.late_s = (event.arrival_ns - int(self._clock.to_host(device_ns)[0])) / NS_PER_S

    def rate_hz(self, now_ns: int) -> float:
        """Samples per second since the last call."""
        (then_ns, then), self._counted = self._counted, (now_ns, self.samples)
        return 0.0 if not then_ns else (self.samples - then) * NS_PER_S / max(now_ns - then_ns, 1)

    def status(self, name: str, state: str, silent: tuple[str, ...], now_ns: int) -> DeviceStatus:
        """The device as it is now."""
        return DeviceStatus(
            name=name,
            state=state,
            samples=self.samples,
            lost=self.lost,
            garbage_bytes=self.garbage_bytes,
            links_down=self.links_down,
            rate_hz=self.rate_hz(now_ns),
            age_s=(now_ns - self.last_ns) / NS_PER_S if self.last_ns else math.nan,
            late_s=self.late_s,
            silent=silent,
            battery=self.battery,
        )
