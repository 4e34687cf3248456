"""The chart of the face: a unit sphere on which the mouth stands open. No I/O.

Every point of the skin has a *chart* position: a unit vector, its direction as seen from inside the
head, except that upper and lower lip are turned apart by a few degrees. On the chart the lips are
as far from each other as they behave, so surface and movements can both be interpolated on it by
plain distance. Lengths are in mm.
"""

import numpy as np

from capture.head_measures import LANDMARKS, Array

CENTRE = np.array([0.0, 15.0, 0.0])
CHART_RADIUS = 110.0  # mm of face per radian of chart, about right at the cheeks
SLIT_HALF_WIDTH = 24.0
SLIT_HALF_OPENING = 8.0


def angles(directions: Array) -> Array:
    """(…, 2) azimuth (to the wearer's left) and elevation in mm of chart."""
    x, y, z = np.moveaxis(directions, -1, 0)
    angle = np.stack((np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))), axis=-1)
    return np.asarray(CHART_RADIUS * angle)


def direction(angle: Array) -> Array:
    """Unit vectors of (…, 2) azimuth and elevation; inverse of `angles`."""
    a, e = np.moveaxis(angle / CHART_RADIUS, -1, 0)
    return np.stack((np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)), axis=-1)


def slit(a: Array) -> Array:
    """Elevation of the line between the closed lips at azimuth `a`, mm of chart."""
    return np.asarray(-44.6 - 2.6 * (a / SLIT_HALF_WIDTH) ** 2)


def chart_of(points: Array) -> Array:
    """Chart position (…, 3) of points (…, 3) of the neutral face (not of the mouth's inside)."""
    angle = angles(points - CENTRE)
    a, e = angle[..., 0], angle[..., 1]
    above = e - slit(a)
    opening = np.sqrt(np.clip(1.0 - (a / SLIT_HALF_WIDTH) ** 2, 0.0, None))
    # 14 mm of fading keeps the map monotone: the steepest push back is 0.49 mm per mm.
    push = SLIT_HALF_OPENING * opening * np.exp(-((above / 14.0) ** 2))
    return direction(np.stack((a, e + np.where(above >= 0, push, -push)), axis=-1))


def mirrored(points: Array) -> Array:
    """Mirror images (…, 3) across the midsagittal plane."""
    return np.asarray(points * np.array([-1.0, 1.0, 1.0]))


def both_sides(points: Array) -> Array:
    """`points` (N, 3) and the mirror images of those off the midline."""
    return np.concatenate((points, mirrored(points[points[:, 0] > 1e-6])))


def lid_margin(t: Array, upper: bool) -> Array:
    """(…, 3) points of the left lid's edge; t = 0 at the inner, 1 at the outer canthus."""
    lid = "upper" if upper else "lower"
    names = ("canthus_inner", f"lid_{lid}_inner", f"lid_{lid}_outer", "canthus_outer")
    knots = np.stack([LANDMARKS[name] for name in names])
    s = (knots[:, 0] - knots[0, 0]) / (knots[-1, 0] - knots[0, 0])
    powers = np.vander(np.asarray(t, float).ravel(), 4)
    points = powers @ np.linalg.solve(np.vander(s, 4), knots)
    return np.asarray(points.reshape(*np.shape(t), 3))


def slit_line(side: Array) -> Array:
    """(N, 3) points between the closed lips; side 0 at the middle, 1 at the left corner."""
    return np.stack((22.1 * side, -33.6 - 1.3 * side**2, 112.6 - 11.3 * side**2.4), axis=-1)


def lip_edge(side: Array, way: float) -> Array:
    """Chart positions (N, 3) of `slit_line` on the upper (way 1) or lower (way −1) lip."""
    a = SLIT_HALF_WIDTH * side
    opening = SLIT_HALF_OPENING * np.sqrt(np.clip(1.0 - side**2, 0.0, None))
    return direction(np.stack((a, slit(a) + way * opening), axis=-1))
