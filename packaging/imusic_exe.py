"""The program of the one-file build: `imusic` without Python. Built by packaging/imusic.spec.

What the build leaves out (training, windows that draw) says so in one line. Started without any
argument by a double click, it waits until what it said was read.
"""

import multiprocessing
import sys

LEFT_OUT = 3


def main() -> int:
    """Run `imusic` with this program's arguments."""
    arguments = sys.argv[1:]
    if arguments[:2] == ["-m", "imusic"]:  # how the programs that we start are started
        arguments = arguments[2:]
    from imusic.cli import main as run

    try:
        code = run(arguments)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"imusic: this needs {error.name}, which is not in this program\n")
        sys.stderr.write("  hint: install imusic with Python for that: see README.md\n")
        code = LEFT_OUT
    if not arguments and sys.stdin is not None and sys.stdin.isatty():
        sys.stdout.write("\nWhat to do next is in docs/avatars.md. Press Enter to close.\n")
        sys.stdout.flush()
        sys.stdin.readline()
    return code


if __name__ == "__main__":
    multiprocessing.freeze_support()
    sys.exit(main())
