"""Mixtures of round Gaussians of equal weight in the plane: data whose density is known.

The 25-grid and the ring of 8 of the literature on mode collapse (Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018,
arXiv:1712.04086, section 4.1), scaled so that each coordinate has variance 1, which is the scale that contenders see.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """`means` (K, 2) and the common standard deviation `sd` of K equally likely round Gaussians."""

    means: Points
    sd: float

    def draw(self, n: int, draws: np.random.Generator) -> Points:
        """n points (n, 2)."""
        chosen = draws.integers(len(self.means), size=n)
        points: Points = self.means[chosen] + draws.normal(0.0, self.sd, (n, 2))
        return points

    def log_density(self, x: Points) -> Points:
        """Natural logarithm of the density at x (N, 2), (N,)."""
        from scipy.special import logsumexp

        squares = ((x[:, None] - self.means) ** 2).sum(2) / self.sd**2  # (N, K)
        found: Points = logsumexp(-squares / 2, axis=1) - np.log(2 * np.pi * self.sd**2 * len(self.means))
        return found

    def nearest(self, x: Points) -> tuple[NDArray[np.intp], Points]:
        """Index of the nearest mean of each of x (N, 2), and the distance to it in standard deviations, both (N,)."""
        from scipy.spatial import cKDTree

        distance, index = cKDTree(self.means).query(x)
        return index, distance / self.sd


def grid25() -> Mixture:
    """25 Gaussians of standard deviation .05 at {-4, -2, 0, 2, 4}^2, scaled by 1 / 2.829 to variance 1."""
    side = np.arange(-4.0, 5.0, 2.0)
    return _unit_variance(np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2), 0.05)


def ring8() -> Mixture:
    """8 Gaussians of standard deviation .01 on the unit circle, scaled by 1 / .707 to variance 1."""
    angles = 2 * np.pi * np.arange(8) / 8
    return _unit_variance(np.stack([np.cos(angles), np.sin(angles)], -1), 0.01)


MIXTURES = {"grid25": grid25, "ring8": ring8}


def _unit_variance(means: Points, sd: float) -> Mixture:
    scale = float(np.sqrt((means**2).mean() + sd**2))
    return Mixture(means / scale, sd / scale)
