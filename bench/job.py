"""One cell as its process gets it, and how that process tells what it finds.

All draws of a cell come from its seed: `seed_of` splits it into one stream a purpose, the same streams for every contender and
every variant, so that what two cells of a seed share (order of the data, noise of sampling) they share exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from paragone.bench.budget import Meter
from paragone.bench.data.dataset import Items, Labels
from paragone.bench.metrics.modalities import REFERENCES, primary
from paragone.bench.records import Cell, Measurement
from paragone.bench.suite import EvaluationKeys, TrainingKeys
from paragone.bench.variants import learning_rate_factor


@dataclass(frozen=True)
class Job:
    """One cell with all that its process needs to know.

    `position` is its place in the suite's shuffled order; `data` is a dataset's name or the path of the user's own; samplers
    in `unlimited` are judged whatever it costs. `labelled` says that samples are asked for classes.
    `sweep` says that the suite varies learning rates: the noise of an evaluation is
    then measured, and the likelihood at the end only. `twin` is the peak memory of the empty twin by phase, in bytes.
    """

    cell: Cell
    position: int
    data: str
    add: tuple[str, ...]
    budget: str
    parameters: int
    evaluation: EvaluationKeys
    judged: tuple[str, ...]
    timed: tuple[str, ...]
    curve: str
    unlimited: tuple[str, ...]
    sweep: bool
    device: str
    threads: int
    modality: str = "image"
    labelled: bool = False
    training: TrainingKeys = field(default_factory=TrainingKeys)
    twin: dict[str, float] = field(default_factory=dict)

    @property
    def is_reference(self) -> bool:
        """True for a row that competes with nobody."""
        return self.cell.contender in REFERENCES

    @property
    def primary(self) -> str:
        """The metric that ranks, and that curves follow."""
        return primary(self.modality)

    @property
    def learning_rate_factor(self) -> float:
        """By which the contender multiplies every learning rate."""
        return learning_rate_factor(self.cell.variant)

    @property
    def is_base(self) -> bool:
        """False for a variant whose learning rates are not the contender's own: only its curve is measured."""
        return self.learning_rate_factor == 1.0


class Reporter(Protocol):
    """Where a cell tells what it is doing and what it found."""

    def phase(self, name: str) -> None:
        """The cell enters a phase: data, build, train, evaluate, sample, measure, probe."""

    def heartbeat(self, meter: Meter) -> None:
        """Training goes on."""

    def facts(self, **facts: Any) -> None:
        """Facts of the record: width, flags, audit."""

    def measurements(self, found: Sequence[Measurement]) -> None:
        """Numbers found."""

    def samples(self, sampler: str, items: Items, wanted: Labels | None = None) -> None:
        """The samples that are judged, (N, *shape), and the classes that they were asked for, (N,)."""


def seed_of(seed: int, purpose: str) -> int:
    """The seed of one stream of draws in a cell: independent streams, the same for every contender."""
    words = [seed, *purpose.encode()]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
