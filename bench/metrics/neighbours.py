"""Nearest-neighbour measures in feature space: precision and recall, density and coverage.

Around each item lies a ball that reaches to its k-th nearest neighbour in its own set.

Precision, recall (Kynkaanniemi et al. 2019, arXiv:1904.06991, k = 3), through torch-fidelity: the share of generated items
inside any real ball, and of real items inside any generated ball.
Density, coverage (Naeem et al. 2020, arXiv:2002.09797, k = 5), own: the mean number of real balls around a generated item,
divided by k (may exceed 1), and the share of real balls that hold a generated item.
Higher is better for all four. Distances are computed in blocks: at most BLOCK x max(N, M) of 8 bytes at once, 80 MB at N = 10,000.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from paragone.bench.metrics.errors import need

PRECISION_NEIGHBOURS = 3
COVERAGE_NEIGHBOURS = 5
BLOCK = 1000


def precision_recall(
    generated: NDArray[np.float64], real: NDArray[np.float64], k: int = PRECISION_NEIGHBOURS
) -> tuple[float, float]:
    """Precision and recall in [0, 1] of features (N, D) against (M, D)."""
    from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

    need(min(len(generated), len(real)), k + 1, "items")
    one, two = torch.from_numpy(generated), torch.from_numpy(real)
    # save_cpu_ram is the library's way to work in blocks
    found = prc_features_to_metric(one, two, prc_neighborhood=k, prc_batch_size=BLOCK, save_cpu_ram=True, verbose=False)
    return float(found[KEY_METRIC_PRECISION]), float(found[KEY_METRIC_RECALL])


def radii(features: NDArray[np.float64], k: int = COVERAGE_NEIGHBOURS) -> NDArray[np.float64]:
    """Distance (N,) of each item of (N, D) to its k-th nearest neighbour among the others."""
    need(len(features), k + 1, "items")
    everything = torch.from_numpy(features)
    blocks = [torch.cdist(block, everything).kthvalue(k + 1).values for block in everything.split(BLOCK)]
    return torch.cat(blocks).numpy()


def density_coverage(
    generated: NDArray[np.float64], real: NDArray[np.float64], real_radii: NDArray[np.float64], k: int = COVERAGE_NEIGHBOURS
) -> tuple[float, float]:
    """Density (>= 0) and coverage in [0, 1] of features (N, D) against (M, D), whose `radii` (M,) come from the same k."""
    need(len(generated), 1, "items")
    centres, reach = torch.from_numpy(real), torch.from_numpy(real_radii)
    around = 0
    covered = torch.zeros(len(real), dtype=torch.bool)
    for block in torch.from_numpy(generated).split(BLOCK):
        inside = torch.cdist(block, centres) < reach  # (B, M)
        around += int(inside.sum())
        covered |= inside.any(0)
    return around / (k * len(generated)), float(covered.double().mean())
