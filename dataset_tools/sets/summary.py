"""`imusic dataset summary`: a data set in a page of lines, from its manifest and facts. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from dataset_tools.manifest import Manifest
from firmware_host.layout import layout_from_dict

Facts = Mapping[str, Any]

# A shape that never gets this far in a sequence is not performed in it. Ours.
PERFORMED = 0.3
_RAREST = 8


def summary(manifest: Manifest, facts: Sequence[Facts]) -> dict[str, Any]:
    """Everything worth knowing at a glance, plain values for JSON."""
    told = manifest.statistics
    total = max(told["seconds"], 1e-9)
    lost, heard = told["samples_lost"], told["samples"]
    return {
        "hours": round(total / 3600, 4),
        "hours_with_face": round(told["seconds_with_face"] / 3600, 4),
        "sequences": len(facts),
        "subjects": len(told["seconds_by_subject"]),
        "simulated_share": round(
            sum(row["seconds"] for row in facts if row["simulated"]) / total, 4
        ),
        **{
            f"hours_by_{key}": {
                name or "-": round(s / 3600, 4) for name, s in told[f"seconds_by_{key}"].items()
            }
            for key in ("subject", "language", "script", "emotion")
        },
        "slots": list(layout_from_dict(manifest.layout).names),
        "missing_slots": dict(Counter(" ".join(row["missing"] for row in facts).split())),
        "rate_hz": _spread([row["rate_hz"] for row in facts if row["samples"]]),
        "face_rate_hz": _spread([row["face_rate_hz"] for row in facts if row["faces"]]),
        "sync": dict(Counter(row["sync"] for row in facts)),
        "sync_residual_ms": _spread([1e3 * row["sync_residual_s"] for row in facts]),
        "loss": round(lost / max(lost + heard, 1), 6),
        "faces_lost": round(told["faces_lost"] / max(told["faces"], 1), 6),
        "performed": performed(facts),
        "consent": sorted({p for s in manifest.subjects.values() for p in s.consent}),
        "licences": sorted({s.licence for s in manifest.subjects.values() if s.licence}),
        "splits": {
            split.name: {part: len(numbers) for part, numbers in split.parts.items()}
            for split in manifest.splits
        },
        "versions": len(manifest.history),
    }


def performed(facts: Sequence[Facts]) -> dict[str, float]:
    """Shape → share of the sequences in which it goes beyond PERFORMED, rarest first."""
    if not facts:
        return {}
    most = np.array([row["weights_max"] for row in facts], np.float64)
    share = np.mean(np.nan_to_num(most, nan=0.0) > PERFORMED, axis=0)
    order = np.argsort(share, kind="stable")
    return {ARKIT_NAMES[i]: round(float(share[i]), 4) for i in order}


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    low, middle, high = np.percentile(values, [0, 50, 100])
    return {"least": round(low, 4), "median": round(middle, 4), "most": round(high, 4)}


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """A summary for people."""
    yield (
        f"{told['hours']:.3f} h in {told['sequences']} sequences of {told['subjects']} subjects, "
        f"{told['hours_with_face']:.3f} h of it with a face, "
        f"{100 * told['simulated_share']:.0f} % simulated"
    )
    for key in ("subject", "language", "script", "emotion"):
        hours = told[f"hours_by_{key}"]
        if set(hours) != {"-"}:
            named = sorted(hours.items(), key=lambda item: -item[1])
            more = f", and {len(named) - 12} more" if len(named) > 12 else ""
            yield f"by {key}: " + ", ".join(f"{n} {h:.3f} h" for n, h in named[:12]) + more
    yield "sync: " + ", ".join(f"{count} {verdict}" for verdict, count in told["sync"].items())
    for key, unit in (("rate_hz", "Hz"), ("face_rate_hz", "Hz"), ("sync_residual_ms", "ms")):
        if (spread := told[key]) is not None:
            yield (
                f"{key.rsplit('_', 1)[0].replace('_', ' ')}: {spread['median']:.4g} {unit} "
                f"({spread['least']:.4g} to {spread['most']:.4g})"
            )
    yield (
        f"lost: {100 * told['loss']:.2f} % of samples, "
        f"{100 * told['faces_lost']:.2f} % of frames without a face"
    )
    if told["missing_slots"]:
        yield "missing: " + ", ".join(f"{n} in {c}" for n, c in told["missing_slots"].items())
    rarest = list(told["performed"].items())[:_RAREST]
    yield f"rarest shapes (share of sequences beyond {PERFORMED}): " + ", ".join(
        f"{name} {100 * share:.0f} %" for name, share in rarest
    )
    for name, parts in told["splits"].items():
        yield f"split {name}: " + ", ".join(f"{part} {count}" for part, count in parts.items())
    for key in ("consent", "licences"):
        yield f"{key}: {', '.join(told[key]) or '-'}"
