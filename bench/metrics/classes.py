"""Classes: do generated images fall into them as real ones do, and how varied are those that were asked for one class?"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from paragone.bench.data.dataset import Labels
from paragone.bench.metrics.errors import need
from paragone.bench.metrics.neighbours import COVERAGE_NEIGHBOURS, RealBalls

Array = NDArray[np.float64]


def class_balance(generated_scores: NDArray[np.float64], real_scores: NDArray[np.float64]) -> float:
    """1 - total variation between the classes of generated and of real items, in [0, 1]; higher is better.

    Both sides are classified by the same head, scores (N, classes) and (M, classes): its errors enter both alike.
    """
    need(min(len(generated_scores), len(real_scores)), 1, "items")
    generated, real = _shares(generated_scores), _shares(real_scores)
    return 1.0 - 0.5 * float(np.abs(generated - real).sum())


def _shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share (classes,) of items whose highest score is each class's."""
    return np.bincount(scores.argmax(1), minlength=scores.shape[1]) / len(scores)


class ClassJudge:
    """Variety within each class against that of the real features (M, D) and their labels (M,), class by class."""

    def __init__(self, real: Array, labels: Labels) -> None:
        self._real = {int(label): real[labels == label] for label in np.unique(labels)}

    def coverage(self, generated: Array, wanted: Labels) -> float:
        """Mean over classes of the coverage (k = 5) of real items of a class by the items that were asked for it, in [0, 1].

        Raises:
            NotMeasurable: a class has too few items, real or generated.
        """
        return float(np.mean([RealBalls(real).measure(own).coverage for real, own in self._pairs(generated, wanted)]))

    def spread(self, generated: Array, wanted: Labels) -> float:
        """Geometric mean over classes of the mean distance of two items asked for one class, over that of two real ones.

        Raises:
            NotMeasurable: a class has too few items, real or generated.
        """
        ratios = [pdist(own).mean() / pdist(real).mean() for real, own in self._pairs(generated, wanted)]
        return float(np.exp(np.mean(np.log(np.maximum(ratios, np.finfo(float).tiny)))))

    def _pairs(self, generated: Array, wanted: Labels) -> Iterator[tuple[Array, Array]]:
        for label, real in self._real.items():
            own = generated[wanted == label]
            need(min(len(own), len(real)), COVERAGE_NEIGHBOURS + 1, f"items of class {label}")
            yield real, own
