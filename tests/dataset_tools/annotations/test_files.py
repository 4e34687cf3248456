"""Marks go to CSV and ELAN and come back; whatever else is in such a file is one clear error."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_tools.annotations.csv_files import encode_csv, read_csv
from dataset_tools.annotations.elan import encode_elan, read_elan
from dataset_tools.annotations.marks import Mark, checked, curves, sampled, within
from firmware_host.errors import DataError

words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
milliseconds = st.integers(0, 600_000)
values = st.none() | st.floats(-10, 10)
labels = st.sampled_from(["", "posed", "says = nothing", "two words", 'ä, "quoted"'])


@st.composite
def marks(draw) -> tuple[Mark, ...]:
    found = []
    for track, rater in draw(st.lists(st.tuples(words, words), max_size=4, unique=True)):
        for start in draw(st.lists(milliseconds, max_size=6, unique=True)):
            value, label = draw(values), draw(labels)
            length = draw(st.integers(1, 20_000))
            found.append(
                Mark(track, rater, start / 1000, (start + length) / 1000, _nan(value), label)
            )
        if draw(st.booleans()):
            times = draw(st.lists(milliseconds, min_size=2, max_size=9, unique=True))
            found += [Mark(track, rater, t / 1000, t / 1000, draw(st.floats(-1, 1))) for t in times]
    return checked(found, "test")


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def as_text(found) -> list[str]:
    """NaN is not NaN."""
    return sorted(map(repr, found))


@given(marks())
def test_csv_gives_back_what_was_written(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("csv") / "marks.csv"
    path.write_text(encode_csv({"take-1": found}), "utf-8")
    assert as_text(read_csv(path).get("take-1", ())) == as_text(found)


@given(marks())
def test_elan_gives_back_what_was_written(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("elan") / "marks.eaf"
    path.write_bytes(encode_elan(found, "imusic", "2026-03-01T10:00:00+00:00"))
    assert as_text(read_elan(path)) == as_text(found)


def test_a_file_that_elan_made_is_read(tmp_path):
    # As ELAN 6 writes it, cut down: a slot without a time, a dependent tier, an empty annotation.
    path = tmp_path / "theirs.eaf"
    path.write_text(
        """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-03-01T10:00:00+01:00" FORMAT="3.0" VERSION="3.0">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"><PROPERTY NAME="x">y</PROPERTY></HEADER>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/>
    <TIME_SLOT TIME_SLOT_ID="ts2"/>
    <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="3000"/>
  </TIME_ORDER>
  <TIER ANNOTATOR="eve" LINGUISTIC_TYPE_REF="default-lt" TIER_ID="smile">
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE>posed</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
      <ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="symbolic" PARENT_REF="smile" TIER_ID="strength">
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
      <ANNOTATION_VALUE>0.7</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
  </TIER>
</ANNOTATION_DOCUMENT>""",
        "utf-8",
    )
    first, second, strength = read_elan(path, "frank")
    assert first[:4] == ("smile", "eve", 1.0, 2.0)
    assert (first.label, second.label, second.start_s, second.end_s) == ("posed", "", 2.0, 3.0)
    assert strength[:5] == ("strength", "frank", 1.0, 2.0, 0.7)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "when,what\n1,2\n", "missing: start_s, track"),
        ("a.csv", "track,start_s,colour\na,1,red\n", "unknown columns colour"),
        ("a.csv", "track,rater,start_s\nsmile,anna,soon\n", "line 2: start_s"),
        ("a.csv", "track,rater,start_s,end_s\nsmile,anna,3,1\n", "before it starts"),
        ("a.csv", "track,start_s,end_s\nsmile,1,2\n", "a track and a rater"),
        ("a.csv", "track,rater,start_s\nsmile,anna,3\n", "needs a value"),
        ("a.csv", "track,rater,start_s\nsmile,anna,3,4,5\n", "more cells"),
        ("a.eaf", "dear all", "expected a file of ELAN"),
        ("a.eaf", "<other/>", "got <other>"),
        ("a.eaf", "<ANNOTATION_DOCUMENT><HEADER TIME_UNITS='PAL-frames'/></ANNOTATION_DOCUMENT>",
         "PAL-frames"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_told(tmp_path, name, text, told):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    read = read_csv if name.endswith("csv") else read_elan
    with pytest.raises(DataError, match=told) as error:
        read(path)
    assert str(path) in str(error.value)


def test_entities_do_not_blow_up(tmp_path):
    path = tmp_path / "bomb.eaf"
    entities = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10}">' for k in range(1, 12))
    path.write_text(
        f'<!DOCTYPE x [<!ENTITY e0 "0123456789">{entities}]><ANNOTATION_DOCUMENT>&e11;'
        "</ANNOTATION_DOCUMENT>"
    )
    with pytest.raises(DataError):
        read_elan(path)


def test_a_stretch_of_marks_and_what_they_say():
    found = (Mark("a", "r", 0.0, 2.0, label="x"), Mark("a", "r", 1.0, 1.0, 0.5))
    assert within(found, 1.0, 5.0) == (Mark("a", "r", 1.0, 2.0, label="x"), found[1])
    assert within(found, 2.0, 5.0) == ()
    assert sampled(found[:1], [0.0, 1.5, 2.0]) == ["x", "x", ""]
    assert curves([*found, Mark("a", "r", 3.0, 3.0, 1.0)], "a")["r"].at([2.0]) == 0.75


def test_paths_are_told(tmp_path):
    for read in (read_csv, read_elan):
        with pytest.raises(DataError, match="cannot be read"):
            read(Path(tmp_path / "nothing"))
