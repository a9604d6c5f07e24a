"""Measurements that follow from others of the same seed: slopes over a contender's samplers, shares put right, agreement.

exponent   least-squares slope of log(metric) on log(network evaluations) over the samplers of one trained contender;
           `repeats` are the log values in the order of the steps
own memory on CUDA the allocator's peak, else the peak of the process less that of its empty twin
guidance   least-squares slope of class accuracy, and of coverage within classes, on log w over the samplers `cfg-w`, w >= 1
share      generation: 2 (1 - two-sample accuracy), the share of items that a classifier does not tell from real ones;
           classification (on the row of held-out real): the accuracy of a classifier with the same budget
agreement  the lowest Spearman correlation, over all contenders' entries, between the order by FID and the orders by the
           other measures of quality, each in its better direction
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from paragone.bench.metrics.table import METRICS
from paragone.bench.records import REFERENCE, Measurement, Record

Key = tuple[str, int, str, str]
"""(contender, seed, sampler, metric)."""

CLASSIFIED = "held-out real"
"""The row on which a classifier of the suite's budget is measured."""
EXPONENTS = {"latency_steps_exponent": "sample_latency_s", "memory_steps_exponent": "sample_own_memory_bytes"}
OWN_MEMORY = {
    f"{phase}_own_memory_bytes": (f"{phase}_cuda_allocated_bytes", f"{phase}_peak_rss_net_bytes") for phase in ("train", "sample")
}
"""A contender's own memory -> where it is read, the first that has a value."""
GUIDED = "cfg-"
"""A sampler's name goes on with its weight w."""
GUIDANCE = {"class_accuracy_guidance_slope": "class_accuracy", "coverage_guidance_slope": "class_coverage"}
FEWEST_SAMPLERS = 2
LEAST_SPREAD = 2.0
"""Steps of the samplers must differ by this factor, or a slope says nothing."""
COMPARED = ("kid", "precision", "recall", "density", "coverage", "two_sample_accuracy")
FEWEST_ENTRIES = 5


def derived_measurements(records: Sequence[Record], everybody: str) -> dict[Key, Measurement]:
    """All that can be derived from the records of one track; `everybody` is the name under which the track's own are kept."""
    found: dict[Key, Measurement] = {}
    by_seed: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        if record.status == "ok":
            by_seed[record.cell.seed].append(record)
            memory = _own_memory(record)
            slopes = (*_exponents((*record.measurements, *memory)), *_guidance(record))
            for m in (*memory, *slopes, *_shares(record)):
                found[record.cell.contender, record.cell.seed, m.sampler, m.metric] = m
    for seed, own in by_seed.items():
        agreement = _agreement(own)
        if agreement is not None:
            found[everybody, seed, "", "rank_agreement"] = agreement
    return found


def _own_memory(record: Record) -> list[Measurement]:
    """A contender's own memory in each phase and sampler in which it was asked for; without a value why it has none."""
    read = {(m.metric, m.sampler): m for m in record.measurements}
    made = []
    for name, metrics in OWN_MEMORY.items():
        for sampler in ("", *record.samplers):
            asked = [read[metric, sampler] for metric in metrics if (metric, sampler) in read]
            found = next((m for m in asked if m.value is not None), asked[-1] if asked else None)
            if found is not None:
                made.append(_made(name, found.value, found.source, sampler))
    return made


def _exponents(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Slopes over the samplers that iterate one network: those with the same parameters and different numbers of steps."""
    steps = _values(measurements, "network_evaluations")
    made = []
    for name, metric in EXPONENTS.items():
        values = _values(measurements, metric)
        shared = sorted((steps[s], values[s]) for s in steps if values.get(s, 0.0) > 0 and steps[s] > 0)
        if len(shared) < FEWEST_SAMPLERS or shared[-1][0] < LEAST_SPREAD * shared[0][0]:
            continue
        x, y = np.log(np.array(shared)).T
        slope = float(np.polyfit(x, y, 1)[0])
        made.append(
            _made(name, slope, f"over samplers of {shared[0][0]:g} to {shared[-1][0]:g} evaluations", "", tuple(y.tolist()))
        )
    return made


def _guidance(record: Record) -> list[Measurement]:
    """Slopes over guidance, of each guided sampler alike; none where fewer than two weights from 1 on were judged."""
    weights = {name: float(name.removeprefix(GUIDED)) for name in record.samplers if name.startswith(GUIDED)}
    made = []
    for slope, metric in GUIDANCE.items():
        values = _values(record.measurements, metric)
        known = sorted((w, values[name], name) for name, w in weights.items() if w >= 1 and name in values)
        if len(known) >= FEWEST_SAMPLERS:
            x, y = np.log([w for w, _, _ in known]), np.array([value for _, value, _ in known])
            source = f"over w = {', '.join(f'{w:g}' for w, _, _ in known)}"
            fitted = float(np.polyfit(x, y, 1)[0])
            made += [_made(slope, fitted, source, name, tuple(y.tolist())) for _, _, name in known]
    return made


def _shares(record: Record) -> list[Measurement]:
    if record.family == REFERENCE:
        return [
            _made("share_right", m.value, "classification: accuracy", record.samplers[0])
            for m in record.measurements
            if m.metric == "classifier_accuracy" and m.value is not None and record.cell.contender == CLASSIFIED
        ]
    told = _values(record.measurements, "two_sample_accuracy")
    return [_made("share_right", min(1.0, 2 * (1 - value)), "generation: 2 (1 - accuracy)", s) for s, value in told.items()]


def _agreement(records: Sequence[Record]) -> Measurement | None:
    rows = [
        [values[s] for values in columns]
        for record in records
        if record.family != REFERENCE
        for columns in [[_values(record.measurements, name) for name in ("fid", *COMPARED)]]
        for s in columns[0]
        if all(s in values for values in columns)
    ]
    if len(rows) < FEWEST_ENTRIES:
        return None
    signs = [-1.0 if METRICS[name].direction == "higher" else 1.0 for name in ("fid", *COMPARED)]
    ranks = np.array([rankdata(sign * column) for sign, column in zip(signs, np.array(rows).T, strict=True)])
    correlations = dict(zip(COMPARED, _correlations(ranks[0], ranks[1:]), strict=True))
    worst = min(correlations, key=lambda name: correlations[name])
    return _made("rank_agreement", correlations[worst], f"FID against {METRICS[worst].label}, {len(rows)} entries", "")


def _correlations(first: NDArray[np.float64], others: NDArray[np.float64]) -> list[float]:
    """Pearson's correlation of ranks (n,) with each row of (k, n); 0 where a row has no spread."""
    a, b = first - first.mean(), others - others.mean(axis=1, keepdims=True)
    size = np.sqrt((a**2).sum() * (b**2).sum(axis=1))
    return [float(value) for value in np.where(size > 0, (b @ a) / np.where(size > 0, size, 1.0), 0.0)]


def _values(measurements: Sequence[Measurement], metric: str) -> dict[str, float]:
    """Sampler -> value, of samplers that have one."""
    return {m.sampler: m.value for m in measurements if m.metric == metric and m.value is not None}


def _made(metric: str, value: float | None, source: str, sampler: str, repeats: tuple[float, ...] = ()) -> Measurement:
    return Measurement(metric=metric, value=value, unit=METRICS[metric].unit, source=source, sampler=sampler, repeats=repeats)
