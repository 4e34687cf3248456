"""Every decoder: what fuzzing found before, and a taste of noise and damage. More: `fuzz/`."""

import numpy as np
import pytest

from firmware_host.samples import Garbage
from fuzz.corpus import MAX_INPUT, inputs
from fuzz.storm import storm
from fuzz.targets import MAX_KEPT, TARGETS, Target, check, cut, joined, kept_bytes, mutations, noise


def named(target: Target) -> str:
    return target.name


@pytest.mark.parametrize("target", TARGETS, ids=named)
def test_good_messages_are_understood_at_once(target):
    check(target, [])


@pytest.mark.parametrize("target", TARGETS, ids=named)
def test_what_fuzzing_found_breaks_nothing(target):
    kept = inputs(target.name)
    assert kept, f"fuzz/corpus/{target.name} is empty: run python -m fuzz.guided {target.name}"
    for data in kept:
        assert len(data) <= MAX_INPUT
        check(target, cut(data, target.is_stream))


@pytest.mark.parametrize("target", TARGETS, ids=named)
def test_noise_and_damage_raise_nothing_stay_small_and_pass(target):
    random = np.random.default_rng(11)
    damaged = mutations(target, random)
    assert storm(target, 150, lambda: noise(random)) >= 150
    assert storm(target, 150, lambda: next(damaged)) >= 150


@pytest.mark.parametrize("target", TARGETS, ids=named)
def test_a_megabyte_of_anything_is_not_kept(target):
    feed = target.begin()
    for part in (b"\0", b"\n", b"\x55", b"I", b"\xff"):
        for _ in range(4):
            feed(part * 65_536)
    assert kept_bytes(feed) < MAX_KEPT


def test_a_decoder_that_hoards_is_found_out():
    heap: list[bytes] = []

    def hoard(data: bytes) -> object:
        heap.append(bytes(1000) + data)
        return [Garbage(len(data))]

    hoarder = Target("hoarder", lambda: hoard, lambda _: [b"x"], lambda _: True)
    with pytest.raises(AssertionError, match="hoarder keeps"):
        check(hoarder, [bytes(1)] * 300)


def test_a_decoder_that_never_recovers_is_found_out():
    deaf = Target("deaf", lambda: len, lambda _: [b"x"], lambda found: found == 2, patience=3)
    with pytest.raises(AssertionError, match="deaf understood none of 4 good messages"):
        check(deaf, [])


@pytest.mark.parametrize("is_stream", [False, True])
def test_inputs_are_taken_apart_as_they_were_joined(is_stream):
    chunks = [bytes(range(20)), b"ab", b"", b"\xff" * 254]
    assert cut(joined(chunks, is_stream), is_stream) == chunks
