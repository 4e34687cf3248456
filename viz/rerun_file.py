"""A recording for the Rerun viewer (.rrd): heads, blendshapes and sensors on one timeline.

Rerun (MIT or Apache-2.0) is an extra of some 500 MB: pip install "imusic[rerun]".
"""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.head import Head
from capture.outputs import whole_file
from capture.recording import Recording
from capture.sync import Alignment, sample_times_s
from capture.tracks import Track, resample
from firmware_host.errors import EnvironmentMissing
from viz.film import Stretch

SUFFIX = ".rrd"
TIMELINE = "take"
MOST_HEADS = 600  # meshes of 100 kB each; of a long take fewer a second
_HEADS_HZ = 15.0
_APART_M = 0.22
_HEADS, _SHAPES, _SENSORS = "heads", "shapes", "sensors"


def require_rerun() -> None:
    """Raise EnvironmentMissing where Rerun is not installed."""
    if find_spec("rerun") is None:
        raise EnvironmentMissing("Rerun is not installed", 'pip install "imusic[rerun]"')


def write_rerun(
    out: Path,
    tracks: Sequence[Track],
    captions: Sequence[str],
    stretch: Stretch,
    head: Head,
    taken: tuple[Recording, Alignment] | None = None,
) -> None:
    """Write faces side by side, and the samples of a take where one is given.

    Raises:
        EnvironmentMissing: Rerun is not installed.
        ConfigError: nothing can be written there.
    """
    require_rerun()
    import rerun

    names = _entities(captions)
    with whole_file(out) as unfinished:
        stream = rerun.RecordingStream("imusic")
        stream.save(unfinished, default_blueprint=_blueprint(taken is not None))
        for number, (name, track) in enumerate(zip(names, tracks, strict=True)):
            _write_shapes(stream, name, track)
            _write_heads(stream, f"{_HEADS}/{name}", track, stretch, head, number)
        if taken is not None:
            _write_sensors(stream, *taken)
        stream.disconnect()


def _entities(captions: Sequence[str]) -> list[str]:
    """Names that no two tracks share, of letters that mean nothing in the path of an entity."""
    plain = [re.sub(r"\W", "_", caption) or "face" for caption in captions]
    return [
        f"{name}_{plain[:i].count(name) + 1}" if plain.count(name) > 1 else name
        for i, name in enumerate(plain)
    ]


def _blueprint(sensors: bool) -> Any:
    import rerun.blueprint as blueprint

    lines = [blueprint.TimeSeriesView(origin=f"/{_SHAPES}", name="blendshapes")]
    if sensors:
        lines.append(blueprint.TimeSeriesView(origin=f"/{_SENSORS}", name="turning rates, rad/s"))
    heads = blueprint.Spatial3DView(origin=f"/{_HEADS}", name="heads")
    return blueprint.Blueprint(
        blueprint.Vertical(heads, *lines, row_shares=[2, *[1] * len(lines)]), collapse_panels=True
    )


def _times(time_s: NDArray[np.float64]) -> Any:
    import rerun

    return [rerun.TimeColumn(TIMELINE, duration=time_s)]


def _write_shapes(stream: Any, name: str, track: Track) -> None:
    import rerun

    worn = np.flatnonzero(np.abs(track.weights).max(axis=0) > 0)
    for shape in worn.tolist():
        values = rerun.Scalars.columns(scalars=np.asarray(track.weights[:, shape], np.float64))
        stream.send_columns(f"{_SHAPES}/{ARKIT_NAMES[shape]}/{name}", _times(track.time_s), values)


def _write_heads(
    stream: Any, entity: str, track: Track, stretch: Stretch, head: Head, number: int
) -> None:
    import rerun

    aside = np.array([number * _APART_M, 0.0, 0.0], np.float32)
    colours = np.rint(255 * np.clip(head.colours, 0, 1)).astype(np.uint8)
    unmoved = rerun.Mesh3D.from_fields(triangle_indices=head.triangles, vertex_colors=colours)
    stream.log(entity, unmoved, static=True)
    times = stretch.times(min(_HEADS_HZ, MOST_HEADS / max(stretch.end_s - stretch.start_s, 1.0)))
    sampled = resample(track, times)
    for row, moment in enumerate(times.tolist()):
        vertices = np.asarray(head.deform(np.clip(sampled.weights[row], 0, 1)), np.float32)
        stream.set_time(TIMELINE, duration=moment)
        moved = rerun.Mesh3D.from_fields(
            vertex_positions=vertices + aside, vertex_normals=head.normals(vertices)
        )
        stream.log(entity, moved)
    stream.reset_time()


def _write_sensors(stream: Any, recording: Recording, alignment: Alignment) -> None:
    import rerun

    time_s = sample_times_s(recording, alignment)
    for slot, name in enumerate(recording.take.sensor_layout.names):
        for what, readings in (
            ("gyro", recording.gyro_rad_s[:, slot]),
            ("accel", recording.accel_m_s2[:, slot]),
        ):
            heard = np.isfinite(readings).all(axis=1)
            if not heard.any():
                continue
            root = _SENSORS if what == "gyro" else "forces"
            entity = f"{root}/{name}"
            stream.log(entity, rerun.SeriesLines(names=[f"{name} {axis}" for axis in "xyz"]),
                       static=True)  # fmt: skip
            values = rerun.Scalars.columns(scalars=np.asarray(readings[heard], np.float64))
            stream.send_columns(entity, _times(time_s[heard]), values)
