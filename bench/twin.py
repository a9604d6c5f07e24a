"""The empty twin of a cell: the same process on the same data, with a contender that does nothing.

Its peak memory in each phase is what the harness itself needs (imports, data, encoders, judging, counting); what a cell's peak
exceeds it by is the contender's own. One twin a track is run before the cells, and its peaks stand in the run's manifest.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from paragone.bench.job import Job
from paragone.bench.records import Cell, Measurement
from paragone.models import Batch, Contender, DataSpec

NAME = "empty twin"
AGAIN = "sample again"
"""Samples drawn after others were judged, which leaves something behind."""
STEPS = 32
"""Half of them are counted for flops, as in a cell."""


class EmptyTwin(Contender):
    """Learns nothing and draws noise."""

    name, family, modalities = NAME, "", ()

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self._shape = spec.shape
        self.nothing = nn.Parameter(torch.zeros(1))

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        """Nothing."""
        return {}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        """Noise (n, *shape), uniform in [-1, 1]."""
        return torch.rand(n, *self._shape, generator=generator, device=generator.device) * 2 - 1


def twin_job(job: Job) -> Job:
    """The job of the empty twin of a contender's cell: the same data, batches and numbers of items, one look at most."""
    evaluation = job.evaluation.model_copy(update={"shares": job.evaluation.shares[:1], "probes": ()})
    return replace(
        job, cell=Cell(track=job.cell.track, contender=NAME, seed=job.cell.seed), budget=f"{STEPS} steps", add=(),
        evaluation=evaluation, judged=("default",), timed=(), curve="default", unlimited=(), twin={},
    )  # fmt: skip


def is_twin(job: Job) -> bool:
    """True for the job of an empty twin."""
    return job.cell.contender == NAME


def peaks(found: Sequence[Measurement]) -> dict[str, float]:
    """Phase to peak memory in bytes, of what a twin's cell has measured; it samples twice, under both names."""
    values = {(m.metric, m.sampler): m.value for m in found if m.value is not None}
    asked = {phase: (f"{phase}_peak_rss_bytes", "") for phase in ("train", "evaluate")}
    asked |= {phase: ("sample_peak_rss_bytes", phase) for phase in ("sample", AGAIN)}
    return {phase: values[key] for phase, key in asked.items() if key in values}
