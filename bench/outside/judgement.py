"""What is said of sample sets: numbers, intervals, ranks, and the memorisation gate's answers. Read without torch."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paragone.bench.judge.gate import Gate
from paragone.bench.records import REFERENCE, Measurement, Record

INTERVALS = (
    "Intervals (95 %) cover the draw of the samples{reference}, not the training of the model: for that, judge samples of "
    "several trainings."
)


@dataclass(frozen=True)
class Judged:
    """One row: a sample set or a reference.

    Attributes:
        rank: rank, and the lowest and highest that it may truly be; None for references and for what is not ranked.
        status: `ok`, `below hopeless`, `memorised`, or why there is no FID.
        limits: metric -> 95 % limits, for the metrics that have them.
        levels: (N, C, H, W) uint8, what was judged.
        how: how the file's values became levels; empty for a reference.
    """

    record: Record
    rank: tuple[int, int, int] | None
    status: str
    gate: Gate
    limits: dict[str, tuple[float, float]]
    levels: NDArray[np.uint8] = field(repr=False)
    path: Path | None = None
    how: str = ""

    @property
    def name(self) -> str:
        """The set's or the reference's name."""
        return self.record.cell.contender

    @property
    def reference(self) -> bool:
        """True for the rows that compete with nobody."""
        return self.record.family == REFERENCE

    def measurement(self, metric: str) -> Measurement | None:
        """What was measured under this name."""
        return next((m for m in self.record.measurements if m.metric == metric), None)


@dataclass(frozen=True)
class Judgement:
    """All rows, the best set first and the references last; `n` is the number of samples of each set that was judged."""

    dataset: str
    level_count: int
    n: int
    rows: tuple[Judged, ...]
    notes: tuple[str, ...]

    @property
    def sets(self) -> tuple[Judged, ...]:
        """The rows that are sample sets, best first."""
        return tuple(row for row in self.rows if not row.reference)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that was measured, in the panel's order."""
        return tuple(dict.fromkeys(m.metric for row in self.rows for m in row.record.measurements))
