"""Whether a rig is ready for a take: every required source watched, and the disk looked at."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from capture.disk_guard import needed_bytes
from capture.phone_session import PhoneSession
from capture.preflight import Problem, SourceWatch, disk_problem, standing
from firmware_host.samples import ImuBlock
from firmware_host.supervisor import DeviceLink


def free_bytes(folder: Path) -> int:
    """What is free where `folder` is, or will be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


class Readiness:
    """Takes what arrives, and tells what stands against beginning.

    Args:
        links: of the rig. phone: None without one.
        optional: sources that may be missing. allowed: what `--allow-missing` names, slots too.
        slots: of the rig's layout.
        out: where the take goes. duration_s: how long it is to be.
    """

    def __init__(
        self,
        links: Sequence[DeviceLink],
        phone: PhoneSession | None,
        optional: Collection[str],
        allowed: Collection[str],
        slots: Collection[str],
        out: Path,
        duration_s: float | None,
    ) -> None:
        self._links, self._phone = links, phone
        self._optional, self._allowed, self._slots = optional, allowed, slots
        self._out, self._needed_bytes = out, needed_bytes(duration_s)
        self._watches = [SourceWatch(link.name) for link in links]

    def take_block(self, link: DeviceLink, block: ImuBlock) -> None:
        """Take note of samples of a device."""
        if link.info is not None:
            self._watches[link.index].take_block(block, link.info.slots)

    def problems(self, now_ns: int) -> list[Problem]:
        """What stands against beginning a take now."""
        found: list[Problem] = []
        for link, watch in zip(self._links, self._watches, strict=True):
            if link.name not in self._optional:
                served = () if link.info is None else link.info.slots
                found += watch.problems(now_ns, [s for s in served if s in self._slots])
        if self._phone is not None and not {self._phone.name} & set(self._optional):
            found += self._phone.problems(now_ns)
        full = disk_problem(free_bytes(self._out), self._needed_bytes, str(self._out))
        return standing([*found, full] if full else found, self._allowed)
