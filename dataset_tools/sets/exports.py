"""A data set in other people's formats: NPZ, CSV, glTF, WebDataset, LeRobot, Hugging Face.

An export is a new folder, made under another name and renamed when it is whole. Sequences whose
subject did not agree to "publication" are left out, and said, unless they are asked for.
"""

import datetime as dt
import json
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.consent import PUBLICATION, may_publish
from dataset_tools.manifest import Manifest, read_manifest
from dataset_tools.parquet_files import arrow
from dataset_tools.sets.card import card
from dataset_tools.sets.croissant import croissant
from dataset_tools.sets.facts import doubts_of
from dataset_tools.sets.lerobot import write_lerobot
from dataset_tools.sets.sequences import Faces
from dataset_tools.sets.tables import Sequence as Stored
from dataset_tools.sets.tables import read_sequence, shard_name
from dataset_tools.sets.versions import version_folder
from dataset_tools.sets.webdataset import npz_bytes, plain, write_samples
from dataset_tools.shards import read_facts
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import layout_from_dict

Format = Literal["npz", "livelink", "gltf", "webdataset", "lerobot", "huggingface"]
Facts = dict[str, Any]

# Folder of the data set → name of the configuration that Hugging Face users load.
CONFIGURATIONS = {"shards": "rows"} | {k: k for k in ("sequences", "native", "faces", "tracks")}


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote, and which sequences it left out for want of consent or faces.

    doubtful: a line for each that it wrote though its sync is not good.
    """

    sequences: int
    left_out: tuple[str, ...]
    doubtful: tuple[str, ...] = ()


def export(
    folder: Path,
    out: Path,
    kind: Format,
    all_of_it: bool = False,
    report: Callable[[float], None] = lambda _: None,
) -> Exported:
    """Export the newest version of a data set, or the version given.

    Args:
        all_of_it: also what nobody agreed to publish; for use within the house.

    Raises:
        ConfigError: `out` exists, or nothing may be exported.
        DataError: no data set of takes.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another --out; nothing is overwritten")
    version = version_folder(folder)
    manifest = read_manifest(version)
    if not manifest.layouts:
        raise DataError(
            f"{version} is a synthetic data set", "its Parquet files are open as they are"
        )
    facts = read_facts(version, manifest)
    today = dt.date.today()
    agreed = [row for row in facts if all_of_it or may_be_published(row, manifest, today)]
    away = [row["take"] for row in facts if row not in agreed]
    if not agreed:
        raise ConfigError(
            f'nobody in {version} agreed to "{PUBLICATION}"',
            "give consent in subjects.toml, or --all for use within the house",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    unfinished.mkdir()
    try:
        skipped = _WRITERS[kind](version, manifest, agreed, unfinished, report)
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    written = [row for row in agreed if row["take"] not in skipped]
    return Exported(len(agreed) - len(skipped), (*away, *skipped), doubts_of(written))


def may_be_published(row: Facts, manifest: Manifest, today: dt.date) -> bool:
    """Whether it is of virtual people, or of somebody who agreed and did not take it back."""
    return row["simulated"] or may_publish(manifest.subjects.get(row["subject"]), today)


def file_name(row: Facts) -> str:
    """A file's name that is readable, and no other sequence's."""
    readable = "".join(c if c.isalnum() or c in "-_." else "_" for c in row["take"])
    return f"{readable}-{shard_name(row['sequence'])}"


def _each(
    version: Path,
    manifest: Manifest,
    facts: Sequence[Facts],
    report: Callable[[float], None],
    write: Callable[[Stored], bool],
) -> list[str]:
    """Read and write one sequence after the other; names those that `write` could not."""
    slots = len(layout_from_dict(manifest.layout).slots)
    skipped = []
    for number, row in enumerate(facts, 1):
        if not write(read_sequence(version, shard_name(row["sequence"]), slots)):
            skipped.append(row["take"])
        report(number / len(facts))
    return skipped


def _write_npz(
    version: Path,
    manifest: Manifest,
    facts: Sequence[Facts],
    out: Path,
    report: Callable[[float], None],
) -> list[str]:
    """Samples and faces as they came, as `imusic import samples` reads them."""
    names = layout_from_dict(manifest.layout).names

    def write(sequence: Stored) -> bool:
        np.savez_compressed(out / f"{file_name(sequence.facts)}.npz", **_arrays(sequence, names))
        return True

    return _each(version, manifest, facts, report, write)


def _arrays(sequence: Stored, names: tuple[str, ...]) -> dict[str, Any]:
    samples, faces, facts = sequence.samples, sequence.faces, sequence.facts
    found: dict[str, Any] = {
        "weights": faces.weights,
        "weight_names": np.array(ARKIT_NAMES),
        "weights_time_s": faces.time_ns / NS_PER_S,
        "subject": np.array(facts["subject"]),
    }
    if len(samples):
        found |= {
            "slots": np.array(names),
            "time_s": samples.time_ns / NS_PER_S,
            "accel_m_s2": samples.accel_m_s2,
            "gyro_rad_s": samples.gyro_rad_s,
        }
    for label in ("rest", "routine"):
        start_s, end_s = facts[f"{label}_start_s"], facts[f"{label}_end_s"]
        if start_s < end_s:
            found[f"{label}_s"] = np.array([start_s, end_s])
    return found


def _write_livelink(
    version: Path,
    manifest: Manifest,
    facts: Sequence[Facts],
    out: Path,
    report: Callable[[float], None],
) -> list[str]:
    """Faces alone, for Live Link Face importers; sequences without one are skipped."""

    def write(sequence: Stored) -> bool:
        if not sequence.faces.tracked.any():
            return False
        _livelink_csv(out / f"{file_name(sequence.facts)}.csv", sequence.faces)
        return True

    return _each(version, manifest, facts, report, write)


def _livelink_csv(path: Path, faces: Faces) -> None:
    from capture.livelink import head_angles_from_quat
    from capture.livelink_csv import write_livelink_csv

    quats = faces.quats.astype(np.float64)
    known = np.isfinite(quats).all(axis=1)
    quats[~known] = [1.0, 0.0, 0.0, 0.0]
    time_s = faces.time_ns / NS_PER_S
    write_livelink_csv(
        path,
        time_s - time_s[0],
        faces.weights,
        faces.tracked,
        head_angles_from_quat(quats) if known.any() else None,
    )


def _write_huggingface(
    version: Path,
    manifest: Manifest,
    facts: Sequence[Facts],
    out: Path,
    report: Callable[[float], None],
) -> list[str]:
    """Parquet by split, with a card that `datasets` and the Hub read."""
    part_of = _parts(manifest)
    for done, row in enumerate(facts, 1):
        name = shard_name(row["sequence"])
        for kind, configuration in CONFIGURATIONS.items():
            if not (version / kind / f"{name}.parquet").is_file():
                continue  # nobody said anything of it
            target = out / configuration / part_of.get(row["sequence"], "train")
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(version / kind / f"{name}.parquet", target / f"{name}.parquet")
        report(done / len(facts))
    parts = sorted({part_of.get(row["sequence"], "train") for row in facts})
    configurations = {
        name: [part for part in parts if (out / name / part).is_dir()]
        for name in CONFIGURATIONS.values()
        if (out / name).is_dir()
    }
    (out / "README.md").write_text(card(manifest, facts, configurations), "utf-8")
    told = _croissant(manifest, facts, configurations, out)
    (out / "croissant.json").write_text(json.dumps(told, indent=1), "utf-8")
    return []


def _parts(manifest: Manifest) -> dict[int, str]:
    """Sequence → part of the split made last."""
    return {
        number: part
        for split in manifest.splits[:1]
        for part, numbers in split.parts.items()
        for number in numbers
    }


def _croissant(
    manifest: Manifest, facts: Sequence[Facts], configurations: dict[str, list[str]], out: Path
) -> dict[str, Any]:
    _, parquet = arrow()
    schemas = {}
    for name in configurations:
        schema = parquet.read_schema(next((out / name).glob("*/*.parquet")))
        schemas[name] = {field.name: _arrow_type(field.type) for field in schema}
    people = {row["subject"] for row in facts}
    told = {manifest.subjects[p].licence for p in people if p in manifest.subjects}
    licences = sorted({row["licence"] for row in facts} | told - {""})
    date = manifest.releases[-1].date if manifest.releases else dt.date.today()
    name = out.name.split(".")[1] if out.name.startswith(".") else out.name
    return croissant(
        manifest, name, [each for each in licences if each], configurations, schemas,
        date.isoformat(),
    )  # fmt: skip


def _arrow_type(kind: Any) -> str:
    pa, _ = arrow()
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return f"list<{kind.value_type}>" if is_list else str(kind)


def _write_gltf(
    version: Path,
    manifest: Manifest,
    facts: Sequence[Facts],
    out: Path,
    report: Callable[[float], None],
) -> list[str]:
    """Our head performing each face, for Blender, engines and viewers."""
    from capture.head import standard_head
    from capture.sinks.animation import write_animation
    from capture.sinks.spool import Faces as Performed

    head = standard_head()

    def write(sequence: Stored) -> bool:
        faces = sequence.faces
        if not faces.tracked.any():
            return False
        performed = Performed(
            faces.time_ns,
            faces.weights,
            faces.quats,
            faces.tracked.astype(np.float32),
            faces.tracked,
            np.zeros(faces.weights.shape, np.bool_),
        )
        write_animation(out / f"{file_name(sequence.facts)}.glb", performed, head)
        return True

    return _each(version, manifest, facts, report, write)


def _write_webdataset(
    version: Path,
    manifest: Manifest,
    facts: Sequence[Facts],
    out: Path,
    report: Callable[[float], None],
) -> list[str]:
    """Tars of samples, by split."""
    layout, parts = layout_from_dict(manifest.layout), _parts(manifest)

    def files(row: Facts) -> dict[str, bytes]:
        sequence = read_sequence(version, shard_name(row["sequence"]), len(layout.slots))
        arrays = npz_bytes(_arrays(sequence, layout.names))
        return {"json": plain(sequence.facts), "npz": arrays}

    write_samples(
        out,
        [(parts.get(r["sequence"], "train"), file_name(r), partial(files, r)) for r in facts],
        report,
    )
    return []


_WRITERS = {
    "npz": _write_npz,
    "livelink": _write_livelink,
    "gltf": _write_gltf,
    "webdataset": _write_webdataset,
    "lerobot": write_lerobot,
    "huggingface": _write_huggingface,
}
