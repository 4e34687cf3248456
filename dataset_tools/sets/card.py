"""The card of a published data set: what it is, for people and for the Hugging Face Hub. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from dataset_tools.manifest import Manifest
from firmware_host.layout import layout_from_dict

Facts = Mapping[str, Any]
_TRACKS = {
    False: (),
    True: (
        "| `tracks` | what a rater said of a stretch of a sequence, `start_s` to `end_s`; where "
        "both are one, a point of a curve |",
    ),
}

_HUB_LICENCES = {
    "CC-BY-4.0": "cc-by-4.0", "CC0-1.0": "cc0-1.0", "MIT": "mit", "Apache-2.0": "apache-2.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0", "CC-BY-NC-4.0": "cc-by-nc-4.0",
}  # fmt: skip


def _released(manifest: Manifest) -> list[str]:
    if not manifest.releases:
        return []
    last = manifest.releases[-1]
    changed = "; ".join(last.changes) or "nothing"
    return [f"Release {last.number} of {last.date}. Since the one before: {changed}.", ""]


def card(
    manifest: Manifest, facts: Sequence[Facts], configurations: Mapping[str, Sequence[str]]
) -> str:
    """README.md with its header of metadata.

    configurations: `rows`, `sequences`, … → the parts that have files of it: train, test, …
    """
    people = {row["subject"] for row in facts}
    licences = sorted(
        {s.licence for n, s in manifest.subjects.items() if n in people and s.licence}
    )
    seconds = sum(row["seconds"] for row in facts)
    with_face = sum(row["rows_known"] for row in facts) / manifest.rate_hz
    simulated = any(row["simulated"] for row in facts)
    slots = layout_from_dict(manifest.layout).names
    head = [
        "---",
        f"license: {_HUB_LICENCES.get(licences[0], 'other') if len(licences) == 1 else 'other'}",
        "tags: [face, imu, arkit, blendshapes, motion-capture]",
        "configs:",
    ]
    for configuration, parts in configurations.items():
        head += [f"- config_name: {configuration}", "  data_files:"]
        if configuration == "rows":
            head.insert(-1, "  default: true")
        for part in parts:
            # What the Hub calls a split may hold letters, digits, dots and underscores.
            split = "".join(c if c.isalnum() or c in "._" else "_" for c in part)
            head += [f"  - split: {split}", f"    path: {configuration}/{part}/*.parquet"]
    told = [
        "---",
        "",
        "# Faces and the IMUs on them",
        "",
        f"{seconds / 3600:.3f} hours in {len(facts)} sequences of {len(people)} subjects, "
        f"{with_face / 3600:.3f} hours of it with an ARKit face"
        + ("; all or part of it of **simulated** IMUs." if simulated else "."),
        "",
        *_released(manifest),
        f"Licence: {', '.join(licences) or 'not told'}. Subjects are pseudonyms.",
        "",
        "| configuration | one row is |",
        "|---|---|",
        "| `rows` | a tick of 60 Hz: `accel`, `gyro`, `weights`, `quat_world_from_head` |",
        "| `native` | a tick of a device as it came, `time_ns` after the first sample |",
        "| `faces` | an ARKit frame as it came |",
        "| `sequences` | the facts of a sequence; `sequence` joins all of them |",
        *_TRACKS["tracks" in configurations],
        "",
        f"`accel` (m/s², specific force) and `gyro` (rad/s) hold x y z of {len(slots)} slots, in "
        "sensor frames, NaN where nothing was heard: " + ", ".join(f"`{n}`" for n in slots) + ".",
        "`weights` are, in this order: " + ", ".join(f"`{n}`" for n in manifest.weight_names) + ".",
        "",
        f"Made with {manifest.software or 'imusic'}, schema version {manifest.schema_version}.",
        "",
    ]
    return "\n".join([*head, *told])
