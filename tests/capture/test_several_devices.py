"""Takes of several devices: written, read, cut, merged. And takes of one hub are as they were."""

import shutil

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import schemas
from capture.channels import topics_of
from capture.merging import Merger
from capture.recording import read_recording
from capture.recover import Outcome, recover
from capture.take import DATA_FILE, TAKE_FILE, TakeDevice, new_take, read_take, write_take
from capture.take_writer import TakeWriter
from firmware_host.errors import DataError
from firmware_host.layout import FACE_12
from firmware_host.link_events import LinkDown, LinkUp, Refused, SlotsSilent, Trouble
from firmware_host.samples import Gap, Garbage, HubEnd, HubInfo, ImuBlock
from tests.crash.test_crash import chunk_ends

MS = 1_000_000
LEFT, RIGHT, BONE = "zygomaticus_left", "zygomaticus_right", "head_reference"
DEVICES = (
    TakeDevice("cheek", (LEFT,), "witmotion"),
    TakeDevice("ear", (BONE, RIGHT), "hub"),
    TakeDevice("late", ("mentalis",), "slimevr"),  # never comes
)
VENDOR = HubInfo("cheek", "", 0, float("nan"), 157.0, 35.0, (LEFT,))


def block(device: int, number: int, ticks: int = 2) -> ImuBlock:
    """Block `number` of a device; values say which device, slot and sample they are of."""
    at = np.arange(number * ticks, (number + 1) * ticks)
    slots = len(DEVICES[device].slots)
    value = 100 * device + np.arange(slots)[None, :, None] + 0.001 * at[:, None, None]
    accel = np.broadcast_to(value, (ticks, slots, 3)).astype(np.float32)
    arrival_ns = (int(at[-1]) * 5 + device) * MS + MS
    epoch = 10**9 * (device + 1)
    return ImuBlock(epoch + at * 5000, at, accel, -accel, arrival_ns, None, device == 0, device)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A take of two devices that speak in turns, of which one is lost for a while."""
    folder = tmp_path_factory.mktemp("takes") / "rig"
    folder.mkdir()
    writer = TakeWriter(folder, new_take("rig", FACE_12, {}, devices=DEVICES))
    writer.hub_event(LinkUp(1), 0, 0)
    writer.hub_event(VENDOR, 0, 0)
    for number in range(40):
        for device in (0, 1):
            if device == 0 and 10 <= number < 20:
                continue
            sent = block(device, number)
            writer.hub_bytes(b"raw of %d" % device, sent.arrival_ns, device)
            writer.hub_event(sent, sent.arrival_ns, device)
        if number == 10:
            writer.hub_event(LinkDown("gone", "look", 0.2, 0), 100 * MS, 0)
            writer.hub_event(LinkDown("gone", "look", 0.4, 1), 110 * MS, 0)
            writer.hub_event(Refused("another", "swap"), 120 * MS, 0)
            writer.hub_event(SlotsSilent((RIGHT,), 1.0), 120 * MS, 1)
            writer.hub_event(Trouble("noise", "bytes", "baud"), 120 * MS, 1)
            writer.hub_event(Garbage(7), 120 * MS, 1)
            writer.hub_event(Gap(3, 4), 120 * MS, 1)
        if number % 10 == 9:
            writer._writer.flush()
    writer.hub_event(HubEnd(84), 500 * MS, 1)
    writer.close()
    return folder


def test_every_device_comes_back_as_it_was_written(written):
    recording = read_recording(written)
    cheek, ear, _ = recording.tracks
    assert [len(track) for track in recording.tracks] == [60, 80, 0]
    assert cheek.slots == (FACE_12.names.index(LEFT),)
    assert ear.samples_sent == 84
    assert ear.gaps == (Gap(3, 4),)
    assert (cheek.garbage_bytes, ear.garbage_bytes) == (0, 7)
    assert cheek.info is not None
    assert np.isnan(cheek.info.rate_hz)
    assert (cheek.no_clock_ns, ear.no_clock_ns) == (block(0, 0).arrival_ns, None)
    for device, track in enumerate((cheek, ear)):
        for found in track.blocks(device):
            sent = block(device, int(found.sequence[0]) // 2)
            assert found.device == device
            assert found.arrival_ns == sent.arrival_ns
            assert found.tick_is_arrival == sent.tick_is_arrival
            np.testing.assert_array_equal(found.tick_us, sent.tick_us)
            np.testing.assert_array_equal(found.accel_m_s2, sent.accel_m_s2)
            np.testing.assert_array_equal(found.gyro_rad_s, sent.gyro_rad_s)


def test_blocks_of_all_devices_come_in_order_of_arrival(written):
    recording = read_recording(written)
    blocks = list(recording.blocks())
    arrivals = [found.arrival_ns for found in blocks]
    assert arrivals == sorted(arrivals)
    assert len(blocks) == len(recording.block_starts) - 1 == 70
    assert np.diff(recording.block_starts).tolist() == [2] * 70


def test_the_arrays_of_a_take_have_all_slots_and_nan_where_a_device_has_none(written):
    recording = read_recording(written)
    assert recording.accel_m_s2.shape == (140, 12, 3)
    known = np.isfinite(recording.accel_m_s2).all(axis=2)
    assert known.sum(axis=1).tolist() == [
        len(DEVICES[found.device].slots) for found in recording.blocks() for _ in found.tick_us
    ]
    places = [FACE_12.names.index(name) for name in (BONE, RIGHT, LEFT)]
    assert set(np.flatnonzero(known.any(axis=0))) == set(places)
    bone = recording.accel_m_s2[:, places[0], 0]
    np.testing.assert_allclose(bone[np.isfinite(bone)], 100 + 0.001 * np.arange(80), rtol=1e-6)


COUNTS = {
    "samples": 140,
    "cheek.samples": 60,
    "ear.samples": 80,
    "blocks": 70,
    "samples_lost": 4,
    "ear.samples_lost": 4,
    "garbage_bytes": 7,
    "links_down": 1,
    "cheek.links_down": 1,
    "refusals": 1,
    "troubles": 1,
    "ear.troubles": 1,
    "samples_sent": 84,
}


def test_counts_tell_of_all_and_of_each_and_a_rescue_counts_the_same(written, tmp_path):
    counts = read_take(written).counts
    assert {key: counts[key] for key in COUNTS} == COUNTS
    folder = tmp_path / "cut"
    shutil.copytree(written, folder)
    data = (folder / DATA_FILE).read_bytes()
    (folder / DATA_FILE).write_bytes(data[:-20])  # nothing but the footer is gone
    report = recover(folder)
    assert report.samples == 140
    assert read_take(folder).counts == counts


@pytest.mark.parametrize("with_toml", [True, False])
def test_a_take_cut_off_anywhere_keeps_the_devices_apart(written, tmp_path, with_toml):
    data = (written / DATA_FILE).read_bytes()
    for number, cut in enumerate(chunk_ends(data)[:3], 1):
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(written, folder)
        (folder / DATA_FILE).write_bytes(data[:cut])
        if not with_toml:
            (folder / TAKE_FILE).unlink()
        assert recover(folder).outcome is Outcome.LOSSY
        take, recording = read_take(folder), read_recording(folder)
        assert [(d.name, d.slots) for d in take.devices] == [(d.name, d.slots) for d in DEVICES]
        assert take.sensor_layout.names == FACE_12.names
        assert len(recording) == (0, 40, 60, 100)[number]
        for found in recording.blocks():
            sent = block(found.device, int(found.sequence[0]) // 2)
            np.testing.assert_array_equal(found.accel_m_s2[-1], sent.accel_m_s2[-1])


def test_a_device_with_a_slot_that_the_layout_lacks_is_refused(written, tmp_path):
    folder = tmp_path / "wrong"
    shutil.copytree(written, folder)
    wrong = (TakeDevice("cheek", ("chin",)), *DEVICES[1:])
    write_take(msgspec.structs.replace(read_take(folder), devices=wrong), folder)
    with pytest.raises(DataError, match="device 'cheek' has a slot 'chin'"):
        read_take(folder)


def test_a_take_of_one_hub_has_the_channels_it_always_had(tmp_path):
    take = new_take("old", FACE_12, {})
    assert topics_of(take.sources) == (
        "hub/raw", "hub/samples", "phone/raw", "phone/face", "clock", "health", "markers"
    )  # fmt: skip
    assert schemas.samples_message(FACE_12.names).name == "HubSample"
    assert topics_of(DEVICES)[2:7] == topics_of(take.sources)[2:]


def test_a_take_written_before_there_were_devices_reads_as_ever(tmp_path):
    writer = TakeWriter(tmp_path, new_take("old", FACE_12, {}))
    accel = np.ones((2, 12, 3), np.float32)
    sent = ImuBlock(np.array([1, 2]), np.array([0, 1]), accel, accel, 5 * MS)
    writer.hub_event(sent, 5 * MS)
    # As the health events were: without the name of a device.
    old_info = {
        "device_id": "hub-7",
        "firmware": "",
        "protocol_version": 1,
        "rate_hz": 200.0,
        "accel_range_m_s2": 80.0,
        "gyro_range_rad_s": 17.0,
        "slots": list(FACE_12.names),
    }
    writer.health("info", 4 * MS, **old_info)
    writer.health("gap", 6 * MS, sequence=2, count=3)
    writer.close()
    path = tmp_path / TAKE_FILE
    lines = path.read_text().splitlines()
    old = [line for line in lines if not line.startswith("devices")]
    old = [line.replace("schema_version = 2", "schema_version = 1") for line in old]
    assert len(old) == len(lines) - 1
    path.write_text("\n".join(old))
    recording = read_recording(tmp_path)
    assert recording.take.schema_version == 1
    assert [track.name for track in recording.tracks] == ["hub"]
    assert recording.accel_m_s2.shape == (2, 12, 3)
    assert recording.info is not None
    assert recording.info.device_id == "hub-7"
    assert recording.samples_lost == 3
    assert recovers_whole(tmp_path)


def recovers_whole(folder) -> bool:
    return recover(folder).outcome is Outcome.WHOLE


orders = st.permutations([0, 0, 0, 1, 1, 1])


@given(orders, st.integers(0, 2**40), st.integers(0, 2**40))
def test_each_device_is_mapped_by_its_own_clock_whatever_comes_between(order, first, second):
    """Merged or alone, a device's samples lie at the same times; only its slots are filled."""
    merger = Merger((LEFT, RIGHT, BONE), ((LEFT,), (BONE, RIGHT)))
    alone = [Merger((LEFT,), ((LEFT,),)), Merger((BONE, RIGHT), ((BONE, RIGHT),))]
    counts = [0, 0]
    for step, device in enumerate(order):
        ticks = (
            np.array([counts[device] * 5000, counts[device] * 5000 + 2500])
            + (first, second)[device]
        )
        counts[device] += 1
        accel = np.full((2, device + 1, 3), float(step + 1), np.float32)
        arrival_ns = 10**12 + step * 7 * MS
        sent = ImuBlock(ticks, ticks, accel, accel, arrival_ns, device=device)
        placed = merger.place(sent)
        single = alone[device].place(ImuBlock(ticks, ticks, accel, accel, arrival_ns))
        np.testing.assert_array_equal(placed.time_ns, single.time_ns)
        filled = np.isfinite(placed.accel_m_s2).all(axis=(0, 2)).tolist()
        assert filled == ([True, False, False] if device == 0 else [False, True, True])
