"""NVML through pynvml, asked in one place: an answer is a value, or None and the words that say why.

The package nvidia-ml-py (module `pynvml`) can be imported without a driver; `nvmlInit` then raises. The library is initialised once
in a process, at the first question, and never before a fork: the fork server asks nothing. Codes: nvmlReturn_t of nvml.h.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import pynvml

from paragone.bench.profile.answers import (
    BLOCKED,
    LOST,
    MISSING,
    NO_DRIVER,
    NO_LIBRARY,
    NO_PERMISSION,
    NOT_FOUND,
    TIMEOUT,
    UNSUPPORTED,
    WRONG_VERSION,
    Answer,
)
from paragone.bench.profile.readings import OK

T = TypeVar("T")

STATUS: dict[int, str] = {
    3: UNSUPPORTED,
    4: NO_PERMISSION,
    6: NOT_FOUND,
    9: NO_DRIVER,
    10: TIMEOUT,
    12: NO_LIBRARY,
    13: MISSING,
    15: LOST,
    17: BLOCKED,
    18: WRONG_VERSION,
}


def status_of(code: int) -> str:
    """Words for a code that NVML returned; one without words is named by its number."""
    return OK if code == 0 else STATUS.get(code, f"NVML error {code}")


@cache
def library_status() -> str:
    """`ok` once the library is initialised, else why it cannot be; tried once a process."""
    return _called(pynvml.nvmlInit)[1]


def ask(call: Callable[..., T], *arguments: Any) -> Answer[T]:
    """What pynvml's `call(*arguments)` returns. Never raises for anything that NVML can answer."""
    status = library_status()
    return _called(call, *arguments) if status == OK else (None, status)


def _called(call: Callable[..., T], *arguments: Any) -> Answer[T]:
    try:
        return call(*arguments), OK
    except pynvml.NVMLError as error:
        return None, status_of(error.value)
