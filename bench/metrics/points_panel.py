"""Quality of points whose density is known: distance to the test split, and what the density itself says of them."""

import numpy as np

from paragone.bench.data.dataset import Items, Labels
from paragone.bench.data.points import PointsDataset
from paragone.bench.metrics.energy import Reference
from paragone.bench.metrics.memorisation import copied_share
from paragone.bench.metrics.modes import found_modes, high_quality_share, mode_divergence
from paragone.bench.metrics.panel import Measure, QualityPanel, measured
from paragone.bench.records import Measurement


class PointsPanel(QualityPanel):
    """The measures of points (N, 2) drawn from a known mixture."""

    def __init__(self, dataset: PointsDataset) -> None:
        self.dataset = dataset
        self._test, self._validation = Reference(dataset.test.items), Reference(dataset.validation.items)

    def measure(self, items: Items, sampler: str, seed: int, full: bool = True, wanted: Labels | None = None) -> list[Measurement]:
        """As every panel's; the points may lie anywhere."""
        if items.ndim != 2 or items.shape[1:] != self.dataset.train.items.shape[1:] or not len(items):
            raise ValueError(f"samples have shape {items.shape}; expected (N, {self.dataset.train.items.shape[1]}), N >= 1")
        if not np.isfinite(items).all():
            raise ValueError("samples hold values that are not finite")
        x, mixture = items.astype(np.float64), self.dataset.mixture
        measures: dict[str, Measure] = {
            "energy_distance": lambda: self._test.distance(x),
            "validation_energy_distance": lambda: self._validation.distance(x),
        }
        if full:
            measures |= {
                "modes": lambda: float(found_modes(x, mixture)),
                "high_quality_share": lambda: high_quality_share(x, mixture),
                "mode_divergence": lambda: mode_divergence(x, mixture),
                "copied_share": lambda: copied_share(items, self.dataset.train.items),
            }
        return [measured(name, measure, sampler, len(items)) for name, measure in measures.items()]
