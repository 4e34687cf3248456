import os
import stat

import pytest

from capture.keys import guard_for, is_key, is_local, new_keys, read_keys, write_keys
from firmware_host.errors import ConfigError
from firmware_host.rig import PublishConfig


def test_keys_come_back_and_only_their_owner_may_read_them(tmp_path):
    keys = new_keys()
    path = tmp_path / "desk.key"
    write_keys(path, keys)
    assert read_keys(path) == keys
    assert is_key(keys.public)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
        with pytest.raises(ConfigError, match="others may read"):
            read_keys(path)


def test_keys_are_never_overwritten_and_nothing_else_is_taken_for_some(tmp_path):
    path = tmp_path / "desk.key"
    write_keys(path, new_keys())
    with pytest.raises(ConfigError, match="exists already"):
        write_keys(path, new_keys())
    with pytest.raises(ConfigError, match="cannot read the keys"):
        read_keys(tmp_path / "none.key")
    for text in (b'public = "short"\nsecret = "short"\n', b"hello", b"\xff\xfe"):
        (tmp_path / "odd.key").write_bytes(text)
        (tmp_path / "odd.key").chmod(0o600)
        with pytest.raises(ConfigError):
            read_keys(tmp_path / "odd.key")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("tcp://127.0.0.1:5570", True),
        ("tcp://127.8.0.1:*", True),
        ("tcp://localhost:5570", True),
        ("tcp://[::1]:5570", True),
        ("ipc:///tmp/faces", True),
        ("inproc://faces", True),
        ("tcp://0.0.0.0:5570", False),
        ("tcp://*:5570", False),
        ("tcp://192.168.1.4:5570", False),
        ("tcp://127.0.0.1.example.org:5570", False),
        ("tcp://localhost.example.org:5570", False),
        ("tcp://eth0:5570", False),
    ],
)
def test_what_leaves_this_computer_is_known_by_its_address(address, local):
    assert is_local(address) is local


def test_a_face_leaves_this_computer_only_with_keys_and_somebody_allowed(tmp_path):
    path = tmp_path / "desk.key"
    write_keys(path, new_keys())
    friend = new_keys().public
    assert guard_for(("tcp://127.0.0.1:1",), "", ()) is None
    with pytest.raises(ConfigError, match="only encrypted"):
        guard_for(("tcp://127.0.0.1:1", "tcp://*:2"), "", (friend,))
    with pytest.raises(ConfigError, match="nobody could listen"):
        guard_for(("tcp://*:2",), str(path), ())
    with pytest.raises(ConfigError, match="no public key"):
        guard_for(("tcp://*:2",), str(path), ("friend",))
    assert guard_for(("tcp://*:2",), str(path), (friend,)).allow == (friend,)


@pytest.mark.parametrize(
    ("publish", "status", "events"),
    [
        (PublishConfig(), "tcp://127.0.0.1:5571", "tcp://127.0.0.1:5572"),
        (PublishConfig(faces="tcp://127.0.0.1:6000"), "", ""),
        (PublishConfig(faces="ipc:///tmp/f", status="ipc:///tmp/s"), "ipc:///tmp/s", ""),
        (PublishConfig(status="tcp://127.0.0.1:9"), "tcp://127.0.0.1:9", "tcp://127.0.0.1:5572"),
    ],
)
def test_status_and_events_stand_beside_faces_where_these_are_usual(publish, status, events):
    assert (publish.status_address, publish.events_address) == (status, events)
