"""One thing that is known or can be measured on a machine, or why it cannot, and what would change that."""

from collections.abc import Mapping
from dataclasses import dataclass

from paragone.bench.profile.answers import Answer
from paragone.bench.profile.readings import OK, Reading

Value = float | int | str


@dataclass(frozen=True)
class Capability:
    """`value` in `unit` where it is available; else `why` in the words of answers.py and one line of `advice`."""

    name: str
    available: bool
    value: Value | None = None
    unit: str = ""
    why: str = ""
    advice: str = ""


def known(name: str, value: Value, unit: str = "") -> Capability:
    """Something that is available."""
    return Capability(name, True, value, unit)


def from_answer(name: str, answer: Answer[Value], unit: str, advice: Mapping[str, str]) -> Capability:
    """The value of an answer, or its reason with the advice for that reason."""
    value, status = answer
    if value is not None:
        return known(name, value, unit)
    return Capability(name, False, None, unit, status, advice.get(status, ""))


def from_reading(name: str, reading: Reading, advice: Mapping[str, str]) -> Capability:
    """The value of a window, or why there is none."""
    answer = (reading.value, OK) if reading.value is not None else (None, reading.status)
    return from_answer(name, answer, reading.unit, advice)
