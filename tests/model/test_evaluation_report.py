"""The report says what was judged, shows it, and never hides that IMUs were simulated."""

from types import SimpleNamespace

import numpy as np
import pytest

from firmware_host.layout import FACE_12
from model.evaluation_report import JudgedTake, report_blocks, table_of
from model.judging import NUMBERS, Judged, Track, over_takes
from viz.pages import Heading, Paragraph, Picture, Table

REST = np.full(52, 0.05)


class Drawing:
    """A renderer that notes what it was asked for."""

    name = "drawing"
    scene = SimpleNamespace(height=20, width=100)

    def __init__(self):
        self.drawn = []

    def draw(self, panels):
        self.drawn.append(panels)
        return np.zeros((20, 100, 3), np.uint8)

    def close(self):
        pass


def take(name="take-001", simulated=True, seconds=50, still=False):
    time_s = np.arange(seconds * 60) / 60
    truth = 0.3 + 0.2 * np.sin(5 * time_s[:, None] + np.arange(52)) * (not still)
    model = truth.copy()
    model[600:1200] = 0.3  # asleep from 16 s to 26 s
    constant = np.broadcast_to(np.median(truth, axis=0), truth.shape)
    tracks = {
        "model": Track(model, REST),
        "kalman": Track(0.5 * truth + 0.15, REST, np.full(truth.shape, 0.1)),
        "constant": Track(constant, constant[0]),
    }
    judged = Judged(6.0 + time_s, Track(truth, REST), tracks)
    return JudgedTake(name, FACE_12, simulated, judged, judged.figures())


@pytest.fixture(scope="module")
def simulated():
    return take()


def texts(blocks):
    return [block.text for block in blocks if isinstance(block, Heading | Paragraph)]


def test_every_figure_of_one_number_is_in_the_table(simulated):
    table = table_of(simulated.figures)
    assert table.head == ("", "network", "kalman", "constant")
    assert [row[0] for row in table.rows] == [name.replace("_", " ") for name in NUMBERS]
    assert {len(row) for row in table.rows} == {4}
    r = dict(zip(table.head, table.rows[0], strict=True))
    low, high = simulated.figures["intervals"]["correlation"]["model"]
    assert r["network"].endswith(f"({low:.3f} … {high:.3f})")
    assert r["constant"] == "-"


def test_the_worst_seconds_are_drawn_above_one_another_at_their_own_times(simulated):
    drawing = Drawing()
    blocks = report_blocks([simulated], None, "About.", drawing)
    assert any("The worst piece, 16.0 … 26.0 s" in text for text in texts(blocks))
    truth, model = drawing.drawn[2:]
    assert truth[0].caption == "ARKit 17.0 s"
    assert model[-1].caption == "network 25.0 s"
    np.testing.assert_allclose(model[0].weights, 0.3)
    assert np.ptp(truth[0].weights) > 0.3


def test_every_chapter_plot_and_picture_of_a_simulated_take_says_so(simulated):
    blocks = report_blocks([simulated], None, "About.", Drawing())
    assert "simulated IMUs" in blocks[0].text
    named = [block.text for block in blocks if isinstance(block, Heading) and block.level == 2]
    assert named[0] == "take-001 (simulated IMUs)"
    pictures = [block for block in blocks if isinstance(block, Picture)]
    assert len(pictures) == 4
    assert all("simulated IMUs" in picture.caption for picture in pictures)


def test_a_recorded_take_is_not_called_simulated():
    blocks = report_blocks([take(simulated=False)], None, "About.", Drawing())
    assert blocks[0].text == "Accuracy"
    assert not any("(simulated IMUs)" in text for text in texts(blocks))


def test_r_stands_beside_observability(simulated):
    blocks = report_blocks([simulated], None, "About.", Drawing())
    shapes = next(b for b in blocks if isinstance(b, Table) and b.head[0] == "shape")
    assert len(shapes.rows) == len(simulated.figures["correlation_per_shape"])
    known = {row[0]: float(row[2]) for row in shapes.rows}
    share = simulated.told()["observability_per_shape"]["jawOpen"]
    assert known["jawOpen"] == pytest.approx(np.sqrt(share), abs=0.01)
    order = [float(row[1]) for row in shapes.rows]
    assert order == sorted(order, reverse=True)


def test_pictures_of_several_takes_have_names_of_their_own_and_a_mean_leads(simulated):
    takes = [simulated, take("take-002", simulated=False)]
    blocks = report_blocks(takes, over_takes([t.figures for t in takes]), "About.", Drawing())
    names = [block.name for block in blocks if isinstance(block, Picture)]
    assert len(set(names)) == len(names) == 8
    headings = [block.text for block in blocks if isinstance(block, Heading) and block.level == 2]
    assert headings[:3] == [
        "All 2 takes (simulated IMUs among them)",
        "take-001 (simulated IMUs)",
        "take-002",
    ]


def test_a_face_that_never_moves_is_reported_without_shapes_and_pictures_of_it():
    blocks = report_blocks([take(still=True)], None, "About.", Drawing())
    assert "No shape moved." in texts(blocks)
    assert "Too short, or too still, for a best and a worst piece." in texts(blocks)
