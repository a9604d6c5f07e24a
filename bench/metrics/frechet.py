"""Frechet distance between two sets of features (FID: Heusel et al. 2017, arXiv:1706.08500, eq. 6), through torch-fidelity.

    d = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))

m and S are the sets' mean and covariance. Lower is better, no unit. d depends on the number of items in both sets.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from paragone.bench.metrics.errors import NotMeasurable, need

FLOOR_SUBSETS = 10
ROUNDING = 1e-6
"""Distances below this share of the sum of traces are rounding: the sets are one and the same."""


def statistics(features: NDArray[np.float64]) -> dict[str, Any]:
    """Mean `mu` (D,) and covariance `sigma` (D, D) of features (N, D), N >= 2."""
    from torch_fidelity.metric_fid import fid_features_to_statistics

    need(len(features), 2, "items")
    stats: dict[str, Any] = fid_features_to_statistics(torch.from_numpy(features))
    return stats


def frechet_distance(one: dict[str, Any], two: dict[str, Any]) -> float:
    """FID between two `statistics`; lower is better.

    Raises:
        NotMeasurable: the distance is zero within rounding, which has no logarithm: a set was held against itself.
    """
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    distance = float(fid_statistics_to_metric(one, two, verbose=False)[KEY_METRIC_FID])
    if distance <= ROUNDING * float(np.trace(one["sigma"]) + np.trace(two["sigma"])):
        raise NotMeasurable(f"zero within rounding ({distance:.1e}): the reference itself was judged")
    return distance


def floor_distances(features: NDArray[np.float64], reference: dict[str, Any], n_floor: int, seed: int) -> tuple[float, ...]:
    """FID of 10 subsets of `n_floor` of the features (N, D), drawn without replacement by a generator with `seed`.

    Their mean is what held-out real, which has only `n_floor` items, is compared with; lower is better.
    """
    need(len(features), n_floor, "items for a subset as large as held-out real")
    draws = np.random.default_rng(seed)
    chosen = [draws.permutation(len(features))[:n_floor] for _ in range(FLOOR_SUBSETS)]
    return tuple(frechet_distance(statistics(features[index]), reference) for index in chosen)
