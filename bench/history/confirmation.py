"""Confirmation: suspicious cells of tonight's code and of the last good one, run again in interleaved pairs, on this machine, now.

    d_k        compared value of head less that of base in pair k, larger is worse
    confirmed  mean(d) > smallest effect, and its one-sided lower bound (Student) > 0
    refuted    mean(d) < half the smallest effect
    undecided  else: as many pairs again, once; still undecided is not confirmed

Of series without a difference 1 % may be confirmed, over both looks together: the bound is that of 99.5 % at each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.99
LOOKS = 2
FEWEST = 3
"""Pairs below which nothing is decided: re-runs fail too."""

Decision = Literal["confirmed", "refuted", "undecided"]


@dataclass(frozen=True)
class Confirmation:
    """What the pairs say: `effect` is the mean difference, between the bounds `low` and `high`; `p` that it is not above 0."""

    decision: Decision
    effect: float
    low: float
    high: float
    p: float
    differences: tuple[float, ...]


def decide(differences: Sequence[float], smallest: float) -> Confirmation:
    """What the pairs so far say of a suspicion; fewer than `FEWEST` finite differences decide nothing."""
    d = np.asarray(differences, dtype=float)
    d = d[np.isfinite(d)]
    if d.size < FEWEST:
        nothing = float("nan")
        return Confirmation("undecided", float(d.mean()) if d.size else nothing, -np.inf, np.inf, 1.0, tuple(d.tolist()))
    mean, error = float(d.mean()), float(d.std(ddof=1) / np.sqrt(d.size))
    half = float(stdtrit(d.size - 1, 1 - (1 - LEVEL) / LOOKS)) * error
    p = float(stdtr(d.size - 1, -mean / error)) if error > 0 else float(mean <= 0)
    decision: Decision = "undecided"
    if mean > smallest and mean - half > 0:
        decision = "confirmed"
    elif mean < smallest / 2:
        decision = "refuted"
    return Confirmation(decision, mean, mean - half, mean + half, p, tuple(d.tolist()))
