import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_tools.spelling import Language, LanguageTable, built_in, language
from dataset_tools.visemes import PHONES, VISEMES
from firmware_host.errors import ConfigError

ENGLISH = {
    "map": "M AE P", "make": "M EY K", "blue": "B L UW", "phone": "F OW N", "night": "N AY T",
    "shopping": "SH AA P IH NG", "nation": "N AE SH AH N", "table": "T AH B AH L",
    "church": "CH ER CH", "quick": "K W IH K", "box": "B AA K S", "town": "T AW N",
    "known": "N OW N", "boys": "B OY Z", "wanted": "W AA N T IH D", "judge": "JH AH JH",
    "measure": "M IY ZH ER", "school": "S K UW L", "time": "T AY M", "they": "DH EY",
    "think": "TH IH NG K", "family": "F AE M IH L IY", "want": "W AA N T", "one": "W AH N",
    "whole": "HH OW L", "enough": "IH N AH F", "moon": "M UW N", "voice": "V OY S",
    "write": "R AY T", "lamb": "L AE M", "hoping": "HH OW P IH NG", "village": "V IH L EY JH",
    "happy": "HH AE P IY", "ball": "B AO L", "vision": "V IH ZH AH N",
}  # fmt: skip


@pytest.mark.parametrize("word", ENGLISH)
def test_english_sounds_as_it_is_seen(word):
    assert " ".join(built_in("english").sounds(word)) == ENGLISH[word]


def test_another_language_is_another_table():
    spanish = built_in("spanish")
    assert spanish.sounds("queso") == ("K", "EH", "S", "AO")
    assert spanish.sounds("viejo") == ("B", "Y", "EH", "HH", "AO")
    assert spanish.sounds("mañana") == ("M", "AA", "N", "Y", "AA", "N", "AA")
    # The same letters twice, once as one character and once as two.
    assert spanish.say("man\u0303ana")[0] == spanish.say("mañana")[0]


def test_text_becomes_words_and_pauses():
    said = built_in().say("Well, I’ve got 2 apples - or more?")
    assert [w.text for w in said] == [
        "well",
        ",",
        "i've",
        "got",
        "2",
        "apples",
        "-",
        "or",
        "more",
        "?",
    ]
    assert [w.pause for w in said if w.pause] == ["short", "short", "long"]
    assert said[4].phones == ("T", "UW")
    assert [w.text for w in said if w.weak] == ["or"]


@given(st.text(max_size=60))
def test_any_text_gives_known_phones_or_pauses(text):
    for word in built_in().say(text):
        assert set(word.phones) <= PHONES.keys()
        assert not (word.phones and word.pause)


@pytest.mark.parametrize("name", ["english", "spanish"])
def test_built_in_sentences_have_no_silent_word(name):
    table = built_in(name)
    for sentence in table.sentences:
        assert all(word.phones or word.pause for word in table.say(sentence)), sentence


def test_every_phone_has_shapes_and_a_duration():
    for name, phone in PHONES.items():
        assert set(phone.visemes) <= VISEMES.keys(), name
        assert 0 < phone.shortest_s < phone.duration_s < 0.3, name
    assert {name for name, phone in PHONES.items() if phone.closes} == {"B", "P", "M"}


def written(tmp_path, **changes):
    table = {
        "name": "tiny",
        "vowels": "a",
        "rules": [["a", "AA"], ["m", "M"]],
        "speech": {"sentences": ["mama"]},
    }
    path = tmp_path / "tiny.toml"
    path.write_bytes(msgspec.toml.encode({**table, **changes}))
    return str(path)


def test_a_table_of_ones_own_is_read(tmp_path):
    assert language(written(tmp_path)).sounds("mama") == ("M", "AA", "M", "AA")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rules": [["a", "QQ"]]}, "'QQ' is no phone"),
        ({"rules": [["(", "AA"]]}, "rule '\\('"),
        ({"speech": {"sentences": []}}, "at least one sentence"),
        ({"vowel": "a"}, "unknown field `vowel`"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path, changes, says):
    with pytest.raises(ConfigError, match=says):
        language(written(tmp_path, **changes))


def test_a_language_that_nobody_brought_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there are english, spanish"):
        language("klingon")
    with pytest.raises(ConfigError, match="cannot be read"):
        language(str(tmp_path / "none.toml"))


def test_a_rule_that_takes_no_letter_cannot_hang():
    table = LanguageTable(
        name="odd",
        vowels="a",
        rules=(("(?=a)", "AA"), ("a", "AH")),
        speech={"sentences": ("a",)},  # type: ignore[arg-type]
    )
    made = msgspec.convert(msgspec.to_builtins(table), LanguageTable)
    assert Language(made).sounds("aa") == ("AH", "AH")
