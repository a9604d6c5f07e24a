"""The width at which a contender's trained parameter count is nearest the budget's."""

from collections.abc import Callable

import torch

from paragone.models import Contender, DataSpec

START = 16
LARGEST = 1 << 16
TOLERANCE = 0.10
"""Relative distance from the parameter budget beyond which a row is flagged and gets no rank."""


def solve_width(contender: Callable[[DataSpec, int], Contender], spec: DataSpec, parameters: int) -> tuple[int, int]:
    """Width and trained parameter count nearest `parameters`, for a count that grows with the width.

    A contender of fixed size gets the starting width. The global random state stays as it was.
    """
    counts: dict[int, int] = {}

    def count(width: int) -> int:
        if width not in counts:
            with torch.random.fork_rng(devices=[]):
                counts[width] = contender(spec, width).trained_parameter_count()
        return counts[width]

    low = high = START
    while count(high) < parameters and high < LARGEST:
        low, high = high, 2 * high
        if count(high) == count(low):
            break
    while count(low) > parameters and low > 1:
        low, high = low // 2, low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= parameters else (low, middle)
    best = min(counts, key=lambda width: (abs(counts[width] - parameters), abs(width - START)))
    return best, counts[best]


def outside_budget(count: int, parameters: int) -> bool:
    """True where the count is farther than `TOLERANCE` from the budget."""
    return abs(count - parameters) > TOLERANCE * parameters
