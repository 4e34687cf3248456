import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.take import SCHEMA_VERSION, TAKE_FILE, Segment, Take, read_take, write_take
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12, layout_to_dict

A_TAKE = Take(
    name="take-001",
    state="complete",
    layout=layout_to_dict(FACE_12),
    created_utc="2026-01-02T03:04:05Z",
    software="imusic 0.1.0",
    subject="p01",
    simulated=True,
    segments=(Segment("rest", 0.0, 2.0), Segment("routine", 2.0, 8.0)),
    origin={"kind": "livelink_csv", "source_sha256": "0" * 64},
    counts={"samples": 2400},
)

# TOML has no surrogates; everything else a person can type belongs in a name.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
seconds = st.floats(0, 1e5)
takes = st.builds(
    Take,
    name=text,
    state=st.sampled_from(["recording", "complete", "recovered"]),
    layout=st.just(layout_to_dict(FACE_12)),
    created_utc=text,
    software=text,
    subject=text,
    simulated=st.booleans(),
    segments=st.lists(st.builds(Segment, text, seconds, seconds), max_size=3).map(tuple),
    origin=st.dictionaries(text, text | st.booleans() | st.integers(-(2**40), 2**40), max_size=4),
    counts=st.dictionaries(text, st.integers(0, 2**62), max_size=4),
)


@given(takes)
def test_a_take_reads_back_as_it_was_written(tmp_path_factory, take):
    folder = tmp_path_factory.mktemp("take")
    write_take(take, folder)
    assert read_take(folder) == take


def test_the_layout_inside_a_take_is_the_layout(tmp_path):
    write_take(A_TAKE, tmp_path)
    assert read_take(tmp_path).sensor_layout == FACE_12


def test_segments_are_found_by_label():
    assert A_TAKE.segment("routine") == Segment("routine", 2.0, 8.0)
    assert A_TAKE.segment("speech") is None


def test_writing_again_replaces_the_whole_file(tmp_path):
    write_take(msgspec.structs.replace(A_TAKE, state="recording"), tmp_path)
    write_take(A_TAKE, tmp_path)
    assert read_take(tmp_path).state == "complete"
    assert [path.name for path in tmp_path.iterdir()] == [TAKE_FILE]


def test_people_can_read_the_file(tmp_path):
    write_take(A_TAKE, tmp_path)
    lines = (tmp_path / TAKE_FILE).read_text("utf-8").splitlines()
    assert 'name = "take-001"' in lines
    assert "simulated = true" in lines


def test_a_folder_without_take_toml_is_no_take(tmp_path):
    with pytest.raises(DataError, match=r"is not a take: it has no take\.toml") as caught:
        read_take(tmp_path)
    assert "imusic record" in caught.value.hint


def test_a_file_is_no_take_and_the_hint_says_how_to_make_one(tmp_path):
    path = tmp_path / "face.npz"
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"face\.npz is a file, not a take") as caught:
        read_take(path)
    assert "imusic import samples" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('state = "complete"', 'state = "done"', "state"),
        ('subject = "p01"', 'person = "p01"', "person"),
        ('name = "take-001"', "", "name"),
        ("start_s = 2.0", 'start_s = "two"', "start_s"),
        ("simulated = true", "simulated = ", "take.toml"),
    ],
)
def test_a_wrong_entry_is_named_with_its_file(tmp_path, old, new, said):
    write_take(A_TAKE, tmp_path)
    path = tmp_path / TAKE_FILE
    before = path.read_text("utf-8")
    assert old in before
    path.write_text(before.replace(old, new, 1), "utf-8")
    with pytest.raises(DataError, match=said) as caught:
        read_take(tmp_path)
    assert str(path) in str(caught.value)


def test_cut_anywhere_it_is_refused_or_reads_as_a_take(tmp_path):
    write_take(A_TAKE, tmp_path)
    path = tmp_path / TAKE_FILE
    whole = path.read_bytes()
    refused = 0
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        try:
            assert read_take(tmp_path).name == A_TAKE.name
        except DataError:
            refused += 1
    assert refused > 10


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / TAKE_FILE).write_bytes(b"name = \xff\xfe")
    with pytest.raises(DataError, match=r"take\.toml"):
        read_take(tmp_path)


def test_a_take_of_a_newer_version_is_refused_with_the_remedy(tmp_path):
    newer = msgspec.structs.replace(A_TAKE, schema_version=SCHEMA_VERSION + 1)
    write_take(newer, tmp_path)
    with pytest.raises(DataError, match=r"expected schema version up to 2, got 3") as caught:
        read_take(tmp_path)
    assert "update" in caught.value.hint


def test_a_malformed_layout_names_the_key():
    with pytest.raises(ConfigError, match="position_m"):
        _ = msgspec.structs.replace(A_TAKE, layout=layout_without_a_place()).sensor_layout


def test_a_malformed_layout_in_a_file_names_the_file_too(tmp_path):
    write_take(msgspec.structs.replace(A_TAKE, layout=layout_without_a_place()), tmp_path)
    with pytest.raises(DataError, match="position_m") as caught:
        read_take(tmp_path)
    assert str(tmp_path / TAKE_FILE) in str(caught.value)


def layout_without_a_place():
    layout = layout_to_dict(FACE_12)
    del layout["slots"][3]["position_m"]
    return layout
