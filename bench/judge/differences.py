"""Two groups of replicates: by how much does the second differ from the first, B - A?

    paired      d = b - a over common seeds, Student's t on n - 1 degrees of freedom; from 14 seeds on the sign-flip test decides
    unpaired    Welch (1947): s_a^2 / n_a + s_b^2 / n_b, t on the degrees of freedom of Satterthwaite (1946)
    spread      at least `least`: values on a grid (pages of memory, shares of 360 items) repeat by chance, and two seeds that
                happen to differ alike are no proof

Everything is symmetric: with A and B exchanged the difference changes its sign and p stays.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from paragone.bench.judge.significance import mean_above_zero

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Mean of B less mean of A, its 95 % interval (NaN: too few replicates), two-sided p (1 then), and whether it was paired."""

    value: float
    low: float
    high: float
    p: float
    paired: bool

    @property
    def known(self) -> bool:
        """True where there is an interval."""
        return not math.isnan(self.low)


def paired_difference(d: Array, least: float, level: float = 0.95) -> Difference:
    """From differences (n,) of the same seeds, n >= 1; `least` is the smallest spread that is believed."""
    mean = float(d.mean())
    if d.size < 2:
        return Difference(mean, math.nan, math.nan, 1.0, paired=True)
    error = max(float(d.std(ddof=1)), least) / math.sqrt(d.size)
    p = max(_two_sided(mean, error, d.size - 1), min(1.0, 2 * mean_above_zero(math.copysign(1.0, mean) * d)))
    return Difference(*_limits(mean, error, d.size - 1, level), p, paired=True)


def welch_difference(a: Array, b: Array, least: float, level: float = 0.95) -> Difference:
    """From two independent groups, (n_a,) and (n_b,), at least one value each; `least` as for a difference of two values."""
    mean = float(b.mean() - a.mean())
    if min(a.size, b.size) < 2:
        return Difference(mean, math.nan, math.nan, 1.0, paired=False)
    # The spread of a difference of two values is sqrt(2) that of one.
    parts = [max(float(x.var(ddof=1)), least**2 / 2) / x.size for x in (a, b)]
    freedom = sum(parts) ** 2 / sum(part**2 / (x.size - 1) for part, x in zip(parts, (a, b), strict=True)) if sum(parts) else 1.0
    error = math.sqrt(sum(parts))
    return Difference(*_limits(mean, error, freedom, level), _two_sided(mean, error, freedom), paired=False)


def _two_sided(mean: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(freedom, -abs(mean) / error))


def _limits(mean: float, error: float, freedom: float, level: float) -> tuple[float, float, float]:
    half = float(stdtrit(freedom, 0.5 + level / 2)) * error
    return mean, mean - half, mean + half
