"""Choosing a renderer, and Open3D where it works."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from capture.blendshapes import INDEX
from firmware_host.errors import ConfigError, EnvironmentMissing
from viz.offscreen import (
    INSTALL_LIBRARIES,
    Open3dRenderer,
    open_renderer,
    prefer_named,
    require_open3d,
)
from viz.scene import Panel
from viz.software import SoftwareRenderer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def _works() -> None:
    try:
        require_open3d()
    except EnvironmentMissing as missing:
        pytest.skip(f"{missing}: {missing.hint}")


def panels() -> list[Panel]:
    smile = np.zeros(52, np.float32)
    smile[[INDEX["mouthSmileLeft"], INDEX["jawOpen"]]] = 0.7
    tilted = np.array([np.cos(0.1), 0, 0, np.sin(0.1)])
    return [Panel(np.zeros(52, np.float32), caption="a"), Panel(smile, tilted, "b")]


@pytest.mark.usefixtures("_works")
@pytest.mark.integration
def test_open3d_and_software_draw_the_same_picture(head):
    with closing(Open3dRenderer(head, 128, 2)) as renderer:
        by_open3d = renderer.draw(panels()).astype(int)
    by_software = SoftwareRenderer(head, 128, 2).draw(panels()).astype(int)
    assert by_open3d.shape == by_software.shape
    difference = np.abs(by_open3d - by_software).max(axis=2)
    assert difference.mean() < 4
    assert (difference > 60).mean() < 0.02  # edges differ: one of the two smooths them


@pytest.mark.usefixtures("_works")
@pytest.mark.integration
def test_a_plain_picture_lacks_the_backdrop_and_nothing_else(head):
    with closing(Open3dRenderer(head, 128, captions=False)) as renderer:
        rich = renderer.draw(panels()[:1]).astype(int)
        renderer.go_plain()
        renderer.go_plain()
        plain = renderer.draw(panels()[:1]).astype(int)
        backdrop = renderer.scene.backdrop().astype(int)
    behind = np.abs(rich - backdrop).max(axis=2) < 6
    assert 0.2 < behind.mean() < 0.8
    assert np.ptp(plain[behind], axis=0).max() <= 2  # one colour
    skin = np.abs(rich - backdrop).max(axis=2) > 60
    np.testing.assert_array_equal(plain[skin], rich[skin])


@pytest.mark.usefixtures("_works")
@pytest.mark.integration
def test_open3d_forgets_the_picture_before(head):
    first, second = panels()
    with closing(Open3dRenderer(head, 64, captions=False)) as renderer:
        before = renderer.draw([first])
        assert (renderer.draw([second]) != before).any()
        assert np.array_equal(renderer.draw([first]), before)
    renderer.close()  # a second time


def in_child(code: str, broken: Path) -> subprocess.CompletedProcess[str]:
    """Run with an `open3d` of ours that is found first."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{broken}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


FALL_BACK = """
import numpy as np
from viz.offscreen import open_renderer
from viz.scene import Panel
for _ in range(2):
    renderer = open_renderer(64)
    image = renderer.draw([Panel(np.zeros(52, np.float32))])
print(renderer.name, image.shape)
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('raise ImportError("libusb-1.0.so.0: cannot open shared object file")', "libusb-1.0.so.0"),
        ('raise OSError("libGL.so.1: cannot open shared object file")', "libGL.so.1"),
        ("import os\nos.abort()", "code -6" if os.name == "posix" else "ended a trial"),
    ],
)
def test_an_open3d_that_breaks_costs_one_line_and_still_gives_a_picture(tmp_path, body, reason):
    (tmp_path / "open3d").mkdir()
    (tmp_path / "open3d" / "__init__.py").write_text(body)
    done = in_child(FALL_BACK, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "software"
    (line,) = done.stderr.splitlines()
    assert line.startswith("imusic: ")
    assert reason in line
    assert line.endswith(INSTALL_LIBRARIES)


@pytest.mark.integration
def test_open3d_asked_for_by_name_is_not_replaced(tmp_path):
    (tmp_path / "open3d").mkdir()
    (tmp_path / "open3d" / "__init__.py").write_text('raise ImportError("no")')
    code = "from viz.offscreen import open_renderer; open_renderer(64, prefer='open3d')"
    done = in_child(code, tmp_path)
    assert "EnvironmentMissing: Open3D cannot be loaded: no" in done.stderr


def test_software_asked_for_by_name_needs_no_open3d():
    assert open_renderer(64, prefer="software").name == "software"


def test_an_unknown_renderer_is_answered_with_the_known_ones():
    assert prefer_named("open3d") == "open3d"
    with pytest.raises(ConfigError, match="'gl': expected auto, open3d, software"):
        prefer_named("gl")
