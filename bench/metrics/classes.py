"""Class balance: do the generated images fall into the classes as real ones do, by the frozen encoder's own head?"""

import numpy as np
from numpy.typing import NDArray

from paragone.bench.metrics.errors import need


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
