"""Did everyone get the same budget: what was asked, and what each cell spent on every axis, in rows and in sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from paragone.bench.records import Audit, Axis, Record
from paragone.reports import style
from paragone.reports.run import Run

AXES: tuple[Axis, ...] = get_args(Axis)
_MEASURED_AS: Mapping[Axis, str] = {"flops": "train_flops", "joules": "train_joules"}
"""Axes that not every machine can count, and the measurement that says why."""


@dataclass(frozen=True)
class AuditRow:
    """One cell's budget; `missing` says of each axis on which its spending is not known why."""

    cell: str
    contender: str
    family: str
    seed: int
    variant: str
    audit: Audit
    missing: Mapping[Axis, str] = field(default_factory=dict)

    @property
    def asked(self) -> str:
        """The budget as it was given: `6.00 s`, `2 000 steps`."""
        unit = f" {self.audit.axis}" if self.audit.axis in ("steps", "samples") else ""
        return self.amount(self.audit.asked) + unit

    def spent_on(self, axis: Axis) -> float | None:
        """What was spent on an axis, None where it was not counted."""
        return spent_on(self.audit, axis)

    def amount(self, value: float | None) -> str:
        """An amount on the budget's axis, with its unit."""
        return amount(self.audit.axis, value)


def audit_rows(run: Run) -> list[AuditRow]:
    """Budgets of all cells that had one, by family, contender and seed."""
    rows = [
        AuditRow(r.cell.id, r.cell.contender, r.family, r.cell.seed, r.cell.variant, r.audit, _missing(r, r.audit))
        for r in run.records
        if r.audit is not None
    ]
    return sorted(rows, key=lambda row: (style.order_of(row.family), row.contender, row.variant, row.seed))


def audit_summary(rows: Sequence[AuditRow]) -> str:
    """One sentence: how many cells kept their budget, and the largest overrun."""
    if not rows:
        return "No cell had a budget: only references ran."
    broken = [row for row in rows if not row.audit.held]
    worst = max(rows, key=lambda row: row.audit.overrun / row.audit.asked if row.audit.asked else 0.0)
    size = f"{worst.amount(max(0.0, worst.audit.overrun))} ({worst.contender}, seed {worst.seed})"
    if broken:
        cells = style.names([row.cell for row in broken[:5]])
        verb = "overran its budget" if len(broken) == 1 else "overran their budgets"
        return f"{len(broken)} of {len(rows)} cells {verb} by more than one update: {cells}. The largest overrun was {size}."
    if all(row.audit.overrun <= 0 for row in rows):
        return f"All {style.plural(len(rows), 'cell')} kept the budget; none overran it."
    return f"All {style.plural(len(rows), 'cell')} kept the budget to within one update; the largest overrun was {size}."


def audit_missing(rows: Sequence[AuditRow]) -> list[str]:
    """A sentence for each axis on which spending is not known everywhere, with the reasons that the cells give."""
    told = []
    for axis in AXES:
        own = [row for row in rows if axis in row.missing]
        if own:
            counted = Counter(row.missing[axis] for row in own).most_common()
            reasons = "; ".join(f"{why} ({style.plural(n, 'cell')})" if len(counted) > 1 else why for why, n in counted)
            cells = "any cell" if len(own) == len(rows) else f"{len(own)} of {style.plural(len(rows), 'cell')}"
            told.append(f"{axis.capitalize()} were not measured in {cells}: {style.line(reasons, 300)}.")
    return told


def spent_on(audit: Audit, axis: Axis) -> float | None:
    """What a cell spent on an axis, None where it was not counted."""
    spent: dict[Axis, float | None] = {
        "seconds": audit.spent_s, "steps": audit.spent_steps, "samples": audit.spent_samples, "flops": audit.spent_flops,
        "joules": audit.spent_joules,
    }  # fmt: skip
    return spent[axis]


def amount(axis: Axis, value: float | None) -> str:
    """An amount on an axis with its unit: whole steps and samples in full."""
    if value is None:
        return style.MISSING
    if axis == "seconds":
        return style.seconds(value)
    return style.scaled(value, "flop" if axis == "flops" else "J") if axis in _MEASURED_AS else style.count(value)


def _missing(record: Record, audit: Audit) -> dict[Axis, str]:
    given = {m.metric: m.source for m in record.measurements if m.value is None}
    return {
        axis: style.line(given.get(_MEASURED_AS.get(axis, ""), "no reason recorded"), 160)
        for axis in AXES
        if spent_on(audit, axis) is None
    }
