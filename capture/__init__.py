"""Faces, heads, takes and the recording daemon."""
