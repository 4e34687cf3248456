"""Coverage-guided fuzzing of one decoder with atheris (Apache-2.0; Linux and macOS).

    pip install -c constraints.txt --group fuzz
    python -m fuzz.guided ximu3 --seconds 600     # what it finds goes to fuzz/found/ximu3
    python -m fuzz.guided ximu3 --keep            # keep of that what reaches code nothing else does

An input that breaks `fuzz.targets.check` is left as fuzz/found/NAME/crash-*, with the traceback.
fuzz/corpus/NAME is small and in the repository: the tests replay it.
"""

import argparse
import shutil
import sys
from pathlib import Path

from fuzz.corpus import CORPUS, FOUND, MAX_INPUT, seed

KEPT = 24  # files for each target


def main() -> None:
    """Fuzz, or keep what was found."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("target")
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--keep", action="store_true", help="reduce what was found and keep it")
    asked = options.parse_args()
    found, kept = FOUND / asked.target, CORPUS / asked.target
    found.mkdir(parents=True, exist_ok=True)
    if asked.keep:
        smaller = found.with_name(asked.target + "-kept")
        shutil.rmtree(smaller, ignore_errors=True)
        smaller.mkdir()
        _run(asked.target, ["-merge=1", str(smaller), str(kept), str(found)], smaller)
        return
    _run(asked.target, [f"-max_total_time={asked.seconds}", str(found), *_folder(kept)], None)


def _folder(path: Path) -> list[str]:
    return [str(path)] if path.is_dir() else []


def _run(name: str, arguments: list[str], smaller: Path | None) -> None:
    """Hand over to libFuzzer, which ends the process itself."""
    import atexit

    import atheris

    with atheris.instrument_imports(include=["firmware_host", "capture.livelink"]):
        from fuzz.targets import check, cut, target_named

        target = target_named(name)
    if smaller is None:
        seed(name, FOUND / name)  # not earlier: what was imported before is not watched

    def once(data: bytes) -> None:
        check(target, cut(data, target.is_stream), with_memory=False)

    if smaller is not None:
        atexit.register(_keep, smaller, CORPUS / name)
    prefix = f"-artifact_prefix={FOUND / name}/"
    atheris.Setup([sys.argv[0], f"-max_len={MAX_INPUT}", prefix, *arguments], once)
    atheris.Fuzz()


def _keep(smaller: Path, kept: Path) -> None:
    """The shortest of what is left, by names that tell their contents."""
    files = sorted(smaller.iterdir(), key=lambda path: (path.stat().st_size, path.name))[:KEPT]
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in files:
        shutil.copy(path, kept / path.name[:12])
    print(f"kept {len(files)} of {len(list(smaller.iterdir()))} in {kept}")


if __name__ == "__main__":
    main()
