"""`imusic dataset check`: every planted fault is found by its name, and nothing else is."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from capture.consent import Subject
from capture.head import standard_head
from capture.livelink_import import import_livelink
from dataset_tools.casting import DataConfig
from dataset_tools.executors import Here
from dataset_tools.families import HeadFamilies, single_family
from dataset_tools.manifest import Manifest, Split, read_manifest, write_manifest
from dataset_tools.sets.build import build, look_at, sequence_of
from dataset_tools.sets.check import as_a_whole, check, judge, read_errors
from dataset_tools.sets.findings import Finding, Seen
from dataset_tools.sets.fingerprints import fingerprint, same_minutes
from dataset_tools.sets.sequences import Faces, rows_at_60_hz
from dataset_tools.sets.versions import version_folder
from dataset_tools.shards import read_shard, write_shard
from dataset_tools.synth import open_studio, synthesise
from dataset_tools.synth_plan import SynthPlan, encode_plan
from dataset_tools.synth_takes import write_takes
from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12
from imusic.cli import main
from tests.dataset_tools.sets.faults import FAULTS, Fault

pytest.importorskip("pyarrow")

TODAY = dt.date(2026, 6, 1)
TAKES = 4


def here(_: int) -> Here:
    return Here()


@pytest.fixture(scope="module")
def takes(tmp_path_factory) -> list[Path]:
    """Takes of virtual wearers that put everything on right: simulated, and without a fault."""
    data = DataConfig(hours=TAKES * 20 / 3600, sequence_s=20.0, rate_hz=200.0)
    root = tmp_path_factory.mktemp("takes")
    studio = open_studio(encode_plan(SynthPlan(data=data, wearers=3, seed=5)), root)
    careful = HeadFamilies(
        studio.layout, [single_family("one", standard_head())], 3, missing=0.0, swapped=0.0
    )
    return list(write_takes(replace(studio, families=careful), TAKES, root))


@pytest.fixture(scope="module")
def clean(takes) -> list[Seen]:
    found = []
    for folder in takes:
        source = look_at(folder)
        sequence = sequence_of(folder, FACE_12, source.number, source.data_sha256)
        found.append(Seen(sequence, FACE_12, FACE_12))
    return found


def rules(findings) -> set[str]:
    return {finding.rule for finding in findings}


def test_nothing_is_found_where_nothing_was_planted(clean):
    assert [finding for seen in clean for finding in judge(seen)] == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_planted_fault_is_found_by_its_name(fault: Fault, clean):
    for number in range(4):
        rng = np.random.default_rng((number, *fault.__name__.encode()))
        findings = list(judge(fault(clean[number % TAKES], rng)))
        assert FAULTS[fault] in rules(findings), number
        for finding in findings:
            assert finding.where.startswith("take-")
            assert finding.what
            assert finding.remedy


def test_a_hole_is_told_where_it_is(clean):
    samples = clean[0].sequence.samples
    kept = (samples.time_ns < 12_000_000_000) | (samples.time_ns > 14_500_000_000)
    holed = replace(
        samples,
        time_ns=samples.time_ns[kept],
        accel_m_s2=samples.accel_m_s2[kept],
        gyro_rad_s=samples.gyro_rad_s[kept],
        device=samples.device[kept],
    )
    seen = replace(clean[0], sequence=replace(clean[0].sequence, samples=holed))
    (finding,) = judge(seen)
    assert (finding.rule, finding.severity) == ("gap", "fail")
    assert "11.99 to 14.5" in finding.where
    assert finding.sequence == clean[0].sequence.number


def test_jaw_and_mouth_named_the_other_way_are_told(data, tmp_path):
    csv = data / "arkit" / "alexdjulin" / "alex_rom_3.csv"
    for swapped, expected in ((True, set()), (False, {"shapes_mirrored"})):
        folder = tmp_path / f"swapped-{swapped}"
        import_livelink(csv, folder, swap_sideways=swapped)
        source = look_at(folder)
        sequence = sequence_of(folder, FACE_12, source.number, source.data_sha256)
        found = rules(judge(Seen(sequence, FACE_12, FACE_12)))
        assert found & {"shapes_mirrored"} == expected


def recorded(clean, subject: str = "anna", **facts) -> list[dict]:
    """Facts as if people had been recorded."""
    return [{**s.facts, "simulated": False, "subject": subject, **facts} for s in clean]


def manifest(**more) -> Manifest:
    anna = Subject(consent=("training",), licence="CC-BY-4.0", granted=dt.date(2026, 1, 1))
    return Manifest(layout={}, plan={}, shards=(), **{"subjects": {"anna": anna}, **more})


def whole(manifest: Manifest, facts, prints=None, errors=None) -> list[Finding]:
    return list(as_a_whole(manifest, facts, prints or {}, TODAY, errors or {}))


def test_who_agreed_and_still_does_is_no_finding(clean):
    assert whole(manifest(), recorded(clean)) == []
    assert whole(manifest(), [seen.facts for seen in clean]) == []  # virtual: nobody to ask


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ({}, "consent_missing"),
        ({"consent": ()}, "consent_missing"),
        ({"consent": ("x",), "expires": dt.date(2026, 5, 31)}, "consent_expired"),
        ({"consent": ("x",), "withdrawn": dt.date(2026, 6, 1)}, "consent_withdrawn"),
        ({"consent": ("x",), "granted": dt.date(2026, 6, 2)}, "consent_missing"),
        ({"consent": ("x",), "licence": ""}, "licence_missing"),
    ],
)
def test_consent_that_does_not_hold_is_told(clean, told, rule):
    subjects = {"anna": Subject(**{"licence": "MIT", **told})} if told else {}
    assert rule in rules(whole(manifest(subjects=subjects), recorded(clean)))


def test_calibrated_and_raw_truth_of_one_person_is_told(clean):
    facts = recorded(clean[:1], truth="cal") + recorded(clean[1:], truth="raw")
    assert rules(whole(manifest(), facts)) == {"truth_mixed"}
    facts[0]["subject"] = "ben"
    assert "truth_mixed" not in rules(whole(manifest(), facts))


def altered(seen: Seen, rng: np.random.Generator) -> Seen:
    """The same minutes: begun later, scaled, with noise, half the frames."""
    faces, samples = seen.sequence.faces, seen.sequence.samples
    weights = faces.weights * rng.uniform(0.7, 1.0) + rng.normal(0, 0.004, faces.weights.shape)
    kept = np.arange(int(rng.integers(60, 300)), len(faces), 2)
    first_ns = faces.time_ns[kept[0]]
    part = Faces(
        faces.time_ns[kept] - first_ns,
        weights[kept].astype(np.float32),
        faces.quats[kept],
        faces.tracked[kept],
    )
    nothing = replace(
        samples,
        time_ns=samples.time_ns[:0],
        accel_m_s2=samples.accel_m_s2[:0],
        gyro_rad_s=samples.gyro_rad_s[:0],
        device=samples.device[:0],
    )
    rows = rows_at_60_hz(nothing, part)
    return replace(seen, sequence=replace(seen.sequence, faces=part, rows=rows))


@pytest.mark.parametrize("seed", range(4))
def test_the_same_minutes_are_recognised_and_others_are_not(clean, seed):
    rng = np.random.default_rng(seed)
    prints = {seen.sequence.number: fingerprint(seen.sequence.rows) for seen in clean}
    assert same_minutes(prints) == []
    copied = clean[1 + seed % (TAKES - 1)]  # the first one hardly moves its face
    again = fingerprint(altered(copied, rng).sequence.rows)
    pairs = same_minutes({**prints, 1: again})
    assert [set(pair[:2]) for pair in pairs] == [{1, copied.sequence.number}]


def test_copies_and_people_in_two_parts_are_told(clean):
    facts = recorded(clean, placement="p")
    numbers = [row["sequence"] for row in facts]
    facts[0]["subject"], facts[0]["placement"] = "ben", "q"
    ben = Subject(consent=("training",), licence="MIT")
    parts = {"train": tuple(numbers[:1]), "test": tuple(numbers[1:])}
    split = Split(name="s", by="subject", seed=0, shares={"train": 0.5, "test": 0.5}, parts=parts)
    known = manifest(splits=(split,))
    known = msgspec.structs.replace(known, subjects={**known.subjects, "ben": ben})
    assert whole(known, facts) == []
    leaky = msgspec.structs.replace(
        split, parts={"train": tuple(numbers[:2]), "test": tuple(numbers[2:])}
    )
    told = whole(msgspec.structs.replace(known, splits=(leaky,)), facts)
    assert rules(told) == {"leak_subject", "leak_placement"}
    stale = msgspec.structs.replace(split, parts={**parts, "validation": (7,)})
    assert rules(whole(msgspec.structs.replace(known, splits=(stale,)), facts)) == {"split_stale"}
    same = fingerprint(clean[1].sequence.rows)
    prints = {numbers[0]: same, numbers[1]: same}
    assert rules(whole(known, facts, prints)) == {"duplicate", "leak_duplicate"}


def test_a_take_of_which_the_model_errs_is_told(clean, tmp_path):
    facts = [{**clean[0].facts, "take": f"t{n}", "sequence": n} for n in range(8)]
    path = tmp_path / "errors.json"
    told = {f"takes/t{n}": {"mae": {"model": 0.02 + 0.001 * n, "ridge": 1}} for n in range(8)}
    told["takes/t5"]["mae"]["model"] = 0.2
    path.write_text(json.dumps({**told, "over_takes": {"mae": {"model": 9}}}))
    (finding,) = whole(manifest(), facts, errors=read_errors(path))
    assert (finding.rule, finding.where) == ("model_error", "t5")
    path.write_text("{}")
    with pytest.raises(ConfigError, match="no errors"):
        read_errors(path)


def test_the_verb_tells_and_fails(takes, tmp_path, capsys):
    built = build(takes, tmp_path / "set", here)
    assert main(["dataset", "check", str(tmp_path / "set"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["is_good"], told["sequences"], told["findings"]) == (True, TAKES, [])
    victim = sorted(built.version.glob("native/*.parquet"))[0]
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(data)
    sorted(built.version.glob("faces/*.parquet"))[1].unlink()
    assert main(["dataset", "check", str(tmp_path / "set"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [f["rule"] for f in told["findings"]] == ["file", "file"]
    assert main(["dataset", "check", str(tmp_path / "set")]) == 1
    assert "not those that were written" in capsys.readouterr().out
    assert main(["dataset", "check", str(tmp_path / "set"), "--today", "soon"]) == 2


def test_real_recordings_of_the_phone_raise_no_false_alarm(data, tmp_path):
    arkit = data / "arkit"
    for name, path in {
        "sentien": arkit / "sentien" / "recording.csv",
        "test-1": arkit / "applicator" / "SampleTest01.csv",
        "rom-3": arkit / "alexdjulin" / "alex_rom_3.csv",
        "slate-161": arkit / "animavr" / "MySlate_161_iPhone_cal.csv",
    }.items():
        import_livelink(path, tmp_path / "takes" / name)
    build([tmp_path / "takes"], tmp_path / "set", here)
    checked = check(version_folder(tmp_path / "set"), here, TODAY)
    # Nobody's consent is told. Nothing else is wrong with these.
    assert {f.rule for f in checked.findings if f.severity == "fail"} == {"consent_missing"}
    assert {f.rule for f in checked.findings if f.severity == "warn"} == {"licence_missing"}


@pytest.fixture(scope="module")
def virtual(tmp_path_factory) -> Path:
    """A set as `imusic synth` makes them, without takes."""
    folder = tmp_path_factory.mktemp("virtual") / "set"
    data = DataConfig(hours=6 * 20 / 3600, sequence_s=20.0)
    synthesise(SynthPlan(data=data, wearers=3, seed=5), folder, folder, lambda _: None, 1)
    return folder


def test_a_set_of_virtual_wearers_is_checked_and_summed_up(virtual, tmp_path, capsys):
    assert main(["dataset", "summary", str(virtual), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    manifest = read_manifest(virtual)
    assert told["sequences"] == manifest.shards[0].sequences
    assert told["hours"] == pytest.approx(manifest.seconds / 3600, abs=1e-4)
    assert told["simulated_share"] == 1
    assert told["rate_hz"]["median"] == pytest.approx(60, abs=0.01)
    # A sensor that hangs for two seconds, where nothing hung before.
    before = check(virtual, here, TODAY)
    assert before.sequences == told["sequences"]
    assert "file" not in rules(before.findings)
    (name,) = [shard.name for shard in manifest.shards]
    stored = list(read_shard(virtual, name, 12))
    hung = stored[0].accel_m_s2.copy(), stored[0].gyro_rad_s.copy()
    for readings in hung:
        readings[300:420, 4] = readings[300, 4]
    stored[0] = replace(stored[0], accel_m_s2=hung[0], gyro_rad_s=hung[1])
    shard = write_shard(tmp_path, name, stored, 12)
    write_manifest(msgspec.structs.replace(manifest, shards=(shard,)), tmp_path)
    after = check(tmp_path, here, TODAY)
    new = set(after.findings) - set(before.findings)
    assert {(f.rule, f.severity) for f in new} == {("stuck_slot", "fail")}
    assert "zygomaticus_left, 5.0" in next(iter(new)).where
    (tmp_path / "shards" / f"{name}.parquet").write_bytes(b"damage")
    assert rules(check(tmp_path, here, TODAY).findings) == {"file"}
