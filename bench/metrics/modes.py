"""Which modes of a known mixture do generated points find, and how evenly?

A point is of high quality where it lies within 3 standard deviations of the nearest mean, which in the plane real points do with
probability 1 - exp(-9/2) = .989. A mode is found where at least 20 such points lie at it (Srivastava et al. 2017,
arXiv:1705.07761, and Lin et al. 2018, arXiv:1712.04086, section 4.1, count a mode from one point on, which stray points reach).
"""

import numpy as np
from numpy.typing import NDArray

from paragone.bench.data.mixture import Mixture, Points
from paragone.bench.metrics.errors import NotMeasurable

RADIUS = 3.0
LEAST = 20


def found_modes(x: Points, mixture: Mixture) -> int:
    """Number of modes at which at least `LEAST` of the points (N, 2) are of high quality; higher is better."""
    return int((_at_modes(x, mixture) >= LEAST).sum())


def high_quality_share(x: Points, mixture: Mixture) -> float:
    """Share of the points (N, 2) within 3 standard deviations of a mean; real's is .989."""
    return float(_at_modes(x, mixture).sum()) / len(x)


def mode_divergence(x: Points, mixture: Mixture) -> float:
    """KL divergence in nats of the high-quality points' shares among the modes from equal shares; 0 is even, log K one mode.

    The reverse KL of the papers above.

    Raises:
        NotMeasurable: no point is of high quality.
    """
    counts = _at_modes(x, mixture)
    if not counts.any():
        raise NotMeasurable("no point lies within 3 standard deviations of a mean")
    shares = counts[counts > 0] / counts.sum()
    return float((shares * np.log(shares * len(counts))).sum())


def _at_modes(x: Points, mixture: Mixture) -> NDArray[np.intp]:
    """Points of high quality at each mode, (K,)."""
    index, distance = mixture.nearest(x)
    return np.bincount(index[distance <= RADIUS], minlength=len(mixture.means))
