"""Colours that say something, on the skin: how far from the truth, and how sure. No I/O."""

import numpy as np
from numpy.typing import NDArray

from capture.head import Head
from firmware_host.samples import Floats
from viz.scene import Image

ERROR_FULL_MM = 8.0  # painted darkest
_MOVING_M = 0.001  # what no shape moves by more is bone, hair and neck: no error to speak of
# Yellow over red to a dark red: lightness falls all the way, so it reads without colour too.
_HEAT = np.array([[255, 237, 160], [254, 178, 76], [240, 59, 32], [128, 0, 38]], np.float32) / 255
_REACH_M = 0.011  # of one sensor's colour: its neighbour is some 20 mm away
_UNSURE = np.array([0.60, 0.68, 0.80], np.float32)
_PALE = 0.86


def heat(amount: Floats) -> Floats:
    """(…, 3) sRGB in [0, 1] of amounts (…) in [0, 1]."""
    place = np.clip(amount, 0.0, 1.0) * (len(_HEAT) - 1)
    stops = np.arange(len(_HEAT))
    return np.stack([np.interp(place, stops, channel) for channel in _HEAT.T], axis=-1).astype(
        np.float32
    )


class ErrorPaint:
    """Paints a head by how far its skin is from where another face would put it."""

    def __init__(self, head: Head, full_mm: float = ERROR_FULL_MM) -> None:
        self._head, self._full_mm = head, full_mm
        grey = np.asarray(head.colours, np.float32).mean(axis=1, keepdims=True)
        self._pale = _PALE * (0.55 + 0.45 * grey) * np.ones(3, np.float32)
        travel = np.linalg.norm(head.deltas, axis=2).max(axis=0)
        self._moving: NDArray[np.bool_] = np.asarray(travel > _MOVING_M)

    def errors_mm(self, weights: Floats, truth: Floats) -> Floats:
        """(V,) distance of every vertex between two faces (52,)."""
        apart = self._head.deform(weights) - self._head.deform(truth)
        return np.asarray(1e3 * np.linalg.norm(apart, axis=1), np.float32)

    def paint(self, errors_mm: Floats) -> Floats:
        """(V, 3) sRGB: pale where there is no error, hot where there is much."""
        amount = errors_mm / np.float32(self._full_mm)
        cover = np.clip(amount * 4, 0, 1)[:, None]
        return np.asarray(self._pale * (1 - cover) + heat(amount) * cover, np.float32)

    def mean_mm(self, errors_mm: Floats) -> float:
        """Over the skin that shapes move."""
        return float(errors_mm[self._moving].mean()) if self._moving.any() else 0.0


class ConfidencePaint:
    """Paints a head the bluer the less the shapes that move a place can be known."""

    def __init__(self, head: Head) -> None:
        self._colours = np.asarray(head.colours, np.float32)
        travel = np.linalg.norm(head.deltas, axis=2)  # (52, V)
        whole = travel.sum(axis=0)
        self._shares = travel / np.maximum(whole, 1e-9)
        self._still = whole < _MOVING_M

    def paint(self, confidence: float, by_shape: Floats | None) -> Floats:
        """(V, 3) sRGB. by_shape: (52,) in [0, 1], or None where only the whole is known."""
        count = len(self._colours)
        if by_shape is None:
            known = np.full(count, confidence, np.float32)
        else:
            known = np.asarray(by_shape @ self._shares, np.float32)
            known[self._still] = confidence
        unsure = 0.8 * (1 - np.clip(np.nan_to_num(known), 0, 1))[:, None]
        return np.asarray(self._colours * (1 - unsure) + _UNSURE * unsure, np.float32)


class SharePaint:
    """Paints the skin around sensors by what share of something each has."""

    def __init__(self, head: Head, places: Floats, reach_m: float = _REACH_M) -> None:
        """places: (S, 3) of the sensors on the neutral head, m."""
        grey = np.asarray(head.colours, np.float32).mean(axis=1, keepdims=True)
        self._pale = _PALE * (0.55 + 0.45 * grey) * np.ones(3, np.float32)
        away = np.linalg.norm(head.vertices[:, None] - places[None], axis=2)
        self._near = np.exp(-0.5 * (away / reach_m) ** 2).astype(np.float32)  # (V, S)

    def paint(self, amounts: Floats) -> Floats:
        """(V, 3) sRGB: hottest where amounts (S,), 0 … 1, are 1; what is not finite counts as 0."""
        amount = (self._near * np.nan_to_num(amounts)).max(axis=1)
        cover = np.clip(amount * 3, 0, 1)[:, None]
        return np.asarray(self._pale * (1 - cover) + heat(amount) * cover, np.float32)


def heat_legend(width: int, height: int) -> Image:
    """(height, width, 3): the ramp of `heat` from left to right."""
    row = np.rint(255 * heat(np.linspace(0, 1, width, dtype=np.float32))).astype(np.uint8)
    return np.repeat(row[None], height, axis=0)
