"""Devices made of software that speak the bytes of real ones, and lines they can be put on."""
