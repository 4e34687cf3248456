"""Takes in other people's tools: what layouts name is in the file, and Rerun reads ours."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from mcap.reader import make_reader

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.importers import import_samples
from capture.take import DATA_FILE, read_take
from firmware_host.layout import FACE_12
from imusic.cli import main
from viz.timelines import foxglove_layout, plotjuggler_layout, plots_of


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takes")
    time_s = np.arange(300) / 100
    accel = np.full((300, 12, 3), (0.0, 9.81, 0.0), np.float32)
    gyro = np.zeros_like(accel)
    gyro[:, :, 0] = 0.25
    weights = np.zeros((90, 52), np.float32)
    weights[:, INDEX["jawOpen"]] = 0.5
    np.savez(
        folder / "samples.npz",
        time_s=time_s,
        accel_m_s2=accel,
        gyro_rad_s=gyro,
        slots=np.array(FACE_12.names),
        rest_s=np.array([0.0, 0.5]),
        weight_names=np.array(ARKIT_NAMES),
        weights=weights,
        weights_time_s=np.arange(90) / 30,
    )
    import_samples(folder / "samples.npz", folder / "take")
    return folder / "take"


@pytest.fixture(scope="module")
def first_messages(take):
    """By topic, the first message as any protobuf reader sees it from the file's own schemas."""
    found = {}
    with (take / DATA_FILE).open("rb") as stream:
        for schema, channel, message in make_reader(stream).iter_messages():
            if channel.message_encoding == "protobuf" and channel.topic not in found:
                assert schema.encoding == "protobuf"
                pool = descriptor_pool.DescriptorPool()
                files = descriptor_pb2.FileDescriptorSet.FromString(schema.data)
                for file in files.file:
                    pool.Add(file)
                kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(schema.name))
                found[channel.topic] = kind.FromString(message.data)
    return found


def value_of(messages, topic, path):
    value = messages[topic]
    for name in path:
        value = getattr(value, name)
    return value


def test_every_field_of_a_layout_is_in_the_messages_of_the_take(take, first_messages):
    plots = plots_of(read_take(take))
    for plot in plots:
        for topic, path in plot.fields:
            assert np.isfinite(value_of(first_messages, topic, path))
    assert len(plots[0].fields) == len(FACE_12.names)
    assert value_of(first_messages, *plots[0].fields[0]) == pytest.approx(0.25)
    assert value_of(first_messages, *plots[2].fields[0]) == pytest.approx(0.5)


def test_what_is_no_protobuf_is_json_that_tells_itself_or_bytes_for_replay(take):
    with (take / DATA_FILE).open("rb") as stream:
        summary = make_reader(stream).get_summary()
    encodings = {c.topic: c.message_encoding for c in summary.channels.values()}
    told = {topic for topic, encoding in encodings.items() if encoding in ("protobuf", "json")}
    assert {topic for topic in encodings if not topic.endswith("/raw")} == told


def test_foxglove_gets_every_panel_it_places(take):
    layout = foxglove_layout(plots_of(read_take(take)))
    assert json.loads(json.dumps(layout)) == layout
    placed = []

    def visit(node):
        if isinstance(node, str):
            placed.append(node)
        else:
            visit(node["first"])
            visit(node["second"])

    visit(layout["layout"])
    assert sorted(placed) == sorted(layout["configById"])
    paths = layout["configById"]["Plot!imusic1"]["paths"]
    assert paths[0]["value"] == f"hub/samples.{FACE_12.names[0]}.gyro.x"


def test_plotjuggler_names_series_by_their_path(take):
    root = ElementTree.fromstring(plotjuggler_layout(plots_of(read_take(take))))
    curves = [curve.get("name") for curve in root.iter("curve")]
    assert f"hub/samples/{FACE_12.names[0]}/gyro/x" in curves
    assert "phone/face/weights/jawOpen" in curves
    splitter = next(root.iter("DockSplitter"))
    assert int(splitter.get("count")) == len(splitter) == len(splitter.get("sizes").split(";"))


@pytest.mark.parametrize("suffix", [".json", ".xml"])
def test_the_verb_writes_a_layout_and_replaces_none(take, tmp_path, capsys, suffix):
    out = tmp_path / f"layout{suffix}"
    assert main(["view", str(take), "--layout", str(out)]) == 0
    assert FACE_12.names[0] in out.read_text("utf-8")
    assert main(["view", str(take), "--layout", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_rerun_reads_back_heads_shapes_and_sensors(take, tmp_path):
    pytest.importorskip("rerun", reason="Rerun is an extra: pip install 'imusic[rerun]'")
    out = tmp_path / "take.rrd"
    assert main(["view", str(take), str(take), "--rerun", str(out)]) == 0
    printed = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "print", str(out)],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    entities = {word for line in printed.splitlines() for word in line.split() if word[0] == "/"}
    assert f"/sensors/{FACE_12.names[0]}" in entities
    shapes = {entity for entity in entities if entity.startswith("/shapes/jawOpen/")}
    heads = {entity for entity in entities if entity.startswith("/heads/")}
    assert len(shapes) == len(heads) == 2  # one take twice has two names
    assert [path.name for path in tmp_path.iterdir()] == ["take.rrd"]


def test_without_rerun_there_is_one_line_and_a_hint(take, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("viz.rerun_file.find_spec", lambda name: None)
    assert main(["view", str(take), "--rerun", str(tmp_path / "take.rrd")]) == 3
    assert "imusic[rerun]" in capsys.readouterr().err
    assert main(["view", "--rerun", str(tmp_path / "take.rrd")]) == 2
