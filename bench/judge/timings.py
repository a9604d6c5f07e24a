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

_UNITS = frozenset({"s", "1/s", "J", "W", "share of peak"})
_SLOPES = frozenset({"latency_steps_exponent", "latency_pixels_exponent"})
"""Metrics without a unit that are made of times."""
_SOUND = frozenset({"train_s", "train_cpu_s", "sample_cpu_s", "evaluate_cpu_s", "control_s", "profile_boundary_s"})
"""Seconds that are what they are on a busy machine too: those of a budget, those of the processor, those that tell it is busy."""


def timed(metric: str) -> bool:
    """Whether a metric, at whatever share of the budget, is made of wall time or energy, so that a busy machine spoils it.

    Its unit tells; the number of network evaluations, though a metric of speed, is a count.
    """
    known = METRICS[split_share(metric)[0]]
    return known.name in _SLOPES or (known.unit in _UNITS and known.name not in _SOUND)


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
