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
from paragone.bench.data.dataset import Levels, to_levels, to_unit
from paragone.bench.job import Job, seed_of
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
LIKELIHOOD_BATCH = 250
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
        train_x: Tensor,
        numbers: Precision = FLOAT32,
    ) -> None:
        """`train_x` (n, C, H, W) is the training data in [-1, 1] on the device, in an order of no meaning; `numbers` the format of
        sampling."""
        self.job, self.dataset, self.panel = job, dataset, panel
        self.contender, self.meter, self.train_x = contender, meter, train_x
        self.device, self.numbers = train_x.device, numbers
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
        """`fid_noise`: sd of log FID over draws of the trained contender that differ in their random numbers alone.

        The first draw is that of every look. A sampler too slow for `NOISE_DRAWS` within `NOISE_LIMIT_S` is drawn less often,
        at least twice; `repeats` holds the FIDs.
        """
        started, found = now_s(self.device), list[float | None]()
        while len(found) < 2 or (len(found) < NOISE_DRAWS and now_s(self.device) - started < NOISE_LIMIT_S):
            found.append(self._fid(seed_of(self.job.cell.seed, f"sample{len(found) or ''}")))
        self.evaluated_s += now_s(self.device) - started
        fids = tuple(fid for fid in found if fid is not None and fid > 0)
        value = stdev(math.log(fid) for fid in fids) if len(fids) == len(found) else None
        source = f"sd of log FID over {len(found)} draws" if value is not None else "a draw without FID, or with FID 0"
        return Measurement(
            metric="fid_noise", value=value, unit=METRICS["fid_noise"].unit, source=source, sampler=self.job.curve,
            repeats=fids, n=self.job.evaluation.curve_samples,
        )  # fmt: skip

    def _fid(self, seed: int) -> float | None:
        levels = self.levels(self.job.evaluation.curve_samples, seed, self.job.curve)
        found = self.panel.measure(levels, self.job.curve, self.job.cell.seed, full=False)
        return next(m.value for m in found if m.metric == "fid")

    def prepare(self) -> float:
        """Let the contender get ready to sample; the seconds it took."""
        if "prepare" not in self.contender.abilities():
            return 0.0
        started = now_s(self.device)
        with evaluation(self.contender):
            self.contender.prepare(self._setup_batches())
        return now_s(self.device) - started

    def levels(self, n: int, seed: int, sampler: str) -> Levels:
        """n samples (n, C, H, W), rounded to the data's own levels."""
        x: Tensor = draw(self.contender, self.dataset.spec, n, seed, sampler, self.device, self.numbers)
        return to_levels(x.numpy(), self.dataset.level_count)

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
            levels = self.levels(self.job.evaluation.curve_samples, seed_of(self.job.cell.seed, "sample"), sampler)
        except (NotTrained, TooSlow) as error:
            reason = f"too early: {error}" if isinstance(error, NotTrained) else str(error)
            return [Measurement(metric=at_share("fid", share), value=None, unit="", source=reason, sampler=sampler)]
        found = self.panel.measure(levels, sampler, self.job.cell.seed, full=False)
        return [m.model_copy(update={"metric": at_share(m.metric, share)}) for m in found]

    def _likelihood(self, share: float) -> list[Measurement]:
        if "log_prob" not in self.contender.abilities():
            return []
        parts = {"bits_per_dim": self._unit(self.dataset.test.levels)}
        parts["validation_bits_per_dim"] = self._unit(self.dataset.validation.levels)
        if share == 1.0:
            parts["train_bits_per_dim"] = self.train_x[: len(self.dataset.test)]
        return [bits_per_dim(self.contender, at_share(metric, share), x) for metric, x in parts.items()]

    def _unit(self, levels: Levels) -> Tensor:
        return torch.from_numpy(to_unit(levels, self.dataset.level_count)).to(self.device)

    def _setup_batches(self) -> Iterator[Batch]:
        """One pass over the training data, ended early when the share of the budget that it may cost is spent."""
        full_s = self.meter.seconds / max(self.meter.progress, 1e-6)
        ends = time.perf_counter() + SETUP_SHARE * full_s
        for part in self.train_x.split(self.contender.batch_size):
            yield Batch(part)
            if time.perf_counter() > ends:
                return


def bits_per_dim(contender: Contender, metric: str, x: Tensor) -> Measurement:
    """-log2 P(x) / D of images x (n, C, H, W): 0 is certainty, log2 L a uniform guess."""
    total, exact = 0.0, True
    with evaluation(contender):
        try:
            for part in x.split(LIKELIHOOD_BATCH):
                likelihood = contender.log_prob(part)
                total += float(likelihood.log_prob.double().sum())
                exact = exact and likelihood.exact
        except NotTrained as error:
            return Measurement(metric=metric, value=None, unit="bits/dim", source=f"too early: {error}")
    bits = -total / (math.log(2) * x.numel())
    source = "exact" if exact else "bound (never below the exact figure)"
    if not math.isfinite(bits):
        return Measurement(metric=metric, value=None, unit="bits/dim", source="not finite")
    return Measurement(metric=metric, value=bits, unit="bits/dim", source=source, n=len(x))
