"""Several processes that train one network: who is who, what they tell each other, on what device.

`torchrun` starts them and says so in the environment. The first draws the data, judges, logs and
saves; all compute gradients, which torch averages. Alone, nothing of this is used.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from firmware_host.errors import ConfigError

# The others wait for the first one to build heads, draw an epoch, or judge.
_LONGEST_WAIT = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Ranks:
    """One of `count` processes. device: where it computes.

    group: for what they tell each other from memory, whatever carries the gradients.
    """

    rank: int
    count: int
    device: torch.device
    group: Any = None

    @property
    def first(self) -> bool:
        """Whether this one draws, judges, logs and saves."""
        return self.rank == 0

    def send(self, what: object) -> None:
        """Give every other process `what`; the first calls this, the others `received`."""
        if self.count > 1:
            dist.broadcast_object_list([what], 0, self.group, torch.device("cpu"))

    def received(self) -> Any:
        """What the first process sends."""
        box: list[Any] = [None]
        dist.broadcast_object_list(box, 0, self.group, torch.device("cpu"))
        return box[0]

    def gathered(self, what: object) -> list[Any]:
        """What every process has, in their order; all call this."""
        if self.count == 1:
            return [what]
        boxes: list[Any] = [None] * self.count
        dist.all_gather_object(boxes, what, self.group)
        return boxes


def is_first() -> bool:
    """Whether this is the first of the processes that `torchrun` started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def open_ranks(device: str = "auto") -> Iterator[Ranks]:
    """Join the processes that `torchrun` started, if it did.

    Args:
        device: as torch spells it; "auto" takes a GPU of its own where there is one.

    Raises:
        ConfigError: torch does not know the device, or it is not there.
    """
    count, rank = (int(os.environ.get(k, v)) for k, v in (("WORLD_SIZE", "1"), ("RANK", "0")))
    where = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if count == 1:
        yield Ranks(0, 1, where)
        return
    if where.type == "cuda":
        torch.cuda.set_device(where)
    dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        group = dist.new_group(backend="gloo", timeout=_LONGEST_WAIT)
        yield Ranks(rank, count, where, group)
    finally:
        dist.destroy_process_group()


def _device(wanted: str, local_rank: int) -> torch.device:
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigError(f"--device {wanted!r}: {str(error).splitlines()[0]}") from error
    if found.type not in ("cpu", "cuda"):
        raise ConfigError(f"--device {wanted!r}: expected auto, cpu, cuda or cuda:N")
    if found.type == "cpu":
        return found
    index = local_rank if found.index is None else found.index
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        raise ConfigError(
            f"--device {wanted!r}: expected a GPU with number {index}, torch sees "
            f"{torch.cuda.device_count()}"
        )
    return torch.device("cuda", index)
