"""Faults as they happen to recordings, planted at random places and in random strength.

Written from what goes wrong at a desk, not from the rules: nothing here knows their thresholds.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from dataset_tools.sets.findings import Seen
from dataset_tools.sets.sequences import Faces, Samples, rows_at_60_hz

Rng = np.random.Generator
Fault = Callable[[Seen, Rng], Seen]
NS = 1_000_000_000


def with_samples(seen: Seen, samples: Samples) -> Seen:
    rows = rows_at_60_hz(samples, seen.sequence.faces)
    return replace(seen, sequence=replace(seen.sequence, samples=samples, rows=rows))


def with_faces(seen: Seen, faces: Faces) -> Seen:
    rows = rows_at_60_hz(seen.sequence.samples, faces)
    return replace(seen, sequence=replace(seen.sequence, faces=faces, rows=rows))


def with_facts(seen: Seen, **facts: Any) -> Seen:
    return replace(seen, sequence=replace(seen.sequence, facts={**seen.facts, **facts}))


def moved(seen: Seen, change: Callable[[np.ndarray, np.ndarray], Any]) -> Seen:
    """Let `change` work on copies of accel and gyro."""
    samples = seen.sequence.samples
    accel, gyro = samples.accel_m_s2.copy(), samples.gyro_rad_s.copy()
    change(accel, gyro)
    return with_samples(seen, replace(samples, accel_m_s2=accel, gyro_rad_s=gyro))


def stretch(time_ns: np.ndarray, rng: Rng, shortest_s: float, longest_s: float) -> slice:
    """Rows of a random stretch well inside."""
    length_s = rng.uniform(shortest_s, longest_s)
    last_s = (time_ns[-1] - time_ns[0]) / NS
    start_s = rng.uniform(0.1 * last_s, 0.9 * last_s - length_s)
    at = time_ns[0] + np.array([start_s, start_s + length_s]) * NS
    return slice(*np.searchsorted(time_ns, at).tolist())


def some_slot(seen: Seen, rng: Rng) -> int:
    return int(rng.choice([i for i in range(12) if i != seen.layout.reference_index]))


def unplugged(seen: Seen, rng: Rng) -> Seen:
    samples = seen.sequence.samples
    away = stretch(samples.time_ns, rng, 0.3, 3.0)
    kept = np.ones(len(samples), bool)
    kept[away] = False
    return with_samples(
        seen,
        Samples(
            samples.time_ns[kept],
            samples.accel_m_s2[kept],
            samples.gyro_rad_s[kept],
            samples.device[kept],
        ),
    )


def weak_radio(seen: Seen, rng: Rng) -> Seen:
    return with_facts(seen, loss=float(rng.uniform(0.05, 0.4)))


def broken_wire(seen: Seen, rng: Rng) -> Seen:
    slot, away = some_slot(seen, rng), stretch(seen.sequence.samples.time_ns, rng, 1.0, 4.0)

    def cut(accel: np.ndarray, gyro: np.ndarray) -> None:
        accel[away, slot] = gyro[away, slot] = np.nan

    return moved(seen, cut)


def dead_sensor(seen: Seen, rng: Rng) -> Seen:
    slot = some_slot(seen, rng)

    def kill(accel: np.ndarray, gyro: np.ndarray) -> None:
        accel[:, slot] = gyro[:, slot] = np.nan

    return moved(seen, kill)


def hung_sensor(seen: Seen, rng: Rng) -> Seen:
    slot, hung = some_slot(seen, rng), stretch(seen.sequence.samples.time_ns, rng, 0.5, 3.0)

    def hang(accel: np.ndarray, gyro: np.ndarray) -> None:
        accel[hung, slot] = accel[hung.start, slot]
        gyro[hung, slot] = gyro[hung.start, slot]

    return moved(seen, hang)


def narrow_range(seen: Seen, rng: Rng) -> Seen:
    """Somebody knocks at a sensor that was set to its smallest range."""
    slot, axis = some_slot(seen, rng), int(rng.integers(3))
    knocked = stretch(seen.sequence.samples.time_ns, rng, 0.3, 1.0)
    is_accel = bool(rng.integers(2))
    limit = 2 * 9.80665 if is_accel else np.radians(250)

    def knock(accel: np.ndarray, gyro: np.ndarray) -> None:
        values = accel if is_accel else gyro
        count = knocked.stop - knocked.start
        values[knocked, slot, axis] += 3 * limit * np.sin(np.arange(count) * 0.4)
        np.clip(values[:, slot, axis], -limit, limit, out=values[:, slot, axis])

    return moved(seen, knock)


def in_g(seen: Seen, rng: Rng) -> Seen:
    def scale(accel: np.ndarray, gyro: np.ndarray) -> None:
        accel /= 9.80665

    return moved(seen, scale)


def without_gravity(seen: Seen, rng: Rng) -> Seen:
    def remove(accel: np.ndarray, gyro: np.ndarray) -> None:
        accel -= accel[:100].mean(axis=0)

    return moved(seen, remove)


def in_degrees(seen: Seen, rng: Rng) -> Seen:
    def scale(accel: np.ndarray, gyro: np.ndarray) -> None:
        gyro *= 180 / np.pi

    return moved(seen, scale)


def glued_wrong(seen: Seen, rng: Rng) -> Seen:
    """A sensor on its side, or upside down."""
    slot, upside_down = some_slot(seen, rng), bool(rng.integers(2))
    turn = (
        np.diag([-1.0, -1.0, 1.0]) if upside_down else np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    )

    def rotate(accel: np.ndarray, gyro: np.ndarray) -> None:
        accel[:, slot] = accel[:, slot] @ turn.T
        gyro[:, slot] = gyro[:, slot] @ turn.T

    return moved(seen, rotate)


def crossed_cables(seen: Seen, rng: Rng) -> Seen:
    names = seen.layout.names
    name = str(rng.choice(["frontalis", "orbicularis_oculi", "zygomaticus", "buccinator"]))
    pair = [names.index(f"{name}_left"), names.index(f"{name}_right")]

    def cross(accel: np.ndarray, gyro: np.ndarray) -> None:
        accel[:, pair], gyro[:, pair] = accel[:, pair[::-1]], gyro[:, pair[::-1]]

    return moved(seen, cross)


def out_of_sight(seen: Seen, rng: Rng) -> Seen:
    faces = seen.sequence.faces
    away = stretch(faces.time_ns, rng, 1.0, 4.0)
    tracked, weights = faces.tracked.copy(), faces.weights.copy()
    tracked[away], weights[away] = False, np.nan
    return with_faces(seen, replace(faces, tracked=tracked, weights=weights))


def hung_app(seen: Seen, rng: Rng) -> Seen:
    faces = seen.sequence.faces
    hung = stretch(faces.time_ns, rng, 1.0, 3.0)
    weights = faces.weights.copy()
    weights[hung] = weights[hung.start]
    return with_faces(seen, replace(faces, weights=weights))


def counted_twice(seen: Seen, rng: Rng) -> Seen:
    """Thirty frames a second, sent sixty times."""
    faces = seen.sequence.faces
    weights = faces.weights.copy()
    weights[1::2] = weights[: len(weights) // 2 * 2 : 2]
    return with_faces(seen, replace(faces, weights=weights))


def bad_network(seen: Seen, rng: Rng) -> Seen:
    faces = seen.sequence.faces
    kept = rng.random(len(faces)) > rng.uniform(0.15, 0.4)
    return with_faces(
        seen,
        Faces(faces.time_ns[kept], faces.weights[kept], faces.quats[kept], faces.tracked[kept]),
    )


def in_percent(seen: Seen, rng: Rng) -> Seen:
    faces = seen.sequence.faces
    return with_faces(seen, replace(faces, weights=faces.weights * 100))


def damaged_cell(seen: Seen, rng: Rng) -> Seen:
    faces = seen.sequence.faces
    weights = faces.weights.copy()
    weights[rng.integers(len(weights)), rng.integers(52)] = rng.choice([-40.0, 7.0, 300.0])
    return with_faces(seen, replace(faces, weights=weights))


def still_head(seen: Seen, rng: Rng) -> Seen:
    return with_facts(seen, sync="doubtful", notes=["the head did not turn enough"])


def two_latencies(seen: Seen, rng: Rng) -> Seen:
    return with_facts(seen, sync="bad", notes=["parts of the take disagree by 60 ms"])


def late_link(seen: Seen, rng: Rng) -> Seen:
    return with_facts(seen, sync_residual_s=float(rng.uniform(0.02, 0.3)))


def rebooted(seen: Seen, rng: Rng) -> Seen:
    return with_facts(seen, sync_resets=int(rng.integers(1, 4)))


def labelled(seen: Seen, label: str, start_s: float, end_s: float) -> Seen:
    segment = {"label": label, "start_s": start_s, "end_s": end_s}
    others = [s for s in seen.facts["segments"] if s["label"] != label]
    return with_facts(seen, segments=[*others, segment])


def label_of_another_take(seen: Seen, rng: Rng) -> Seen:
    start_s = seen.facts["end_s"] + rng.uniform(1, 100)
    return labelled(seen, "speech", start_s, start_s + rng.uniform(1, 10))


def label_backwards(seen: Seen, rng: Rng) -> Seen:
    return labelled(seen, "speech", 6.0, 6.0 - rng.uniform(0.5, 3))


def label_twice(seen: Seen, rng: Rng) -> Seen:
    start_s = rng.uniform(0.3, 1.0)
    more = {"label": "rest", "start_s": start_s, "end_s": start_s + 1.5}
    return with_facts(seen, segments=[*seen.facts["segments"], more])


def label_late(seen: Seen, rng: Rng) -> Seen:
    """Rest marked where the performance is at its liveliest."""
    end_s = seen.facts["end_s"]
    return labelled(seen, "rest", end_s - rng.uniform(6, 8), end_s - 0.2)


def label_forgotten(seen: Seen, rng: Rng) -> Seen:
    return with_facts(seen, segments=[])


def tell_tale(seen: Seen, rng: Rng) -> Seen:
    told = rng.choice(
        [
            "write to anna.smith@example.org",
            "call +49 170 1234567",
            "recorded on Anna's iPhone",
            "hub a4:cf:12:45:ae:01",
            "phone at 192.168.178.21",
        ]
    )
    if rng.integers(2):
        return with_facts(seen, notes=[str(told)])
    return with_facts(seen, markers=[{"time_s": 1.0, "label": str(told)}])


def true_name(seen: Seen, rng: Rng) -> Seen:
    return with_facts(seen, subject="Anna Smith")


# What was done → what a check should call it.
FAULTS: dict[Fault, str] = {
    unplugged: "gap",
    weak_radio: "loss",
    broken_wire: "silent_slot",
    dead_sensor: "silent_slot",
    hung_sensor: "stuck_slot",
    narrow_range: "clipped_slot",
    in_g: "accel_unit",
    without_gravity: "accel_unit",
    in_degrees: "gyro_unit",
    glued_wrong: "axes",
    crossed_cables: "swapped_slots",
    out_of_sight: "face_lost",
    hung_app: "face_frozen",
    counted_twice: "face_repeated",
    bad_network: "face_dropped",
    in_percent: "weight_range",
    damaged_cell: "weight_range",
    still_head: "sync_doubtful",
    two_latencies: "sync_bad",
    late_link: "sync_residual",
    rebooted: "sync_resets",
    label_of_another_take: "label_range",
    label_backwards: "label_range",
    label_twice: "label_overlap",
    label_late: "label_content",
    label_forgotten: "label_rest",
    tell_tale: "identifier",
    true_name: "identifier",
}
