"""Rules on samples: gaps, silent, stuck and clipped slots, units, axes, swapped sides. Pure."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.calibration import GRAVITY_M_S2, calibrate
from capture.resample import TICK_HZ
from capture.swaps import find_places, find_swaps
from dataset_tools.sets.findings import Finding, Seen, at, runs, span
from firmware_host.clock import NS_PER_S
from firmware_host.slot_health import STUCK_S

Array = NDArray[np.float64]

# Longer than this, a face has moved unseen; a share that training notices. Ours.
GAP_S, LONG_GAP_S, LOSS = 0.1, 1.0, 0.02
SILENT_S = 0.5
# Full scales of the chips that face sensors are made of (datasheets), m/s² and rad/s.
RANGES_M_S2 = GRAVITY_M_S2 * np.array([2.0, 4.0, 8.0, 16.0, 30.0])
RANGES_RAD_S = np.radians([125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0])
CLIPPED_READINGS = 3
FEWEST_STUCK = 10  # where the rate is low
# Sensors are good to 60 mg; what is further off is another unit or range (docs/sensing.md).
GRAVITY_OFF = 0.15
# As `imusic import samples`: no head turns faster, nor does one rest that turns like this.
MAX_HEAD_RAD_S, RESTLESS_RAD_S = 20.0, 0.3
MAX_TILT_RAD = float(np.radians(60.0))


def gaps(seen: Seen) -> Iterator[Finding]:
    """No samples from a device for longer than a face holds still."""
    samples, facts = seen.sequence.samples, seen.facts
    for device in np.unique(samples.device):
        time_ns = samples.time_ns[samples.device == device]
        steps = np.diff(time_ns)
        if not len(steps):
            continue
        limit = max(GAP_S * NS_PER_S, 5.0 * float(np.median(steps)))
        holes = np.flatnonzero(steps > limit)
        for i in holes:
            start_s, end_s = time_ns[i] / NS_PER_S, time_ns[i + 1] / NS_PER_S
            long = end_s - start_s > LONG_GAP_S
            yield Finding(
                "gap",
                "fail" if long else "warn",
                at(facts, span(start_s, end_s)),
                f"device {device} gave no samples for {end_s - start_s:.2f} s",
                "trim the take there, or split it in two",
                seen.sequence.number,
            )


def loss(seen: Seen) -> Iterator[Finding]:
    """More samples lost than training should see."""
    share = seen.facts["loss"]
    if share > LOSS:
        yield Finding(
            "loss",
            "fail",
            at(seen.facts),
            f"{100 * share:.1f} % of the samples never arrived, of at most {100 * LOSS:g} %",
            "bring the hub nearer or lower its rate; drop the take, or the worst of it",
            seen.sequence.number,
        )


def silent_slots(seen: Seen) -> Iterator[Finding]:
    """A slot that stops giving readings while its device goes on, or that the take lacks."""
    samples, facts = seen.sequence.samples, seen.facts
    if not len(samples):
        return
    for index, slot in enumerate(seen.layout.names):
        heard = seen.heard[:, index]
        if not heard.any():
            if slot in seen.worn.names:
                yield _silent(seen, slot, "the whole take", "it never gave anything")
            continue
        device = samples.device[np.argmax(heard)]
        mine = samples.device == device
        time_s = samples.time_ns[mine] / NS_PER_S
        for start, end in runs(~heard[mine]):
            left, right = time_s[start], time_s[end - 1]
            if right - left > SILENT_S:
                yield _silent(seen, slot, span(left, right), f"silent for {right - left:.2f} s")
    for slot in (s for s in seen.layout.names if s not in seen.worn.names):
        yield Finding(
            "missing_slot",
            "warn",
            at(facts, slot),
            "the take has no such sensor",
            "nothing, where that is as it was worn",
            seen.sequence.number,
        )


def _silent(seen: Seen, slot: str, when: str, what: str) -> Finding:
    return Finding(
        "silent_slot",
        "fail",
        at(seen.facts, f"{slot}, {when}"),
        what,
        "check its cable; trim the take, or drop it",
        seen.sequence.number,
    )


def stuck_slots(seen: Seen) -> Iterator[Finding]:
    """A slot that repeats itself exactly: real sensors have noise."""
    samples = seen.sequence.samples
    bits = seen.readings.view(
        np.int32
    )  # what was never heard is equal too, of such as lack a sensor
    for index, slot in enumerate(seen.layout.names):
        kept = seen.heard[:, index]
        readings = bits[:, index] if kept.all() else bits[kept, index]
        # Most sensors differ in the first axis already.
        if np.count_nonzero(readings[1:, 0] == readings[:-1, 0]) < FEWEST_STUCK:
            continue
        time_s = samples.time_ns[kept] / NS_PER_S
        same = (readings[1:] == readings[:-1]).all(axis=1)
        for start, end in runs(same):
            length_s = time_s[end] - time_s[start]
            if length_s >= STUCK_S and end - start >= FEWEST_STUCK:
                yield Finding(
                    "stuck_slot",
                    "fail",
                    at(seen.facts, f"{slot}, {span(time_s[start], time_s[end])}"),
                    f"the same reading {end - start + 1} times in a row",
                    "check its cable; trim the take, or drop it",
                    seen.sequence.number,
                )


def clipped_slots(seen: Seen) -> Iterator[Finding]:
    """Readings that stand at the end of a sensor's range."""
    for name, ranges, columns in (
        ("accel", RANGES_M_S2, slice(0, 3)),
        ("gyro", RANGES_RAD_S, slice(3, 6)),
    ):
        values = seen.readings[..., columns]
        if not values.size:
            continue
        high, low = np.fmax.reduce(values, axis=0), np.fmin.reduce(values, axis=0)
        top = np.nan_to_num(np.fmax(high, -low))  # (S, 3)
        near = np.abs(top[..., None] / ranges - 1.0).min(axis=-1) < 0.002
        for slot, axis in np.argwhere(near):
            far = np.abs(values[:, slot, axis]) >= top[slot, axis] * 0.9995
            count = int(np.count_nonzero(far))
            if count >= CLIPPED_READINGS:
                yield Finding(
                    "clipped_slot",
                    "warn",
                    at(seen.facts, f"{seen.layout.names[slot]}, {name} {'xyz'[axis]}"),
                    f"{count} readings stand at {top[slot, axis]:.4g}, the end of a range",
                    "record with a wider range",
                    seen.sequence.number,
                )


def units(seen: Seen) -> Iterator[Finding]:
    """Gravity is 9.8 and rates are rad/s, or the numbers are of another unit."""
    samples, facts = seen.sequence.samples, seen.facts
    still = _resting(seen)
    for index, slot in enumerate(seen.layout.names):
        force = np.linalg.norm(samples.accel_m_s2[still, index].astype(np.float64), axis=1)
        force = force[np.isfinite(force)]
        if len(force) < 2:
            continue
        median = float(np.median(force))
        if abs(median / GRAVITY_M_S2 - 1) > GRAVITY_OFF:
            yield Finding(
                "accel_unit",
                "fail",
                at(facts, slot),
                f"gravity at rest is {median:.3g} m/s², expected {GRAVITY_M_S2:.3g}",
                _accel_remedy(median),
                seen.sequence.number,
            )
    reference = seen.layout.reference_index
    rate = np.linalg.norm(samples.gyro_rad_s[:, reference].astype(np.float64), axis=1)
    resting, rate = rate[still & np.isfinite(rate)], rate[np.isfinite(rate)]
    fast = float(np.percentile(rate, 99.5)) if len(rate) else 0.0
    restless = float(np.median(resting)) if len(resting) else 0.0
    if fast > MAX_HEAD_RAD_S or restless > RESTLESS_RAD_S:
        yield Finding(
            "gyro_unit",
            "fail" if fast > MAX_HEAD_RAD_S else "warn",
            at(facts, seen.layout.reference),
            f"the head turns at {fast:.3g} rad/s, and at {restless:.2g} rad/s at rest",
            "degrees per second? multiply by pi/180, or mark where the wearer rests",
            seen.sequence.number,
        )


def _accel_remedy(median: float) -> str:
    if 0.5 < median < 1.5:
        return "multiples of g: multiply by 9.80665 and import the take again"
    if median < 0.5:
        return "is gravity taken out? it belongs in"
    return "give m/s², or calibrate the sensor with `imusic calibrate-sensors`"


def _resting(seen: Seen) -> NDArray[np.bool_]:
    """(N,) samples of the rest; the two quietest seconds where none is marked."""
    samples = seen.sequence.samples
    time_s = samples.time_ns / NS_PER_S
    if (rest := seen.stretch("rest")) is not None:
        inside: NDArray[np.bool_] = (time_s >= rest[0]) & (time_s <= rest[1])
        if inside.any():
            return inside
    rate = np.linalg.norm(samples.gyro_rad_s[:, seen.layout.reference_index], axis=1)
    if not np.isfinite(rate).any():
        return np.ones(len(time_s), np.bool_)
    return np.asarray(rate <= np.nanpercentile(rate, 25))


def axes(seen: Seen) -> Iterator[Finding]:
    """Mounted as the take says, every sensor feels gravity upwards."""
    still = _resting(seen)
    names = seen.layout.names
    nominal = np.full((len(names), 4), np.nan)
    for slot in seen.worn.slots:
        nominal[names.index(slot.name)] = slot.quat_head_from_sensor
    with np.errstate(invalid="ignore"):
        accel = seen.sequence.samples.accel_m_s2[still].astype(np.float64)
        counts = np.isfinite(accel).sum(axis=0)
        mean = np.nansum(accel, axis=0) / np.where(counts, counts, np.nan)
        up = rotations.rotate(nominal, mean)
        up /= np.linalg.norm(up, axis=1, keepdims=True)
        tilt = np.arccos(np.clip(up[:, 1], -1, 1))
    for index in np.flatnonzero(tilt > MAX_TILT_RAD).tolist():
        yield Finding(
            "axes",
            "warn",
            at(seen.facts, names[index]),
            f"up is {np.degrees(tilt[index]):.0f} degrees from where its mounting puts it",
            "does quat_head_from_sensor of the layout fit how it was glued? did the wearer lie?",
            seen.sequence.number,
        )


def swapped_slots(seen: Seen) -> Iterator[Finding]:
    """Left and right of a pair exchanged, by how the head moves in the routine."""
    rest, routine = seen.stretch("rest"), seen.stretch("routine")
    rows = seen.sequence.rows
    if rest is None or routine is None or not len(rows):
        return
    readings = np.concatenate((rows.accel_m_s2, rows.gyro_rad_s), axis=2).astype(np.float64)
    still, moving = (_between(readings, seen, stretch) for stretch in (rest, routine))
    if not len(still) or np.isnan(moving[:, seen.layout.reference_index]).all():
        return
    calibration = calibrate(seen.layout, still[..., :3], still[..., 3:], moving[..., 3:])
    found = find_swaps(find_places(moving, seen.layout, calibration), seen.layout)
    for left, right in found.swapped:
        yield Finding(
            "swapped_slots",
            "fail",
            at(seen.facts, f"{left}, {right}"),
            "each moves with the head as the other should",
            "exchange them in `devices` of take.toml, and build again",
            seen.sequence.number,
        )


def _between(rows: Array, seen: Seen, stretch: tuple[float, float]) -> Array:
    first, last = (round(t * TICK_HZ) - seen.sequence.first_tick for t in stretch)
    return rows[max(first, 0) : max(last, 0)]


SENSOR_RULES = (
    gaps, loss, silent_slots, stuck_slots, clipped_slots, units, axes, swapped_slots,
)  # fmt: skip
