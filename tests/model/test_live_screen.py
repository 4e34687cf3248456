"""The screen of a live face: everything on it, within 80 columns."""

from capture.wire_status import SinkStatus
from firmware_host.layout import FACE_12
from model.live_screen import LiveStatus, latency_line, screen_text

STATUS = LiveStatus(
    state="live",
    elapsed_s=63.2,
    faces=3700,
    rate_hz=60.0,
    samples=12_600,
    lost=4,
    late_ticks=1,
    confidence=0.91,
    wearer="anna",
    latency_ms=tuple(float(k % 9) for k in range(600)),
    slots=tuple((name, name != "mentalis") for name in FACE_12.names),
    slipped=(("zygomaticus_left", 8.2),),
    sinks=(SinkStatus("vmc:", 3700, 7400, 3, "nobody listens there"),),
    minute=2,
    said=("rezero",),
)


def test_everything_is_on_it_and_no_line_is_wider_than_a_terminal():
    text = screen_text(STATUS, "z · u · q")
    for part in (
        "live 63 s",
        "60 faces/s",
        "anna",
        "p50 4.0 ms",
        "lost 4",
        "○ mentalis",
        "! zygomaticus_left",
        "SLIPPED: zygomaticus_left sits 8° off",
        "nobody listens there",
        "minute movements 2",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 84
    assert text.splitlines()[-1] == "z · u · q"


def test_before_the_first_face_there_is_no_latency():
    assert latency_line(()) == "latency —"


def test_a_histogram_shows_where_latencies_lie():
    assert "|█               |" in latency_line([0.5] * 100)
    assert "|               █|" in latency_line([500.0] * 100)
