"""What happens in the process of one cell: data, contender, training under budget, sampling, measuring.

`run_cell` tells everything it finds to a `Reporter` as soon as it has it, so that a cell that fails later keeps what was measured.
"""

import importlib.util
import random
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from paragone.bench.budget import Budget, Meter
from paragone.bench.cellprofile import CellProfile
from paragone.bench.compilation import clear_failures, compile_parts
from paragone.bench.data import Dataset, load
from paragone.bench.data.dataset import Items
from paragone.bench.errors import UsageError
from paragone.bench.job import Job, Reporter, seed_of
from paragone.bench.judge.claims import added_claims
from paragone.bench.looks import SETUP_SHARE, Looks, TooSlow
from paragone.bench.metrics.panel import quality_panel
from paragone.bench.metrics.references import reference_items
from paragone.bench.precision import precision
from paragone.bench.probes import Lesson, Subject, latent_lines, run_probes, run_reference_probes
from paragone.bench.profile.memory import release_freed
from paragone.bench.records import INTERPOLATION, LINE_POINTS, Measurement
from paragone.bench.sampling import SWEEP, time_sampling
from paragone.bench.sizing import outside_budget, solve_width
from paragone.bench.spending import audit, counter_of, sampling_costs, sampling_utilisation, spent, training_costs
from paragone.bench.train import batches, train
from paragone.bench.twin import AGAIN, EmptyTwin, is_twin
from paragone.models import Batch, Contender, registered

OUTSIDE_PARAMETER_BUDGET = "outside parameter budget"
SETUP_OVER_BUDGET = "sampling setup over 5 % of the budget"
LINES = 10
"""Lines between latents that are kept to be looked at."""
TIMED_BATCH = 8
"""Batch of a sampler that is only timed."""


def run_cell(job: Job, report: Reporter) -> None:
    """Run one cell to its end; whatever it raises is the cell's failure."""
    report.phase("data")
    seed_everything(job.cell.seed)
    dataset = load(job.data)
    for path in job.add if not job.is_reference else ():
        import_file(Path(path))
    profile = CellProfile(torch.device(job.device), job.twin)
    try:
        if job.is_reference:
            _run_reference(job, dataset, report, profile)
        elif is_twin(job):
            _ContenderCell(job, dataset, report, profile).run_empty()
        else:
            with clear_failures(job.cell.contender) if job.training.compile else nullcontext():
                _ContenderCell(job, dataset, report, profile).run()
        report.phase("control")
        timing, found = profile.finish()
        report.facts(timing=timing.model_dump())
        report.measurements(found)
    finally:
        profile.close()


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


def _run_reference(job: Job, dataset: Dataset, report: Reporter, profile: CellProfile) -> None:
    report.phase("sample")
    seed = seed_of(job.cell.seed, "sample")
    items, wanted = reference_items(job.cell.contender, dataset, job.evaluation.samples, seed)
    report.samples("default", items, wanted)
    report.phase("measure")
    report.measurements(quality_panel(dataset).measure(items, "default", job.cell.seed, full=True, wanted=wanted))
    report.phase("probe")
    lesson = Lesson(
        dataset, torch.device(job.device), job.cell.seed, Budget.parse(job.budget), job.parameters, counter_of(profile.energy)
    )  # fmt: skip
    for found in run_reference_probes(job.evaluation.probes, job.cell.contender, lesson):
        report.measurements(found)


class _ContenderCell:
    """One contender trained, sampled and measured; the steps of `run` in order. It watches the training (`train.Watcher`)."""

    def __init__(self, job: Job, dataset: Dataset, report: Reporter, profile: CellProfile) -> None:
        self.job, self.dataset, self.report, self.profile = job, dataset, report, profile
        self.device = torch.device(job.device)
        self.panel = quality_panel(dataset)
        self.training_data = self._shuffled_training_data()
        self.meter = Meter(Budget.parse(job.budget), energy=counter_of(profile.energy))
        self.flags: list[str] = []
        self._counting = False

    def run(self) -> None:
        """Build, train with looks along the budget, prepare, sample, measure."""
        self._build_and_train()
        self.report.phase("prepare")
        setup_s = self.looks.prepare()
        setup = Measurement(metric="sampling_setup_s", value=setup_s, unit="s", source="perf_counter, once")
        self.report.measurements([setup])
        if setup_s > SETUP_SHARE * self.meter.seconds:
            self._flag(SETUP_OVER_BUDGET)
        for sampler in self.job.judged:
            self._judge(sampler)
        self.report.measurements(self.profile.measurements("evaluate"))
        if self.job.sweep and self.job.is_base:
            self.report.phase("noise")
            self.report.measurements([self.looks.noise()])
        for sampler in self.job.timed:
            self.report.phase("time")
            self._time(sampler, (TIMED_BATCH,))
        if self.job.evaluation.probes and self.job.is_base:
            self.report.phase("probe")
            subject = Subject(self.dataset, self.device, self.job.cell.seed, self.contender, self.width, self.panel)
            for found in run_probes(self.job.evaluation.probes, subject):
                self.report.measurements(found)
            lines = latent_lines(self.job.evaluation.probes, subject, LINES, LINE_POINTS)
            if lines is not None:
                self.report.samples(INTERPOLATION, lines)

    def run_empty(self) -> None:
        """The way of a cell without its contender's work, for the peaks of its phases: one look, samples judged, samples again."""
        self._build_and_train()
        sampler = self.job.judged[0]
        items = self._draw(sampler, "sample")
        self._measure(items, sampler)
        self._draw(sampler, AGAIN)
        self.report.measurements(self.profile.measurements("evaluate"))
        for name in ("sample", AGAIN):
            self.report.measurements(self.profile.measurements("sample", name))

    def _build_and_train(self) -> None:
        self.report.phase("build")
        self.contender = self._build()
        self.numbers = precision(self.job.training.precision, self.device, self.contender.autocast)
        self.report.facts(precision=self.numbers.stated)
        self.looks = Looks(self.job, self.dataset, self.panel, self.contender, self.meter, self.training_data, self.numbers)
        self._train()

    def _shuffled_training_data(self) -> Batch:
        """Training items in a random order: datasets come sorted by label, and a prefix must be a fair sample."""
        part = self.dataset.train
        x = torch.from_numpy(self.dataset.to_unit(part.items))
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed_of(self.job.cell.seed, "order")))
        labels = torch.from_numpy(part.labels) if self.job.labelled and part.labels is not None else None
        return Batch(x[order].to(self.device), None if labels is None else labels[order].to(self.device))

    def _build(self) -> Contender:
        cls = EmptyTwin if is_twin(self.job) else registered()[self.job.cell.contender]
        # What a contender's class does not declare as (spec, width), such as fixed size, it must still accept.
        make: Any = cls
        self.width, count = solve_width(make, self.dataset.spec, self.job.parameters)
        seed_everything(self.job.cell.seed)
        contender: Contender = make(self.dataset.spec, self.width)
        contender.to(self.device)
        if self.job.training.compile and not is_twin(self.job):
            compile_parts(contender, self.device)
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
        data = self.training_data
        stream = batches(data.x, self.contender.batch_size, order, data.condition)
        self.report.phase("train")
        self.profile.settle_memory()
        self.profile.start("train")
        try:
            shares = self.job.evaluation.shares
            train(self.contender, stream, self.meter, shares, self, self.device, self.numbers.scope)
        finally:
            self.profile.stop()
            self._report_spending()

    def _report_spending(self) -> None:
        self.report.facts(audit=audit(self.meter, self.job.parameters, self.parameters).model_dump())
        if self.meter.steps:
            self.report.measurements(spent(self.meter, 1.0, self.profile.energy))
            self.report.measurements(training_costs(self.meter, self.profile))

    def at_share(self, share: float) -> None:
        """Measure at a share of the budget, with the training clock stopped."""
        self.report.phase("evaluate")
        self.profile.start("evaluate")
        if share < 1.0:
            self.report.measurements(spent(self.meter, share, self.profile.energy))
        self.report.measurements(self.looks.at(share))
        self.profile.stop()
        self.report.phase("train")
        if share < 1.0:
            release_freed()  # what a look leaves in the heap is no part of training
            self._resume()

    def heartbeat(self, meter: Meter) -> None:
        """Training goes on."""
        self.report.heartbeat(meter)

    def counting(self, begins: bool) -> None:
        """Updates that are counted for flops hold and use more than others: they are in no phase."""
        self._counting = begins
        self._resume()

    def _resume(self) -> None:
        if self._counting:
            self.profile.stop()
        else:
            self.profile.start("train")

    def _judge(self, sampler: str) -> None:
        """Time one sampler, draw the samples that are judged, and measure them; a variant other than the base is not timed."""
        n, base = self.job.evaluation.samples, self.job.is_base
        predicted_s = n / self._throughput_per_s(sampler) if base else 0.0
        self.report.phase("sample")
        try:
            if sampler not in self.job.unlimited:
                self.looks.check_allowance(predicted_s)
        except TooSlow as error:
            self.report.facts(owed_reason={sampler: str(error)})
            return
        items = self._draw(sampler, sampler)
        twin = "sample" if sampler == self.job.judged[0] else AGAIN
        self.report.measurements(sampling_costs(self.profile, sampler, n, twin) if base else [])
        self.report.samples(sampler, items, self.looks.wanted(n))
        self._measure(items, sampler)

    def _measure(self, items: Items, sampler: str) -> None:
        self.report.phase("measure")
        self.profile.start("evaluate")
        try:
            wanted = self.looks.wanted(len(items))
            found = self.panel.measure(items, sampler, self.job.cell.seed, full=self.job.is_base, wanted=wanted)
            self.report.measurements(found)
        finally:
            self.profile.stop()

    def _draw(self, sampler: str, name: str) -> Items:
        """The samples that are judged, drawn in a phase of their own that is called by this name."""
        self.profile.settle_memory()
        self.profile.start("sample", name)
        try:
            return self.looks.items(self.job.evaluation.samples, seed_of(self.job.cell.seed, "sample"), sampler)
        finally:
            self.profile.stop()

    def _time(self, sampler: str, sweep: Sequence[int] = SWEEP) -> list[Measurement]:
        timing = time_sampling(self.contender, sampler, self.device, sweep=sweep, numbers=self.numbers)
        self.report.measurements([*timing, *sampling_utilisation(timing, self.profile.peak_flops_per_s)])
        return timing

    def _throughput_per_s(self, sampler: str) -> float:
        self.report.phase("time")
        return next(m.value for m in self._time(sampler) if m.metric == "sample_throughput_per_s" and m.value)
