"""Where an order flips: along the budget, and from one budget axis to another (seconds, steps, samples, flops, joules).

The curves of a run are log FID at shares of the budget. On an axis with amount a (seconds, steps ... spent), each seed's
curve is read at every a by linear interpolation between its points in (log a, log FID), inside the range that all seeds of both
sides have measured. With the advantage D_s(a) = log FID_B - log FID_A of A over B, paired by seed:

    flip            the first a at which the mean of D changes its sign
    its interval    every a around it at which the mean of D does not differ from 0 (two-sided t test at 5 %, pointwise): the
                    inversion of the tests, so that an end is open where one side's lead is nowhere sure
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from paragone.bench.judge.blocks import Track, remembered
from paragone.bench.judge.claims.claim import Claim
from paragone.bench.judge.components import Missing, components
from paragone.bench.judge.curves import AXES, seed_curve, shares
from paragone.bench.judge.families import MEMBERS, group_blocks
from paragone.bench.judge.orderings import Outcome
from paragone.bench.metrics.table import at_share

Array = NDArray[np.float64]
GRID = 201
"""Amounts, evenly spaced on the logarithm, at which curves are compared."""
LEVEL = 0.95


@dataclass(frozen=True)
class AtShare:
    """A claim decided at a share of the budget, alone (uncorrected); `train_s`: seconds of training by then, median."""

    share: float
    train_s: float
    verdict: Outcome
    p: float


@dataclass(frozen=True)
class Flip:
    """`before` leads below the amount `at`, `after` above; None is an open end of the 95 % confidence set."""

    before: str
    after: str
    at: float
    low: float | None
    high: float | None

    @property
    def sure(self) -> bool:
        """Both leads are significant on their side of the flip."""
        return self.low is not None and self.high is not None


@dataclass(frozen=True)
class AtAxis:
    """Two sides at the largest amount of an axis that both reached.

    `ratio` is FID of the side claimed worse over that of the one claimed better (above 1: as claimed) with its 95 % interval,
    `p` two-sided; `flips` the first change of places below that amount.
    """

    axis: str
    amount: float
    better: str
    worse: str
    ratio: float
    low: float
    high: float
    p: float
    flips: Flip | None


def at_shares(claim: Claim, track: Track) -> list[AtShare]:
    """An order or parity on a quality metric, decided at each share of the budget at which it was measured."""
    metric = claim.metrics[0]
    if claim.kind not in ("order", "parity") or len(shares(track, metric)) < 2:
        return []
    found = []
    for share in shares(track, metric):
        made = components(claim, track, [at_share(m, share) for m in claim.metrics])
        if isinstance(made, Missing):
            continue
        supported, contradicted = max(c.p_supported for c in made), max(c.p_contradicted for c in made)
        outcomes = {c.outcome for c in made}
        verdict: Outcome = outcomes.pop() if len(outcomes) == 1 else "undetermined"
        spent = [value for name in _contenders(claim, track) for value in track.of_cell(name, at_share("train_s", share)).values()]
        p = min(1.0, 2 * min(supported, contradicted))
        found.append(AtShare(share, float(np.median(spent)) if spent else float("nan"), verdict, p))
    return found if len(found) > 1 else []


def by_axis(claim: Claim, track: Track) -> list[AtAxis]:
    """Every pair of the claim's chains on every budget axis on which their curves overlap."""
    metric = claim.metrics[0]
    if claim.kind not in ("order", "parity") or metric != "fid" or len(shares(track, metric)) < 2:
        return []
    pairs = dict.fromkeys(pair for chain in claim.sides for pair in combinations(chain, 2))
    found = (_compared(track, a, b, axis) for a, b in pairs for axis in AXES)
    return [row for row in found if row is not None]


def flips(track: Track, axis: str) -> list[AtAxis]:
    """Every pair of the document's groups that changes places on an axis, surely or not."""
    if len(shares(track, "fid")) < 2:
        return []
    found = (_compared(track, a, b, axis) for a, b in combinations(MEMBERS, 2))
    return [row for row in found if row is not None and row.flips is not None]


def _contenders(claim: Claim, track: Track) -> list[str]:
    entries = [e for side in claim.members for chosen in group_blocks(track, side, "fid", "best").chosen.values() for e in chosen]
    return list(dict.fromkeys(entry.contender for entry in entries if not entry.reference))


@remembered
def _compared(track: Track, better: str, worse: str, axis: str) -> AtAxis | None:
    first, second = (_curves(track, side, axis) for side in (better, worse))
    seeds = sorted(set(first) & set(second))
    if len(seeds) < 2:
        return None
    both = [curve for seed in seeds for curve in (first[seed], second[seed])]
    low, high = max(curve[0][0] for curve in both), min(curve[0][-1] for curve in both)
    if not low < high:
        return None
    grid = np.linspace(low, high, GRID)
    lead = np.array([np.interp(grid, *second[seed]) - np.interp(grid, *first[seed]) for seed in seeds])  # (seeds, GRID)
    mean, half, p = _tests(lead)
    ratio, down, up = np.exp([mean[-1], mean[-1] - half[-1], mean[-1] + half[-1]])
    flip = _first_flip(grid, mean, half, better, worse)
    return AtAxis(axis, float(np.exp(high)), better, worse, float(ratio), float(down), float(up), float(p[-1]), flip)


@remembered
def _curves(track: Track, side: str, axis: str) -> dict[int, tuple[Array, Array]]:
    """Seed -> (log amounts, log FID) of a side's best entry that has the whole curve."""
    having = tuple(at_share("fid", share) for share in shares(track, "fid"))
    chosen = group_blocks(track, side, "fid", "best", having=having).chosen
    found = {seed: seed_curve(track, entries, axis, seed) for seed, entries in chosen.items()}
    return {seed: curve for seed, curve in found.items() if curve is not None}


def _tests(lead: Array) -> tuple[Array, Array, Array]:
    """Mean over seeds, half width of its 95 % interval, and two-sided p against 0, (GRID,) each."""
    n = len(lead)
    mean, error = lead.mean(0), lead.std(0, ddof=1) / np.sqrt(n)
    certain = error <= 1e-12 * np.abs(mean)
    t = np.abs(mean) / np.where(certain, 1.0, error)
    p = np.where(certain, np.where(mean == 0, 1.0, 0.0), 2 * stdtr(n - 1, -t))
    return mean, stdtrit(n - 1, 0.5 + LEVEL / 2) * error, p


def _first_flip(grid: Array, mean: Array, half: Array, better: str, worse: str) -> Flip | None:
    changes = np.flatnonzero(np.diff(mean > 0))
    if not changes.size:
        return None
    k = int(changes[0])
    at = grid[k] + (grid[k + 1] - grid[k]) * mean[k] / (mean[k] - mean[k + 1])
    sure = np.abs(mean) > half
    before, after = np.flatnonzero(sure[: k + 1]), np.flatnonzero(sure[k + 1 :])
    low = float(np.exp(grid[before[-1]])) if before.size else None
    high = float(np.exp(grid[k + 1 + after[0]])) if after.size else None
    names = (better, worse) if mean[k] > 0 else (worse, better)
    return Flip(*names, at=float(np.exp(at)), low=low, high=high)
