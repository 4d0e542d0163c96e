"""Measurements: speed, memory and survival, side by side with a limit; run with `make bench`."""
