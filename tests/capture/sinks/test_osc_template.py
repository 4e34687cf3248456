import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle import OscBundle

from capture.osc import Message, decode, encode
from capture.sinks.osc_template import (
    MAX_BUNDLE_BYTES,
    OscDatagrams,
    OscTemplate,
    bool_words,
    float_words,
)

texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
arguments = st.lists(
    st.one_of(texts, st.integers(-(2**31), 2**31 - 1), st.just(0.0)), max_size=9
).map(tuple)
messages = st.lists(
    st.builds(lambda name, args: Message(f"/{name}", args), texts, arguments),
    min_size=1,
    max_size=30,
)


def floats_in(messages):
    return sum(isinstance(a, float) for m in messages for a in m.arguments)


@given(messages, st.data())
def test_filling_a_template_is_encoding_the_messages_anew(made, data):
    size = floats_in(made)
    values = np.array(
        data.draw(st.lists(st.floats(width=32, allow_nan=False), min_size=size, max_size=size)),
        np.float32,
    )
    filled = iter(values.tolist())
    expected = [
        Message(m.address, tuple(next(filled) if isinstance(a, float) else a for a in m.arguments))
        for m in made
    ]
    template = OscTemplate(made)
    assert template.places == size
    sent = template.fill(float_words(values))
    assert [m for datagram in sent for m in decode(datagram)] == expected
    alone = OscDatagrams(made).fill(float_words(values))
    assert alone == [encode(m) for m in expected]


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_truth_values_are_type_tags(values):
    template = OscTemplate([Message(f"/{n}", (True,)) for n in range(len(values))])
    sent = template.fill(bool_words(np.array(values)))
    assert [m.arguments[0] for d in sent for m in decode(d)] == values


@pytest.mark.parametrize("count", [1, 30, 120])
def test_no_bundle_is_longer_than_a_packet_and_the_last_word_comes_last(count):
    template = OscTemplate(
        [Message("/VMC/Ext/Blend/Val", ("mouthLowerDownRight", 0.0))] * count,
        first=[Message("/first")],
        last=[Message("/last")],
    )
    sent = template.fill(float_words(np.zeros(count, np.float32)))
    assert max(map(len, sent)) <= MAX_BUNDLE_BYTES
    found = [m.address for d in sent for m in decode(d)]
    assert found[0] == "/first"
    assert found[-1] == "/last"
    assert len(found) == count + 2


def test_the_bytes_are_those_of_the_specification():
    # The first example of "OSC Message Examples", opensoundcontrol.stanford.edu/spec-1_0-examples.
    (sent,) = OscDatagrams([Message("/oscillator/4/frequency", (0.0,))]).fill(
        float_words(np.array([440.0]))
    )
    assert sent.hex(" ", 4) == (
        "2f6f7363 696c6c61 746f722f 342f6672 65717565 6e637900 2c660000 43dc0000"
    )


def test_a_library_of_somebody_else_reads_it():
    template = OscTemplate([Message("/a", ("x", 0.0)), Message("/b", (7, 0.0))])
    (datagram,) = template.fill(float_words(np.array([0.25, 0.5])))
    read = list(OscBundle(datagram))
    assert [(m.address, m.params) for m in read] == [("/a", ["x", 0.25]), ("/b", [7, 0.5])]
