"""Contenders that join two families."""
