"""Baselines find what a simulated rater goes by, on people that they did not see."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_tools.annotations.csv_files import encode_csv
from dataset_tools.annotations.marks import curve_marks
from dataset_tools.annotations.simulated_raters import truth
from dataset_tools.executors import Here
from dataset_tools.sets.build import build
from imusic.cli import main
from model.track_baselines import REGRESSORS, Rated, folds_of, scored, windowed
from tests.dataset_tools.sets.conftest import write_small_take

pytest.importorskip("pyarrow")


def rated(subjects: int, seed: int = 0, noise: float = 0.1) -> list[Rated]:
    """What was said is a smooth mixture of two features out of eight."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(subjects):
        features = np.cumsum(rng.normal(0, 0.1, (300, 8)), axis=0)
        features -= features.mean(axis=0)
        said = 0.5 * features[:, 1] - 0.3 * features[:, 4] + rng.normal(0, noise, 300)
        said[:20] = np.nan
        found.append(Rated(f"s{number}", features, said))
    return found


@pytest.mark.parametrize(("name", "least"), [("ridge", 0.9), ("forest", 0.3), ("lstm", 0.7)])
def test_what_can_be_learned_is(name, least):
    if name == "forest":
        pytest.importorskip("sklearn")
    made = rated(5)
    scores = scored(made, REGRESSORS[name], 0)
    assert scores.pooled > least
    assert len(scores.folds) == 5
    if name != "lstm":  # seeded too, and slower
        assert scored(made, REGRESSORS[name], 0) == scores


def test_what_was_said_by_chance_is_not_learned():
    rng = np.random.default_rng(1)
    chance = [Rated(e.subject, e.features, rng.normal(size=300)) for e in rated(6)]
    assert abs(scored(chance, REGRESSORS["ridge"], 0).pooled) < 0.1
    assert scored(rated(6), REGRESSORS["mean"], 0).pooled < 0.05


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=40), st.integers(0, 99))
def test_nobody_is_in_two_folds(subjects, seed):
    folds = folds_of(subjects, seed)
    assert sorted(i for fold in folds for i in fold) == list(range(len(subjects)))
    people = [{subjects[i] for i in fold} for fold in folds]
    assert sum(map(len, people)) == len(set(subjects))
    assert all(people)


def test_windows_lie_around_their_moments():
    columns = np.arange(600.0)[:, None]
    time_s, found = windowed(columns, 0)
    np.testing.assert_allclose(found[:, 0], time_s * 60 - 1)
    assert np.allclose(np.diff(time_s), 0.1)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Three subjects whose faces move, and a rater who says exactly what they show."""
    root = tmp_path_factory.mktemp("rated")
    for number in range(3):
        write_small_take(root / "takes" / f"t{number}", number, 20.0, subject=f"s{number}")
    built = build([root / "takes"], root / "set", lambda _: Here())
    from dataset_tools.sets.tables import read_rows
    from dataset_tools.sets.tracks import told

    said = told(root / "set")
    takes = {}
    for row in said.facts:
        rows, _ = read_rows(built.version, f"{row['sequence']:012x}", 12)
        time_s = np.arange(1, len(rows) + 1) / 60
        curve = truth("valence", rows.weights.astype(float), time_s)
        takes[row["take"]] = curve_marks("valence", "gold", curve.time_s, curve.value)
    (root / "gold.csv").write_text(encode_csv(takes))
    assert main(["dataset", "tracks", "add", str(root / "set"), str(root / "gold.csv")]) == 0
    return root / "set"


def test_the_verb_tells_all_baselines(dataset, capsys):
    assert main(["baselines", str(dataset), "valence", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["subjects"], told["sequences"]) == (3, 3)
    assert {"mean", "ridge", "lstm"} <= told["baselines"].keys()
    assert told["baselines"]["ridge"]["ccc"] > 0.5
    assert len(told["baselines"]["ridge"]["folds"]) == 3
    assert main(["baselines", str(dataset), "valence", "--features", "imu"]) == 0
    assert "ridge: CCC" in capsys.readouterr().out
    assert main(["baselines", str(dataset), "arousal"]) == 2
    assert main(["baselines", str(dataset), "valence", "--rater", "nobody"]) == 2
    assert "there are gold" in capsys.readouterr().err
