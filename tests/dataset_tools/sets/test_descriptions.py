"""Descriptions follow from intensities by rules that they name, in a server's words or ours."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.blendshapes import INDEX
from dataset_tools.annotations.descriptions import (
    PROTOTYPES,
    as_row,
    describe,
    levels,
    stretches,
)
from dataset_tools.annotations.rephrasing import says_the_same
from dataset_tools.annotations.units import UNITS
from dataset_tools.emotions import EMOTIONS
from dataset_tools.executors import Here
from dataset_tools.sets.build import build
from imusic.cli import main

pytest.importorskip("pyarrow")

shown_units = st.dictionaries(
    st.sampled_from(sorted(UNITS)), st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=12
)


def test_a_smile_is_described_in_three_parts():
    made = describe(1.0, 3.0, {"6": (0.5, 0.5), "12": (0.9, 0.45), "4": (0.0, 0.3)})
    assert [s.text for s in made.observations] == [
        "AU12 (lip corner puller) shows on both sides, stronger on the left, at intensity E "
        "(maximal, 0.90), than on the right, at intensity C (marked, 0.45).",
        "AU6 (cheek raiser) shows on both sides at intensity C (marked, 0.50).",
        "AU4 (brow lowerer) shows on the right only, at intensity B (slight, 0.30).",
    ]
    assert [s.rule for s in made.interpretation] == ["combine.6+12"]
    assert made.conclusion[0].rule == "conclude.happiness.V1"
    assert "AU6, AU12; V1" in made.conclusion[0].text


def test_nothing_is_described_as_nothing():
    made = describe(0.0, 1.0, {"12": (0.01, 0.0)})
    assert [s.rule for s in (*made.observations, *made.interpretation, *made.conclusion)] == [
        "observe.none",
        "combine.none",
        "conclude.none",
    ]


@pytest.mark.parametrize(
    ("emotion", "variant"), [(e, v) for e, variants in PROTOTYPES.items() for v in variants]
)
def test_every_prototype_is_recognised_as_one_that_it_meets(emotion, variant):
    shown = dict.fromkeys(PROTOTYPES[emotion][variant], (0.6, 0.6))
    (sentence,) = describe(0.0, 1.0, shown).conclusion
    _, named, which = sentence.rule.split(".")[:3]
    assert set(PROTOTYPES[named][which]) <= shown.keys()
    assert sentence.text.startswith("All units")


def test_prototypes_use_units_that_can_be_seen_and_emotions_that_are_performed():
    assert PROTOTYPES.keys() <= EMOTIONS.keys()
    assert {n for v in PROTOTYPES.values() for units in v.values() for n in units} <= UNITS.keys()


@given(shown_units)
def test_every_sentence_tells_its_rule_and_what_it_looked_at(shown):
    rounded = {n: (round(a, 2), round(b, 2)) for n, (a, b) in shown.items()}
    row = as_row(
        describe(0.0, 1.0, rounded), {"sequence": 7, "take": "t", "simulated": True}, "speech"
    )
    for part in ("observations", "interpretation", "conclusion"):
        assert row[part]
        for sentence in row[part]:
            assert sentence["rule"]
            for number, sides in sentence["units"].items():
                assert tuple(sides) == rounded.get(number, (0.0, 0.0))
    assert row["messages"][1]["content"].count("\n\n") == 2
    assert (
        as_row(
            describe(0.0, 1.0, rounded), {"sequence": 7, "take": "t", "simulated": True}, "speech"
        )
        == row
    )  # the same again
    assert says_the_same(row["messages"][1]["content"], row["messages"][1]["content"])


def test_a_twitch_is_not_a_level():
    weights = np.zeros((120, 52))
    weights[50, INDEX["mouthSmileLeft"]] = 1.0
    weights[60:90, INDEX["browInnerUp"]] = 0.5
    weights[70] = np.nan
    found = levels(weights)
    assert found["12"] == (0.0, 0.0)
    assert found["1"] == (0.5, 0.5)
    assert levels(np.full((10, 52), np.nan)) == {}


def test_stretches_are_the_segments_and_what_lies_between():
    segments = [{"label": "rest", "start_s": 0.0, "end_s": 2.0},
                {"label": "joy", "start_s": 6.0, "end_s": 9.0}]  # fmt: skip
    assert list(stretches(17.2, segments, 4.0)) == [
        (0.0, 2.0, "rest"), (2.0, 6.0, ""), (6.0, 9.0, "joy"), (9.0, 13.1, ""), (13.1, 17.2, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("theirs", "same"),
    [
        ("The lip corners (AU12) rise at intensity D, 0.70, on the left.", True),
        ("AU12 is at intensity D (0.7) on the left", False),  # another number
        ("AU12 is at intensity D (0.70) on the left, as is AU6", False),
        ("AU12 is at intensity D (0.70)", False),  # which side?
        ("", False),
    ],
)
def test_other_words_have_to_say_the_same(theirs, same):
    ours = "AU12 (lip corner puller) shows on the left only, at intensity D (severe, 0.70)."
    assert says_the_same(ours, theirs) == same


class _Server(BaseHTTPRequestHandler):
    """Speaks as OpenAI's chat servers do: truly to every other request."""

    count = 0
    seen: ClassVar[list[dict]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).seen.append({**body, "key": self.headers.get("Authorization")})
        type(self).count += 1
        text = body["messages"][1]["content"]
        said = f"In short: {text}" if self.count % 2 else "All is well, AU99 at 0.99."
        data = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def dataset(make_take, tmp_path) -> Path:
    make_take("one", 1, seconds=9.0, subject="anna", simulated=True)
    make_take("two", 2, seconds=9.0, subject="ben")
    build([tmp_path / "takes"], tmp_path / "set", lambda _: Here())
    return tmp_path / "set"


def test_the_verb_writes_the_same_lines_again_and_asks_for_consent(dataset, tmp_path, capsys):
    out = tmp_path / "faces.jsonl"
    assert main(["dataset", "describe", str(dataset), "--out", str(out)]) == 0
    assert "two: left out" in capsys.readouterr().err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["take"] for row in rows} == {"one"}
    assert rows[0]["label"] == "rest"
    assert rows[0]["simulated"]
    again = tmp_path / "again.jsonl"
    assert main(["dataset", "describe", str(dataset), "--out", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()
    assert main(["dataset", "describe", str(dataset), "--out", str(out)]) == 2
    every = tmp_path / "all.jsonl"
    assert main(["dataset", "describe", str(dataset), "--out", str(every), "--all"]) == 0
    assert {json.loads(line)["take"] for line in every.read_text().splitlines()} == {"one", "two"}


@pytest.mark.integration
def test_a_server_rephrases_what_it_does_not_change(dataset, tmp_path, capsys):
    server = HTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        (tmp_path / "key").write_text("secret\n")
        out = tmp_path / "faces.jsonl"
        url = f"http://127.0.0.1:{server.server_port}/v1"
        command = ["dataset", "describe", str(dataset), "--out", str(out), "--rephrase", url]
        assert main(command) == 2  # which model?
        capsys.readouterr()
        command += ["--model", "small", "--key-file", str(tmp_path / "key"), "--json"]
        assert main(command) == 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    told = json.loads(capsys.readouterr().out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert _Server.seen[0]["key"] == "Bearer secret"
    assert _Server.seen[0]["model"] == "small"
    assert told["rephrased"] + told["kept"] == len(rows)
    for number, row in enumerate(rows, 1):
        if number % 2:
            assert row["messages"][1]["content"] == f"In short: {row['rule_text']}"
        else:
            assert "rephrased_by" not in row
            assert "AU99" not in row["messages"][1]["content"]
    assert main([*command[:3], "--out", str(tmp_path / "x"), *command[5:]]) == 3  # it is gone
    assert not (tmp_path / "x").exists()
