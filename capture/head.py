"""A face of our own: mesh, 52 shapes, sensor sites.

The neutral face is one smooth surface through named anatomical points (`head_surface`), the shapes
are muscle pulls on it, a hinged jaw and lids that roll over the eyeballs (`head_shapes`); eyes,
teeth and tongue are separate pieces (`head_parts`).
"""

from functools import cache

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.head_files import cache_path, head_from_npz, identity_head, read_cached, write_cached
from capture.head_gltf import head_from_gltf
from capture.head_mesh import Head
from capture.head_sites import Site, SiteResponses, find_sites, site_responses

__all__ = [
    "Head",
    "Site",
    "SiteResponses",
    "build_head",
    "find_sites",
    "head_from_gltf",
    "head_from_npz",
    "identity_head",
    "site_responses",
    "standard_head",
]


@cache
def standard_head() -> Head:
    """The project's own head; built once in about a second, then read from the user's cache."""
    path = cache_path()
    head = read_cached(path)
    if head is None:
        head = build_head()
        write_cached(head, path)
    return head


def build_head() -> Head:
    """Build the project's own head from nothing but code."""
    from capture.head_parts import build_pieces

    pieces = build_pieces()
    first = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    triangles = [piece.triangles + start for piece, start in zip(pieces, first, strict=False)]
    return Head(
        ARKIT_NAMES,
        (np.concatenate([piece.vertices for piece in pieces]) * 1e-3).astype(np.float32),
        np.concatenate(triangles).astype(np.int32),
        (np.concatenate([piece.deltas for piece in pieces], axis=1) * 1e-3).astype(np.float32),
        np.concatenate([piece.colours for piece in pieces]).astype(np.float32),
    )
