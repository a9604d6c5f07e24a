"""What happens in the process of one cell: data, contender, training under budget, sampling, measuring.

`run_cell` tells everything it finds to a `Reporter` as soon as it has it, so that a cell that fails later keeps what was measured.
"""

import importlib.util
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from paragone.bench.budget import Budget, Meter
from paragone.bench.data import Dataset, load
from paragone.bench.data.dataset import to_unit
from paragone.bench.errors import UsageError
from paragone.bench.job import Job, Reporter, seed_of
from paragone.bench.judge.claims import added_claims
from paragone.bench.looks import SETUP_SHARE, Looks, TooSlow
from paragone.bench.metrics.panel import QualityPanel
from paragone.bench.metrics.references import REFERENCES
from paragone.bench.metrics.table import at_share
from paragone.bench.probes import Lesson, Subject, run_probes, run_reference_probes
from paragone.bench.profile.memory import PeakMemory, resting_rss_bytes
from paragone.bench.records import Audit, Measurement
from paragone.bench.sampling import time_sampling
from paragone.bench.sizing import outside_budget, solve_width
from paragone.bench.train import batches, train
from paragone.models import Contender, registered

OUTSIDE_PARAMETER_BUDGET = "outside parameter budget"
SETUP_OVER_BUDGET = "sampling setup over 5 % of the budget"
TIMED_BATCH = 8
"""Batch of a sampler that is only timed."""


def run_cell(job: Job, report: Reporter) -> None:
    """Run one cell to its end; whatever it raises is the cell's failure."""
    report.phase("data")
    seed_everything(job.cell.seed)
    dataset = load(job.data)
    if job.is_reference:
        _run_reference(job, dataset, report)
    else:
        for path in job.add:
            import_file(Path(path))
        _ContenderCell(job, dataset, report).run()


def seed_everything(seed: int) -> None:
    """Seed the global generators: torch's initialisers know no other."""
    torch.manual_seed(seed_of(seed, "global"))
    random.seed(seed_of(seed, "python"))
    np.random.seed(seed_of(seed, "numpy") % 2**32)  # noqa: NPY002 - for contenders that draw from it


def import_file(path: Path) -> list[str]:
    """Import a user's FILE.py, so that its contenders and claims are registered; the names of the contenders that it added.

    Raises:
        UsageError: the file is missing, fails to import, or registers nothing.
    """
    before, claims_before = set(registered()), added_claims()
    if not path.is_file():
        raise UsageError(f"--add {path}: there is no such file")
    name = f"paragone_added_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--add {path}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"--add {path}: importing it raised {type(error).__name__}: {error}") from error
    added = sorted(set(registered()) - before)
    if not added and added_claims() == claims_before:
        raise UsageError(f"--add {path}: it registers no contender; decorate a class with @register, or add a claim")
    return added


def _run_reference(job: Job, dataset: Dataset, report: Reporter) -> None:
    report.phase("sample")
    levels = REFERENCES[job.cell.contender](dataset, job.evaluation.samples, seed_of(job.cell.seed, "sample"))
    report.samples("default", levels, dataset.level_count)
    report.phase("measure")
    report.measurements(QualityPanel(dataset).measure(levels, "default", job.cell.seed, full=True))
    report.phase("probe")
    lesson = Lesson(dataset, torch.device(job.device), job.cell.seed, Budget.parse(job.budget), job.parameters)
    for found in run_reference_probes(job.evaluation.probes, job.cell.contender, lesson):
        report.measurements(found)


class _ContenderCell:
    """One contender trained, sampled and measured; the steps of `run` in order."""

    def __init__(self, job: Job, dataset: Dataset, report: Reporter) -> None:
        self.job, self.dataset, self.report = job, dataset, report
        self.device = torch.device(job.device)
        self.panel = QualityPanel(dataset)
        self.train_x = self._shuffled_training_data()
        self.meter = Meter(Budget.parse(job.budget))
        self.flags: list[str] = []
        self.resting_bytes = resting_rss_bytes()

    def run(self) -> None:
        """Build, train with looks along the budget, prepare, sample, measure."""
        self.report.phase("build")
        self.contender = self._build()
        self.looks = Looks(self.job, self.dataset, self.panel, self.contender, self.meter, self.train_x)
        self._train()
        self.report.phase("prepare")
        setup_s = self.looks.prepare()
        setup = Measurement(metric="sampling_setup_s", value=setup_s, unit="s", source="perf_counter, once")
        self.report.measurements([setup])
        if setup_s > SETUP_SHARE * self.meter.seconds:
            self._flag(SETUP_OVER_BUDGET)
        for sampler in self.job.judged:
            self._judge(sampler)
        if self.job.sweep and self.job.is_base:
            self.report.phase("noise")
            self.report.measurements([self.looks.noise()])
        for sampler in self.job.timed:
            self.report.phase("time")
            self.report.measurements(time_sampling(self.contender, sampler, self.device, sweep=(TIMED_BATCH,)))
        if self.job.evaluation.probes and self.job.is_base:
            self.report.phase("probe")
            subject = Subject(self.dataset, self.device, self.job.cell.seed, self.contender, self.width, self.panel)
            for found in run_probes(self.job.evaluation.probes, subject):
                self.report.measurements(found)

    def _shuffled_training_data(self) -> Tensor:
        """Training images in a random order: datasets come sorted by label, and a prefix must be a fair sample."""
        x = torch.from_numpy(to_unit(self.dataset.train.levels, self.dataset.level_count))
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed_of(self.job.cell.seed, "order")))
        return x[order].to(self.device)

    def _build(self) -> Contender:
        cls = registered()[self.job.cell.contender]
        # What a contender's class does not declare as (spec, width), such as fixed size, it must still accept.
        make: Any = cls
        self.width, count = solve_width(make, self.dataset.spec, self.job.parameters)
        seed_everything(self.job.cell.seed)
        contender: Contender = make(self.dataset.spec, self.width)
        contender.to(self.device)
        contender.generator = torch.Generator(self.device).manual_seed(seed_of(self.job.cell.seed, "update"))
        contender.learning_rate_factor = self.job.learning_rate_factor
        self.parameters = count
        self.report.facts(width=self.width)
        if outside_budget(count, self.job.parameters):
            self._flag(OUTSIDE_PARAMETER_BUDGET)
        self.report.measurements(
            [Measurement(metric="parameters", value=float(count), unit="1", source="trained parameters, counted")]
        )
        return contender

    def _flag(self, flag: str) -> None:
        self.flags.append(flag)
        self.report.facts(flags=self.flags)

    def _train(self) -> None:
        order = torch.Generator().manual_seed(seed_of(self.job.cell.seed, "batches"))
        stream = batches(self.train_x, self.contender.batch_size, order)
        self.report.phase("train")
        self.peak = PeakMemory("train", self.device, self.resting_bytes)
        try:
            shares = self.job.evaluation.shares
            train(self.contender, stream, self.meter, shares, self._look, self.report.heartbeat, self.device)
        finally:
            self._report_spending()

    def _report_spending(self) -> None:
        meter = self.meter
        audit = Audit(
            axis=meter.budget.axis, asked=meter.budget.amount, spent_s=meter.seconds, spent_steps=meter.steps,
            spent_samples=meter.samples, overrun=meter.overrun, last_update=meter.last_update,
            parameters_asked=self.job.parameters, parameters=self.parameters,
        )  # fmt: skip
        self.report.facts(audit=audit.model_dump())
        if meter.steps:
            step_s = Measurement(metric="train_step_s", value=meter.seconds / meter.steps, unit="s", source="mean of all updates")
            self.report.measurements([*self._spent(1.0), step_s])

    def _spent(self, share: float) -> list[Measurement]:
        spent = {"train_s": (self.meter.seconds, "s"), "train_steps": (self.meter.steps, "1"),
                 "train_samples": (self.meter.samples, "1")}  # fmt: skip
        return [
            Measurement(metric=at_share(name, share), value=float(value), unit=unit, source="counted by the meter")
            for name, (value, unit) in spent.items()
        ]

    def _look(self, share: float) -> None:
        """Measure at a share of the budget, with the training clock stopped."""
        self.report.phase("evaluate")
        self.peak.pause()
        self.report.measurements(self._spent(share) if share < 1.0 else self.peak.read())
        self.report.measurements(self.looks.at(share))
        self.report.phase("train")
        self.peak.resume()

    def _judge(self, sampler: str) -> None:
        """Time one sampler, draw the samples that are judged, and measure them; a variant other than the base is not timed."""
        n, base = self.job.evaluation.samples, self.job.is_base
        peak = PeakMemory("sample", self.device, self.resting_bytes)
        predicted_s = n / self._throughput_per_s(sampler) if base else 0.0
        self.report.phase("sample")
        try:
            self.looks.check_allowance(0.0 if sampler in self.job.unlimited else predicted_s)
        except TooSlow as error:
            self.report.facts(owed_reason={sampler: str(error)})
            return
        levels = self.looks.levels(n, seed_of(self.job.cell.seed, "sample"), sampler)
        self.report.measurements(peak.read(sampler) if base else [])
        self.report.samples(sampler, levels, self.dataset.level_count)
        self.report.phase("measure")
        self.report.measurements(self.panel.measure(levels, sampler, self.job.cell.seed, full=base))

    def _throughput_per_s(self, sampler: str) -> float:
        self.report.phase("time")
        timing = time_sampling(self.contender, sampler, self.device)
        self.report.measurements(timing)
        return next(m.value for m in timing if m.metric == "sample_throughput_per_s" and m.value)
