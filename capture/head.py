"""A face of our own: mesh, 52 shapes, sensor sites.

The neutral face is one smooth surface through named anatomical points (`head_surface`), the shapes
are muscle pulls on it, a hinged jaw and lids that roll over the eyeballs (`head_shapes`); eyes,
teeth and tongue are separate pieces (`head_parts`). Other people's heads are warps of this one
(`head_identity`, `head_forms`).
"""

from functools import cache

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.head_files import cache_path, head_from_npz, identity_head, read_cached, write_cached
from capture.head_gltf import head_from_gltf
from capture.head_identity import STANDARD, Identity, draw_identity, identity_of
from capture.head_mesh import Head
from capture.head_sites import Site, SiteResponses, find_sites, moved_site, site_responses

__all__ = [
    "STANDARD",
    "Head",
    "Identity",
    "Site",
    "SiteResponses",
    "build_head",
    "draw_identity",
    "find_sites",
    "head_from_gltf",
    "head_from_npz",
    "identity_head",
    "identity_of",
    "moved_site",
    "seeded_head",
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


def build_head(identity: Identity = STANDARD) -> Head:
    """Build a head of our own from nothing but code: the standard one, or somebody's.

    All have the same triangles. Of the standard head every identity keeps what makes shapes add up:
    no mixture of lid shapes cuts an eye, and lips meet where they should.
    """
    from capture.head_forms import carried
    from capture.head_parts import build_pieces

    standard = identity == STANDARD
    pieces = build_pieces() if standard else build_pieces(identity.reaches, identity.strengths)
    first = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    triangles = [piece.triangles + start for piece, start in zip(pieces, first, strict=False)]
    vertices = np.concatenate([piece.vertices for piece in pieces])
    deltas = np.concatenate([piece.deltas for piece in pieces], axis=1)
    if not standard:
        vertices, deltas = carried(vertices, deltas, identity.amounts)
    return Head(
        ARKIT_NAMES,
        (vertices * 1e-3).astype(np.float32),
        np.concatenate(triangles).astype(np.int32),
        (deltas * 1e-3).astype(np.float32),
        np.concatenate([piece.colours for piece in pieces]).astype(np.float32),
    )


def seeded_head(seed: int) -> Head:
    """Somebody's head, the same for the same seed; 0 is a person like any other."""
    return build_head(draw_identity(np.random.default_rng(seed)))
