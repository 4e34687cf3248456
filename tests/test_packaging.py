"""The wheel that we would publish: what is in it, and that it works where the sources are not."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("firmware_host", "capture", "viz", "dataset_tools", "model", "imusic")

pytestmark = [pytest.mark.slow, pytest.mark.integration]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # No isolation: the build tools are here already, and tests do without a network.
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run(
        [*command, str(ROOT)], cwd=out, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of a new environment that holds our wheel and, borrowed, what it needs."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run(
        [sys.executable, "-m", "pip", f"--python={folder}", "install", "--no-deps", str(wheel)],
        capture_output=True,
        check=True,
    )
    # Downloading everything again would prove nothing about our wheel. A .pth line is appended to
    # sys.path after the environment's own packages and is not itself searched for .pth files, so
    # an editable imusic over there cannot answer for the wheel.
    site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(site) / "borrowed.pth").write_text("\n".join(borrowed) + "\n", "utf-8")
    return scripts


def run(scripts: Path, *command: str) -> subprocess.CompletedProcess[str]:
    program = scripts / command[0]
    return subprocess.run(
        [str(program), *command[1:]],
        cwd=scripts.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def tracked(folder: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_holds_every_file_of_every_package(wheel, package):
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = tracked(package)
    assert f"{package}/__init__.py" in expected
    assert f"{package}/py.typed" in expected
    assert set(expected) <= names  # modules, type markers, shipped networks, web pages


def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_carries_its_licence(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_command_runs_where_the_sources_are_not(wheel, installed):
    help_ = run(installed, "imusic", "--help")
    assert help_.returncode == 0, help_.stderr
    assert "record" in help_.stdout
    assert run(installed, "imusic", "--version").stdout.split() == [
        "imusic",
        wheel.name.split("-")[1],
    ]
    assert run(installed, "imusic", "recrod").returncode == 2


def test_every_package_is_imported_from_the_wheel(installed):
    code = f"import {', '.join(PACKAGES)}\nfor p in ({', '.join(PACKAGES)}): print(p.__file__)"
    done = run(installed, "python", "-c", code)
    assert done.returncode == 0, done.stderr
    environment = installed.parent.resolve()
    for line in done.stdout.splitlines():
        assert Path(line).resolve().is_relative_to(environment)
    assert len(done.stdout.splitlines()) == len(PACKAGES)
