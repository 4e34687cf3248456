"""Versions go elsewhere and come back, by fsspec: a folder, memory, and a server that speaks S3."""

import json
import shutil
from pathlib import Path

import pytest

from dataset_tools.executors import Here
from dataset_tools.sets.build import build
from dataset_tools.sets.remote import pull, push
from dataset_tools.sets.versions import versions
from firmware_host.errors import ConfigError, DataError, TransportError
from imusic.cli import main
from tests.dataset_tools.sets.test_build import bytes_of

pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def dataset(make_take, tmp_path) -> Path:
    make_take("one", 1)
    make_take("two", 2)
    build([tmp_path / "takes"], tmp_path / "set", lambda _: Here())
    return tmp_path / "set"


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request, tmp_path, monkeypatch):
    """An address, whatever is behind it."""
    if request.param == "folder":
        yield str(tmp_path / "there")
    elif request.param == "memory":
        store = fsspec.filesystem("memory")
        yield "memory://faces"
        store.rm("/faces", recursive=True)
    else:
        pytest.importorskip("s3fs")
        server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
        server.start()
        try:
            host, port = server.get_host_and_port()
            url = f"http://{host}:{port}"
            for name, value in {
                "AWS_ENDPOINT_URL": url,
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "y",
                "AWS_DEFAULT_REGION": "us-east-1",
            }.items():
                monkeypatch.setenv(name, value)
            fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
            yield "s3://bucket/faces"
        finally:
            server.stop()


def test_what_was_pushed_is_pulled_and_only_what_is_new_is_fetched(
    dataset, place, tmp_path, capsys
):
    assert push(dataset, place).versions == ("v1",)
    assert push(dataset, place).versions == ()
    here = tmp_path / "here"
    assert pull(place, here).files == 9
    assert bytes_of(here / "v1") == bytes_of(dataset / "v1")
    assert main(["dataset", "relabel", str(dataset), "take == 'one'", "emotion=joy"]) == 0
    capsys.readouterr()
    assert main(["dataset", "push", str(dataset), place, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["versions"] == ["v2"]
    assert main(["dataset", "pull", place, str(here), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["versions"], told["files"]) == (["v2"], 2)  # the manifest and one row of facts
    assert bytes_of(here / "v2") == bytes_of(dataset / "v2")
    assert pull(place, here).versions == ()
    assert main(["dataset", "diff", str(here), str(dataset)]) == 0


def test_another_set_is_not_written_over(dataset, tmp_path, make_take):
    place = str(tmp_path / "there")
    push(dataset, place)
    make_take("three", 3)
    other = build([tmp_path / "takes" / "three"], tmp_path / "other", lambda _: Here())
    with pytest.raises(ConfigError, match="another v1"):
        push(other.version.parent, place)
    with pytest.raises(ConfigError, match="versions of its own"):
        pull(place, tmp_path / "other")
    assert [v.name for v in versions(tmp_path / "other")] == ["v1"]


def test_damage_on_the_way_is_found(dataset, tmp_path):
    place = tmp_path / "there"
    push(dataset, str(place))
    victim = next(place.rglob("native/*.parquet"))
    data = bytearray(victim.read_bytes())
    data[50] ^= 1
    victim.write_bytes(data)
    with pytest.raises(DataError, match="not what its manifest says"):
        pull(str(place), tmp_path / "here")
    assert versions(tmp_path / "here") == []
    victim.unlink()
    with pytest.raises(TransportError):
        pull(str(place), tmp_path / "here")
    shutil.rmtree(place)
    place.mkdir()
    with pytest.raises(DataError, match="holds no data set"):
        pull(str(place), tmp_path / "here")
    with pytest.raises(ConfigError):
        push(dataset, "nonsense://x")
