"""Our head as bytes for a browser, which morphs it by itself. No I/O.

Little-endian: five uint32 (vertices V, triangles T, shapes, sites S, bytes of the names), then
positions (V, 3) float32 m, colours (V, 3) uint8 and a pad to four bytes, triangles (T, 3) uint32,
scales (shapes,) float32 m, displacements (shapes, V, 3) int16 in those scales and a pad, sites (S,)
uint32 vertices, and the names of the sites, one a line.
"""

import numpy as np

from capture.head import Head, find_sites
from firmware_host.layout import SensorLayout

_FULL = 32767.0


def head_bytes(head: Head, layout: SensorLayout) -> bytes:
    """The head and where its sensors sit."""
    sites = find_sites(head, layout)
    names = "\n".join(site.name for site in sites).encode()
    counts = (len(head.vertices), len(head.triangles), len(head.names), len(sites), len(names))
    scales = np.maximum(np.abs(head.deltas).max(axis=(1, 2)), 1e-9)
    deltas = np.rint(head.deltas / scales[:, None, None] * _FULL)
    parts = [
        np.array(counts, "<u4").tobytes(),
        np.asarray(head.vertices, "<f4").tobytes(),
        np.rint(np.clip(head.colours, 0, 1) * 255).astype(np.uint8).tobytes(),
        np.asarray(head.triangles, "<u4").tobytes(),
        (scales / _FULL).astype("<f4").tobytes(),
        deltas.astype("<i2").tobytes(),
        np.array([site.vertices[0] for site in sites], "<u4").tobytes(),
        names,
    ]
    return b"".join(part + bytes(-len(part) % 4) for part in parts)
