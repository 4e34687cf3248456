"""What a supervisor of devices decides: when to try again, who may come back, what is wrong.

No I/O and no clock: times are the host's monotonic ns, randomness is an argument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from firmware_host.clock import NS_PER_S
from firmware_host.link_events import Refused, RigEvent, SlotsBack, SlotsSilent, Trouble
from firmware_host.samples import (
    Duplicate,
    Gap,
    Garbage,
    HubInfo,
    HubStatus,
    ImuBlock,
    Ints,
    RoundTrip,
    SyncEdge,
)
from firmware_host.vendors.events import LineEdge

FIRST_RETRY_S, LONGEST_RETRY_S = 0.25, 5.0
STALE_S = 1.0  # a slot that gives nothing for so long is silent; at low rates, five readings
WINDOW_S = 2.0  # over which a line is judged
_NOISE_BYTES = 200  # in a window; fewer are no evidence
_STUCK_SAMPLES = 10
USELESS_BYTES = 1_000_000  # without a sample among them: 11 s of 921,600 baud
_MASK = 0xFFFF_FFFF


class Backoff:
    """How long to wait before the next try: twice as long each time, and never quite the same, so
    that devices which were lost together are not tried together for ever.
    """

    def __init__(
        self,
        random: Random,
        first_s: float = FIRST_RETRY_S,
        longest_s: float = LONGEST_RETRY_S,
    ) -> None:
        self._random = random
        self._first_s, self._longest_s = first_s, longest_s
        self.tries = 0  # since the last reset

    def next_s(self) -> float:
        """The next wait, between half of what is due and all of it."""
        due_s = min(self._longest_s, self._first_s * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return due_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """The device is there: begin anew."""
        self.tries = 0


class SlotWatch:
    """Which slots of one device have fallen silent. What counts is what arrives, nothing else."""

    def __init__(self, slots: Sequence[str], rate_hz: float, now_ns: int) -> None:
        self.slots = tuple(slots)
        slow_s = 5.0 / rate_hz if rate_hz > 0 else 0.0  # an unknown rate is NaN
        self._stale_ns = round(max(STALE_S, slow_s) * NS_PER_S)
        self._last_ns = np.full(len(self.slots), now_ns, np.int64)
        self._silent: NDArray[np.bool_] = np.zeros(len(self.slots), np.bool_)

    @property
    def silent(self) -> tuple[str, ...]:
        """The slots that are silent now."""
        return self._named(self._silent)

    def take(self, block: ImuBlock) -> None:
        """Take note of who gave readings."""
        heard = ~(np.isnan(block.accel_m_s2) & np.isnan(block.gyro_rad_s)).all(axis=(0, 2))
        if block.quat_world_from_sensor is not None:
            heard |= ~np.isnan(block.quat_world_from_sensor).all(axis=(0, 2))
        self._last_ns[heard] = block.arrival_ns

    def tick(self, now_ns: int) -> list[SlotsSilent | SlotsBack]:
        """What has changed since the last call."""
        age_ns = now_ns - self._last_ns
        silent = np.asarray(age_ns > self._stale_ns)
        fell, rose = silent & ~self._silent, self._silent & ~silent
        self._silent = silent
        found: list[SlotsSilent | SlotsBack] = []
        if fell.any():
            found.append(SlotsSilent(self._named(fell), float(age_ns[fell].max()) / NS_PER_S))
        if rose.any():
            found.append(SlotsBack(self._named(rose)))
        return found

    def _named(self, which: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(name for name, is_it in zip(self.slots, which.tolist(), strict=True) if is_it)


class LineWatch:
    """Whether what comes over one link is of use: noise, a clock that stands still, a flood.

    Args:
        advice: what the operator can do about noise.
        most_bytes_per_s: more is a flood.
    """

    def __init__(self, now_ns: int, advice: str, most_bytes_per_s: int) -> None:
        self._advice, self._most_bytes_per_s = advice, most_bytes_per_s
        self._began_ns = self._flood_ns = self.heard_ns = now_ns
        self._bytes = self._garbage = self._samples = self._flood_bytes = self._useless = 0
        self._stuck_before = 0
        self._kind = ""  # of the trouble that was told last, and is not over

    def take_bytes(self, count: int, now_ns: int) -> bool:
        """Take note of bytes; True where to hang up is best: a flood, or noise alone."""
        self.heard_ns = now_ns
        self._bytes += count
        if now_ns - self._flood_ns > NS_PER_S:
            self._flood_ns, self._flood_bytes = now_ns, 0
        self._flood_bytes += count
        self._useless += count
        return self._flood_bytes > self._most_bytes_per_s or self._useless > USELESS_BYTES

    def take(self, event: RigEvent) -> None:
        """Take note of what the bytes meant."""
        if isinstance(event, ImuBlock):
            self._samples += len(event)
            self._useless = 0
        elif isinstance(event, Garbage):
            self._garbage += event.count

    def tick(self, now_ns: int, stuck_ticks: int) -> Trouble | None:
        """What is wrong, said once when it begins. stuck_ticks: the device's count so far."""
        if now_ns - self._began_ns < WINDOW_S * NS_PER_S:
            return None
        stuck, self._stuck_before = stuck_ticks - self._stuck_before, stuck_ticks
        found = self._clock_trouble(stuck) or self._noise()
        self._began_ns, self._bytes, self._garbage, self._samples = now_ns, 0, 0, 0
        before, self._kind = self._kind, found.what if found else ""
        return found if found and found.what != before else None

    def _clock_trouble(self, stuck: int) -> Trouble | None:
        if stuck < _STUCK_SAMPLES or 2 * stuck < max(self._samples, stuck):
            return None
        return Trouble(
            "clock",
            f"its clock stands still or jumps: {stuck} samples in {WINDOW_S:g} s without a time of "
            "their own",
            "switch the device off and on; if it stays so, its firmware or its settings are broken",
        )

    def _noise(self) -> Trouble | None:
        if self._bytes < _NOISE_BYTES:
            return None
        if not self._samples:
            reason = f"{self._bytes} bytes in {WINDOW_S:g} s, and not one sample among them"
            return Trouble("noise", reason, self._advice)
        if 2 * self._garbage > self._bytes:
            reason = f"{self._garbage} of {self._bytes} bytes in {WINDOW_S:g} s are garbage"
            return Trouble("noise", reason, self._advice)
        return None


def refusal(
    said: HubInfo, before: HubInfo | None, wanted_id: str, taken: Mapping[str, str]
) -> Refused | None:
    """Why this is not the device that should be there; None where it may be.

    Args:
        said: what it says. before: what it said when it was there before.
        wanted_id: what the rig asks for, or nothing.
        taken: name of the device in the rig by id, of all others.
    """
    its_id = said.device_id
    if its_id and its_id in taken:
        other = taken[its_id]
        return Refused(
            f"it says that it is {its_id!r}, which {other!r} says too",
            f"two devices must not have one id: is one cabled twice, or was {other!r} copied with "
            "its settings? Give it an id of its own",
        )
    expected, by = wanted_id, "rig.toml asks for"
    if not wanted_id and before is not None:
        expected, by = before.device_id, "it was"
    if expected and its_id and its_id.upper() != expected.upper():
        return Refused(
            f"it says that it is {its_id!r}, and {by} {expected!r}",
            f"put {expected!r} back on this line, or, if you exchanged it, write id = {its_id!r} "
            "in rig.toml and begin a new take",
        )
    if before is not None and said.slots != before.slots:
        return Refused(
            f"it came back with the sensors {', '.join(said.slots)}; it had "
            f"{', '.join(before.slots)}",
            "check the wires of its sensors and switch it off and on, or begin a new take",
        )
    return None


_SETTINGS = {
    "rate_hz": "Hz",
    "accel_range_m_s2": "m/s² range",
    "gyro_range_rad_s": "rad/s range",
    "mode": "mode",
    "firmware": "firmware",
}


def settings_changed(before: HubInfo, said: HubInfo) -> tuple[str, ...]:
    """What a device that came back says differently, in words."""
    found = []
    for name, unit in _SETTINGS.items():
        old, new = getattr(before, name), getattr(said, name)
        if old != new and not (old != old and new != new):  # NaN is unknown, both times
            found.append(f"{unit}: {_shown(old)} before, {_shown(new)} now")
    return tuple(found)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(getattr(value, "name", value)).lower()


class Numbering:
    """Keeps ticks and numbers of one device increasing where its count begins anew.

    As in `firmware_host.device`, a new count begins on the next multiple of 2^32, which no drift
    explains: whoever maps the clock sees that it is another one.
    """

    def __init__(self) -> None:
        self._last_tick: int | None = None
        self._last_sequence: int | None = None
        self._tick_shift: int | None = 0
        self._sequence_shift: int | None = 0

    def begin_anew(self) -> None:
        """What follows counts from anew."""
        if self._last_tick is not None:
            self._tick_shift = None
        if self._last_sequence is not None:
            self._sequence_shift = None

    def take(self, event: RigEvent) -> RigEvent:
        """The event in the running count."""
        if isinstance(event, ImuBlock):
            return self.take_block(event)
        if isinstance(event, HubStatus | RoundTrip | SyncEdge | LineEdge):
            shift = self._shift_of_tick(event.tick_us, is_arrival=False)
            return replace(event, tick_us=event.tick_us + shift)
        if isinstance(event, Gap | Duplicate):
            return replace(event, sequence=event.sequence + self._shift_of_sequence(event.sequence))
        return event

    def arrived(self, block: ImuBlock) -> ImuBlock:
        """The block with the host's time for ticks: of a device whose clock cannot be used."""
        if block.tick_is_arrival:
            return block
        count = len(block)
        ticks: Ints = np.arange(count, dtype=np.int64) - (count - 1) + block.arrival_ns // 1000
        last = self._last_tick
        if last is not None and self._tick_shift is not None:
            ticks = np.maximum(ticks, last - self._tick_shift + 1 + np.arange(count))
        return replace(block, tick_us=ticks, tick_is_arrival=True)

    def take_block(self, block: ImuBlock) -> ImuBlock:
        """The block in the running count."""
        tick_us = block.tick_us + self._shift_of_tick(int(block.tick_us[0]), block.tick_is_arrival)
        sequence = block.sequence + self._shift_of_sequence(int(block.sequence[0]))
        self._last_tick, self._last_sequence = int(tick_us[-1]), int(sequence[-1])
        return replace(block, tick_us=tick_us, sequence=sequence)

    def _shift_of_tick(self, tick: int, is_arrival: bool) -> int:
        if self._tick_shift is None:
            assert self._last_tick is not None
            goes_on = is_arrival and tick > self._last_tick  # the host's clock has no new count
            self._tick_shift = 0 if goes_on else (self._last_tick | _MASK) + 1 - tick
        return self._tick_shift

    def _shift_of_sequence(self, sequence: int) -> int:
        if self._sequence_shift is None:
            assert self._last_sequence is not None
            self._sequence_shift = (self._last_sequence | _MASK) + 1 - sequence
        return self._sequence_shift


def assigned(block: ImuBlock, sensors: Sequence[int], device: int) -> ImuBlock:
    """The block with the columns `sensors` only, in that order; NaN where it has no such sensor."""
    here = block.accel_m_s2.shape[1]
    if tuple(sensors) == tuple(range(here)):
        return replace(block, device=device)
    quat = block.quat_world_from_sensor
    return replace(
        block,
        accel_m_s2=_columns(block.accel_m_s2, sensors),
        gyro_rad_s=_columns(block.gyro_rad_s, sensors),
        quat_world_from_sensor=None if quat is None else _columns(quat, sensors),
        device=device,
    )


def _columns(values: NDArray[np.float32], sensors: Sequence[int]) -> NDArray[np.float32]:
    out = np.full((len(values), len(sensors), values.shape[2]), np.nan, np.float32)
    for column, sensor in enumerate(sensors):
        if sensor < values.shape[1]:
            out[:, column] = values[:, sensor]
    return out
