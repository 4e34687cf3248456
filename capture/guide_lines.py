"""A guided exercise for people in front of a terminal: what to do, and how far. No I/O."""

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.guide_run import Stage, View
from capture.guided import Step

BAR = 40
MOST_SHAPES = 5


def guide_lines(view: View) -> str:
    """The step, its prompt and text, and a bar for every shape that is shown now."""
    if view.stage is Stage.OVER or view.step is None:
        return "That was all. Thank you."
    head = f"{view.number}/{view.count}  {view.step.label}"
    if view.stage is Stage.READY:
        return f"{head}\nGet ready. {view.step.prompt}"
    if view.stage is Stage.HELD:
        return f"{head}\nHeld: space goes on. {view.step.prompt}"
    lines = [head, view.step.prompt]
    if view.step.text:
        lines.append(f"« {view.step.text} »")
    left_s = max(0.0, view.step.length_s - view.since_s)
    lines += _shown(view.step, view.since_s) or [f"{left_s:.0f} s"]
    if view.waits:
        lines.append("(waits after this)")
    return "\n".join(lines)


def _shown(step: Step, since_s: float) -> list[str]:
    """Bars of the shapes and turns that a step shows, the strongest of its poses first."""
    at = np.array([max(since_s, 0.0)])
    now, most = step.weights(at)[0], np.zeros(len(ARKIT_NAMES))
    for movement in step.movements:
        most = np.maximum(most, movement.weights)
    order = [k for k in np.argsort(-most, kind="stable") if most[k] > 0]
    lines = []
    for name, level in _both_sides([(ARKIT_NAMES[k], now[k]) for k in order])[:MOST_SHAPES]:
        lines.append(f"{name:>18} {'█' * round(BAR * level):<{BAR}}")
    if step.turns:
        turn = step.turn_vectors(at)[0]
        for name, value in (("nod", turn[0]), ("tilt", turn[2]), ("turn", turn[1])):
            if name in step.turns:
                lines.append(f"{name:>18} {_needle(float(value) / 0.3)}")
    return lines


def _both_sides(shapes: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Left and right as one where both are shown alike."""
    levels = dict(shapes)
    out: dict[str, float] = {}
    for name, level in shapes:
        other = name.replace("Left", "Right") if "Left" in name else name.replace("Right", "Left")
        bare = name.removesuffix("Left").removesuffix("Right")
        alike = other != name and levels.get(other) == level
        out.setdefault(bare if alike else name, level)
    return list(out.items())


def _needle(share: float) -> str:
    """A bar with a needle, −1 left … 1 right."""
    at = round((BAR - 1) * (0.5 + 0.5 * max(-1.0, min(1.0, share))))
    return "·" * at + "█" + "·" * (BAR - 1 - at)
