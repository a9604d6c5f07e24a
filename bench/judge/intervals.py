"""Intervals and the centres they belong to: pure functions of arrays.

Convention: replicates lie on the last axis; every axis before it is a problem of its own, answered in the same call.

    below 20 replicates   mean                 Student's t
    from 20 on            interquartile mean   bootstrap, bias-corrected and accelerated (BCa)
    shares                k / n                Clopper-Pearson

The interquartile mean (Agarwal et al. 2021, arXiv:2108.13264) ignores the outer quarters and so a few wrecked runs; below 20
replicates the bootstrap has too few values to draw from
(at 5 its 95 % interval of the mean covers in 84 % of simulated cases, t in 95 %).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtr, ndtri, stdtrit

Array = NDArray[np.float64]
Estimator = Callable[[Array], Array]
"""Maps (..., n) to (...)."""
Scale = Literal["log", "identity"]

MANY_BLOCKS = 20
"""From this many replicates on: interquartile mean and bootstrap instead of mean and t."""
RESAMPLES = 4000
_SEED = 20_240_607


class Interval(NamedTuple):
    """An estimate and the limits of its interval; arrays of the leading axes' shape, floats for a single problem."""

    value: float
    low: float
    high: float


def interquartile_mean(x: Array) -> Array:
    """Mean of the middle half of (..., n): n // 4 values are dropped at each end."""
    drop = x.shape[-1] // 4
    return np.asarray(np.sort(x, axis=-1)[..., drop : x.shape[-1] - drop].mean(axis=-1))


def t_limits(x: ArrayLike, level: float = 0.95) -> tuple[Array, Array, Array]:
    """Mean and limits of Student's interval for (..., n), n >= 2."""
    values = np.asarray(x, dtype=float)
    n = values.shape[-1]
    centre = values.mean(axis=-1)
    half = stdtrit(n - 1, 0.5 + level / 2) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return centre, centre - half, centre + half


def bca_limits(
    x: ArrayLike,
    level: float = 0.95,
    estimator: Estimator = interquartile_mean,
    generator: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> tuple[Array, Array, Array]:
    """Estimate and BCa limits for (..., n) (Efron 1987, eqs. 2.3, 6.6); `generator` defaults to one of a fixed seed.

    Values are sorted first: the same draws then hit the same values in whatever order the replicates come.
    """
    values = np.sort(np.asarray(x, dtype=float), axis=-1)
    estimate = np.asarray(estimator(values))
    size = (resamples, values.shape[-1])
    picks = _picks(size) if generator is None else generator.integers(size[1], size=size)
    replicates = np.sort(estimator(values[..., picks]), axis=-1)  # (..., resamples)
    below = (replicates < estimate[..., None]).mean(axis=-1) + (replicates == estimate[..., None]).mean(axis=-1) / 2
    bias = ndtri(np.clip(below, 0.5 / resamples, 1 - 0.5 / resamples))
    acceleration = _acceleration(values, estimator)
    limits = []
    for quantile in (0.5 - level / 2, 0.5 + level / 2):
        shifted = bias + ndtri(quantile)
        share = ndtr(bias + shifted / (1 - acceleration * shifted))
        index = np.clip(np.floor(share * (resamples - 1) + 0.5).astype(int), 0, resamples - 1)
        limits.append(np.take_along_axis(replicates, index[..., None], axis=-1)[..., 0])
    return estimate, limits[0], limits[1]


@lru_cache(maxsize=8)
def _picks(size: tuple[int, int]) -> NDArray[np.int64]:
    """Replicates of the fixed seed: drawn once for all problems of a size."""
    return np.random.default_rng(_SEED).integers(size[1], size=size)


def _acceleration(values: Array, estimator: Estimator) -> Array:
    """Skewness of the estimate's leave-one-out values / 6, (...); 0 where they are all equal."""
    n = values.shape[-1]
    kept = np.array([[j for j in range(n) if j != i] for i in range(n)])  # (n, n - 1)
    influence = estimator(values[..., kept])  # (..., n)
    influence = influence.mean(axis=-1, keepdims=True) - influence
    spread = (influence**2).sum(axis=-1) ** 1.5
    return np.asarray((influence**3).sum(axis=-1) / (6 * np.where(spread > 0, spread, 1.0)))


def centre(x: ArrayLike, scale: Scale = "identity", level: float = 0.95) -> Interval:
    """Mean and t interval of n >= 1 values, interquartile mean and BCa from 20 on; on `log` geometric and multiplicative.

    One value alone has no interval: its limits are NaN. No value at all: everything is NaN.

    Raises:
        ValueError: a value that is not positive, on the log scale.
    """
    values = np.asarray(x, dtype=float)
    if scale == "log":
        if (values <= 0).any():
            raise ValueError(f"{values[values <= 0][0]:g} has no logarithm: a value on a log scale must be positive")
        return Interval(*(float(np.exp(limit)) for limit in centre(np.log(values), level=level)))
    if values.size < 2:
        return Interval(float(values[0]) if values.size else np.nan, np.nan, np.nan)
    limits = bca_limits(values, level) if values.size >= MANY_BLOCKS else t_limits(values, level)
    return Interval(*(float(limit) for limit in limits))


def middle(x: ArrayLike, scale: Scale = "identity") -> float:
    """The value of `centre` alone, without the work of its interval."""
    values = np.asarray(x, dtype=float)
    if scale == "log":
        return float(np.exp(middle(np.log(values))))
    if values.size < 2:
        return float(values[0]) if values.size else np.nan
    return float(interquartile_mean(values) if values.size >= MANY_BLOCKS else values.mean())


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact limits of a share (Clopper and Pearson 1934): 0 of 5 is [0, .52], not "never"."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n} is no share: give 0 <= successes <= n and n > 0")
    tail = (1 - level) / 2
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return low, high
