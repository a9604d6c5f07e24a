"""Two runs, A before and B after: what changed, by how much, and what cannot be said.

    quality                paired over common seeds where those are most of either side's (same seed, same start), else Welch
    time, memory, energy   Welch: the seed decides nothing there, the machine's noise does
    exact                  equal to the letter on every common seed, or changed

`better` and `worse` need all of: a p of at most 5 % after Benjamini and Hochberg over all tests of the comparison, each kind with
the same weight; a 95 % interval without "no change"; and at least the smallest effect that counts (bench/judge/compared.py). Where
neither direction is better the same asks for `changed`. With A and B exchanged, better and worse are, and nothing else changes.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from paragone.bench.history.repeats import control_s
from paragone.bench.history.series import Kind
from paragone.bench.judge import conditions, unshared
from paragone.bench.judge.compared import kind_of, per_control, smallest, worse_sign
from paragone.bench.judge.conditions import Differs, Obstacle
from paragone.bench.judge.differences import Difference, paired_difference, welch_difference
from paragone.bench.judge.sides import Key, Seen, Side, read_side
from paragone.bench.judge.significance import benjamini_hochberg
from paragone.bench.judge.unshared import Failed, Only
from paragone.bench.metrics.table import METRICS, Metric

Verdict = Literal["better", "worse", "no difference seen", "changed", "undetermined"]
VERDICTS: tuple[Verdict, ...] = ("worse", "better", "changed", "no difference seen", "undetermined")
ALPHA = 0.05
LEAST_SPREAD = 0.1
"""The spread of differences is believed to be at least this share of the smallest effect."""
FEWEST_SEEDS = 2


@dataclass(frozen=True)
class Row:
    """One metric of one entry in both runs.

    Attributes:
        entry: `vae`, `ddpm/ddim-50`; training belongs to the contender.
        before, after: values by seed, in the metric's own unit, as recorded.
        a, b: their means as compared (geometric on the log scale; times and energies at one speed of the control workload).
        difference: B - A in log ratios (`log`) or in the metric's unit; None where there is none.
        smallest: the smallest effect that counts, on the scale of `difference`.
        p: after correction over the comparison; NaN where nothing was tested.
        reason: why undetermined, or what else is to be said.
    """

    key: Key
    entry: str
    family: str
    kind: Kind
    before: Seen
    after: Seen
    verdict: Verdict
    reason: str = ""
    a: float = math.nan
    b: float = math.nan
    difference: Difference | None = None
    log: bool = False
    smallest: float = 0.0
    p: float = math.nan

    @property
    def metric(self) -> Metric:
        """The metric's entry in the table."""
        return METRICS[self.key.metric]

    @property
    def changed(self) -> bool:
        """Better, worse, or changed."""
        return self.verdict in ("better", "worse", "changed")

    @property
    def ratio(self) -> float:
        """B / A; NaN where a mean is not above 0."""
        return self.b / self.a if self.a > 0 and self.b > 0 else math.nan

    @property
    def ratio_interval(self) -> tuple[float, float]:
        """The interval of `ratio`; NaN where there is none, 0 or infinite where it reaches beyond what a ratio can say.

        On the identity scale an end d is read as (m + d/2) / (m - d/2) with m between A and B: exchanging A and B inverts it.
        """
        if self.difference is None or not self.difference.known or math.isnan(self.ratio):
            return math.nan, math.nan
        ends = self.difference.low, self.difference.high
        if self.log:
            return _exp(ends[0]), _exp(ends[1])
        middle = (self.a + self.b) / 2
        low, high = (_as_ratio(d, middle) for d in ends)
        return low, high

    @property
    def size(self) -> float:
        """How large the change is, for sorting: |log ratio|, infinite where there is no ratio but a change."""
        if not math.isnan(self.ratio):
            return abs(math.log(self.ratio))
        return math.inf if self.changed else 0.0


@dataclass(frozen=True)
class Comparison:
    """Run A before, run B after.

    Attributes:
        rows: everything that both have a value of, in the order of A.
        obstacles: what forbids verdicts, the machine first.
        environment: what else is not the same.
        only, failed: what one run has and the other has not.
        same_samples: entries whose samples of all common seeds are the same to the letter; `other_samples` those with others.
    """

    a: Side
    b: Side
    rows: tuple[Row, ...]
    obstacles: tuple[Obstacle, ...]
    environment: tuple[Differs, ...]
    only: tuple[Only, ...]
    failed: tuple[Failed, ...]
    same_samples: tuple[str, ...]
    other_samples: tuple[str, ...]

    def of(self, verdict: Verdict) -> tuple[Row, ...]:
        """The rows with a verdict, the largest change first."""
        return tuple(sorted((row for row in self.rows if row.verdict == verdict), key=lambda r: (-r.size, r.key)))

    @cached_property
    def counts(self) -> dict[Verdict, int]:
        """How many rows have each verdict."""
        return {verdict: sum(row.verdict == verdict for row in self.rows) for verdict in VERDICTS}

    @property
    def worst_first(self) -> tuple[Row, ...]:
        """The rows that changed: worse, then better, then those without a better direction; the largest change first."""
        return (*self.of("worse"), *self.of("better"), *self.of("changed"))

    @cached_property
    def same_run(self) -> bool:
        """Whether both are one run: the same manifest and the same records, wherever they lie."""
        return self.a.manifest == self.b.manifest and self.a.records == self.b.records

    def forbidden(self, obstacle: Obstacle) -> int:
        """On how many rows an obstacle forbids a verdict."""
        return sum(obstacle.forbids(row.key, row.kind) for row in self.rows)


def compare(a: Path, b: Path) -> Comparison:
    """Compare two run folders.

    Raises:
        UsageError: one is no run folder; records that cannot be read are named in `Side.skipped` instead.
    """
    return compare_sides(read_side(a), read_side(b))


def compare_sides(a: Side, b: Side) -> Comparison:
    """Compare two runs that were read."""
    found = conditions.obstacles(a, b)
    keys = [key for key in a.seen if key in b.seen and all(side.seen[key].there for side in (a, b))]
    scale = _common_control(a, b)
    rows = _corrected([_row(key, a, b, found, scale) for key in keys])
    same, other = unshared.samples(a, b)
    return Comparison(
        a, b, tuple(_of_survivors(row, a, b) for row in rows), found, conditions.environment(a, b),
        unshared.only(a, b), unshared.failed(a, b), same, other,
    )  # fmt: skip


def _row(key: Key, a: Side, b: Side, found: Sequence[Obstacle], scale: float | None) -> Row:
    kinds = {kind_of(key.metric, side.axis) for side in (a, b)}
    kind = kinds.pop() if len(kinds) == 1 else kind_of(key.metric, None)
    before, after = a.seen[key], b.seen[key]
    entry = max(a.name_of(key), b.name_of(key), key=len)
    row = Row(key, entry, _family(a, key), kind, before, after, "undetermined")
    if not (before.values and after.values):
        return replace(row, reason=_left_out(before, after))
    row = _exact(row) if kind == "exact" else _measured(row, *(_at_control(side, key, scale) for side in (a, b)))
    obstacle = conditions.of(found, key, kind)
    return row if obstacle is None else replace(row, verdict="undetermined", reason=obstacle.what, p=math.nan)


def _measured(row: Row, x: Mapping[int, float], y: Mapping[int, float]) -> Row:
    """The row with its difference; `p` is uncorrected and the verdict still open where it was tested."""
    log = row.metric.scale == "log"
    least = smallest(row.key.metric, row.kind, [*row.before.values.values(), *row.after.values.values()])
    row = replace(row, log=log, smallest=least)
    if log and min([*x.values(), *y.values()]) <= 0:
        if x == y:
            return replace(row, a=_mean(x), b=_mean(y), verdict="no difference seen", reason="the same on every seed")
        return replace(row, a=_mean(x), b=_mean(y), reason="a value is not above 0, so there is no ratio")
    u, v = ({seed: math.log(value) for seed, value in side.items()} if log else dict(side) for side in (x, y))
    common = sorted(u.keys() & v.keys())
    if row.kind == "quality" and len(common) >= FEWEST_SEEDS and 2 * len(common) > max(len(u), len(v)):
        u, v = ({seed: side[seed] for seed in common} for side in (u, v))
        difference = paired_difference(np.array([v[s] - u[s] for s in common]), LEAST_SPREAD * least)
    else:
        difference = welch_difference(np.array(list(u.values())), np.array(list(v.values())), LEAST_SPREAD * least)
    back = _exp if log else float
    row = replace(row, a=back(_mean(u)), b=back(_mean(v)), difference=difference)
    if not difference.known:
        return replace(row, reason=f"too few seeds ({len(x)} in A, {len(y)} in B): an interval needs {FEWEST_SEEDS} on either side")
    return replace(row, p=difference.p)


def _exact(row: Row) -> Row:
    """Compared to the letter: on common seeds, else the one value that all seeds of each side have."""
    x, y = row.before.values, row.after.values
    row = replace(row, a=_mean(x), b=_mean(y), log=row.metric.scale == "log")
    common = sorted(x.keys() & y.keys())
    ours, theirs = ([side[seed] for seed in common] for side in (x, y))
    if not common:
        ours, theirs = sorted(set(x.values())), sorted(set(y.values()))
        if max(len(ours), len(theirs)) > 1:
            return replace(row, reason="it differs between seeds, and no seed is in both")
    differ = sum(u != v for u, v in zip(ours, theirs, strict=True))
    if not differ:
        return replace(row, verdict="no difference seen", reason="the same to the letter")
    where = f"on {differ} of {len(common)} common seeds" if 0 < differ < len(common) else ""
    return replace(row, verdict="changed", reason=where)


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """Settle the rows that were tested, after Benjamini and Hochberg over all of them.

    Each kind has the same weight in sum (Genovese, Roeder and Wasserman 2006, Biometrika 93:509: p / w, weights with mean 1):
    that quality is looked at in many ways makes a slow-down no harder to see, and the share of false verdicts stays 5 %.
    """
    tested = [place for place, row in enumerate(rows) if not math.isnan(row.p)]
    many = Counter(rows[place].kind for place in tested)
    weighted = [min(1.0, rows[place].p * many[rows[place].kind] * len(many) / len(tested)) for place in tested]
    settled = list(rows)
    for place, p in zip(tested, benjamini_hochberg(weighted), strict=True):
        settled[place] = _settled(replace(rows[place], p=float(p)))
    return settled


def _settled(row: Row) -> Row:
    difference = row.difference
    if difference is None:
        return row
    clear = row.p <= ALPHA and (difference.low > 0 or difference.high < 0)
    if not clear:
        reason = "the same on every seed" if difference.value == 0 and row.before.values == row.after.values else ""
        return replace(row, verdict="no difference seen", reason=reason)
    if abs(difference.value) < row.smallest:
        return replace(row, verdict="no difference seen", reason="seen, but smaller than counts")
    sign = worse_sign(row.metric)
    if sign == 0:
        return replace(row, verdict="changed")
    return replace(row, verdict="worse" if sign * difference.value > 0 else "better")


def _of_survivors(row: Row, a: Side, b: Side) -> Row:
    """No verdict in favour of the side on which more of the contender's cells failed: its values are those of survivors."""
    if row.kind != "quality" or row.verdict not in ("better", "worse"):
        return row
    own = row.key.track, row.key.contender
    deaths = [sum((r.cell.track, r.cell.contender) == own for r in side.failed.values()) for side in (a, b)]
    favoured, other = (deaths[1], deaths[0]) if row.verdict == "better" else (deaths[0], deaths[1])
    if favoured <= other:
        return row
    where = "B" if row.verdict == "better" else "A"
    return replace(row, verdict="undetermined", reason=f"more cells failed in {where}, whose values are those of survivors")


def _common_control(a: Side, b: Side) -> float | None:
    """One time of the control workload for both runs, in seconds."""
    return math.sqrt(a.control_s * b.control_s) if a.control_s is not None and b.control_s is not None else None


def _at_control(side: Side, key: Key, scale: float | None) -> dict[int, float]:
    """Values at the same speed of the control workload, where the metric is a time or an energy."""
    values, power = side.seen[key].values, per_control(key.metric)
    if power == 0 or scale is None:
        return dict(values)
    made = {}
    for seed, value in values.items():
        record = side.record(key.track, key.contender, seed)
        own = control_s(record) if record is not None else None
        made[seed] = value * (scale / own) ** power if own is not None else value
    return made


def _left_out(before: Seen, after: Seen) -> str:
    told = []
    for side, seen in (("A", before), ("B", after)):
        if not seen.values:
            first = next(iter(seen.left_out.values()))
            told.append(f"in {side}: {first.split('; ')[0]}")
    return f"no time that counts {' and '.join(told)}"


def _family(side: Side, key: Key) -> str:
    entries = side.tracks[key.track].entries
    return next((entry.family for entry in entries if entry.contender == key.contender), "")


def _mean(values: Mapping[int, float]) -> float:
    return math.fsum(values.values()) / len(values)


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


def _as_ratio(d: float, middle: float) -> float:
    above, below = max(0.0, middle + d / 2), max(0.0, middle - d / 2)
    return above / below if below > 0 else math.inf
