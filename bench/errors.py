"""Errors that a user can cause, or can do something about."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """Something the user gave is wrong: one line with the thing, the value found, and what to do. Ends with exit code 2."""


def unknown(kind: str, name: str, known: Iterable[str], remedy: str) -> UsageError:
    """An unknown name, with the nearest known one where there is one."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return UsageError(f"unknown {kind} {name!r}.{guess} {remedy}")
