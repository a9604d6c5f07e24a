"""Quality against budget: the same run judged at 1/16, 1/8, 1/4, 1/2 and all of its budget.

A leader at a share is the group with the best mean; a crossover is a place where two groups change their order. Each says
whether the blocks make it sure, because means of few seeds cross for no reason.
"""

from collections.abc import Sequence
from itertools import combinations, groupby, pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from paragone.bench.judge.blocks import Entry, Track, definition, remembered
from paragone.bench.judge.families import MEMBERS, Blocks, group_blocks, mean_of, mean_over_seeds
from paragone.bench.judge.intervals import centre
from paragone.bench.judge.orderings import Pair, compare
from paragone.bench.judge.significance import holm
from paragone.bench.metrics.table import at_share

Array = NDArray[np.float64]
AXES = ("train_s", "train_steps", "train_samples", "train_flops", "train_joules")
"""Amounts that a budget can be given in; those of the last two are not known on every machine."""
CURVE_COLUMNS = (
    "track", "entry", "contender", "family", "share", *AXES, "value", "ci_low", "ci_high", "n", "items",
)  # fmt: skip
LEADER_COLUMNS = ("share", "train_s", "leader", "value", "not_told_apart", "sure")
CROSSOVER_COLUMNS = (
    "before", "after", "share_low", "share_high", "train_s_low", "train_s_high", "sure_before", "sure_after", "sure",
)  # fmt: skip
DOUBLING_GAIN = 1.05


def shares(track: Track, metric: str = "fid") -> list[float]:
    """Budget shares at which the metric was measured, ascending."""
    return list(track.shares.get(metric, ()))


def quality_curve(track: Track, metric: str = "fid") -> pd.DataFrame:
    """One row an entry and share, `CURVE_COLUMNS`: mean over finished seeds with its interval, and what was spent by then.

    `train_s` and the other axes are medians over seeds, NaN where an axis was not measured; `n` counts seeds, `items` the
    generated items that were judged.
    """
    rows = []
    for entry in track.entries:
        for share in shares(track, metric) if not entry.reference else ():
            name = at_share(metric, share)
            values = [value for value in track.outcomes(entry, name).values() if not np.isnan(value)]
            if not values or (definition(metric).scale == "log" and min(values) <= 0):
                continue
            spent = [_median(track.of_cell(entry.contender, at_share(axis, share))) for axis in AXES]
            items = {m.n for seed in track.seeds if (m := track.measurement(entry, name, seed)) is not None and m.n}
            summary = centre(values, definition(metric).scale)
            rows.append(
                (track.name, entry.name, entry.contender, entry.family, share, *spent, *summary, len(values), min(items, default=0))
            )
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


@remembered
def seed_curve(track: Track, entries: tuple[Entry, ...], axis: str, seed: int) -> tuple[Array, Array] | None:
    """One seed's curve: log amounts of an axis, ascending, and log FID, (points,) each; None below two points.

    The FID is the geometric mean over entries of one contender, at the shares of the budget where all of them have one.
    """
    points = {}
    for share in shares(track):
        metric, spent = at_share("fid", share), track.of_cell(entries[0].contender, at_share(axis, share)).get(seed, np.nan)
        if all(seed in track.outcomes(entry, metric) for entry in entries):
            points[spent] = mean_of(track, entries, metric, seed)
    known = sorted((amount, level) for amount, level in points.items() if amount > 0 and level > 0)  # NaN is not above 0
    return (np.log([amount for amount, _ in known]), np.log([level for _, level in known])) if len(known) >= 2 else None


def leaders(track: Track, metric: str = "fid") -> pd.DataFrame:
    """One row a share, `LEADER_COLUMNS`: the leading group; `not_told_apart` those not significantly worse (Holm over them)."""
    rows = []
    for share in shares(track, metric):
        found = _groups(track, metric, share)
        if not found:
            continue
        order = sorted(found, key=lambda group: _sign(metric) * mean_over_seeds(found[group], metric).value)
        tests = holm([_compare(found[order[0]], found[other], metric).p_two_sided for other in order[1:]])
        close = [group for group, p in zip(order[1:], tests, strict=True) if p > 0.05]
        spent = np.median([_spent(track, group, share) for group in found])
        rows.append((share, float(spent), order[0], mean_over_seeds(found[order[0]], metric).value, ", ".join(close), not close))
    return pd.DataFrame(rows, columns=list(LEADER_COLUMNS))


def crossovers(track: Track, metric: str = "fid") -> pd.DataFrame:
    """One row a place where two groups change their order, `CROSSOVER_COLUMNS`.

    `sure_before`: the old lead was significant (two-sided 5 %, Holm over its shares) at some share since the crossing before,
    `sure_after` the new one likewise; `sure` is both.
    """
    at = {share: _groups(track, metric, share) for share in shares(track, metric)}
    rows: list[tuple[object, ...]] = []
    for first, second in combinations(MEMBERS, 2):
        both = [share for share, found in at.items() if first in found and second in found]
        pairs = {share: _compare(at[share][first], at[share][second], metric) for share in both}
        runs = [list(run) for _, run in groupby(both, key=lambda share, pairs=pairs: _lead(pairs[share]) > 0)]  # type: ignore[misc]
        for old, new in pairwise(runs):
            ahead = (first, second) if _lead(pairs[old[0]]) > 0 else (second, first)
            sure = [_sure([pairs[share] for share in run]) for run in (old, new)]
            spent = [float(np.median([_spent(track, g, share) for g in ahead])) for share in (old[-1], new[0])]
            rows.append((*ahead, old[-1], new[0], *spent, *sure, all(sure)))
    return pd.DataFrame(rows, columns=list(CROSSOVER_COLUMNS))


def finding(track: Track, metric: str = "fid") -> str:
    """The curve in a sentence: `GAN leads until 1.5 s of training, then diffusion`; "" where there is no curve."""
    table = leaders(track, metric)
    if table.empty:
        return ""
    runs = [(name, list(rows)) for name, rows in groupby(table.itertuples(), key=lambda row: row.leader)]
    told = f"{runs[0][0]} leads" + (" at every budget" if len(runs) == 1 else "")
    for (_, before), (name, _) in pairwise(runs):
        told += f" until {float(str(before[-1].train_s)):.2g} s of training, then {name}"
    return told + ("" if bool(table.sure.iloc[-1]) else f" (at the end not told apart from {table.not_told_apart.iloc[-1]})")


def still_improving(track: Track, metric: str, groups: Sequence[str]) -> tuple[str, ...]:
    """The condition "at this budget" for groups that gained more than 5 % over the last doubling; () where none did."""
    found = shares(track, metric)
    if definition(metric).scale != "log" or 0.5 not in found or 1.0 not in found:
        return ()
    half, whole = (_groups(track, metric, share) for share in (0.5, 1.0))
    gains = {
        g: (mean_over_seeds(half[g], metric).value / mean_over_seeds(whole[g], metric).value) ** _sign(metric)
        for g in groups
        if g in half and g in whole
    }
    growing = [group for group, gain in gains.items() if gain > DOUBLING_GAIN]
    return (f"at this budget: {', '.join(growing)} still gain more than 5 % a doubling",) if growing else ()


def _groups(track: Track, metric: str, share: float) -> dict[str, Blocks]:
    """Groups that finished in every seed at a share, from entries that have the whole curve."""
    curve = tuple(at_share(metric, other) for other in shares(track, metric))
    found = {group: group_blocks(track, group, at_share(metric, share), "best", having=curve) for group in MEMBERS}
    log = definition(metric).scale == "log"
    return {
        group: block
        for group, block in found.items()
        if block.values and not any(np.isnan(value) or (log and value <= 0) for value in block.values.values())
    }


def _compare(first: Blocks, second: Blocks, metric: str) -> Pair:
    known = definition(metric)
    seeds = [seed for seed in first.values if seed in second.values]
    a, b = ([block.values[seed] for seed in seeds] for block in (first, second))
    return compare(first.group, second.group, a, b, better=known.better, scale=known.scale)


def _lead(pair: Pair) -> float:
    """Mean advantage of the first side."""
    return float(np.mean(pair.d)) if pair.d else 0.0


def _sure(pairs: Sequence[Pair]) -> bool:
    return bool((holm([pair.p_two_sided for pair in pairs]) <= 0.05).any())


def _spent(track: Track, group: str, share: float) -> float:
    """Training seconds of the group's members by this share, median."""
    names = MEMBERS[group]
    spent = [_median(track.of_cell(name, at_share("train_s", share))) for name in names]
    return float(np.nanmedian(spent)) if np.isfinite(spent).any() else float("nan")


def _median(values: dict[int, float]) -> float:
    return float(np.median(list(values.values()))) if values else float("nan")


def _sign(metric: str) -> float:
    return -1.0 if definition(metric).direction == "higher" else 1.0
