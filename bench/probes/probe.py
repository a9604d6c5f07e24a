"""What a probe is: a question put to a trained contender, whose answers are metrics of the contender and of no sampler.

A probe applies to a contender by the abilities and samplers that its class offers, and by nothing else. What it cannot answer is a
measurement without value whose source says why; one that raises costs its own metrics alone, never the cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from paragone.bench.data.dataset import Dataset, Items, Levels, Split
from paragone.bench.job import seed_of
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.features import Features
from paragone.bench.metrics.image_panel import ImagePanel
from paragone.bench.metrics.panel import QualityPanel
from paragone.bench.metrics.table import METRICS
from paragone.bench.records import Measurement
from paragone.models import Contender

BATCH = 250
"""Items that are encoded or decoded in one call."""


@dataclass(frozen=True)
class Finding:
    """An answer: the value, what it was computed on (`n` items) and how, and the raw repeats that it summarises."""

    value: float
    source: str
    n: int | None = None
    repeats: tuple[float, ...] = ()


Measures = Mapping[str, Callable[[], Finding]]
"""Metric to what gives its value; raising `NotMeasurable` leaves it without one, with the message as the reason."""


@dataclass(frozen=True)
class Asked:
    """What every probe gets: data, device, and the cell's seed, from which each draws by a purpose of its own."""

    dataset: Dataset
    device: torch.device
    seed: int

    def numpy_draws(self, purpose: str) -> np.random.Generator:
        """A generator of numpy's for one purpose, the same each time."""
        return np.random.default_rng(seed_of(self.seed, f"probe {purpose}"))

    def torch_draws(self, purpose: str) -> torch.Generator:
        """A generator of torch's on the device for one purpose, the same each time."""
        return torch.Generator(self.device).manual_seed(seed_of(self.seed, f"probe {purpose}"))


@dataclass(frozen=True)
class Subject(Asked):
    """A trained contender, the width it was built at, and the panel whose frozen encoder sees for the probes."""

    contender: Contender
    width: int
    panel: QualityPanel

    def unit(self, split: Split) -> Tensor:
        """The split's items (N, *shape) as contenders see them: float32 in [-1, 1], on the device."""
        return torch.from_numpy(self.dataset.to_unit(split.items)).to(self.device)

    def items(self, x: Tensor) -> Items:
        """What the contender gives (n, *shape) in the form in which samples are judged: rounded to the data's levels."""
        return self.dataset.to_items(x.cpu().numpy())

    def features(self, levels: Levels) -> Features:
        """What the frozen encoder sees in images (n, C, H, W)."""
        if not isinstance(self.panel, ImagePanel):
            raise NotMeasurable("only images have a frozen encoder")
        return self.panel.features(levels)

    def encode(self, x: Tensor) -> Tensor:
        """Codes of items (N, *shape), in batches."""
        return torch.cat([self.contender.encode(part) for part in x.split(BATCH)])

    def decode(self, z: Tensor) -> Tensor:
        """Items (N, *shape) of codes, in batches."""
        return torch.cat([self.contender.decode(part) for part in z.split(BATCH)])

    def needs(self, ability: str) -> None:
        """Raise `NotMeasurable` unless the contender offers the ability."""
        if ability not in self.contender.abilities():
            raise NotMeasurable(f"the contender does not offer {ability}")


A = TypeVar("A", bound=Asked)


@dataclass(frozen=True)
class Probe(Generic[A]):
    """One probe: the metrics it answers, the classes it applies to, the measures, and the data it can ask on.

    It applies to classes by their abilities and, where it names any, by the samplers that they must have.
    """

    metrics: tuple[str, ...]
    applies: Callable[[frozenset[str]], bool]
    measures: Callable[[A], Measures]
    modalities: tuple[str, ...] = ("image",)
    samplers: tuple[str, ...] = ()

    def run(self, asked: A) -> list[Measurement]:
        """One measurement a metric, each with its value or the reason why there is none."""
        try:
            measures = self.measures(asked)
        except Exception as error:  # a contender may raise anything, and a probe must not cost its cell
            return [_without(metric, error) for metric in self.metrics]
        return [_measurement(metric, measures[metric]) for metric in self.metrics]


def _measurement(metric: str, measure: Callable[[], Finding]) -> Measurement:
    try:
        found = measure()
    except Exception as error:  # as above
        return _without(metric, error)
    if not np.isfinite([found.value, *found.repeats]).all():
        return _without(metric, NotMeasurable(f"not finite ({found.value})"))
    return Measurement(
        metric=metric,
        value=float(found.value),
        unit=METRICS[metric].unit,
        source=found.source,
        n=found.n,
        repeats=tuple(map(float, found.repeats)),
    )


def _without(metric: str, error: Exception) -> Measurement:
    words = " ".join(str(error).split())[:200]
    reason = words if isinstance(error, NotMeasurable) else f"{type(error).__name__}: {words}"
    return Measurement(metric=metric, value=None, unit=METRICS[metric].unit, source=reason)
