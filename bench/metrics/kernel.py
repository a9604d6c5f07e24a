"""Kernel distance between two sets of features (KID: Binkowski et al. 2018, arXiv:1801.01401), kernel from torch-fidelity.

Unbiased estimate of the squared maximum mean discrepancy with k(x, y) = (x.y / D + 1)^3:

    KID = sum_{i != j} k(x_i, x_j) / (n (n - 1)) + sum_{i != j} k(y_i, y_j) / (m (m - 1)) - 2 sum_{ij} k(x_i, y_j) / (n m)

taken once over all items. torch-fidelity's own loop draws equal subsets of both sets; for equal sets taken whole it gives the
same number (tested). Lower is better, no unit; its mean is 0 for two draws from one distribution, so it may be negative.
"""

import numpy as np
from numpy.typing import NDArray

from paragone.bench.metrics.errors import need

BLOCK = 1000
"""Rows of the kernel matrix held at once: at most BLOCK x N x 8 bytes."""


def kernel_distance(generated: NDArray[np.float64], real: NDArray[np.float64], real_mean: float | None = None) -> float:
    """KID of features (N, D) against (M, D); `real_mean` is `mean_kernel(real)` where it is already known."""
    need(min(len(generated), len(real)), 2, "items")
    across = _kernel_sum(generated, real) / (len(generated) * len(real))
    return mean_kernel(generated) + (mean_kernel(real) if real_mean is None else real_mean) - 2.0 * across


def mean_kernel(features: NDArray[np.float64]) -> float:
    """Mean of k over all pairs of different items of (N, D)."""
    from torch_fidelity.metric_kid import kernel_poly

    n = len(features)
    own = sum(float(kernel_poly(row[None], row[None])[0, 0]) for row in features)
    return (_kernel_sum(features, features) - own) / (n * (n - 1))


def _kernel_sum(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    from torch_fidelity.metric_kid import kernel_poly

    return sum(float(kernel_poly(one[start : start + BLOCK], two).sum()) for start in range(0, len(one), BLOCK))
