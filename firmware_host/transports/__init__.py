"""Byte pipes to sensor hubs, opened by name."""
