"""Layouts as data: what they refuse, and how they travel."""

import pytest

from firmware_host.errors import ConfigError
from firmware_host.layout import (
    FACE_12,
    SensorLayout,
    Slot,
    layout_from_dict,
    layout_to_dict,
    select,
)


def test_the_face_has_eleven_slots_and_a_reference_in_the_agreed_order():
    assert len(FACE_12.names) == 12
    assert FACE_12.names[-2:] == ("mentalis", "head_reference")
    assert FACE_12.reference_index == 11
    assert FACE_12.face_indices == tuple(range(11))


def test_left_is_the_wearers_left_and_pairs_mirror():
    by_name = {slot.name: slot.position_m for slot in FACE_12.slots}
    for name, (x, y, z) in by_name.items():
        if name.endswith("_left"):
            assert x > 0
            assert by_name[name.replace("_left", "_right")] == (-x, y, z)


def test_a_layout_survives_being_written_down():
    assert layout_from_dict(layout_to_dict(FACE_12)) == FACE_12


def test_select_keeps_the_order_asked_for():
    few = select(FACE_12, ("head_reference", "mentalis"))
    assert few.names == ("head_reference", "mentalis")
    assert few.reference_index == 0
    assert few.face_indices == (1,)


def test_an_unknown_slot_is_named_and_the_known_are_listed():
    with pytest.raises(ConfigError, match="slot 'chin' is unknown to layout 'face-12'") as caught:
        select(FACE_12, ("chin", "head_reference"))
    assert "mentalis" in caught.value.hint


def test_a_selection_without_the_reference_is_refused():
    with pytest.raises(ConfigError, match="the reference 'head_reference' is not among its slots"):
        select(FACE_12, ("mentalis",))


def test_repeated_names_are_refused():
    jaw = Slot("jaw", (0.0, 0.0, 0.0))
    with pytest.raises(ConfigError, match="slot names repeat: jaw, jaw"):
        SensorLayout("twice", (jaw, jaw), "jaw")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": None}, "key 'reference' is missing"),
        ({"slots": [{"name": "jaw"}]}, "key 'position_m' is missing"),
        ({"slots": 3}, "not iterable"),
        (
            {"slots": [{"name": "a", "position_m": [1, 2], "quat_head_from_sensor": [1, 0, 0, 0]}]},
            "expected 3 numbers, got 2",
        ),
        (
            {
                "slots": [
                    {"name": "a", "position_m": [1, 2, "x"], "quat_head_from_sensor": [1, 0, 0, 0]}
                ]
            },
            "could not convert string to float",
        ),
    ],
)
def test_a_malformed_table_is_answered_with_what_is_wrong(change, message):
    table = {**layout_to_dict(FACE_12), **change}
    table = {key: value for key, value in table.items() if value is not None}
    with pytest.raises(ConfigError, match=message):
        layout_from_dict(table)
