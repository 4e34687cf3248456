"""Bytes from face IMUs to timed samples: the bottom of the road."""
