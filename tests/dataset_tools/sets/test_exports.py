"""Exports in other people's formats, read by their own readers where those are installed."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES
from capture.gltf.files import Gltf
from dataset_tools.executors import Here
from dataset_tools.manifest import read_manifest
from dataset_tools.sets.build import build
from dataset_tools.sets.tables import read_sequence
from dataset_tools.sets.versions import version_folder
from dataset_tools.sets.webdataset import TarShards
from imusic.cli import main

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def dataset(make_take, tmp_path) -> Path:
    for number, who in enumerate(("anna", "ben", "carl")):
        script = {"slate": "smile" if number else "frown"}
        make_take(f"{who}-{number}", number, subject=who, simulated=True, origin=script)
    build([tmp_path / "takes"], tmp_path / "set", lambda _: Here())
    command = ["dataset", "split", str(tmp_path / "set"), "--share", "train=0.7"]
    assert main([*command, "--share", "test=0.3"]) == 0
    return tmp_path / "set"


def exported(dataset, kind: str) -> Path:
    out = dataset.parent / kind
    command = ["dataset", "export", str(dataset), "--format", kind, "--out", str(out)]
    assert main(command) == 0
    return out


def sequences(dataset) -> dict:
    version = version_folder(dataset)
    shards = read_manifest(version).shards
    read = [read_sequence(version, shard.name, 12) for shard in shards]
    return {sequence.facts["take"]: sequence for sequence in read}


def test_lerobot_tells_of_every_frame_what_the_set_holds(dataset):
    out = exported(dataset, "lerobot")
    info = json.loads((out / "meta" / "info.json").read_text())
    known = sequences(dataset)
    assert (info["codebase_version"], info["fps"]) == ("v3.0", 60)
    assert info["total_episodes"] == 3
    episodes = pq.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    data = pq.read_table(out / info["data_path"].format(chunk_index=0, file_index=0))
    assert data.num_rows == info["total_frames"] == sum(e["length"] for e in episodes)
    assert data["index"].to_pylist() == list(range(data.num_rows))
    assert set(data.column_names) == set(info["features"])
    for name, feature in info["features"].items():
        kind = data.schema.field(name).type
        size = getattr(kind, "list_size", 1)
        assert [size] == feature["shape"], name
    # The split of the set is that of the export: episodes are in the order of parts.
    first, last = map(int, info["splits"]["test"].split(":"))
    assert last - first == 1
    assert set(info["splits"]) == {"train", "test"}
    action = np.array(data["action"].to_pylist(), np.float32)
    state = np.array(data["observation.state"].to_pylist(), np.float32)
    for episode in episodes:
        rows = slice(episode["dataset_from_index"], episode["dataset_to_index"])
        true = min(known.values(), key=lambda s: _distance(s.rows.weights, action[rows]))
        seen = np.isfinite(true.rows.weights).all(axis=1)
        np.testing.assert_array_equal(true.rows.weights[seen], action[rows])
        felt = np.concatenate((true.rows.accel_m_s2, true.rows.gyro_rad_s), axis=2)[seen]
        np.testing.assert_array_equal(felt.reshape(len(felt), -1), state[rows])
        assert episode["stats/action/max"] == pytest.approx(action[rows].max(axis=0).tolist())
    stats = json.loads((out / "meta" / "stats.json").read_text())
    np.testing.assert_allclose(stats["action"]["mean"], action.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(stats["action"]["std"], action.std(axis=0), atol=1e-5)
    assert len(info["features"]["observation.state"]["names"]) == 72
    assert info["features"]["action"]["names"] == list(ARKIT_NAMES)
    tasks = pq.read_table(out / "meta" / "tasks.parquet")
    assert tasks["__index_level_0__"].to_pylist() == ["frown", "smile"]


def _distance(weights, action) -> float:
    seen = weights[np.isfinite(weights).all(axis=1)]
    return float(np.abs(seen - action).max()) if len(seen) == len(action) else np.inf


def test_webdataset_keeps_samples_together_by_part(dataset):
    out = exported(dataset, "webdataset")
    assert sorted(p.name for p in out.iterdir()) == ["test-00000.tar", "train-00000.tar"]
    known, found = sequences(dataset), set()
    for path in out.iterdir():
        with tarfile.open(path) as tar:
            names = tar.getnames()
            assert [Path(n).suffix for n in names] == [".json", ".npz"] * (len(names) // 2)
            for facts_name, arrays_name in zip(names[::2], names[1::2], strict=True):
                assert Path(facts_name).stem == Path(arrays_name).stem
                facts = json.loads(tar.extractfile(facts_name).read())
                arrays = np.load(io.BytesIO(tar.extractfile(arrays_name).read()))
                true = known[facts["take"]]
                np.testing.assert_array_equal(arrays["accel_m_s2"], true.samples.accel_m_s2)
                found.add(facts["take"])
    assert found == known.keys()
    again = dataset.parent / "again"
    command = ["dataset", "export", str(dataset), "--format", "webdataset", "--out", str(again)]
    assert main(command) == 0
    for path in out.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


def test_tars_do_not_grow_without_end(tmp_path):
    shards = TarShards(tmp_path, limit=1000)
    for number in range(6):
        shards.add("train", f"k{number}", {"json": b"x" * 600})
    shards.close()
    assert len(list(tmp_path.glob("train-*.tar"))) == 3


def test_gltf_performs_the_face_on_our_head(dataset):
    out = exported(dataset, "gltf")
    known = sequences(dataset)
    assert len(list(out.glob("*.glb"))) == 3
    for path in out.glob("*.glb"):
        true = next(s for take, s in known.items() if path.name.startswith(take))
        raw = path.read_bytes()
        size = int.from_bytes(raw[12:16], "little")
        document = json.loads(raw[20 : 20 + size])
        gltf = Gltf(path)
        (animation,) = document["animations"]
        sampler = animation["samplers"][0]
        times = np.asarray(gltf.floats(sampler["input"], ("SCALAR",))).ravel()
        weights = np.asarray(gltf.floats(sampler["output"], ("SCALAR",))).reshape(len(times), 52)
        np.testing.assert_allclose(times, (true.faces.time_ns - true.faces.time_ns[0]) / 1e9,
                                   atol=1e-5)  # fmt: skip
        np.testing.assert_allclose(weights, np.clip(true.faces.weights, 0, 1), atol=1e-6)


def test_croissant_tells_the_columns_that_are_there(dataset):
    out = exported(dataset, "huggingface")
    told = json.loads((out / "croissant.json").read_text())
    assert told["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    names = {record["name"] for record in told["recordSet"]}
    assert names == {"rows", "sequences", "native", "faces"}
    for record in told["recordSet"]:
        path = next((out / record["name"]).glob("*/*.parquet"))
        columns = set(pq.read_schema(path).names)
        fields = {field["name"] for field in record["field"]}
        assert fields <= columns
        assert {"sequence"} <= fields
    rows = next(r for r in told["recordSet"] if r["name"] == "rows")
    repeated = {f["name"] for f in rows["field"] if f.get("repeated")}
    assert {"accel", "gyro", "weights"} <= repeated


def test_pandas_finds_lerobots_tasks_by_name(dataset):
    pandas = pytest.importorskip("pandas")
    tasks = pandas.read_parquet(exported(dataset, "lerobot") / "meta" / "tasks.parquet")
    assert list(tasks.index) == ["frown", "smile"]
    assert tasks.loc["smile", "task_index"] == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_croissants_own_reader_finds_the_record_sets(dataset):
    mlcroissant = pytest.importorskip("mlcroissant")
    told = json.loads((exported(dataset, "huggingface") / "croissant.json").read_text())
    read = mlcroissant.Dataset(jsonld=told)
    names = {record.name for record in read.metadata.record_sets}
    assert names == {"rows", "sequences", "native", "faces"}


# It leaves its files to be closed by whoever collects them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_webdatasets_own_reader_gives_samples_back(dataset):
    webdataset = pytest.importorskip("webdataset")
    out = exported(dataset, "webdataset")
    samples = list(
        webdataset.WebDataset([str(p) for p in sorted(out.iterdir())], shardshuffle=False)
    )
    takes = {json.loads(sample["json"])["take"] for sample in samples}
    assert takes == sequences(dataset).keys()
