"""Nearest-neighbour measures in feature space: precision and recall, density and coverage, and their clipped kin.

Around each item lies a ball that reaches to its k-th nearest neighbour in its own set.

Precision, recall (Kynkaanniemi et al. 2019, arXiv:1904.06991, k = 3): the share of generated items inside any real ball, and of
real items inside any generated ball. Equal to torch-fidelity's (tested), which holds N x N distances or computes them twice.
Density, coverage (Naeem et al. 2020, arXiv:2002.09797, k = 5): the mean number of real balls around a generated item, divided
by k (may exceed 1), and the share of real balls that hold a generated item. Equal to their authors' package (tested).
Clipped density, clipped coverage (arXiv:2507.01761, k = 5): see `clipped.py`.
Higher is better for all six. One pass over the real set, once; one over each generated set; one between the two, which serves
all measures. Distances are held by tiles: beside the features, memory grows with N, not with its square.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paragone.bench.metrics.clipped import clip_squared, clipped_share, share_of_good
from paragone.bench.metrics.distances import nearest_others, squared_tiles
from paragone.bench.metrics.errors import need

PRECISION_NEIGHBOURS = 3
COVERAGE_NEIGHBOURS = 5


class Neighbours(NamedTuple):
    """The six measures; density is >= 0, the others lie in [0, 1]."""

    precision: float
    recall: float
    density: float
    coverage: float
    clipped_density: float
    clipped_coverage: float


class RealBalls:
    """The balls of the real features (M, D), M > k, prepared once: what every generated set is measured against.

    Raises:
        NotMeasurable: there are too few real items.
    """

    def __init__(
        self, real: NDArray[np.floating], precision_k: int = PRECISION_NEIGHBOURS, coverage_k: int = COVERAGE_NEIGHBOURS
    ) -> None:
        self._real, self._precision_k, self._k = real, precision_k, coverage_k
        need(len(real), max(precision_k, coverage_k) + 1, "real items")
        squared, index = nearest_others(real, max(precision_k, coverage_k))
        self._precision_reach = squared[:, precision_k - 1]  # (M,), squared as all that follow
        self._reach = squared[:, coverage_k - 1]
        self._clipped_reach = torch.from_numpy(clip_squared(self._reach.numpy()))
        around = index[:, :coverage_k][squared[:, :coverage_k] <= self._clipped_reach[:, None]]
        self._own_density = clipped_share(np.bincount(around.numpy(), minlength=len(real)), coverage_k)

    def measure(self, generated: NDArray[np.floating]) -> Neighbours:
        """All six measures of generated features (N, D).

        Raises:
            NotMeasurable: there are too few generated items to have balls of their own.
        """
        need(len(generated), self._precision_k + 1, "items")
        counts = self._count(generated, nearest_others(generated, self._precision_k).squared[:, -1])
        return Neighbours(
            precision=float(counts.in_real_ball.double().mean()),
            recall=float(counts.in_generated_ball.double().mean()),
            density=float(counts.held.sum()) / (self._k * len(generated)),
            coverage=float((counts.held > 0).double().mean()),
            clipped_density=min(1.0, clipped_share(counts.around.numpy(), self._k) / self._own_density),
            clipped_coverage=share_of_good(clipped_share(counts.held.numpy(), self._k), len(self._real), len(generated), self._k),
        )

    def _count(self, generated: NDArray[np.floating], generated_reach: Tensor) -> "_Counts":
        """The pass between the two sets."""
        counts = _Counts.zero(len(generated), len(self._real))
        for rows, columns, squared in squared_tiles(generated, self._real):
            inside = squared < self._reach[columns]  # (rows, columns): a generated item in a real ball
            counts.held[columns] += inside.sum(0)
            counts.around[rows] += (squared <= self._clipped_reach[columns]).sum(1)
            counts.in_real_ball[rows] |= (squared <= self._precision_reach[columns]).any(1)
            counts.in_generated_ball[columns] |= (squared <= generated_reach[rows, None]).any(0)
        return counts


class _Counts(NamedTuple):
    """What the pass adds up, of N generated and M real items."""

    held: Tensor  # (M,) generated items in each real ball
    around: Tensor  # (N,) clipped real balls around each generated item
    in_real_ball: Tensor  # (N,) within reach of a real item, for precision
    in_generated_ball: Tensor  # (M,) within reach of a generated item, for recall

    @classmethod
    def zero(cls, generated: int, real: int) -> "_Counts":
        """Nothing counted yet."""
        counted = (torch.zeros(n, dtype=torch.int64) for n in (real, generated))
        seen = (torch.zeros(n, dtype=torch.bool) for n in (generated, real))
        return cls(*counted, *seen)
