"""`imusic check`: is every sensor fit for a session? The rules. Pure.

A check is a rest of some seconds, then nods, side tilts and turns. Rates, losses, stuck and clipped
sensors are counted all the time (`firmware_host.slot_health`); gravity, gyroscope bias and noise
are judged at rest; left and right by how the head moved (`capture.swaps`). What a device does not
tell is not judged: one without rates has no bias.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from capture.calibration import GRAVITY_M_S2
from firmware_host.clock import NS_PER_S
from firmware_host.link_events import RigEvent
from firmware_host.samples import HubEvent, HubInfo, HubStatus, ImuBlock
from firmware_host.sensor_profile import Correction, Corrector
from firmware_host.slot_health import SlotState, StreamWatch

Array = NDArray[np.float64]

# Datasheets of cheap chips promise offsets of 20 to 60 mg and 0.5 to 5 degrees a second, and a
# hundredth of these noises; a sensor beyond them is damaged, loose, badly fed or set to another
# range than it tells. What they cost afterwards is in `docs/sensing.md`.
RATE_OFF, LOST, MISSING = 0.05, 0.02, 0.02  # shares
SILENT_S = 0.5
GRAVITY_OFF_M_S2 = 0.6
GYRO_BIAS_RAD_S = math.radians(5.0)
ACCEL_NOISE_M_S2, GYRO_NOISE_RAD_S = 0.25, 0.03
BATTERY = 0.15
# Breath and pulse stay below; a head that looks about does not.
MOVED_ACCEL_M_S2, MOVED_GYRO_RAD_S = 0.5, 0.15
_MIN_RESTING = 20  # readings


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, by which rule, and what can be done."""

    rule: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the verdict: a slot, or a device as a whole. Figures that are unknown are NaN."""

    name: str
    device: str
    problems: tuple[Problem, ...] = ()
    rate_hz: float = math.nan
    gravity_m_s2: float = math.nan
    gyro_bias_rad_s: float = math.nan
    accel_noise_m_s2: float = math.nan
    gyro_noise_rad_s: float = math.nan

    @property
    def is_green(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problems


@dataclass(frozen=True, slots=True, eq=False)
class AtRest:
    """One slot's rest: means, standard deviations, and noise of single readings. Each (3,)."""

    accel: Array
    gyro: Array
    accel_spread: Array
    gyro_spread: Array
    accel_noise: Array
    gyro_noise: Array


@dataclass(slots=True)
class DeviceEar:
    """Everything that one device said during a check."""

    name: str
    watch: StreamWatch = field(default_factory=StreamWatch)
    blocks: list[ImuBlock] = field(default_factory=list)
    status: HubStatus | None = None

    def take(self, event: RigEvent) -> None:
        """Take one event of the device."""
        if isinstance(event, HubEvent):
            self.watch.take(event)
        if isinstance(event, ImuBlock):
            self.blocks.append(event)
        elif isinstance(event, HubStatus):
            self.status = event

    @property
    def info(self) -> HubInfo | None:
        """What the device said it is."""
        return self.watch.info

    def readings(self, start_ns: int, end_ns: int) -> tuple[Array, Array]:
        """(accel, gyro), each (N, S, 3), of what arrived in a stretch."""
        slots = len(self.info.slots) if self.info else 0
        kept = [b for b in self.blocks if start_ns <= b.arrival_ns < end_ns]
        kept = [b for b in kept if b.accel_m_s2.shape[1] == slots]
        if not kept:
            return np.zeros((0, slots, 3)), np.zeros((0, slots, 3))
        accel = np.concatenate([b.accel_m_s2 for b in kept]).astype(np.float64)
        return accel, np.concatenate([b.gyro_rad_s for b in kept]).astype(np.float64)


def device_row(ear: DeviceEar, now_ns: int) -> Row:
    """The device as a whole: rate, loss, battery, what it says of its sensors."""
    info, counts = ear.info, ear.watch.counts
    if info is None or not counts.samples:
        silent = Problem(
            "silent", "it gives no samples", "check its cable and power, then `imusic devices`"
        )
        return Row(ear.name, ear.name, (silent,))
    rate_hz = ear.watch.rate_hz(now_ns)
    arrived = counts.samples / (counts.samples + counts.lost)
    problems = [*_rate(rate_hz / arrived, info), *_loss(ear), *_battery(counts.battery)]
    return Row(ear.name, ear.name, tuple(problems), rate_hz=rate_hz)


def _rate(rate_hz: float, info: HubInfo) -> list[Problem]:
    """rate_hz: with what was lost on the way, which is another rule's."""
    if not info.rate_hz > 0 or abs(rate_hz - info.rate_hz) <= RATE_OFF * info.rate_hz:
        return []  # other makers' devices do not tell
    reason = f"{rate_hz:.0f} samples a second instead of {info.rate_hz:.0f}"
    fix = "give the link more room (a better cable, a faster port), or set a lower rate"
    return [Problem("rate", reason, fix)]


def _loss(ear: DeviceEar) -> list[Problem]:
    counts = ear.watch.counts
    lost = counts.lost / (counts.lost + counts.samples)
    problems = []
    if lost > LOST:
        reason = f"{100 * lost:.1f} % of its samples were lost on the way"
        fix = "use a shorter or better cable; by radio, go nearer, or set a lower rate"
        problems.append(Problem("loss", reason, fix))
    if counts.garbage_bytes > LOST * 100 * counts.samples:
        reason = f"{counts.garbage_bytes} bytes of garbage among its samples"
        fix = "check plug, ground and baud rate, and that no other program has the port"
        problems.append(Problem("garbage", reason, fix))
    return problems


def _battery(charge: float) -> list[Problem]:
    if not charge < BATTERY:  # NaN where there is none
        return []
    return [Problem("battery", f"its battery is at {100 * charge:.0f} %", "charge it first")]


def slot_rows(
    ear: DeviceEar,
    rest_ns: tuple[int, int],
    now_ns: int,
    corrections: Mapping[str, Correction] | None = None,
) -> list[Row]:
    """Every slot of one device. rest_ns: host times between which the wearer was to be still."""
    if ear.info is None:
        return []
    slots = ear.info.slots
    accel, gyro = ear.readings(*rest_ns)
    corrector = Corrector(slots, corrections or {})
    force, rate = corrector.correct(accel.astype(np.float32), gyro.astype(np.float32))
    rests = [at_rest(force[:, i], rate[:, i]) for i in range(len(slots))]
    failing = ear.status.error_mask if ear.status else 0
    return [
        _slot_row(ear, state, rest, bool(failing >> i & 1), bool(corrections))
        for i, (state, rest) in enumerate(zip(ear.watch.slots(now_ns), rests, strict=True))
    ]


def at_rest(accel: NDArray[np.floating], gyro: NDArray[np.floating]) -> AtRest | None:
    """What a slot (N, 3), (N, 3) read at rest; None where it was hardly heard.

    Noise is that of neighbouring readings: a pulse is slower.
    """
    heard = np.isfinite(accel).all(axis=1)
    if heard.sum() < _MIN_RESTING:
        return None
    parts = [np.asarray(part[heard], np.float64) for part in (accel, gyro)]
    means, spreads = ([f(part, axis=0) for part in parts] for f in (np.mean, np.std))
    noises = [np.std(np.diff(part, axis=0), axis=0) / math.sqrt(2) for part in parts]
    return AtRest(means[0], means[1], spreads[0], spreads[1], noises[0], noises[1])


def _slot_row(
    ear: DeviceEar, state: SlotState, rest: AtRest | None, fails: bool, is_corrected: bool
) -> Row:
    problems = [*_heard(state, fails), *_clipped(state)]
    if rest is None:
        return Row(state.name, ear.name, tuple(problems), rate_hz=state.rate_hz)
    gravity, bias = float(np.linalg.norm(rest.accel)), float(np.linalg.norm(rest.gyro))
    if not state.is_stuck:
        problems += _moved(rest) or [*_gravity(gravity, is_corrected), *_bias(bias, is_corrected)]
        problems += _noise(rest)
    return Row(
        state.name,
        ear.name,
        tuple(problems),
        rate_hz=state.rate_hz,
        gravity_m_s2=gravity,
        gyro_bias_rad_s=bias,
        accel_noise_m_s2=float(rest.accel_noise.max()),
        gyro_noise_rad_s=float(rest.gyro_noise.max()),
    )


def _heard(state: SlotState, fails: bool) -> list[Problem]:
    wires = f"check the wires and the plug of {state.name}"
    if fails:
        return [Problem("failed", "its hub says that it does not work", wires)]
    if not state.rate_hz or state.age_s > SILENT_S:
        return [Problem("silent", "it gives no readings", wires)]
    if state.is_stuck:
        fix = f"{wires}, then switch its hub off and on; if it stays so, replace it"
        return [Problem("stuck", "it repeats the same reading", fix)]
    if state.missing > MISSING:
        reason = f"{100 * state.missing:.1f} % of its readings are missing"
        return [Problem("missing", reason, wires)]
    return []


def _clipped(state: SlotState) -> list[Problem]:
    if not state.clipped:
        return []
    reason = f"{state.clipped} readings at the end of its range"
    fix = "fix it well to the skin; if it still clips, `imusic hub URL --accel-range 160`"
    return [Problem("clipped", reason, fix)]


def _moved(rest: AtRest) -> list[Problem]:
    spread = float(np.linalg.norm(rest.accel_spread))
    turned = float(np.linalg.norm(rest.gyro_spread))  # NaN where it gives no rates
    if spread <= MOVED_ACCEL_M_S2 and not turned > MOVED_GYRO_RAD_S:
        return []
    if _noise(rest):
        return []  # it is no motion that shakes it
    reason = "it moved while it should rest"
    return [Problem("moved", reason, "hold the head still at the beginning, and check again")]


def _gravity(length: float, is_corrected: bool) -> list[Problem]:
    if abs(length - GRAVITY_M_S2) <= GRAVITY_OFF_M_S2:
        return []
    again = " again" if is_corrected else ""
    reason = f"it feels {length:.2f} m/s² at rest instead of {GRAVITY_M_S2:.2f}"
    fix = f"run `imusic calibrate-sensors`{again}; far off, its range is not what its hub tells"
    return [Problem("gravity", reason, fix)]


def _bias(length: float, is_corrected: bool) -> list[Problem]:
    if not length > GYRO_BIAS_RAD_S:  # NaN where it gives no rates
        return []
    again = " again" if is_corrected else ""
    reason = f"its gyroscope turns by {math.degrees(length):.1f} degrees a second at rest"
    fix = f"let it warm up for a minute, then run `imusic calibrate-sensors`{again}"
    return [Problem("bias", reason, fix)]


def _noise(rest: AtRest) -> list[Problem]:
    accel, gyro = float(rest.accel_noise.max()), float(rest.gyro_noise.max())
    problems = []
    fix = "check its solder joints, supply and cable shield; keep motors and loudspeakers away"
    if accel > ACCEL_NOISE_M_S2:
        problems.append(Problem("noise", f"its accelerometer is noisy ({accel:.2f} m/s²)", fix))
    if gyro > GYRO_NOISE_RAD_S:
        reason = f"its gyroscope is noisy ({math.degrees(gyro):.1f} degrees a second)"
        problems.append(Problem("noise", reason, fix))
    return problems


def absent_rows(slots: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """Slots of the layout that no device serves."""
    served = {row.name for row in rows}
    fix = "connect a sensor for it, or record with --allow-missing"
    return [
        Row(slot, "", (Problem("absent", "no device serves it", f"{fix} {slot}"),))
        for slot in slots
        if slot not in served
    ]


def swap_problems(swapped: Sequence[tuple[str, str]]) -> dict[str, Problem]:
    """What is wrong with each slot of the pairs that sit on each other's side."""
    found = {}
    for left, right in swapped:
        for slot, other in ((left, right), (right, left)):
            fix = f"exchange the sensors of {left} and {right}, or their names"
            found[slot] = Problem("swapped", f"it sits where {other} should", fix)
    return found


def stretch_ns(first_ns: int, rest_s: float, routine_s: float) -> tuple[int, int, int]:
    """(rest begins, rest ends, routine ends) by the arrival of the first sample."""
    rest_end_ns = first_ns + round(rest_s * NS_PER_S)
    return first_ns, rest_end_ns, rest_end_ns + round(routine_s * NS_PER_S)
