"""Kills a command of `imusic dataset` by SIGKILL at its n-th change of the disk, and looks after.

    python -m tests.dataset_tools.sets.killing FOLDER POINTS     # POINTS of each command; 0: all

Every opening for writing, link, rename, removal and new folder below FOLDER is a moment to die at.
Each trial is a process of its own, forked from this one before Arrow has any threads. Prints a line
of JSON per command: how many moments there were, how many were tried, and what went wrong.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet  # noqa: F401  # loaded once, for all children

from dataset_tools.manifest import MANIFEST_FILE, read_manifest
from dataset_tools.sets import check, cli, edits, exports, instructions, people, tracks  # noqa: F401
from dataset_tools.sets.versions import versions
from imusic.cli import main

WATCHED = {"open", "os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
REMOVALS = {"os.remove", "os.rmdir"}
# What is asked of a set of three sequences of anna and ben; SET, OTHER, WORK are folders.
COMMANDS: dict[str, list[str]] = {
    "build": ["build", "WORK/takes", "--out", "SET", "--executor", "here"],
    "drop": ["drop", "SET", "subject == 'ben'"],
    "keep": ["keep", "SET", "subject == 'ben'"],
    "trim": ["trim", "SET", "subject == 'ben'", "--end", "1.5"],
    "split-take": ["split-take", "SET", "subject == 'ben'", "--at", "1.0"],
    "relabel": ["relabel", "SET", "subject == 'ben'", "emotion=joy"],
    "rename-subject": ["rename-subject", "SET", "ben", "p07"],
    "merge": ["merge", "SET", "OTHER"],
    "split": ["split", "SET", "--share", "train=0.5", "--share", "test=0.5"],
    "forget": ["forget", "SET", "ben", "--yes"],
    "prune": ["prune", "SET"],
    "tracks-add": ["tracks", "add", "SET", "WORK/ratings.csv"],
    "tracks-facs": ["tracks", "facs", "SET"],
    "tracks-remove": ["tracks", "remove", "SET", "smile"],
    "release": ["release", "SET", "--unchecked"],
    "fix": ["check", "SET", "--fix"],
    "export": ["export", "SET", "--all", "--format", "huggingface", "--out", "WORK/hub"],
    "describe": ["describe", "SET", "--all", "--out", "WORK/faces.jsonl"],
    "push": ["push", "SET", "WORK/elsewhere"],
    "pull": ["pull", "WORK/there", "WORK/pulled"],
}
REMOVE = {"forget", "prune"}  # versions, for good: what is left of them must not look whole


def run(argv: list[str], work: Path, at: int | None) -> tuple[int, int]:
    """Run a command in a fork, killed at its `at`-th change below `work`: (status, changes)."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        count = 0
        root = str(work)

        def hook(event: str, arguments: tuple) -> None:
            nonlocal count
            if event not in WATCHED:
                return
            inside = str(arguments[0]).startswith(root)
            if not inside and not (event in REMOVALS and arguments[1] != -1):
                return  # `rmtree` names what it removes by an open folder
            if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
                return
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        code = 99
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            with contextlib.suppress(BaseException):
                code = main(argv)
        os.write(tell, str(count).encode())
        os._exit(code)
    os.close(tell)
    with os.fdopen(told, "rb") as answer:
        counted = answer.read()
    _, status = os.waitpid(child, 0)
    return status, int(counted or 0)


def trial(name: str, prepared: Path, work: Path, at: int | None) -> tuple[int, int]:
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(prepared, work)
    return run(command(name, work), work, at)


def command(name: str, work: Path) -> list[str]:
    words = {"SET": str(work / "set"), "OTHER": str(work / "other")}
    return ["dataset", *(words.get(w) or w.replace("WORK", str(work)) for w in COMMANDS[name])]


def bytes_below(folder: Path) -> dict[str, str]:
    """Name → hash of every file of a finished version, an export, or a file."""
    if folder.is_file():
        return {"": hashlib.sha256(folder.read_bytes()).hexdigest()}
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def wrong_versions(folder: Path) -> Iterator[str]:
    """What looks like a version and is not one."""
    for version in versions(folder):
        for shard in read_manifest(version).shards:
            for file, digest in shard.files.items():
                path = version / file
                if not path.is_file():
                    yield f"{version.name} lacks {file}"
                elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                    yield f"{version.name}: {file} is damaged"


def results(name: str, work: Path) -> dict[str, dict[str, str]]:
    """What a command leaves: versions, and what it wrote beside them."""
    folders = [work / "set", work / "elsewhere", work / "pulled"]
    found = {f"{f.name}/{v.name}": bytes_below(v) for f in folders for v in versions(f)}
    for out in ("hub", "faces.jsonl"):
        if (work / out).exists():
            found[out] = bytes_below(work / out)
    return found


def look(name: str, prepared: Path, work: Path, at: int, whole: dict) -> Iterator[str]:
    """What is wrong after a kill at the `at`-th change, and after running it again."""
    status, _ = trial(name, prepared, work, at)
    if not os.WIFSIGNALED(status):
        yield f"{at}: it was not killed"
    for folder in ("set", "elsewhere", "pulled"):
        yield from (f"{at}: {folder}: {what}" for what in wrong_versions(work / folder))
    for version in versions(prepared / "set"):
        now = work / "set" / version.name
        if name in REMOVE and not (now / MANIFEST_FILE).is_file():
            continue
        if bytes_below(now) != bytes_below(version):
            yield f"{at}: {version.name} is not as it was"
    if not versions(work / "set"):
        yield f"{at}: no version is left"
    for out, files in results(name, work).items():
        if out in ("hub", "faces.jsonl") and files != whole[out]:
            yield f"{at}: {out} is there and not whole"
    status, _ = run(command(name, work), work, None)
    again = results(name, work)
    code = os.waitstatus_to_exitcode(status)
    if again != whole and not whole.items() <= again.items():
        gone = sorted(whole.keys() ^ again.keys())
        yield f"{at}: run again it exits with {code} and leaves something else: {gone}"


def main_(prepared: Path, work: Path, points: int) -> None:
    for name in COMMANDS:
        status, changes = trial(name, prepared, work, None)
        whole = results(name, work)
        code = os.waitstatus_to_exitcode(status)
        wanted = range(1, changes + 1)
        if points and changes > points:
            wanted = sorted({1 + round(k * (changes - 1) / (points - 1)) for k in range(points)})
        wrong = [what for at in wanted for what in look(name, prepared, work, at, whole)]
        told = {"command": name, "code": code, "moments": changes, "tried": len(wanted)}
        print(json.dumps({**told, "wrong": wrong}), flush=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    main_(folder / "prepared", folder / "work", int(sys.argv[2]))
