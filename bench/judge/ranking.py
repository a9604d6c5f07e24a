"""Rankings: who is how good at one metric, and how sure that is.

    value      centre over seeds on the metric's scale (geometric mean for log; interquartile mean from 20 seeds on)
    interval   Student's t, BCa from 20 seeds on
    rank       by value; entries whose ratio surely lies within 5 % (two one-sided tests at 5 %) share the rank
    rank_low   1 + entries that are significantly better        rank_high   all ranked - entries significantly worse

Significant: two-sided paired tests of the entry against each other one, Holm-corrected over these comparisons of one entry
(not over all pairs of the table). So every rank interval holds on its own as every value's interval does. Simulated on ten
entries, 3, 5 and 10 seeds, truths with and without ties: 94 to 100 % of the intervals hold the true rank; uncorrected 67 to
100 %, Benjamini-Hochberg over all pairs 92 to 100 %; Holm over all pairs 99 to 100 %, with intervals half as wide again.

Not ranked, and listed last with the reason: memorised (quality only), outside the parameter budget, not measured, without any
valid timing (bench/judge/timings.py; the value is shown all the same). An entry with failed cells ranks behind every entry that
has none, with the centre of the seeds that finished. Single times of disturbed cells are left out, and the status counts them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from paragone.bench.judge.blocks import Entry, Track, definition, tracks
from paragone.bench.judge.gate import gate_entry
from paragone.bench.judge.intervals import Interval, centre
from paragone.bench.judge.orderings import advantage
from paragone.bench.judge.significance import holm, means_above_zero
from paragone.bench.metrics.modalities import MODALITIES
from paragone.bench.metrics.table import Metric
from paragone.bench.records import Manifest, Record

COLUMNS = (
    "track", "metric", "rank", "rank_low", "rank_high", "entry", "family", "value", "ci_low", "ci_high", "n", "status",
)  # fmt: skip
RANKED = (
    "fid", "energy_distance", "modes", "high_quality_share", "class_accuracy", "class_coverage",
    "sample_throughput_per_s", "sample_latency_s", "train_peak_rss_bytes", "sample_peak_rss_bytes",
    "train_own_memory_bytes", "sample_own_memory_bytes", "sample_joules", "sample_flops", "flops_utilisation",
)  # fmt: skip
"""What entries are ranked by; a ranking for which nothing was measured, or asked for, has no rows."""
HOPELESS = frozenset(modality.hopeless for modality in MODALITIES.values())
STABILITY = "stability"
NO_VALID_TIMING = "no valid timing"
OUTSIDE_BUDGET = "outside parameter budget"
MEMORISED = "memorised"
NEAR_TIE = 0.05
LEVEL = 0.05


@dataclass(frozen=True)
class Row:
    """One line of a ranking before it is a table."""

    entry: Entry
    values: dict[int, float]
    summary: Interval
    status: str
    rank: tuple[int, int, int] | None = None
    """rank, rank_low, rank_high; None for what is not ranked."""


class Compared(NamedTuple):
    """Two rows: the two-sided p of a difference, and whether they surely lie within `NEAR_TIE`."""

    p: float
    near_tie: bool


def rankings(records: Sequence[Record], manifest: Manifest, metrics: Sequence[str] = RANKED) -> pd.DataFrame:
    """Every ranking of a run, `COLUMNS` in order: a track after the other, a metric after the other, best first.

    All is in the records; the manifest is taken so that rankings and verdicts of a run are asked for in the same way.
    """
    lines: list[tuple[object, ...]] = []
    for track in tracks(records, manifest):
        for metric in metrics:
            lines += [_line(track, metric, row) for row in ranking(track, metric)]
        lines += [_line(track, STABILITY, row) for row in _stability(track)]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    counts = dict.fromkeys(("rank", "rank_low", "rank_high", "n"), "Int64")
    return table.astype({**counts, "value": "float64", "ci_low": "float64", "ci_high": "float64"})


def ranking(track: Track, metric: str) -> list[Row]:
    """One ranking: ranked entries, then those with failures, references, and what cannot be ranked; best first in each."""
    known = definition(metric)
    made = [_row(track, entry, metric) for entry in track.entries]
    shown = in_order([row for row in made if row is not None], known)
    return [_counted(track, row, metric) for row in shown]


def in_order(rows: Sequence[Row], known: Metric) -> list[Row]:
    """Rows of any entries with their ranks, in the order of `ranking`."""
    ranked = _sorted([row for row in rows if row.status == "ok" and not row.entry.reference], known)
    failed = _sorted([row for row in rows if _has_failures(row) and not row.entry.reference], known)
    failed.sort(key=lambda row: -np.isfinite(list(row.values.values())).mean())
    references = _sorted([row for row in rows if row.entry.reference], known)
    others = [row for row in rows if row not in ranked and row not in failed and row not in references]
    hopeless = next((row.summary.value for row in references if row.entry.name in HOPELESS), np.nan)
    shown = [_warned(row, hopeless, known) for row in _with_ranks(ranked, known)]
    return shown + _behind(failed, len(ranked)) + references + _sorted(others, known)


def _row(track: Track, entry: Entry, metric: str) -> Row | None:
    values, kept_out = track.outcomes(entry, metric), track.kept_out(entry, metric)
    if kept_out and np.isnan(list(values.values())).all():
        return judged_row(track, entry, definition(metric), track.all_outcomes(entry, metric), NO_VALID_TIMING)
    why = track.why_empty(entry, metric)
    if not values and why is None:
        return None
    return judged_row(track, entry, definition(metric), values, "" if values else str(why), len(kept_out))


def judged_row(track: Track, entry: Entry, known: Metric, values: dict[int, float], barred: str = "", kept_out: int = 0) -> Row:
    """An entry with its values by seed (NaN: failed), before it has a rank.

    `barred` says why it can have none; `kept_out` counts seeds that finished and whose value is left out.
    """
    finished = np.array([value for value in values.values() if not np.isnan(value)])
    if known.scale == "log" and (finished <= 0).any():
        return Row(entry, values, Interval(float(finished.min()), np.nan, np.nan), "no logarithm: not positive")
    summary = centre(finished, known.scale)
    if known.group == "quality" and gate_entry(track, entry).memorised:
        return Row(entry, values, summary, MEMORISED)
    if track.flagged(entry, OUTSIDE_BUDGET):
        return Row(entry, values, summary, OUTSIDE_BUDGET)
    if not barred and finished.size < len(values):
        kind = Counter(track.failures(entry)).most_common(1)[0][0]
        return Row(entry, values, summary, f"{kind} ({finished.size + kept_out} of {len(values) + kept_out} seeds ok)")
    return Row(entry, values, summary, barred or "ok")


def _counted(track: Track, row: Row, metric: str) -> Row:
    """Says how many timings of a row are left out, where some are not."""
    kept_out, planned = track.kept_out(row.entry, metric), track.all_outcomes(row.entry, metric)
    if not kept_out or row.status == NO_VALID_TIMING:
        return row
    told = f"{len(kept_out)} of {len(planned)} timings invalid"
    return replace(row, status=told if row.status == "ok" else f"{row.status}; {told}")


def _has_failures(row: Row) -> bool:
    return row.status.endswith("seeds ok)")


def _sorted(rows: list[Row], known: Metric) -> list[Row]:
    sign = -1.0 if known.direction == "higher" else 1.0
    return sorted(rows, key=lambda row: (np.isnan(row.summary.value), sign * row.summary.value))


def _with_ranks(rows: list[Row], known: Metric) -> list[Row]:
    """Ranks and rank intervals of rows that stand in order."""
    pairs = _compared(rows, known)
    ranks = rank_intervals(pairs, len(rows))
    return [replace(row, rank=rank) for row, rank in zip(rows, ranks, strict=True)]


def rank_intervals(pairs: Mapping[tuple[int, int], Compared], count: int) -> list[tuple[int, int, int]]:
    """Rank, rank_low and rank_high of `count` entries that stand in order; `pairs` has every (i, j) with i < j."""
    ranks: list[int] = []
    for place in range(count):
        leader = ranks[-1] - 1 if ranks else 0
        tied = bool(ranks) and pairs[leader, place].near_tie
        ranks.append(leader + 1 if tied else place + 1)
    limits = [_limits(place, count, pairs) for place in range(count)]
    return [(rank, min(rank, low), max(rank, high)) for rank, (low, high) in zip(ranks, limits, strict=True)]


def _compared(rows: Sequence[Row], known: Metric) -> dict[tuple[int, int], Compared]:
    """Every two rows over the seeds that both have; `near_tie` as `Pair.equivalent` with the margin `NEAR_TIE`."""
    places = list(combinations(range(len(rows)), 2))
    d = [_lead(rows[i], rows[j], known) for i, j in places]
    tested = [k for k, x in enumerate(d) if x.size >= 2]
    # One-sided towards who leads: towards the other one p is at least a half.
    towards = [d[k] if d[k].sum() > 0 else -d[k] for k in tested]
    p = {k: min(1.0, 2 * one_sided) for k, one_sided in zip(tested, means_above_zero(towards), strict=True)}
    # A mean outside the margin cannot be shown to lie inside.
    margin = np.log1p(NEAR_TIE)
    close = [k for k in tested if known.scale == "log" and abs(d[k].mean()) < margin]
    limits = zip(*(means_above_zero([margin - sign * d[k] for k in close]) for sign in (1.0, -1.0)), strict=True)
    near = {k for k, both in zip(close, limits, strict=True) if max(both) <= LEVEL}
    return {pair: Compared(p.get(k, 1.0), k in near) for k, pair in enumerate(places)}


def _lead(first: Row, second: Row, known: Metric) -> NDArray[np.float64]:
    """Advantage of the first row over the second in each seed that both have."""
    seeds = [seed for seed in first.values if seed in second.values]
    a, b = ([row.values[seed] for seed in seeds] for row in (first, second))
    return advantage(a, b, known.better, known.scale)


def _limits(place: int, entries: int, pairs: Mapping[tuple[int, int], Compared]) -> tuple[int, int]:
    """The rank interval of the row at this place."""
    others = [other for other in range(entries) if other != place]
    own = [pairs[min(place, other), max(place, other)] for other in others]
    adjusted = holm([pair.p for pair in own])
    sure = [(other, p <= LEVEL and not pair.near_tie) for other, pair, p in zip(others, own, adjusted, strict=True)]
    ahead = sum(other < place for other, significant in sure if significant)
    behind = sum(other > place for other, significant in sure if significant)
    return 1 + ahead, entries - behind


def _behind(rows: list[Row], ranked: int) -> list[Row]:
    """Rows with failures: behind all others, in an order among themselves that nothing tests."""
    last = ranked + len(rows)
    return [replace(row, rank=(ranked + place, ranked + 1, last)) for place, row in enumerate(rows, start=1)]


def _warned(row: Row, hopeless: float, known: Metric) -> Row:
    """Marks an ok row of a quality metric that is worse than the hopeless reference."""
    worse = row.summary.value < hopeless if known.direction == "higher" else row.summary.value > hopeless
    if known.group != "quality" or not worse:
        return row
    return replace(row, status="below hopeless")


def _stability(track: Track) -> list[Row]:
    """The ranking by stability (judge/stability.py, 1b), then the contenders that were run with too few seeds or factors for it."""
    ranked = [row for row in ranking(track, STABILITY) if not row.entry.reference]
    nothing = Interval(np.nan, np.nan, np.nan)
    known = {row.entry.name for row in ranked}
    missing = [entry for entry in track.entries if entry.default and not entry.reference and entry.name not in known]
    return ranked + [Row(entry, {}, nothing, "too few runs") for entry in missing]


def _line(track: Track, metric: str, row: Row) -> tuple[object, ...]:
    finished = sum(not np.isnan(value) for value in row.values.values())
    return (track.name, metric, *(row.rank or (pd.NA,) * 3), row.entry.name, row.entry.family, *row.summary, finished, row.status)
