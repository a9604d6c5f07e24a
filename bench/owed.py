"""The metrics that a cell owes: each has a row in the tables also where it could not be measured, with the reason."""

from collections.abc import Sequence

from paragone.bench.job import Job
from paragone.bench.metrics.modalities import noise_of, of_validation
from paragone.bench.metrics.table import METRICS, at_share, split_share
from paragone.bench.probes import owed_by
from paragone.bench.records import Measurement
from paragone.models import registered

SPENT = ("train_s", "train_steps", "train_samples", "train_flops", "train_joules")
TRAINING = (
    "parameters", *SPENT, "train_step_s", "train_cpu_s", "train_peak_rss_bytes", "train_peak_rss_net_bytes", "flops_utilisation",
)  # fmt: skip
SAMPLING = (
    "sample_latency_s",
    "sample_throughput_per_s",
    "network_evaluations",
    "sampling_parameters",
    "sample_flops",
    "sample_flops_utilisation",
    "sample_cpu_s",
    "sample_peak_rss_bytes",
    "sample_peak_rss_net_bytes",
)
TIMED = SAMPLING[:6]
"""Of a sampler that is only timed."""


BEST = "bits_per_dim_best"
"""Made from the curve, see `best_checkpoint`."""


def owed(job: Job) -> list[tuple[str, str]]:
    """(sampler, metric) of everything that this cell should measure."""
    if job.is_reference:
        probes = owed_by(job.evaluation.probes, job.cell.contender, job.modality)
        return [("default", metric) for metric in quality(job)] + probes
    cls = registered()[job.cell.contender]
    shares = job.evaluation.shares
    found = [("", metric) for metric in TRAINING]
    found += [("", at_share(m, s)) for s in shares for m in SPENT]
    found += [(job.curve, at_share(job.primary, s)) for s in shares]
    if not job.is_base:
        curve = (job.primary, of_validation(job.primary))  # quality of variants, at the end of the budget as along it
        return [*found, *((sampler, metric) for sampler in job.judged for metric in curve)]
    if job.sweep:
        found.append((job.curve, noise_of(job.primary)))
    if "log_prob" in cls.abilities():
        found += [("", m.name) for m in METRICS.values() if m.group == "likelihood" and m.data == job.modality and m.name != BEST]
    found += [(sampler, metric) for sampler in job.judged for metric in (*quality(job), *SAMPLING)]
    found += [(sampler, metric) for sampler in job.timed for metric in TIMED]
    return found + owed_by(job.evaluation.probes, cls, job.modality)


def quality(job: Job) -> list[str]:
    """The quality metrics of the job's data."""
    data = {job.modality, *(("labelled",) if job.labelled else ())}
    return [m.name for m in METRICS.values() if m.group == "quality" and m.data in data]


def complete(job: Job, found: Sequence[Measurement], why: str, by_sampler: dict[str, str]) -> tuple[Measurement, ...]:
    """What was found, and an empty row for each metric still owed; `by_sampler` gives a sampler's own reason."""
    have = {(m.sampler, m.metric) for m in found}
    missing = [
        Measurement(metric=metric, value=None, unit=METRICS[split_share(metric)[0]].unit, sampler=sampler,
                    source=by_sampler.get(sampler, why))
        for sampler, metric in owed(job)
        if (sampler, metric) not in have
    ]  # fmt: skip
    return (*found, *missing)


def best_checkpoint(found: Sequence[Measurement]) -> list[Measurement]:
    """`bits_per_dim_best`: test bits/dim at the share where validation bits/dim was lowest; none without a likelihood."""
    validation = {split_share(m.metric)[1]: m.value for m in found if split_share(m.metric)[0] == "validation_bits_per_dim"}
    measured = {share: value for share, value in validation.items() if value is not None}
    if not measured:
        return []
    share = min(measured, key=lambda s: measured[s])
    test = next((m for m in found if m.metric == at_share("bits_per_dim", share)), None)
    if test is None or test.value is None:
        return []
    source = f"{test.source}; at {share:g} of the budget, the best on validation data"
    return [test.model_copy(update={"metric": "bits_per_dim_best", "source": source})]
