"""Clipped density and clipped coverage (Salvy, Talbot and Thirion 2025, arXiv:2507.01761): shares of good samples.

Real items x_1 .. x_N with balls that reach to their k-th nearest other real item; M generated items. Definitions as in the
paper's section 4 and its authors' code.

Clipped density. No radius counts for more than the median radius, so that no real outlier opens a ball to all; no generated
item counts for more than 1:

    mean over generated of min(1, balls around it / k)   divided by   the same of the real items, each without its own ball

and at most 1. Clipped coverage. A real ball counts by the generated items in it, at most k:

    C = mean over real of min(k, generated items in its ball) / k

If m of the M generated items are as real ones and the others miss every ball, the mass of a ball is Beta(k, N - k), the number
J of items in it beta-binomial with m trials, and C expected is

    f(m) = E[min(J, k)] / k = 1 - sum_{j < k} (1 - j / k) P(J = j),   P(J = j) = (m over j) B(k + j, N - k + m - j) / B(k, N - k)

f rises with m, and f^-1(C) / M is the share of good items that explains C. (The authors look f up at whole m >= k; here it is
interpolated between whole m from 0 on, which moves the result by less than k / M.) Both are 1 where generated items are as
real, and fall in proportion as bad ones replace them. Higher is better.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln


def clip_squared(squared: NDArray[np.floating]) -> NDArray[np.floating]:
    """Squared radii (N,) of balls cut to their median radius; a radius below it is left to the last bit.

    To the last bit, because a ball's k-th neighbour lies on its edge, and must stay inside.
    """
    radii = np.sqrt(squared)
    median = np.median(radii)
    cut: NDArray[np.floating] = np.where(radii <= median, squared, median**2)
    return cut


def clipped_share(counts: NDArray[np.integer], k: int) -> float:
    """Mean over items of min(1, count / k), in [0, 1]; `counts` (n,) of balls around a generated item, or of items in a ball."""
    return float(np.minimum(counts, k).mean()) / k


def expected_coverage(good: NDArray[np.integer], real: int, k: int) -> NDArray[np.float64]:
    """f: expected share C (n,) in [0, 1) with `good` (n,) items as real ones among the generated, and `real` > k real items."""
    missed = np.zeros(len(good))
    m = good.astype(np.float64)
    for j in range(k):
        ways = gammaln(m + 1) - gammaln(j + 1) - gammaln(np.maximum(m - j, 0) + 1)
        log_probability = ways + betaln(k + j, real - k + np.maximum(m - j, 0)) - betaln(k, real - k)
        missed += (1.0 - j / k) * np.where(m >= j, np.exp(log_probability), 0.0)
    return 1.0 - missed


def share_of_good(coverage: float, real: int, generated: int, k: int) -> float:
    """f^-1(C) / M in [0, 1]: which share of `generated` items, were it as real, would give this C of `real` balls."""
    good = np.arange(generated + 1)
    return float(np.interp(coverage, expected_coverage(good, real, k), good / generated))
