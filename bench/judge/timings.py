"""Which cells' times can be compared: what spoke against them while they ran, and what only the whole run can tell.

    control     c = sqrt(before * after), seconds of a fixed workload around a cell
    its speed   median(c of all cells) / c: above 1 the machine was faster than it was for the median cell
    invalid     max(speed, 1 / speed) > CONTROL_BOUND, or whatever the cell's own record says (throttled, others on the device ...)

An invalid timing takes from its cell what was measured in wall time or energy, which then counts as never measured, neither for
the contender nor against it. Quality stays: a budget in seconds was spent, and how long its seconds were is told beside it.
"""

import math
from collections.abc import Sequence

import numpy as np

from paragone.bench.metrics.table import METRICS, split_share
from paragone.bench.records import Record

CONTROL_BOUND = 1.25
"""Times of cells whose machine was faster or slower than the run's median by more than this factor are not compared."""
CONTROL_REASON = f"control workload off the run's median by more than a factor {CONTROL_BOUND:g}"

_ALSO = frozenset({
    "train_joules", "sample_joules", "train_power_w", "sample_power_w", "evaluate_power_w", "flops_utilisation",
    "sample_flops_utilisation", "latency_steps_exponent", "latency_pixels_exponent",
})  # fmt: skip
"""Metrics beside those of speed that are made of wall time or energy. Processor time and amounts of a budget are not: they are
what they are on a busy machine too."""


def timed(metric: str) -> bool:
    """Whether a metric, at whatever share of the budget, is made of wall time or energy, so that a busy machine spoils it.

    All metrics of speed but the number of network evaluations, which is a count, and those listed above.
    """
    known = METRICS[split_share(metric)[0]]
    return (known.group == "speed" and known.unit != "1") or known.name in _ALSO


def control_speeds(records: Sequence[Record]) -> dict[str, float]:
    """Cell id -> speed of its machine relative to the run's median, of the cells around which the control workload ran."""
    control = {r.cell.id: math.sqrt(math.prod(r.timing.control_s)) for r in records if r.timing and min(r.timing.control_s) > 0}
    median = float(np.median(list(control.values()))) if control else 1.0
    return {cell: median / own for cell, own in control.items()}


def invalid_timings(records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """Cell id -> why its times cannot be compared with those of the other records of its run; other cells are absent.

    A record without a timing says nothing against its times.
    """
    speeds = control_speeds(records)
    found: dict[str, tuple[str, ...]] = {}
    for record in records:
        speed = speeds.get(record.cell.id, 1.0)
        reasons = record.timing.invalid if record.timing is not None else ()
        if max(speed, 1 / speed) > CONTROL_BOUND:
            reasons = (*reasons, CONTROL_REASON)
        if reasons:
            found[record.cell.id] = reasons
    return found
