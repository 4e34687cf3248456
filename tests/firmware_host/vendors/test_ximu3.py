"""x-IMU3: the maker's own examples, its own decoder as oracle, noise, damage, restarts."""

import math
import struct
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_host.samples import Garbage, HubInfo, ImuBlock
from firmware_host.vendors.blocks import GRAVITY_M_S2
from firmware_host.vendors.events import Health, LineEdge, Notice
from firmware_host.vendors.ximu3 import (
    MAX_MESSAGE,
    DataMessage,
    JsonMessage,
    XimuAnnouncement,
    XimuDecoder,
    XimuDevice,
    decode_announcement,
)

# The examples of the maker's "x-IMU3 User Manual v0.11", sections 8.1.9, 8.2.2 to 8.2.15 and 10:
# letter, text, binary. All at a time of one second.
STAMP = "40 42 0F 00 00 00 00 00 "
ZERO, ONE = "00 00 00 00 ", "00 00 80 3F "
EXAMPLES = [
    ("I", "I,1000000,0.0000,0.0000,0.0000,0.0000,0.0000,1.0000", "C9" + STAMP + 5 * ZERO + ONE),
    ("M", "M,1000000,1.0000,0.0000,0.0000", "CD" + STAMP + ONE + 2 * ZERO),
    ("A", "A,1000000,0.0000,0.0000,0.0000", "C1" + STAMP + 3 * ZERO),
    (
        "R",
        "R,1000000,1.0000,0.0000,0.0000,0.0000,1.0000,0.0000,0.0000,0.0000,1.0000",
        "D2" + STAMP + ONE + 3 * ZERO + ONE + 3 * ZERO + ONE,
    ),
    (
        "L",
        "L,1000000,1.0000,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000",
        "CC" + STAMP + ONE + 6 * ZERO,
    ),
    ("W", "W,1000000,100.000,-50.0000", "D7" + STAMP + "00 00 C8 42 00 00 48 C2"),
]
NOTE_TEXT = b"N,1000000,This is a notification message.\r\n"
NOTE_BINARY = bytes.fromhex(
    "CE 40 42 0F 00 00 00 00 00 54 68 69 73 20 69 73 20 61 20 6E 6F 74 69"
    "66 69 63 61 74 69 6F 6E 20 6D 65 73 73 61 67 65 2E 0A"
)
ERROR_BINARY = bytes.fromhex(
    "C6 40 42 0F 00 00 00 00 00 54 68 69 73 20 69 73 20 61 6E 20 65 72 72"
    "6F 72 20 6D 65 73 73 61 67 65 2E 0A"
)
ACCESSORY = bytes.fromhex("D3 40 42 0F 00 00 00 00 00 61 62 63 31 32 33 F1 F2 F3 0A")
PING = (
    b'{"ping":{"interface":"USB","deviceName":"x-IMU3","serialNumber":"0123-4567-89AB-CDEF"}}\r\n'
)
ANNOUNCEMENT = (
    b'{"sync":0,"name":"x-IMU3","serial":"0123-4567-89AB-CDEF","ip":"192.168.1.1","port":7000,'
    b'"send":8000,"receive":9000,"rssi":100,"battery":100,"status":2}'
)
INERTIAL = bytes.fromhex(EXAMPLES[0][2]) + b"\n"

floats = st.floats(-2000, 2000, width=32)
cuts = st.lists(st.integers(1, 60), max_size=40)


def chunked(data, sizes):
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def binary(letter, tick_us, *values):
    """A message by the manual's sections 8.2 and 8.2.1."""
    body = bytes((0x80 + ord(letter),)) + struct.pack(f"<Q{len(values)}f", tick_us, *values)
    return body.replace(b"\xdb", b"\xdb\xdd").replace(b"\n", b"\xdb\xdc") + b"\n"


def samples(events):
    """(N, 7): tick in µs, rates in deg/s, accel in g."""
    rows = [
        np.column_stack(
            (b.tick_us, np.degrees(b.gyro_rad_s[:, 0]), b.accel_m_s2[:, 0] / GRAVITY_M_S2)
        )
        for b in events
        if isinstance(b, ImuBlock)
    ]
    return np.concatenate(rows) if rows else np.zeros((0, 7))


@pytest.mark.parametrize(("letter", "text", "octets"), EXAMPLES)
def test_the_examples_of_the_manual_say_the_same_in_text_and_binary(letter, text, octets):
    numbers = tuple(float(word) for word in text.split(",")[2:])
    expected = [DataMessage(letter, 1_000_000, numbers)]
    assert XimuDecoder().feed(text.encode() + b"\r\n") == expected
    assert XimuDecoder().feed(bytes.fromhex(octets) + b"\n") == expected


def test_an_inertial_message_is_a_sample_in_si_units():
    info, block = XimuDevice("chin").receive(INERTIAL, 9)
    assert isinstance(info, HubInfo)
    assert info.slots == ("chin",)
    np.testing.assert_allclose(block.accel_m_s2[0, 0], [0, 0, GRAVITY_M_S2], rtol=1e-6)
    assert (block.tick_us.tolist(), block.arrival_ns, block.tick_is_arrival) == (
        [1_000_000],
        9,
        False,
    )
    turning = XimuDevice().receive(b"I,5,180.0,0.0,-90.5,0.0,0.0,0.0\r\n", 1)[1]
    np.testing.assert_allclose(turning.gyro_rad_s[0, 0], [np.pi, 0, np.radians(-90.5)], rtol=1e-6)


def test_texts_of_the_manual_are_notices_and_accessory_data_passes_through():
    device = XimuDevice()
    note = Notice("This is a notification message.", is_error=False)
    assert device.receive(NOTE_TEXT + NOTE_BINARY + ERROR_BINARY, 1) == [
        note,
        note,
        Notice("This is an error message.", is_error=True),
    ]
    assert XimuDecoder().feed(ACCESSORY) == [
        DataMessage("S", 1_000_000, text=b"abc123\xf1\xf2\xf3")
    ]


def test_the_device_is_asked_who_it_is_and_its_serial_number_is_kept():
    device = XimuDevice()
    assert device.outgoing() == [b'{"ping":null}\r\n']
    assert device.outgoing() == []
    (info,) = device.receive(PING, 1)
    assert info.device_id == "0123-4567-89AB-CDEF"
    assert [type(event) for event in device.receive(INERTIAL, 1)] == [ImuBlock]
    (found,) = XimuDecoder().feed(ANNOUNCEMENT + b"\n")
    assert isinstance(found, JsonMessage)
    assert found.values["send"] == 8000


def test_edges_battery_and_temperature_are_events_between_the_samples():
    stream = (
        INERTIAL
        + binary("Y", 1_500_000, 1.0)
        + b"Y,1600000,0.0\r\n"
        + binary("I", 2_000_000, *[0] * 6)
    )
    events = XimuDevice().receive(stream + b"B,5,80.0,4.0,0\r\n" + binary("T", 6, 25.5), 1)
    assert events[2:4] == [LineEdge(1_500_000, True), LineEdge(1_600_000, False)]
    assert events[5] == Health(battery=0.8)
    assert events[6].temperature_c == 25.5
    assert [type(event) for event in events[:5:2]] == [HubInfo, LineEdge, ImuBlock]


def test_the_manuals_radio_message_tells_how_well_it_hears():
    assert XimuDevice().receive(EXAMPLES[5][1].encode() + b"\r\n", 1) == [Health(rssi_dbm=-50.0)]
    assert XimuDevice().receive(bytes.fromhex(EXAMPLES[5][2]) + b"\n", 1) == [
        Health(rssi_dbm=-50.0)
    ]


def test_ticks_go_on_after_the_device_restarted():
    device = XimuDevice()
    stamps = [9_000_000, 9_002_500, 0, 2_500, 5_000]
    events = device.receive(b"".join(binary("I", stamp, *[0] * 6) for stamp in stamps), 1)
    assert np.diff(samples(events)[:, 0]).tolist() == [2500] * 4


@pytest.mark.parametrize(
    "bad",
    [
        b"I,1000000,0.0,0.0,0.0,0.0,0.0\r\n",
        b"I,1_000,0,0,0,0,0,0\n",
        b"I,1,nan,0,0,0,0,0\n",
        b"I,99999999999999999999,0,0,0,0,0,0\n",
        b"i,1,0,0,0,0,0,0\n",
        b"\xc9\n",
        INERTIAL[:-2] + b"\n",
        INERTIAL[:-2] + b"\xdb\n",
        INERTIAL[:-2] + b"\xdbx\n",
        b"\xc9" + b"\xff" * 8 + bytes(24) + b"\n",
        b"{\n",
        b"[" * 3000 + b"\n",
        b'{"a":' * 600 + b"\n",
        b"\n",
    ],
)
def test_what_is_no_message_is_garbage_and_the_next_is_found(bad):
    found = XimuDecoder().feed(bad + INERTIAL)
    assert found[0] == Garbage(len(bad))
    assert [message.letter for message in found[1:]] == ["I"]


def test_numbers_that_are_none_are_unknown_readings():
    octets = binary("I", 5, float("nan"), float("inf"), 1.0, 3e38, 0.0, 0.0)
    block = XimuDevice().receive(octets, 1)[1]
    assert np.isnan(block.gyro_rad_s[0, 0]).tolist() == [True, True, False]
    assert np.isnan(block.accel_m_s2[0, 0]).tolist() == [True, False, False]


@given(st.lists(st.tuples(st.integers(1, 10**6), *[floats] * 6), max_size=8), cuts)
@example([(0x0A0ADB, *struct.unpack("<6f", b"\n\xdb\n\xdb" * 6))], [1] * 40)
def test_any_numbers_survive_stuffing_and_any_chunking(sent, sizes):
    ticks = np.cumsum([step for step, *_ in sent]).tolist()
    stream = b"".join(
        binary("I", tick, *values) for tick, (_, *values) in zip(ticks, sent, strict=True)
    )
    device = XimuDevice()
    got = samples([e for chunk in chunked(stream, sizes) for e in device.receive(chunk, 1)])
    assert got[:, 0].tolist() == ticks
    expected = np.array([values for _, *values in sent]).reshape(-1, 6)
    np.testing.assert_allclose(got[:, 1:], expected, rtol=1e-5, atol=1e-30)


@given(st.binary(max_size=400) | st.text("I,0123.\r\n", max_size=300).map(str.encode), cuts)
def test_noise_never_raises_and_the_next_message_is_found(noise, sizes):
    device = XimuDevice()
    for chunk in chunked(noise + b"\n", sizes):
        device.receive(chunk, 1)
    assert len(samples(device.receive(INERTIAL, 2))) == 1


@given(st.integers(0, len(INERTIAL) - 1), st.integers(0, 255))
def test_damage_costs_at_most_two_messages(at, octet):
    damaged = bytearray(INERTIAL)
    damaged[at] = octet
    events = XimuDevice().receive(INERTIAL + bytes(damaged) + INERTIAL * 2, 1)
    assert len(samples(events)) >= 3 if at < len(INERTIAL) - 1 else 2


@given(st.integers(0, 3 * MAX_MESSAGE), st.lists(st.integers(1, 3000), max_size=8))
def test_an_endless_line_is_given_up_in_lumps_however_it_is_cut(length, sizes):
    decoder = XimuDecoder()
    found = []
    for chunk in chunked(b"x" * length + b"\n" + INERTIAL, sizes):
        found += decoder.feed(chunk)
        assert decoder.pending < MAX_MESSAGE
    *garbage, message = found
    assert isinstance(message, DataMessage)
    assert sum(g.count for g in garbage) == length + 1


def oracle_samples(ximu3, path, data):
    """What the maker's own decoder (`pip install ximu3`) finds in these bytes."""
    found, seen = [], 0
    path.write_bytes(data)
    connection = ximu3.Connection(ximu3.FileConnectionConfig(str(path)))
    connection.add_inertial_callback(
        lambda m: found.append(
            (
                m.timestamp,
                *(m.gyroscope_x, m.gyroscope_y, m.gyroscope_z),
                *(m.accelerometer_x, m.accelerometer_y, m.accelerometer_z),
            )
        )
    )
    connection.open()
    for _ in range(40):
        time.sleep(0.25)
        if found and len(found) == seen:
            break
        seen = len(found)
    connection.close()
    return np.array(found)


def test_the_makers_own_decoder_finds_the_same_samples_in_a_damaged_stream(tmp_path):
    ximu3 = pytest.importorskip("ximu3", reason="pip install ximu3")
    rng = np.random.default_rng(7)
    stream = []
    for tick in range(2500, 2500 * 2000, 2500):
        values = rng.integers(-(10**6), 10**6, 6) / 1000
        text = f"I,{tick}," + ",".join(f"{value:.4f}" for value in values) + "\r\n"
        message = binary("I", tick, *values) if rng.random() < 0.7 else text.encode()
        if rng.random() < 0.1:
            cut = rng.integers(1, len(message))
            # A text that runs into the next is one to the oracle, which ignores the rest.
            ends = message[0] < 0x80 or rng.random() < 0.5
            message = message[:cut] + b"\n" * int(ends)
        stream.append(message)
    data = b"".join(stream)
    expected = oracle_samples(ximu3, tmp_path / "take.ximu3", data)
    got = samples(XimuDevice().receive(data, 1))
    assert len(expected) > 1500
    assert len(got) == len(expected)
    np.testing.assert_array_equal(got[:, 0], expected[:, 0])
    np.testing.assert_allclose(got[:, 1:], expected[:, 1:], rtol=1e-5, atol=1e-4)


def test_the_announcement_of_the_manual_says_where_the_device_is():
    told = decode_announcement(ANNOUNCEMENT)
    assert told == XimuAnnouncement("x-IMU3", "0123-4567-89AB-CDEF", 7000, 8000, 1.0)
    assert decode_announcement(ANNOUNCEMENT.replace(b'"port":7000', b'"port":0')) is None
    assert decode_announcement(b'{"port": 7}').udp_port == 0
    assert math.isnan(decode_announcement(b'{"port": 7, "battery": 1' + b"0" * 400 + b"}").battery)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_a_datagram_of_noise_is_no_announcement(noise):
    assert decode_announcement(noise) is None
