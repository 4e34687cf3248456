"""Other makers' devices without custom firmware: their bytes in, the hub's events out. No I/O."""
