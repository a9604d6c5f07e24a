"""FID under resampling: of the reference (how much hangs on its draw) and of the samples (what it would be with more of them).

Reference: the test split is itself a draw. FID of the SAME samples is taken against 200 bootstraps of the test split (items drawn
with replacement, as many as it has; Efron 1979). Their indices come from a seed that is the dataset's hash and nothing else, so
that the b-th bootstrap is the same for every entry, seed and run: two entries are compared bootstrap by bootstrap.

Samples: the expectation of FID falls with the number N of generated items as F + c / N (Chong and Forsyth 2020,
arXiv:1911.07023, section 3). FID of subsets of several sizes gives a least-squares line over 1 / N, and its value at 1 / N = 0 is
FID at infinite N. As there: 15 sizes, evenly spaced (theirs from 5,000 to 50,000); here from N / 5 to N, and the mean over 4
subsets of each size, because N is small. Only the generated side is extrapolated: the bias of a finite test split stays.
"""

import numpy as np
from numpy.typing import NDArray

from paragone.bench.data.dataset import Dataset
from paragone.bench.metrics.errors import NotMeasurable, need
from paragone.bench.metrics.frechet import Gaussians, Statistics, frechet_distances

BOOTSTRAPS = 200
SIZES = 15
SUBSETS = 4
SMALLEST_SHARE = 0.2
LEAST_ITEMS = 50
"""With fewer items the smallest subsets have fewer than ten, and a line in 1 / N is no description of them."""


def bootstrap_counts(dataset: Dataset) -> NDArray[np.int64]:
    """How often each test item is drawn in each bootstrap, (200, M); rows sum to M. Decided by the dataset alone."""
    m = len(dataset.test)
    draws = np.random.default_rng(int(dataset.hash, 16))
    return np.stack([np.bincount(draws.integers(m, size=m), minlength=m) for _ in range(BOOTSTRAPS)])


def bootstrap_gaussians(features: NDArray[np.float64], counts: NDArray[np.int64]) -> Gaussians:
    """Means and covariances of bootstraps of features (M, D), given by `counts` (B, M), as of the drawn items themselves."""
    m = len(features)
    need(m, 2, "items")
    means = counts @ features / m  # (B, D)
    covariances = np.empty((len(counts), features.shape[1], features.shape[1]))
    for b, (count, mean) in enumerate(zip(counts, means, strict=True)):
        drawn = count > 0
        centred = features[drawn] - mean
        covariances[b] = (centred * count[drawn, None]).T @ centred / (m - 1)
    return Gaussians(means, covariances)


def bootstrap_distances(own: Statistics, bootstraps: Gaussians) -> tuple[float, ...]:
    """FID of the samples' `statistics` against each bootstrap of the test split, in their common order; lower is better."""
    return tuple(frechet_distances(own, bootstraps).tolist())


def infinite_distance(features: NDArray[np.float64], reference: Statistics, seed: int) -> float:
    """FID of features (N, D) extrapolated to infinite N; lower is better. `seed` draws the subsets, without replacement.

    Raises:
        NotMeasurable: N is below 50, or the line meets 1 / N = 0 at or below zero, which no distance can reach.
    """
    n = len(features)
    need(n, LEAST_ITEMS, "items to extrapolate from")
    draws = np.random.default_rng(seed)
    sizes = np.repeat(np.linspace(SMALLEST_SHARE * n, n, SIZES).round().astype(int), SUBSETS)
    subsets = [features[draws.permutation(n)[:size]] for size in sizes]
    gaussians = Gaussians(np.stack([x.mean(0) for x in subsets]), np.stack([np.cov(x, rowvar=False) for x in subsets]))
    distance = float(np.polynomial.Polynomial.fit(1.0 / sizes, frechet_distances(reference, gaussians), 1)(0.0))
    if distance <= 0.0:
        raise NotMeasurable(f"the line in 1 / N meets infinity at {distance:.3g}, below any distance: too near to real for this N")
    return distance
