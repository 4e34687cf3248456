"""Coverage-guided fuzzing of one decoder with atheris (Apache-2.0; Linux and macOS).

    pip install -c constraints.txt --group fuzz
    python -m fuzz.guided ximu3 --seconds 600     # what it finds goes to fuzz/found/ximu3
    python -m fuzz.guided ximu3 --keep            # keep of that what no shorter input does as well

An input that breaks `fuzz.targets.check` is left as fuzz/found/NAME/crash-*, with the traceback.
fuzz/corpus/NAME is small and in the repository: the tests replay it.
"""

import argparse
import sys

from fuzz.corpus import CORPUS, FOUND, MAX_INPUT, keep, seed


def main() -> None:
    """Fuzz, or keep what was found."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("target")
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--keep", action="store_true", help="reduce what was found and keep it")
    asked = options.parse_args()
    for folder in (FOUND / asked.target, CORPUS / asked.target):
        folder.mkdir(parents=True, exist_ok=True)
    if asked.keep:
        kept, seen = keep(asked.target)
        print(f"kept {kept} of {seen} inputs in {CORPUS / asked.target}")
    else:
        fuzz(asked.target, asked.seconds)


def fuzz(name: str, seconds: int) -> None:
    """Hand over to libFuzzer, which ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["firmware_host", "capture.livelink"]):
        from fuzz.targets import check, cut, target_named

        target = target_named(name)
    seed(name, FOUND / name)  # not earlier: what was imported before is not watched

    def once(data: bytes) -> None:
        check(target, cut(data, target.is_stream), with_memory=False)

    limits = [f"-max_len={MAX_INPUT}", f"-max_total_time={seconds}"]
    folders = [f"-artifact_prefix={FOUND / name}/", str(FOUND / name), str(CORPUS / name)]
    atheris.Setup([sys.argv[0], *limits, *folders], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
