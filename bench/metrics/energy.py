"""Energy distance between two sets of points (Szekely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018).

    D = 2 E|X - Y| - E|X - X'| - E|Y - Y'|

in Euclidean norm, estimated without bias (no point is paired with itself): around 0 for equal distributions, where it may be
negative, and 0 only there. scipy's is of one dimension.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from paragone.bench.metrics.errors import need

BLOCK = 500
"""Points of a set that are held against all others at once: bounds the memory."""


class Reference:
    """A real set (M, D), M >= 2, whose own mean distance is computed once."""

    def __init__(self, real: NDArray[np.floating]) -> None:
        self._real = real.astype(np.float64)
        self._own = mean_distance(self._real)

    def distance(self, x: NDArray[np.floating]) -> float:
        """Energy distance of x (N, D), N >= 2; lower is better.

        Raises:
            NotMeasurable: there are fewer than two points.
        """
        need(len(x), 2, "points")
        points = x.astype(np.float64)
        return 2 * _total(points, self._real) / (len(points) * len(self._real)) - mean_distance(points) - self._own


def mean_distance(x: NDArray[np.float64]) -> float:
    """Mean distance of two different points of x (N, D)."""
    return _total(x, x) / (len(x) * (len(x) - 1))


def _total(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Sum of all distances between x (N, D) and y (M, D)."""
    return sum(float(cdist(x[start : start + BLOCK], y).sum()) for start in range(0, len(x), BLOCK))
