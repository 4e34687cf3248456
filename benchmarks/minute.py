"""How small a movement of the skin is found (`model.minute`). Simulated IMUs.

    python benchmarks/minute.py [--wearers 8] [--json]

Virtual wearers with real chips, donned with their own mounting errors, sit with a face at rest, the
head held still or moving as in conversation, and now and then one patch trembles: a sine in a band,
under a raised cosine, along the way the skin of that place goes for one of its shapes, and turning
as it does then. Found is what an event of that slot overlaps. False alarms are counted on the same
minutes without tremors, and on real recordings of people, where every event comes of an ordinary
expression and should be marked `visible`.

Amplitude is of the sine, at its height; what lies below the line of half is below the noise floor.
Nobody's skin was simulated to beat with the heart: see docs/minute.md.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from strangers import STRANGERS
from takes import RATE_HZ, SEED

from capture import rotations
from capture.head import standard_head
from capture.resample import TICK_HZ
from dataset_tools.disturbances import Disturbances, Tremor
from dataset_tools.motion import head_motion
from dataset_tools.performance import (
    REST_S,
    ROUTINE_S,
    Performance,
    baseline,
    from_weights,
    trimmed,
    with_routine,
)
from dataset_tools.recordings import read_performance
from dataset_tools.virtual_imu import VirtualWearer, feel
from dataset_tools.wearers import draw_donnings
from firmware_host.layout import FACE_12
from model.data import noticed
from model.minute import BANDS_HZ, BEGINS_AT, MinuteDetector, MinuteEvent, floor_of

AMPLITUDES_MM = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
DURATIONS_S = (1.5, 1.0, 0.6)  # of a tremor, by band
EVERY_S = 4.0
PER_BAND = 10  # tremors of each band in a take
MINUTES = 2.0  # without tremors
OPENING_ROWS = round((REST_S + ROUTINE_S) * TICK_HZ)
REST_ROWS = round(REST_S * TICK_HZ)
HEADS = ("still", "moving")
NEAR_S = 0.5


def sitting(seconds: float, head: str, seed: int) -> Performance:
    """A face at rest, after rest and routine."""
    time_s = np.arange(round(60 * seconds)) / 60
    weights = np.full((len(time_s), 52), 0.05)
    if head == "still":
        quats = np.tile([1.0, 0, 0, 0], (len(time_s), 1))
    else:
        quats = head_motion(time_s, np.random.default_rng(seed), weights)
    return with_routine(from_weights(time_s, weights, None, quats), seed)


def trembling(
    wearer: VirtualWearer, millimetres: float, rng: np.random.Generator
) -> tuple[tuple[Tremor, ...], list[int]]:
    """Tremors of all bands in random order, one every EVERY_S; and their bands."""
    bands = rng.permutation(np.repeat(np.arange(len(BANDS_HZ)), PER_BAND)).tolist()
    face = wearer.layout.face_indices
    tremors = []
    for number, band in enumerate(bands):
        site = int(rng.choice(face))
        moves = np.linalg.norm(wearer.sites.translation[site], axis=0)
        shape = int(rng.choice(np.flatnonzero(moves > 0.3 * moves.max())))
        scale = 1e-3 * millimetres / moves[shape]
        to_sensor = rotations.conjugate(wearer.quat_head_from_sensor[site])
        shift, tilt = (
            rotations.rotate(to_sensor, scale * way[site, :, shape])
            for way in (wearer.sites.translation, wearer.sites.rotation)
        )
        start_s = REST_S + ROUTINE_S + 3.0 + EVERY_S * number + rng.uniform(0.0, 1.0)
        hz = float(rng.uniform(*BANDS_HZ[band]))
        tremors.append(Tremor(site, start_s, DURATIONS_S[band], hz, shift, tilt))
    return tuple(tremors), bands


def detected(
    performance: Performance, wearer: VirtualWearer, seed: int, begins_at: Sequence[float]
) -> list[MinuteEvent]:
    """What the detector says of a take, by its own rest and routine."""
    felt = feel(performance, wearer, RATE_HZ, np.random.default_rng((seed, 5)))
    rows = noticed(felt, wearer.layout)
    sites = len(wearer.layout.face_indices)
    floor = floor_of(rows[:REST_ROWS], rows[REST_ROWS:OPENING_ROWS], sites)
    detector = MinuteDetector(wearer.layout, floor, OPENING_ROWS, begins_at)
    return detector.advance(len(rows) - 1, rows)


def found(tremors: Sequence[Tremor], events: Sequence[MinuteEvent]) -> list[bool]:
    """Which tremors an event of their slot overlaps."""
    names = FACE_12.names
    return [
        any(
            event.slot == names[one.site]
            and event.time_ns / 1e9 < one.start_s + one.duration_s + NEAR_S
            and event.time_ns / 1e9 + event.duration_s > one.start_s - 0.1
            for event in events
        )
        for one in tremors
    ]


def per_minute(events: Sequence[MinuteEvent], minutes: float) -> dict[str, float]:
    """How many events a minute, unmarked and marked as visible."""
    seen = sum(event.visible for event in events)
    return {"minute": (len(events) - seen) / minutes, "visible": seen / minutes}


def of_wearer(seed: int, begins_at: Sequence[float]) -> dict[str, object]:
    """Hits by head, band and amplitude; false alarms by head."""
    wearer, _ = draw_donnings(standard_head(), FACE_12, np.random.default_rng(seed), 0.0, 0.0)
    hits: dict[str, list[bool]] = {}
    alarms = {}
    for head in HEADS:
        calm = sitting(60 * MINUTES, head, seed)
        alarms[head] = per_minute(detected(calm, wearer, seed, begins_at), MINUTES)
        seconds = EVERY_S * (PER_BAND * len(BANDS_HZ) + 1)
        for millimetres in AMPLITUDES_MM:
            rng = np.random.default_rng((seed, round(1000 * millimetres)))
            tremors, bands = trembling(wearer, millimetres, rng)
            shaken = replace(wearer, disturbances=Disturbances(tremors=tremors))
            events = detected(sitting(seconds, head, seed), shaken, seed, begins_at)
            for band, hit in zip(bands, found(tremors, events), strict=True):
                hits.setdefault(f"{head} {band} {millimetres}", []).append(hit)
    return {"hits": hits, "alarms": alarms}


def performed(root: Path, wearers: int, begins_at: Sequence[float]) -> Iterator[tuple[str, dict]]:
    """Events a minute while people perform, by recording."""
    for number, source in enumerate(STRANGERS):
        paths = sorted(root.glob(source.files))
        if not paths:
            continue
        whole = read_performance(paths[0])
        part = trimmed(whole, whole.time_s[0], min(60.0, whole.duration_s))
        seed = SEED + number % wearers
        wearer, _ = draw_donnings(standard_head(), FACE_12, np.random.default_rng(seed), 0.0, 0.0)
        take = with_routine(part, seed, rest_weights=baseline(whole))
        events = detected(take, wearer, seed, begins_at)
        yield source.person, per_minute(events, part.duration_s / 60)


def main() -> None:
    """Tremble, count, print tables."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--wearers", type=int, default=8)
    options.add_argument("--first", type=int, default=0, help="number of the first wearer")
    options.add_argument("--scale", type=float, default=1.0, help="of the thresholds shipped")
    options.add_argument(
        "--data", type=Path, default=Path(os.environ.get("IMUSIC_DATA", "../shared/data"))
    )
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    begins_at = [asked.scale * level for level in BEGINS_AT]
    told = []
    for number in range(asked.first, asked.first + asked.wearers):
        told.append(of_wearer(SEED + number, begins_at))
        print(f"wearer {number}: {told[-1]['alarms']}", file=sys.stderr)
    alarms = {
        head: {
            kind: float(np.mean([one["alarms"][head][kind] for one in told]))
            for kind in ("minute", "visible")
        }
        for head in HEADS
    }
    rates = {
        key: float(np.mean([hit for one in told for hit in one["hits"][key]]))
        for key in told[0]["hits"]
    }
    people = dict(performed(asked.data, asked.wearers, begins_at))
    result = {"alarms_per_minute": alarms, "found": rates, "performed_per_minute": people}
    if asked.json:
        print(json.dumps(result))
        return
    for head in HEADS:
        print(f"\nhead {head}: {alarms[head]['minute']:.2f} false alarms a minute\n")
        print("| band |", " | ".join(f"{mm:g} mm" for mm in AMPLITUDES_MM), "|")
        print("|---|" + "---|" * len(AMPLITUDES_MM))
        for band, (low, high) in enumerate(BANDS_HZ):
            cells = [f"{100 * rates[f'{head} {band} {mm}']:.0f} %" for mm in AMPLITUDES_MM]
            print(f"| {low:g}–{high:g} Hz |", " | ".join(cells), "|")
    print("\n| person | unmarked a minute | marked visible a minute |\n|---|---|---|")
    for person, rate in people.items():
        print(f"| {person} | {rate['minute']:.1f} | {rate['visible']:.1f} |")


if __name__ == "__main__":
    main()
