"""Autoregressive contenders."""
