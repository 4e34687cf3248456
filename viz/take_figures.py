"""Pages about a take: what its sensors gave, how its clocks run, how well they are joined.

Pure: a recording and its alignment in, a page out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.recording import DeviceTrack, Recording
from capture.source_clock import SourceClock
from capture.sync import Alignment, offset_curve, phone_time_ns, sample_times_s
from firmware_host.samples import Floats
from viz.axes import FAINT, INK, SERIES, SMALL, TROUBLE, Axes, Limits, around, title
from viz.legends import Key, Sign, legend
from viz.page import Page, Text

Array = NDArray[np.float64]

WIDE, LEFT, RIGHT = 900, 150, 24
ROW, ROW_GAP, HEAD, FOOT = 42, 8, 62, 44
GAP_PERIODS = 3.5  # of the usual time between samples: more is a hole, not jitter
QUANTITIES = {
    "gyro": ("turning rate", "rad/s"),
    "accel": ("specific force", "m/s²"),
}
_PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late one source's messages came. time_s: (K,) on the timeline. late_s: (K,)."""

    name: str
    time_s: Array
    late_s: Array


def gaps_of(time_s: Array, given: NDArray[np.bool_]) -> list[Limits]:
    """Stretches without a reading, longer than the usual rate explains; the ends count too."""
    if not len(time_s):
        return []
    if not given.any():
        return [(float(time_s[0]), float(time_s[-1]))]
    period = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    inner = time_s[given]
    edges = np.concatenate([[time_s[0]], inner, [time_s[-1]]])
    wide = np.flatnonzero(np.diff(edges) > max(GAP_PERIODS * period, 1e-9))
    return [(float(edges[i]), float(edges[i + 1])) for i in wide]


def traces_page(recording: Recording, alignment: Alignment, quantity: str = "gyro") -> Page:
    """How large every slot's reading is over time, its holes shaded, and where the face was seen.

    quantity: of QUANTITIES.
    """
    words, unit = QUANTITIES[quantity]
    readings = recording.gyro_rad_s if quantity == "gyro" else recording.accel_m_s2
    sizes = _sizes(readings)  # (N, S)
    time_s = sample_times_s(recording, alignment)
    order = np.argsort(time_s, kind="stable")
    time_s, sizes = time_s[order], sizes[order]
    names = recording.take.sensor_layout.names
    has_face = len(recording.faces) > 0
    rows = len(names) + has_face
    page = Page(WIDE, HEAD + rows * (ROW + ROW_GAP) + FOOT)
    span = _span(time_s)
    known = sizes[np.isfinite(sizes)]
    top_value = float(np.quantile(known, 0.9995)) * 1.1 if len(known) else 1.0
    whole = rows * (ROW + ROW_GAP) - ROW_GAP
    Axes(page, LEFT, HEAD, WIDE - LEFT - RIGHT, whole, span, (0.0, 1.0)).x_axis("s", 10)
    devices = {slot: track for track in recording.tracks for slot in track.slots}
    for slot, name in enumerate(names):
        axes = _row(page, slot, span, (0.0, max(top_value, 1e-3)))
        own = np.isfinite(sizes[:, slot])
        rhythm = _own_times(devices.get(slot), recording, alignment, time_s)
        gaps = gaps_of(rhythm, np.isin(rhythm, time_s[own]))
        axes.spans(gaps)
        axes.curve(time_s[own], sizes[own, slot], SERIES[0])
        _row_name(axes, name)
    if has_face:
        _face_row(page, len(names), span, recording, alignment)
    beneath = f"{words} of every slot, {unit}, each row from 0 to {top_value:.3g}"
    title(page, f"{recording.take.name}: what the sensors gave", beneath)
    phone = [Key("phone", SERIES[2])] if has_face else []
    legend(page, [Key("heard", SERIES[0]), *phone, Key("gap", TROUBLE, "band")])
    return page


def _sizes(readings: Floats) -> Array:
    return np.asarray(np.sqrt(np.einsum("nsk,nsk->ns", readings, readings)), np.float64)


def _own_times(
    track: DeviceTrack | None, recording: Recording, alignment: Alignment, time_s: Array
) -> Array:
    """When the device of a slot gave samples; of several, those of others say nothing of it."""
    if track is None or len(recording.tracks) == 1:
        return time_s
    clock = alignment.clocks.get(track.name)
    host_ns = clock.to_host(track.tick_us * 1000, track.arrival_ns) if clock else track.arrival_ns
    return np.sort((host_ns - alignment.origin_ns) / 1e9)


def _span(time_s: Array) -> Limits:
    return (
        (float(time_s[0]), float(max(time_s[-1], time_s[0] + 1e-3))) if len(time_s) else (0.0, 1.0)
    )


def _row(page: Page, number: int, span: Limits, limits: Limits) -> Axes:
    top = HEAD + number * (ROW + ROW_GAP)
    axes = Axes(page, LEFT, top, WIDE - LEFT - RIGHT, ROW, span, limits)
    axes.frame()
    return axes


def _row_name(axes: Axes, name: str) -> None:
    at = axes.left - 10, axes.top + axes.high / 2 + 4
    axes.page.add(Text(*at, name.replace("_", " "), SMALL, INK, "end"))


def _face_row(
    page: Page, number: int, span: Limits, recording: Recording, alignment: Alignment
) -> None:
    """Mouth opening as the phone saw it, and where it lost the face."""
    from capture.blendshapes import INDEX
    from capture.sync import aligned_faces

    time_s, weights, _, tracked = aligned_faces(recording, alignment)
    inside = (time_s >= span[0]) & (time_s <= span[1])
    axes = _row(page, number, span, (0.0, 1.0))
    axes.spans(gaps_of(time_s[inside], tracked[inside]))
    jaw = weights[inside, INDEX["jawOpen"]]
    axes.curve(time_s[inside], np.asarray(jaw, np.float64), SERIES[2])
    _row_name(axes, "phone: jawOpen")


def lateness(recording: Recording, alignment: Alignment) -> list[Lateness]:
    """How much later than its clock says every message arrived, source by source."""
    found = []
    for track in recording.tracks:
        clock = alignment.clocks.get(track.name)
        if clock is not None and len(track.block_starts) > 1:
            newest = track.block_starts[1:] - 1
            device_ns, arrival_ns = track.tick_us[newest] * 1000, track.arrival_ns[newest]
            found.append(_late(track.name, clock, device_ns, arrival_ns, alignment))
    if alignment.phone is not None:
        faces = recording.faces
        phone_ns = phone_time_ns(faces)
        found.append(_late(_PHONE, alignment.phone, phone_ns, faces.arrival_ns, alignment))
    return found


def _late(
    name: str,
    clock: SourceClock,
    device_ns: NDArray[np.int64],
    arrival_ns: NDArray[np.int64],
    alignment: Alignment,
) -> Lateness:
    mapped = clock.to_host(device_ns, arrival_ns)
    return Lateness(name, (mapped - alignment.origin_ns) / 1e9, (arrival_ns - mapped) / 1e9)


def clocks_page(recording: Recording, alignment: Alignment) -> Page:
    """Each source's clock: its messages over the floor that is its map, and how it drifts."""
    sources = lateness(recording, alignment)
    clocks = {**alignment.clocks, **({_PHONE: alignment.phone} if alignment.phone else {})}
    high, gap = 150, 58
    page = Page(WIDE, HEAD + max(len(sources), 1) * (high + gap))
    for number, (source, ink) in enumerate(zip(sources, _inks(len(sources)), strict=True)):
        clock = clocks[source.name]
        top = HEAD + 20 + number * (high + gap)
        late_ms = 1e3 * source.late_s
        up = float(np.quantile(late_ms, 0.995)) * 1.3 if len(late_ms) else 1.0
        span = _span(source.time_s)
        axes = Axes(page, 70, top, WIDE - 70 - RIGHT, high, span, (-0.05 * up, max(up, 0.1)))
        axes.x_axis("s" if number == len(sources) - 1 else "")
        axes.y_axis("ms late")
        axes.dots(source.time_s, late_ms, ink, 1.2, 0.35)
        axes.curve(np.array(span), np.zeros(2), INK, 1.2)
        axes.frame()
        words = (
            f"{source.name}: drift {clock.drift_ppm:+.1f} ppm, late by p50 "
            f"{1e3 * clock.residual_p50_s:.2f} ms, p95 {1e3 * clock.residual_p95_s:.2f} ms, "
            f"{clock.resets} resets"
        )
        page.add(Text(70, top - 8, words, SMALL + 1, INK))
    beneath = _none_or(sources, "how much later than its clock's map each message came")
    title(page, f"{recording.take.name}: clocks", beneath)
    if sources:
        legend(page, [*_source_keys(sources, "dots"), Key("the map", INK)])
    return page


def _none_or(sources: Sequence[Lateness], words: str) -> str:
    return words if sources else "no source of this take tells a time that can be mapped"


def _inks(count: int) -> list[tuple[int, int, int]]:
    return [SERIES[i % len(SERIES)] for i in range(count)]


def _source_keys(sources: Sequence[Lateness], sign: Sign) -> list[Key]:
    return [Key(s.name, ink, sign) for s, ink in zip(sources, _inks(len(sources)), strict=True)]


def latency_page(sources: Sequence[Lateness], name: str) -> Page:
    """How late messages came, as histograms with median and 95th percentile."""
    high, gap = 130, 54
    page = Page(WIDE, HEAD + max(len(sources), 1) * (high + gap))
    for number, (source, ink) in enumerate(zip(sources, _inks(len(sources)), strict=True)):
        late_ms = 1e3 * source.late_s[np.isfinite(source.late_s)]
        top = HEAD + 20 + number * (high + gap)
        if not len(late_ms):
            continue
        p50, p95, p99 = np.quantile(late_ms, [0.5, 0.95, 0.99])
        end = max(float(p99) * 1.25, 0.1)
        edges = np.linspace(min(float(late_ms.min()), 0.0), end, 81)
        counts, _ = np.histogram(late_ms, edges)
        limits = 0.0, max(float(counts.max()), 1.0) * 1.1
        axes = Axes(page, 70, top, WIDE - 70 - RIGHT, high, (float(edges[0]), end), limits)
        axes.x_axis("ms" if number == len(sources) - 1 else "")
        axes.y_axis("messages", 3)
        axes.columns(edges, counts.astype(float), ink, 0.75)
        axes.frame()
        axes.upright(float(p50), INK, dashed=False)
        axes.upright(float(p95), INK)
        page.add(Text(WIDE - RIGHT, top - 8, f"p99 {p99:.2f} ms", SMALL + 1, FAINT, "end"))
        words = f"{source.name}: p50 {p50:.2f} ms, p95 {p95:.2f} ms, {len(late_ms)} messages"
        page.add(Text(70, top - 8, words, SMALL + 1, INK))
    title(page, f"{name}: how late messages came", _none_or(sources, ""))
    if sources:
        keys = _source_keys(sources, "bar")
        legend(page, [*keys, Key("median", INK), Key("95th percentile", INK, "dashed")])
    return page


def sync_page(recording: Recording, alignment: Alignment) -> Page:
    """The sync report: the peak that gives the phone's latency, thirds, and what is noted."""
    high, left = 220, 70
    notes = list(alignment.notes)
    page = Page(WIDE, HEAD + high + 70 + 18 * max(len(notes), 1))
    curve = offset_curve(recording, alignment)
    beneath = (
        f"{alignment.verdict.upper()} · phone {1e3 * alignment.phone_latency_s:.1f} "
        f"± {1e3 * alignment.phone_latency_uncertainty_s:.1f} ms later than the sensors · "
        f"correlation {alignment.correlation:.2f} · peak ratio {alignment.peak_ratio:.2f}"
    )
    title(page, f"{recording.take.name}: sync of phone and sensors", beneath)
    if curve is None:
        page.add(Text(left, HEAD + 40, "no head rotation in common to compare", SMALL + 2, FAINT))
    else:
        offset_s, height = curve
        limits = 0.0, max(1.0, around(height)[1])
        span = float(1e3 * offset_s[0]), float(1e3 * offset_s[-1])
        axes = Axes(page, left, HEAD + 8, WIDE - left - RIGHT, high, span, limits)
        axes.x_axis("offset of the phone, ms")
        axes.y_axis("agreement of turning rates")
        axes.curve(1e3 * offset_s, height, SERIES[0], 1.6)
        axes.frame()
        _mark_offsets(axes, alignment)
        keys = [Key("agreement", SERIES[0]), Key("found", INK)]
        if alignment.correlation:
            keys.append(Key("in thirds", SERIES[1], "dashed"))
        if alignment.jaw_s is not None:
            keys.append(Key("by the jaw", SERIES[2], "dashed"))
        legend(page, keys)
    for number, note in enumerate(notes):
        page.add(Text(left, HEAD + high + 62 + 18 * number, f"· {note}", SMALL + 1, INK))
    return page


def _mark_offsets(axes: Axes, alignment: Alignment) -> None:
    if not alignment.correlation:
        return
    found = 1e3 * alignment.phone_latency_s
    for third in alignment.thirds_s:
        axes.upright(found + 1e3 * third, SERIES[1])
    if alignment.jaw_s is not None:
        axes.upright(1e3 * alignment.jaw_s, SERIES[2])
    axes.upright(found, INK, f"{found:.1f} ms", dashed=False)
