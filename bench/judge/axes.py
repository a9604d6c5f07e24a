"""The same run ranked at equal seconds, steps, samples, flops and joules: who leads may depend on what is held equal.

On each axis an entry has one curve a seed, log FID against log of what was spent at the shares of its budget, and may be read
wherever all its seeds have measured, by linear interpolation (bench/judge/curves.py). Entries are ranked at one amount:

    amount    the largest of those that as many contenders' curves as possible reach
    rank      values, intervals, ranks and rank intervals as in every ranking (bench/judge/ranking.py)

Whose curve ends below the amount, or begins above it, has no rank there and says so; nothing is extrapolated. An axis that was
not measured, or on which no two contenders can be read at one amount, is not there, and `absent` has its reason. Amounts spent by
a share differ between seeds, so each seed's curve is read at the same amount before their mean is taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from paragone.bench.judge.blocks import Entry, Track, definition, remembered
from paragone.bench.judge.curves import AXES, seed_curve, shares
from paragone.bench.judge.ranking import Row, in_order, judged_row
from paragone.bench.metrics.table import at_share

COLUMNS = (
    "track", "axis", "amount", "unit", "rank", "rank_low", "rank_high", "entry", "family", "value", "ci_low", "ci_high", "n",
    "status",
)  # fmt: skip
NAMES: Mapping[str, tuple[str, str]] = {
    "train_s": ("seconds", "s"), "train_steps": ("steps", "steps"), "train_samples": ("samples", "samples"),
    "train_flops": ("flops", "flop"), "train_joules": ("joules", "J"),
}  # fmt: skip
"""Axis -> its name, as in budgets, and the unit of its amounts."""
ROUNDING = 1e-9
_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

Curves = dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Seed -> (log amounts, log FID), (points,) each, amounts ascending."""


@dataclass(frozen=True)
class AtEqual:
    """A track's entries at an equal amount of one axis, as a ranking: ranked, with failures, without rank."""

    axis: str
    amount: float
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """The axis as in budgets: `seconds`."""
        return NAMES[self.axis][0]


@dataclass(frozen=True)
class _Reach:
    """An entry's curves on one axis, and the logarithms of the amounts between which all of them can be read."""

    entry: Entry
    curves: Curves
    low: float
    high: float

    def covers(self, log_amount: float) -> bool:
        return self.low - ROUNDING <= log_amount <= self.high + ROUNDING


@remembered
def at_equal(track: Track) -> list[AtEqual]:
    """The track ranked by FID on every axis on which curves are known and meet, in the order of `AXES`."""
    found = (_ranked(track, axis) for axis in AXES) if len(shares(track)) > 1 else ()
    return [row for row in found if row is not None]


def absent(track: Track) -> dict[str, str]:
    """Axis -> why nothing can be ranked on it; {} also for a track without curves."""
    known = {row.axis for row in at_equal(track)}
    return {axis: _why_absent(track, axis) for axis in AXES if axis not in known} if known else {}


def axis_table(tracks: Iterable[Track]) -> pd.DataFrame:
    """The rows of tables/by_axis.csv, `COLUMNS` in order: a track after the other, an axis after the other, best first."""
    lines = [_line(track, made, row) for track in tracks for made in at_equal(track) for row in made.rows]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    counts = dict.fromkeys(("rank", "rank_low", "rank_high", "n"), "Int64")
    return table.astype({**counts, **dict.fromkeys(("amount", "value", "ci_low", "ci_high"), "float64")})


def in_words(axis: str, amount: float) -> str:
    """An amount to three digits with its unit: `6.01 s`, `562 steps`, `3.2 Tflop`, `1.2 kJ`."""
    unit = NAMES[axis][1]
    if unit in ("steps", "samples"):
        return f"{float(f'{amount:.3g}'):,.0f} {unit}".replace(",", "\u202f")
    size, prefix = next(((size, p) for size, p in _PREFIXES if amount >= size and unit != "s"), (1.0, ""))
    return f"{float(f'{amount / size:.3g}'):g} {prefix}{unit}"


def _ranked(track: Track, axis: str) -> AtEqual | None:
    reaches = [reach for entry in track.entries if not entry.reference and (reach := _reach(track, entry, axis)) is not None]
    if not reaches:
        return None
    known, at = definition("fid"), _amount(reaches)
    if _covering(reaches, at) < min(2, len({reach.entry.contender for reach in reaches})):
        return None
    rows = [judged_row(track, reach.entry, known, *_read(track, reach, axis, at)) for reach in reaches]
    drawn = {reach.entry.contender for reach in reaches}
    rows += [row for entry in track.entries if (row := _without_curve(track, entry, axis, drawn)) is not None]
    return AtEqual(axis, float(np.exp(at)), tuple(in_order(rows, known)))


def _reach(track: Track, entry: Entry, axis: str) -> _Reach | None:
    found = {seed: seed_curve(track, (entry,), axis, seed) for seed in track.seeds}
    curves = {seed: curve for seed, curve in found.items() if curve is not None}
    if not curves:
        return None
    low, high = max(x[0] for x, _ in curves.values()), min(x[-1] for x, _ in curves.values())
    return _Reach(entry, curves, float(low), float(high))


def _amount(reaches: Sequence[_Reach]) -> float:
    """The logarithm of the amount: the end of one of the curves, for beyond each end one contender fewer is there."""
    return max((reach.high for reach in reaches), key=lambda end: (_covering(reaches, end), end))


def _covering(reaches: Sequence[_Reach], log_amount: float) -> int:
    return len({reach.entry.contender for reach in reaches if reach.covers(log_amount)})


def _read(track: Track, reach: _Reach, axis: str, at: float) -> tuple[dict[int, float], str]:
    """The entry's values at an amount, NaN where its cell failed, and why it can have no rank ("": it can)."""
    if reach.low > reach.high + ROUNDING:
        return {}, "its seeds' curves have no amount in common"
    if not reach.covers(at):
        end, word = (reach.low, "begins") if at < reach.low else (reach.high, "ends")
        return {}, f"its curve {word} at {in_words(axis, float(np.exp(end)))}"
    failed = {seed: value for seed, value in track.outcomes(reach.entry, "fid").items() if np.isnan(value)}
    return failed | {seed: float(np.exp(np.interp(at, *curve))) for seed, curve in reach.curves.items()}, ""


def _without_curve(track: Track, entry: Entry, axis: str, drawn: set[str]) -> Row | None:
    """The row of a contender without a curve on this axis, under its default sampler; None where it has one, or no FID."""
    values = track.outcomes(entry, "fid")
    if entry.reference or not entry.default or entry.contender in drawn or not values:
        return None
    if np.isnan(list(values.values())).all():
        return judged_row(track, entry, definition("fid"), values)
    spent = track.of_cell(entry.contender, axis)
    why = "its FID was measured at the end only" if spent else f"no {NAMES[axis][0]}: {_why_absent(track, axis, entry.contender)}"
    return judged_row(track, entry, definition("fid"), {}, why)


def _why_absent(track: Track, axis: str, contender: str = "") -> str:
    """What the cells give as the reason, those of one contender or of any."""
    names = {at_share(axis, share) for share in shares(track)}
    if not contender and any(_reach(track, entry, axis) is not None for entry in track.entries if not entry.reference):
        return "no two contenders' curves have an amount in common"
    asked = {own: m for (own, _, _, name), m in track.measured.items() if name in names and m.value is None}
    given = [m.source for own, m in asked.items() if own == contender or not contender]
    return given[0] if given else "not measured by this run"


def _line(track: Track, made: AtEqual, row: Row) -> tuple[object, ...]:
    finished = sum(not np.isnan(value) for value in row.values.values())
    return (
        track.name, made.name, made.amount, NAMES[made.axis][1], *(row.rank or (pd.NA,) * 3), row.entry.name, row.entry.family,
        *row.summary, finished, row.status,
    )  # fmt: skip
