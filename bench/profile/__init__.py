"""Clocks, memory and the machine's fingerprint."""
