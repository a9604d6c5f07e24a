"""What is measured of a contender along its budget: quality and likelihood at fixed shares, and getting ready to sample.

Every look at one cell draws the same number of items from the same random numbers, so that two points of a curve differ by what
was learnt between them. Looks cost evaluation time, which is limited; the training clock stands still meanwhile.
"""

import math
import time
from collections.abc import Iterator
from statistics import stdev

import torch
from torch import Tensor

from paragone.bench.budget import Meter
from paragone.bench.data import Dataset
from paragone.bench.data.dataset import Items, Labels, Split
from paragone.bench.job import Job, seed_of
from paragone.bench.metrics.likelihoods import likelihood, likelihood_metric
from paragone.bench.metrics.modalities import noise_of, of_validation
from paragone.bench.metrics.panel import QualityPanel
from paragone.bench.metrics.table import METRICS, at_share
from paragone.bench.precision import FLOAT32, Precision
from paragone.bench.profile.clock import now_s
from paragone.bench.records import Measurement
from paragone.bench.sampling import draw, evaluation
from paragone.models import Batch, Contender, NotTrained

SETUP_SHARE = 0.05
"""Share of the budget that `prepare` may cost."""
EVALUATION_ALLOWANCE_S = 30.0
"""Evaluation may cost as much as training, and never less than this."""
NOISE_DRAWS = 5
"""Draws of a trained contender from which the noise of one evaluation is estimated."""
NOISE_LIMIT_S = 3.0
"""Seconds after which no further draw is begun; two are always made."""


class TooSlow(RuntimeError):
    """Sampling would cost more than evaluation may."""


class Looks:
    """Measures one contender at any progress of its training, which it leaves untouched.

    Attributes:
        evaluated_s: seconds spent on looks so far; `TooSlow` is raised before they exceed what the cell may spend.
    """

    def __init__(
        self,
        job: Job,
        dataset: Dataset,
        panel: QualityPanel,
        contender: Contender,
        meter: Meter,
        training_data: Batch,
        numbers: Precision = FLOAT32,
    ) -> None:
        """`training_data`: the whole training split on the device, in an order of no meaning; `numbers`: the format of sampling."""
        self.job, self.dataset, self.panel = job, dataset, panel
        self.contender, self.meter, self.training_data = contender, meter, training_data
        self.device, self.numbers = training_data.x.device, numbers
        self.evaluated_s = 0.0

    def at(self, share: float) -> list[Measurement]:
        """Everything measured at a share of the budget; at 1 only the likelihood, quality is judged apart."""
        started = now_s(self.device)
        found = self._quality(share) if share < 1.0 else []
        if self.job.is_base and (share == 1.0 or not self.job.sweep):
            found += self._likelihood(share)
        self.evaluated_s += now_s(self.device) - started
        return found

    def noise(self) -> Measurement:
        """`fid_noise` or its like: sd of the primary metric, on its scale, over draws that differ in their random numbers alone.

        The first draw is that of every look. A sampler too slow for `NOISE_DRAWS` within `NOISE_LIMIT_S` is drawn less often,
        at least twice; `repeats` holds the metric's values.
        """
        started, found = now_s(self.device), list[float | None]()
        while len(found) < 2 or (len(found) < NOISE_DRAWS and now_s(self.device) - started < NOISE_LIMIT_S):
            found.append(self._primary(seed_of(self.job.cell.seed, f"sample{len(found) or ''}")))
        self.evaluated_s += now_s(self.device) - started
        known, metric = METRICS[self.job.primary], noise_of(self.job.primary)
        log = known.scale == "log"
        values = tuple(value for value in found if value is not None and (value > 0 or not log))
        value = stdev(math.log(v) if log else v for v in values) if len(values) == len(found) else None
        told = f"log {known.label}" if log else known.label
        source = f"sd of {told} over {len(found)} draws" if value is not None else f"a draw without {told}"
        return Measurement(
            metric=metric, value=value, unit=METRICS[metric].unit, source=source, sampler=self.job.curve,
            repeats=values, n=self.job.evaluation.curve_samples,
        )  # fmt: skip

    def _primary(self, seed: int) -> float | None:
        items = self.items(self.job.evaluation.curve_samples, seed, self.job.curve)
        found = self.panel.measure(items, self.job.curve, self.job.cell.seed, full=False)
        return next(m.value for m in found if m.metric == self.job.primary)

    def prepare(self) -> float:
        """Let the contender get ready to sample; the seconds it took."""
        if "prepare" not in self.contender.abilities():
            return 0.0
        started = now_s(self.device)
        with evaluation(self.contender):
            self.contender.prepare(self._setup_batches())
        return now_s(self.device) - started

    def items(self, n: int, seed: int, sampler: str) -> Items:
        """n samples (n, *shape), rounded to the data's own levels where it has some; on labelled data of the classes wanted."""
        wanted = self.wanted(n)
        condition = None if wanted is None else torch.from_numpy(wanted)
        x: Tensor = draw(self.contender, self.dataset.spec, n, seed, sampler, self.device, self.numbers, condition)
        return self.dataset.to_items(x.numpy())

    def wanted(self, n: int) -> Labels | None:
        """The classes that n samples of this cell are asked for, the same for every contender; None without labels."""
        return self.dataset.wanted(n, seed_of(self.job.cell.seed, "wanted"))

    def check_allowance(self, more_s: float = 0.0) -> None:
        """Raise TooSlow where looks of `more_s` seconds more would exceed what the cell may spend on them."""
        budget = self.meter.budget
        training_s = budget.amount if budget.axis == "seconds" else self.meter.seconds
        allowed_s = max(EVALUATION_ALLOWANCE_S, training_s)
        if self.evaluated_s + more_s > allowed_s:
            spent_s = self.evaluated_s + more_s
            raise TooSlow(f"too slow: evaluation would cost {spent_s:.0f} s, this cell may spend {allowed_s:.0f} s on it")

    def _quality(self, share: float) -> list[Measurement]:
        sampler = self.job.curve
        try:
            self.check_allowance()
            self.prepare()
            items = self.items(self.job.evaluation.curve_samples, seed_of(self.job.cell.seed, "sample"), sampler)
        except (NotTrained, TooSlow) as error:
            reason = f"too early: {error}" if isinstance(error, NotTrained) else str(error)
            return [Measurement(metric=at_share(self.job.primary, share), value=None, unit="", source=reason, sampler=sampler)]
        found = self.panel.measure(items, sampler, self.job.cell.seed, full=False)
        return [m.model_copy(update={"metric": at_share(m.metric, share)}) for m in found]

    def _likelihood(self, share: float) -> list[Measurement]:
        if "log_prob" not in self.contender.abilities():
            return []
        metric = likelihood_metric(self.dataset)
        parts = {metric: self._unit(self.dataset.test), of_validation(metric): self._unit(self.dataset.validation)}
        if share == 1.0:
            parts[f"train_{metric}"] = self.training_data.x[: len(self.dataset.test)]
        return [self._score(at_share(name, share), x) for name, x in parts.items()]

    def _score(self, name: str, x: Tensor) -> Measurement:
        with evaluation(self.contender):
            return likelihood(self.contender, self.dataset, name, x)

    def _unit(self, part: Split) -> Tensor:
        return torch.from_numpy(self.dataset.to_unit(part.items)).to(self.device)

    def _setup_batches(self) -> Iterator[Batch]:
        """One pass over the training data, ended early when the share of the budget that it may cost is spent."""
        full_s = self.meter.seconds / max(self.meter.progress, 1e-6)
        ends = time.perf_counter() + SETUP_SHARE * full_s
        size, condition = self.contender.batch_size, self.training_data.condition
        for start in range(0, len(self.training_data.x), size):
            chosen = slice(start, start + size)
            yield Batch(self.training_data.x[chosen], None if condition is None else condition[chosen])
            if time.perf_counter() > ends:
                return
