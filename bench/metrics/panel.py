"""All quality measures of a set of samples: the real side is prepared once a cell, each set of samples then costs little.

The real reference is the test split; held-out real is the validation split, judged like any entry. A measure that has no value on
a set of samples is a measurement without value whose `source` says why; it takes no other with it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from paragone.bench.data.dataset import Dataset, ImageDataset, Items, Labels
from paragone.bench.data.points import PointsDataset
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.table import METRICS
from paragone.bench.records import Measurement

Measure = Callable[[], float | tuple[float, ...]]
"""Gives a value, or repeats whose mean is the value."""


class QualityPanel(ABC):
    """The quality measures of one dataset; what does not depend on the samples is computed once."""

    @abstractmethod
    def measure(self, items: Items, sampler: str, seed: int, full: bool = True, wanted: Labels | None = None) -> list[Measurement]:
        """Measurements of samples in the form in which the dataset holds its items; `seed` draws subsets and folds.

        `full=False` gives the primary metric against test and validation only, for the learning curve. `wanted` (N,) are the
        classes that the samples were asked for, on labelled data.

        Raises:
            ValueError: samples that are not of this dataset's kind (non-finite floats are none).
        """


def quality_panel(dataset: Dataset) -> QualityPanel:
    """The panel of a dataset's modality."""
    if isinstance(dataset, ImageDataset):
        from paragone.bench.metrics.image_panel import ImagePanel

        return ImagePanel(dataset)
    if isinstance(dataset, PointsDataset):
        from paragone.bench.metrics.points_panel import PointsPanel

        return PointsPanel(dataset)
    raise TypeError(f"there are no quality measures for {type(dataset).__name__}")


def prepare_judging(dataset: Dataset) -> None:
    """Make, off every clock, what judging needs once for all cells: encoders that are neither shipped nor cached."""
    if isinstance(dataset, ImageDataset):
        from paragone.bench.metrics.encoder import prepare_encoders

        prepare_encoders(dataset)


def measured(name: str, measure: Measure, sampler: str, n: int) -> Measurement:
    """The measure's value, or no value and the reason in `source`."""
    metric = METRICS[name]
    value: float | None = None
    repeats: tuple[float, ...] = ()
    source = metric.source
    try:
        result = measure()
        mean = float(np.mean(result))
        if np.isfinite(mean):
            value, repeats = mean, result if isinstance(result, tuple) else ()
        else:
            source = f"not finite ({mean})"
    except (ValueError, ArithmeticError, RuntimeError, AssertionError) as error:  # numerical libraries raise all of these
        source = str(error) if isinstance(error, NotMeasurable) else f"{type(error).__name__}: {error}"
    return Measurement(metric=name, value=value, unit=metric.unit, source=source, sampler=sampler, repeats=repeats, n=n)
