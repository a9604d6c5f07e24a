"""Tests and corrections of paired differences: numbers in, p values out.

    fewer than 14 blocks   Student's t, parametric: a permutation test has a floor there, 2^-n, that no correction survives
    from 14 on             sign-flip test, exact to 32 blocks, 10^5 random patterns beyond
    with failures          exact sign test

All are one-sided: is the mean (or the median) of the differences above 0?
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtrc, nctdtrinc, stdtr, stdtrit
from scipy.stats import false_discovery_control

Array = NDArray[np.float64]

SIGN_FLIP_BLOCKS = 14
"""From this many blocks on the sign-flip test decides; its smallest p there is 2^-14 = 6e-5."""
EXACT_BLOCKS = 32
FLIPS = 100_000
POWER = 0.95
"""Power at which an effect counts as detectable."""
MOST_BLOCKS = 1000
ROUNDING = 1e-12
"""Differences below this share of what they were taken from are rounding."""
_SEED = 20_240_611


def holm(p: ArrayLike) -> Array:
    """Holm's (1979) step-down adjusted p values: family-wise error under any dependence."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1)))
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> Array:
    """Benjamini and Hochberg's (1995) adjusted p values: expected share of false verdicts."""
    values = np.asarray(p, dtype=float)
    return np.asarray(false_discovery_control(values)) if values.size else values


def mean_above_zero(e: Array) -> float:
    """One-sided p of "the mean of e (n,) is above 0", by the test that n asks for; all zero is p = 1."""
    if not e.any():
        return 1.0
    return sign_flip(e) if e.size >= SIGN_FLIP_BLOCKS else paired_t(e)


def means_above_zero(problems: Sequence[Array]) -> list[float]:
    """`mean_above_zero` of each problem; those that random patterns decide share one pass over them for each size.

    Where every value is above 0 no pattern but that without a minus reaches their sum, and no pass is needed.
    """
    drawn = {place for place, e in enumerate(problems) if e.size > EXACT_BLOCKS and e.any()}
    clear = {place for place in drawn if problems[place].min() > 1e-9 * problems[place].sum()}
    many = sorted(drawn - clear)
    found = {place: mean_above_zero(e) for place, e in enumerate(problems) if place not in drawn}
    found |= {place: (1 + _without_minus(problems[place].size)) / (1 + FLIPS) for place in clear}
    for size in sorted({problems[place].size for place in many}):
        own = [place for place in many if problems[place].size == size]
        columns = np.sort([problems[place] for place in own], axis=1).T  # (size, problems)
        least = columns.sum(axis=0) - 1e-9 * np.abs(columns).sum(axis=0)
        extreme = sum((part @ columns >= least).sum(axis=0) for part in _patterns(size))
        found |= dict(zip(own, ((1 + extreme) / (1 + FLIPS)).tolist(), strict=True))
    return [found[place] for place in range(len(problems))]


def paired_t(e: Array) -> float:
    """One-sided p of Student's test; without any spread it is 0 or 1 by the sign."""
    mean, sd = float(e.mean()), float(e.std(ddof=1))
    if sd <= ROUNDING * abs(mean):
        return 0.0 if mean > 0 else 1.0
    return float(stdtr(e.size - 1, -mean / sd * np.sqrt(e.size)))


def sign_flip(e: Array, generator: np.random.Generator | None = None) -> float:
    """One-sided p: the share of all 2^n sign patterns whose sum is at least the observed one.

    Exact to `EXACT_BLOCKS` values by meeting in the middle (the sums of both halves, one of them sorted); beyond, of
    `FLIPS` random patterns and the observed one, the values sorted, so that their order changes no draw.
    """
    e = np.sort(e)
    total, slack = e.sum(), 1e-9 * np.abs(e).sum()
    if e.size > EXACT_BLOCKS:
        patterns = _patterns(e.size) if generator is None else _drawn(generator, e.size)
        extreme = sum(np.count_nonzero(part @ e >= total - slack) for part in patterns)
        return float((1 + extreme) / (1 + FLIPS))
    left, right = _signed_sums(e[: e.size // 2]), np.sort(_signed_sums(e[e.size // 2 :]))
    at_least = right.size - np.searchsorted(right, total - slack - left)
    return float(at_least.sum() / 2.0**e.size)


@lru_cache(maxsize=2)
def _patterns(blocks: int) -> list[Array]:
    """The patterns of the fixed seed: drawn once for all tests of as many blocks."""
    return _drawn(np.random.default_rng(_SEED), blocks)


@lru_cache(maxsize=2)
def _without_minus(blocks: int) -> int:
    """How many of the patterns of the fixed seed flip nothing."""
    return sum(int((part > 0).all(axis=1).sum()) for part in _patterns(blocks))


def _drawn(generator: np.random.Generator, blocks: int) -> list[Array]:
    parts = (generator.integers(2, size=(FLIPS // 20, blocks), dtype=np.int8) for _ in range(20))
    return [2 * part.astype(np.float64) - 1 for part in parts]


def _signed_sums(e: Array) -> Array:
    sums = np.zeros(1)
    for value in e:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def sign_test(wins: int, blocks: int) -> float:
    """Exact one-sided p of at least `wins` in `blocks` fair coin tosses: ties and losses both count against."""
    return float(bdtrc(wins - 1, blocks, 0.5)) if wins else 1.0


@lru_cache(maxsize=4096)
def _noncentrality(blocks: int, alpha: float, power: float) -> float:
    """Mean / standard error at which the one-sided t test rejects with this power."""
    return float(nctdtrinc(blocks - 1, 1 - power, stdtrit(blocks - 1, 1 - alpha)))


def detectable_mean(sd: float, blocks: int, alpha: float = 0.05, power: float = POWER) -> float:
    """Smallest mean that the one-sided paired t test sees with this power, for differences of spread `sd`."""
    return _noncentrality(blocks, alpha, power) * sd / float(np.sqrt(blocks))


def blocks_needed(mean: float, sd: float, alpha: float = 0.05, power: float = POWER) -> int | None:
    """Fewest blocks with which a mean > 0 is detectable; None where even `MOST_BLOCKS` are too few."""
    if mean <= 0 or detectable_mean(sd, MOST_BLOCKS, alpha, power) > mean:
        return None
    low, high = 1, MOST_BLOCKS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable_mean(sd, middle, alpha, power) <= mean else (middle, high)
    return high
