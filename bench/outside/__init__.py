"""Samples made elsewhere, judged as a run judges its own: read them, measure them, resample them, rank them."""
