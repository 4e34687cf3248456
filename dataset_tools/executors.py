"""Where work on sequences runs: here, in a pool of processes, or on Ray. The same results anywhere.

Each item is work of its own, named by values; results come as they are finished, and at most two
items per worker are under way, so memory does not grow with how many there are.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any, Literal, Protocol, TypeVar

from dataset_tools.processes import end_with_parent
from firmware_host.errors import EnvironmentMissing

Item = TypeVar("Item")
Result = TypeVar("Result")
Kind = Literal["auto", "here", "processes", "ray"]

# Starting a process costs a second or so: fewer items are done before it has begun.
FEW = 4


class Executor(Protocol):
    """Runs a function of a module over items."""

    def run(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """Yield (index of the item, its result) in any order. Raises what `work` raises."""
        ...


class Here:
    """In this process, one after the other."""

    def run(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """Yield in the order of the items."""
        for index, item in enumerate(items):
            yield index, work(item)


class Processes:
    """In `workers` new processes, which end with this one."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def run(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """Yield in the order in which they are finished.

        Raises:
            EnvironmentMissing: a worker was killed.
        """
        waiting = iter(enumerate(items))
        running = dict[Future[Result], int]()
        pool = ProcessPoolExecutor(
            self._workers, mp_context=get_context("spawn"), initializer=end_with_parent
        )
        try:
            while True:
                for index, item in islice(waiting, 2 * self._workers - len(running)):
                    running[pool.submit(work, item)] = index
                if not running:
                    return
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield running.pop(future), future.result()
        except BrokenProcessPool as error:
            raise EnvironmentMissing(
                "a worker was killed, perhaps for want of memory",
                "run it again, perhaps with fewer --workers; what was written is whole",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


class Ray:
    """On Ray: on `workers` cores of this machine, or on the cluster that RAY_ADDRESS names."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def run(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """Yield in the order in which they are finished."""
        ray = _ray()
        begun = not ray.is_initialized()
        if begun:
            cores = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": self._workers}
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **cores)
        try:
            remote = ray.remote(work)
            waiting, running = iter(enumerate(items)), dict[Any, int]()
            while True:
                for index, item in islice(waiting, 2 * self._workers - len(running)):
                    running[remote.remote(item)] = index
                if not running:
                    return
                finished, _ = ray.wait(list(running), num_returns=1)
                for reference in finished:
                    yield running.pop(reference), ray.get(reference)
        finally:
            if begun:
                ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise EnvironmentMissing(
            "this executor needs Ray, which is not installed", 'pip install "imusic[scale]"'
        ) from error
    return ray


def executor_of(kind: Kind, workers: int | None, items: int) -> Executor:
    """The executor asked for; `auto` starts processes where there is enough to do."""
    workers = workers or os.cpu_count() or 1
    if kind == "ray":
        return Ray(workers)
    if kind == "here" or (kind == "auto" and (workers == 1 or items < FEW)):
        return Here()
    return Processes(workers)
