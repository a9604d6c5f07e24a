"""How a metric is compared between two runs: its kind, the smallest effect that counts, and what its times are divided by.

time, energy   at the same speed of the control workload: seconds and joules x C / c, items a second x c / C, with c the workload's
               time around the cell and C one constant for both runs
memory         as read
quality        all else that has a value a seed; the stability of training too
exact          counts that nothing random enters, compared to the letter: parameters, flops and calls of one sample, and what was
               seen in training where the budget is counted in steps, samples or flops
smallest       that of the history (3 % time, 2 % memory, 5 % energy, 10 % FID ...); elsewhere 10 %, shares 2 points
"""

import math
from collections.abc import Sequence

from paragone.bench.history.series import Kind
from paragone.bench.history.watched import SMALLEST, WATCHED
from paragone.bench.judge.timings import timed
from paragone.bench.metrics.table import METRICS, Metric
from paragone.bench.records import Record

COUNTED = ("train_steps", "train_samples", "train_flops")
"""Exact where the budget is counted, noise where it is in seconds or joules."""
COUNTED_AXES = ("steps", "samples", "flops")
_COUNTS = frozenset({"parameters", "sampling_parameters", "sample_flops", "network_evaluations"})
_NOT_OF_THE_ENTRY = ("control_", "profile_", "evaluate_", "flops_time_share", "rank_agreement")
_STATE_OF_THE_DEVICE = ("_sm_clock_mhz", "_temperature_c", "_gpu_utilisation")
_SAID_ALREADY = frozenset({
    "train_s", "share_right", "flops_utilisation", "sample_flops_utilisation", "train_own_memory_bytes", "sample_own_memory_bytes",
    "train_peak_rss_bytes", "sample_peak_rss_bytes", "fid_floor", "fid_bootstrap",
    "memory_steps_exponent", "latency_steps_exponent",
})  # fmt: skip
"""What follows from other metrics that are compared: each change is counted once."""
_GIVEN = {"seconds": ("train_cpu_s",), "joules": ("train_joules",)}
"""What a budget on this axis fixes, which is no result."""
_PER_CPU = ("train_cpu_s", "sample_cpu_s")
RELATIVE, POINTS = 0.1, 0.02
"""Smallest effects where the history has none: of a value, and of a share."""


def told(metric: str, axis: str | None) -> bool:
    """Whether a metric is compared: at the whole budget, of the entry itself and not of the machine or of its evaluation.

    What the budget on this axis fixes is no result, and what follows from other metrics is said by them: the time of training by
    that of a step, memory by what lies over the empty twin's.
    """
    return (
        metric in METRICS
        and metric not in _SAID_ALREADY
        and metric not in _GIVEN.get(axis or "", ())
        and not metric.startswith(_NOT_OF_THE_ENTRY)
        and not metric.endswith(_STATE_OF_THE_DEVICE)
    )


def kind_of(metric: str, axis: str | None) -> Kind:
    """The kind of a metric under a budget on this axis."""
    known = METRICS[metric]
    if metric in _COUNTS or (metric in COUNTED and axis in COUNTED_AXES):
        return "exact"
    if known.group == "memory":
        return "memory"
    if known.unit in ("J", "W"):
        return "energy"
    return "time" if timed(metric) or metric in _PER_CPU or known.unit == "s" else "quality"


def per_control(metric: str) -> int:
    """Power of C / c by which a value is multiplied: 1 for seconds and joules, -1 for items a second, else 0."""
    return {"s": 1, "J": 1, "1/s": -1}.get(METRICS[metric].unit, 0)


def smallest(metric: str, kind: Kind, values: Sequence[float]) -> float:
    """The smallest effect that counts: a log ratio on the log scale, else in the metric's unit.

    `values` are those of both runs; where nothing else is known a tenth of the largest counts.
    """
    known = METRICS[metric]
    if metric in WATCHED and WATCHED[metric].kind == kind:
        return WATCHED[metric].smallest
    if known.scale == "log":
        return SMALLEST.get(kind, math.log1p(RELATIVE))
    if known.unit.startswith("bits/"):
        return WATCHED["bits_per_dim"].smallest
    return POINTS if known.unit.startswith(("share", "correlation")) else RELATIVE * max(map(abs, values), default=0.0)


def worse_sign(metric: Metric) -> int:
    """1 where more is worse, -1 where less is, 0 where neither is."""
    return {"lower": 1, "higher": -1, "none": 0}[metric.direction]


def axis_of(records: Sequence[Record]) -> str | None:
    """The axis of the budget of a run, None where nothing was trained."""
    return next((record.audit.axis for record in records if record.audit is not None), None)
