"""Work in processes: the same results as here, and a clear word where a worker dies."""

import os

import pytest

from dataset_tools.executors import Here, Processes
from firmware_host.errors import EnvironmentMissing


@pytest.mark.integration
def test_processes_give_what_this_one_gives():
    words = ["a", "bb", "", "cccc"] * 3
    assert sorted(Processes(2).run(len, words)) == list(Here().run(len, words))


@pytest.mark.integration
def test_a_worker_that_dies_is_told_in_one_line():
    with pytest.raises(EnvironmentMissing, match="a worker was killed") as raised:
        list(Processes(1).run(os._exit, [9]))
    assert "fewer --workers" in raised.value.hint
