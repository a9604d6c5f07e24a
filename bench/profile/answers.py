"""An answer of a back end: a value, or None and the words that say why there is none. Never 0 for what is unknown.

The words are those of alerts, tables and `doctor`, the same whichever back end says them.
"""

from collections.abc import Callable
from typing import TypeVar

from paragone.bench.profile.readings import OK

T = TypeVar("T")
U = TypeVar("U")

Answer = tuple[T | None, str]
"""(value, `ok`), or (None, why not)."""

UNSUPPORTED = "unsupported"
NO_PERMISSION = "no permission"
ABSENT = "absent"
NOT_FOUND = "not found"
NOT_LISTED = "not listed"
NO_DRIVER = "no driver"
NO_LIBRARY = "no library"
WRONG_VERSION = "wrong version"
MISSING = "missing in the library"
BLOCKED = "blocked by the operating system"
TIMEOUT = "timeout"
LOST = "device lost"
UNREADABLE = "unreadable"
TOO_SHORT = "too short"
STUCK = "stuck"
RESET = "reset"
UNSTEADY = "unsteady"


def changed(change: Callable[[T], U], answer: Answer[T]) -> Answer[U]:
    """The answer with its value changed; an answer without a value stays as it is."""
    value, status = answer
    return (None, status) if value is None else (change(value), OK)
