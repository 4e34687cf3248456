"""The rules of the house, checked on the files that are there: arrows, weight, size, manners."""

import ast
import contextlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "firmware_host": set(),
    "capture": {"firmware_host"},
    "viz": {"firmware_host", "capture"},
    "dataset_tools": {"firmware_host", "capture", "viz"},
    "model": {"firmware_host", "capture", "viz", "dataset_tools"},
    "imusic": {"firmware_host", "capture", "viz", "dataset_tools", "model"},
}
TRAINING_ONLY = {"torch", "onnx", "onnxscript"}
HEAVY = TRAINING_ONLY | {"bleak", "cv2", "mcap", "onnxruntime", "open3d", "scipy", "serial", "zmq"}
# These run beside the wearer: no training library, not even inside a function.
LIVE = ("model/predictor.py", "model/live.py", "model/features.py", "capture/resample.py")
# The vocabulary that every other module, and any user's own script, imports.
LIGHT_MODULES = (
    "firmware_host.errors",
    "firmware_host.layout",
    "firmware_host.samples",
    "firmware_host.clock",
    "firmware_host.rig",
    "firmware_host.transports.base",
    "capture.blendshapes",
    "capture.wire",
    "capture.take",
)

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 500
# "file::function" or "file" -> why it may be longer.
LONGER_BECAUSE: dict[str, str] = {}


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"package {package} is missing"
    return found


def names_in(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Every module, or thing in a module, that the import statements among `nodes` name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the arrow they follow"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(path: Path, at_top_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return set(names_in(tree.body if at_top_only else ast.walk(tree)))


def packages_imported(path: Path, at_top_only: bool = False) -> set[str]:
    return {name.split(".")[0] for name in imported(path, at_top_only)}


def tracked_texts() -> list[tuple[str, str]]:
    """(name, text) of every file in git that is text."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            with contextlib.suppress(UnicodeDecodeError):  # an exported network is no text
                found.append((name, (ROOT / name).read_text("utf-8")))
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_dependencies_point_one_way(package):
    others = MAY_IMPORT.keys() - {package}
    for path in sources(package):
        assert packages_imported(path) & others <= MAY_IMPORT[package], path


@pytest.mark.parametrize("package", [name for name in MAY_IMPORT if name != "model"])
def test_only_model_knows_torch(package):
    for path in sources(package):
        assert not packages_imported(path) & TRAINING_ONLY, path


def reachable(start: Path) -> set[Path]:
    """Our own files that importing `start` runs, by the imports at the top of each."""
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        files = (ROOT / (name.replace(".", "/") + ".py") for name in imported(path, True))
        waiting += [file for file in files if file.is_file()]
    return seen


@pytest.mark.parametrize("start", LIVE)
def test_live_prediction_needs_no_torch(start):
    if not (ROOT / start).exists():
        pytest.skip(f"{start} is not written yet")
    assert not packages_imported(ROOT / start) & TRAINING_ONLY
    for path in reachable(ROOT / start):
        assert not packages_imported(path, at_top_only=True) & TRAINING_ONLY, path


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_light_modules_stay_light(module):
    code = f"import sys, {module}; print(sorted({HEAVY!r} & sys.modules.keys()))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_init_files_hold_only_a_docstring(package):
    for path in (p for p in sources(package) if p.name == "__init__.py"):
        body = ast.parse(path.read_text("utf-8")).body
        assert len(body) == 1, path
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path


def test_every_folder_of_modules_is_a_package():
    folders = {path.parent for package in MAY_IMPORT for path in sources(package)}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_tests_are_no_package():
    # With one, `import model` could resolve to tests/model.
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_file_names_a_place_on_somebodys_machine():
    places = [f"/{top}/" for top in ("work", "home", "root", "Users")]
    named = [
        f"{name}:{number}: {line.strip()}"
        for name, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if any(place in line for place in places)
    ]
    assert named == []


def test_functions_and_files_stay_small():
    too_long = []
    for path in (p for package in MAY_IMPORT for p in sources(package)):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text("utf-8")
        sizes = {name: (len(text.splitlines()), MAX_FILE_LINES)}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                sizes[f"{name}::{node.name}"] = (lines, MAX_FUNCTION_LINES)
        too_long += [
            f"{what}: {lines} lines, at most {limit}"
            for what, (lines, limit) in sizes.items()
            if lines > limit and what not in LONGER_BECAUSE
        ]
    assert too_long == []


def test_every_exception_to_the_sizes_is_still_needed():
    for what in LONGER_BECAUSE:
        file, _, function = what.partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert not function or f"def {function}(" in text, what
