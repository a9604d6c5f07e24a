"""Frechet distance between two sets of features (FID: Heusel et al. 2017, arXiv:1706.08500, eq. 6), through torch-fidelity.

    d = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))

m and S are the sets' mean and covariance. Lower is better, no unit. d depends on the number of items in both sets.

One set against many others (resampled ones) has a way of its own: the root's trace is that of the symmetric S1^(1/2) S2 S1^(1/2),
whose eigenvalues are those of S1 S2, and which libraries solve for all S2 in one call. Equal to torch-fidelity's (tested).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from paragone.bench.metrics.errors import NotMeasurable, need

Statistics = dict[str, Any]
"""torch-fidelity's own: `mu` (D,) and `sigma` (D, D)."""
FLOOR_SUBSETS = 10
ROUNDING = 1e-6
"""Distances below this share of the sum of traces are rounding: the sets are one and the same."""


class Gaussians(NamedTuple):
    """Means (B, D) and covariances (B, D, D) of B sets of features."""

    means: NDArray[np.float64]
    covariances: NDArray[np.float64]


def statistics(features: NDArray[np.float64]) -> Statistics:
    """Mean `mu` (D,) and covariance `sigma` (D, D) of features (N, D), N >= 2."""
    from torch_fidelity.metric_fid import fid_features_to_statistics

    need(len(features), 2, "items")
    stats: Statistics = fid_features_to_statistics(torch.from_numpy(features))
    return stats


def frechet_distance(one: Statistics, two: Statistics) -> float:
    """FID between two `statistics`; lower is better.

    Raises:
        NotMeasurable: the distance is zero within rounding, which has no logarithm: a set was held against itself.
    """
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    distance = float(fid_statistics_to_metric(one, two, verbose=False)[KEY_METRIC_FID])
    _refuse_zero(distance, float(np.trace(one["sigma"]) + np.trace(two["sigma"])))
    return distance


def frechet_distances(one: Statistics, many: Gaussians) -> NDArray[np.float64]:
    """FID (B,) between one set's `statistics` and many sets; lower is better.

    Raises:
        NotMeasurable: a distance is zero within rounding.
    """
    values, vectors = np.linalg.eigh(one["sigma"])
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T  # (D, D); rounding leaves eigenvalues of -1e-17
    shared = np.linalg.eigvalsh(root @ many.covariances @ root)  # (B, D)
    traces = np.trace(one["sigma"]) + np.trace(many.covariances, axis1=1, axis2=2)
    shifts = np.square(many.means - one["mu"]).sum(1)
    distances: NDArray[np.float64] = shifts + traces - 2.0 * np.sqrt(np.clip(shared, 0.0, None)).sum(1)
    nearest = int(np.argmin(distances / traces))
    _refuse_zero(float(distances[nearest]), float(traces[nearest]))
    return distances


def _refuse_zero(distance: float, traces: float) -> None:
    if distance <= ROUNDING * traces:
        raise NotMeasurable(f"zero within rounding ({distance:.1e}): the reference itself was judged")


def floor_distances(features: NDArray[np.float64], reference: Statistics, n_floor: int, seed: int) -> tuple[float, ...]:
    """FID of 10 subsets of `n_floor` of the features (N, D), drawn without replacement by a generator with `seed`.

    Their mean is what held-out real, which has only `n_floor` items, is compared with; lower is better.
    """
    need(len(features), n_floor, "items for a subset as large as held-out real")
    draws = np.random.default_rng(seed)
    chosen = [draws.permutation(len(features))[:n_floor] for _ in range(FLOOR_SUBSETS)]
    return tuple(frechet_distance(statistics(features[index]), reference) for index in chosen)
