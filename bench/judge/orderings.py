"""Does A > B > C hold? Paired one-sided tests over blocks that may answer "I cannot tell".

A block is one training seed (x track x variant); every name has one value in it. The advantage of the side claimed better is

    d = log(worse / better) for "lower", log(better / worse) for "higher", plain differences on the identity scale,

so that d > 0 speaks for the claim, and with a margin m the test is on e = d - threshold, threshold = log(1 + m) (identity:
m x |value in the ratio's denominator|). With adjacent pairs (A, B), (B, C) and all pairs (A, B), (A, C), (B, C):

    p(supported)    = largest p of the adjacent pairs          intersection-union: needs no correction
    p(contradicted) = smallest reversed p x number of pairs    Bonferroni over all pairs

Tests: below 14 blocks the paired t ("parametric"), because a rank or permutation test there has a floor, 2^-n, that no
correction over a report survives; from 14 on the sign-flip test, exact to 32 blocks. NaN is a failed cell: it loses to any
finished cell and ties with a failed one, and a pair with failures is decided by the exact sign test over all planned blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from paragone.bench.judge.intervals import MANY_BLOCKS, Interval, Scale, bca_limits, t_limits
from paragone.bench.judge.significance import (
    POWER,
    ROUNDING,
    SIGN_FLIP_BLOCKS,
    blocks_needed,
    detectable_mean,
    mean_above_zero,
    sign_test,
)

Array = NDArray[np.float64]
Better = Literal["lower", "higher"]
Outcome = Literal["supported", "contradicted", "undetermined"]


@dataclass(frozen=True)
class Pair:
    """Two sides compared over the same blocks.

    Attributes:
        better, worse: names, by the claim.
        d: advantage of `better` in each block; NaN where a side failed.
        threshold, mirrored: smallest advantage that counts in each block, in the claimed and in the reversed direction.
        wins, losses: blocks in which `better` is ahead by more than the threshold, or behind by more than the mirrored one.
        failed: cells failed on the better and on the worse side.
        p, p_reversed: one-sided, that `better` is better, or `worse`, each by more than the margin.
        p_equivalent: that neither is (two one-sided tests); 1 without a margin or with failures.
    """

    better: str
    worse: str
    scale: Scale
    margin: float
    alpha: float
    d: tuple[float, ...]
    threshold: tuple[float, ...]
    mirrored: tuple[float, ...]
    wins: int
    losses: int
    failed: tuple[int, int]
    p: float
    p_reversed: float
    p_equivalent: float
    test: str

    @property
    def n(self) -> int:
        """Planned blocks."""
        return len(self.d)

    @property
    def p_two_sided(self) -> float:
        """min(1, 2 min(p, reversed p))."""
        return min(1.0, 2 * min(self.p, self.p_reversed))

    @property
    def p_not_worse(self) -> float:
        """One-sided, that `better` is not behind by more than the margin (non-inferiority): d + margin > 0 on average."""
        if self.n < 2:
            return 1.0
        d = np.asarray(self.d)
        if any(self.failed):
            both_failed = sum(self.failed) - int(np.isnan(d).sum())
            return sign_test(self.n - self.losses - both_failed, self.n)
        return mean_above_zero(d + np.asarray(self.mirrored))

    @property
    def equivalent(self) -> bool:
        """The 1 - 2 alpha interval lies within the margin on both sides."""
        return self.p_equivalent <= self.alpha

    @property
    def identical(self) -> bool:
        """No difference in any block."""
        return not any(self.d)

    @property
    def signs(self) -> str:
        """Who is ahead in each block: `++-+=`, `x` where a side failed."""
        return "".join("x" if np.isnan(d) else "=" if d == 0 else "+" if d > 0 else "-" for d in self.d)

    @cached_property
    def estimate(self) -> Interval:
        """Effect and its 1 - alpha interval over finished blocks: a ratio above 1 on `log`, a difference above 0 on `identity`
        where `better` is better."""  # fmt: skip
        d = self._finished(self.d)
        if d.size < 2:
            return Interval(self._shown(float(d[0])) if d.size else np.nan, np.nan, np.nan)
        limits = bca_limits(d, 1 - self.alpha) if d.size >= MANY_BLOCKS else t_limits(d, 1 - self.alpha)
        return Interval(*(self._shown(float(limit)) for limit in limits))

    @property
    def effect(self) -> float:
        """Ratio (log scale) or difference (identity scale), above 1 or 0 where `better` is better."""
        return self.estimate.value

    @property
    def interval(self) -> tuple[float, float]:
        """Limits of the effect's 1 - alpha interval."""
        return self.estimate.low, self.estimate.high

    def detectable_effect(self, alpha: float, power: float = POWER) -> float:
        """Smallest true effect that this many blocks of this noise show with this power, in the unit of `effect`."""
        e = self._finished(self.d) - self._finished(self.threshold)
        if e.size < 2:
            return float("nan")
        return self._shown(
            detectable_mean(float(e.std(ddof=1)), self.n, alpha, power) + float(self._finished(self.threshold).mean())
        )

    def blocks_needed(self, alpha: float, power: float = POWER) -> int | None:
        """Blocks that an effect as large as the observed one, in its own direction, needs; None: more than is sensible."""
        d, threshold = self._finished(self.d), self._finished(self.threshold)
        if d.size < 2:
            return None
        e = d - threshold if d.mean() >= 0 else -d - self._finished(self.mirrored)
        return blocks_needed(float(e.mean()), float(e.std(ddof=1)), alpha, power)

    def _finished(self, values: tuple[float, ...]) -> Array:
        return np.asarray(values)[~np.isnan(self.d)]

    def _shown(self, advantage: float) -> float:
        return float(np.exp(advantage)) if self.scale == "log" else advantage


@dataclass(frozen=True)
class OrderVerdict:
    """What blocks say of a claimed order.

    Attributes:
        verdict: `supported`, `contradicted` or `undetermined`.
        pairs: the adjacent pairs, in the claimed order; `every_pair` has all i < j.
        detectable_effect: smallest true effect between neighbours (ratio on log, difference on identity) that a design
            of this n and noise would show in all adjacent pairs with 95 % power; NaN below 2 finished blocks.
        blocks_needed: blocks with which the observed effects would be shown; None where no sensible number would.
        equivalent: adjacent pairs inside the margin: the badge *tie*.
        reason: one sentence.
    """

    verdict: Outcome
    pairs: tuple[Pair, ...]
    every_pair: tuple[Pair, ...] = field(repr=False)
    p_supported: float
    p_contradicted: float
    detectable_effect: float
    blocks_needed: int | None
    reason: str

    @property
    def p(self) -> float:
        """Two-sided p for a report's correction: min(1, 2 min(p_supported, p_contradicted))."""
        return min(1.0, 2 * min(self.p_supported, self.p_contradicted))

    @property
    def n(self) -> int:
        """Planned blocks."""
        return self.pairs[0].n

    @property
    def equivalent(self) -> tuple[Pair, ...]:
        """Adjacent pairs whose difference lies within the margin."""
        return tuple(pair for pair in self.pairs if pair.equivalent)

    @property
    def tie(self) -> bool:
        """Undetermined because neighbours are equivalent."""
        return self.verdict == "undetermined" and bool(self.equivalent)


def order_verdict(
    values: Mapping[str, ArrayLike],
    *,
    better: Better,
    margin: float = 0.0,
    alpha: float = 0.05,
    scale: Scale = "log",
) -> OrderVerdict:
    """Does the claimed order hold?

    Args:
        values: name -> one value a block, (n,), in the claimed order from best to worst; the same blocks for all; NaN is a
            failed cell.
        better: which direction of the metric is better.
        margin: relative smallest effect; 0.05 asks for 5 %.
        alpha: level of each one-sided decision.
        scale: `log` compares ratios, `identity` differences.

    Raises:
        ValueError: fewer than two names, unequal lengths, infinite values, values that are not positive on the log scale,
            or an argument out of range.
    """
    blocks = _checked(values, better, margin, alpha, scale)
    every = {
        (i, j): compare(a, b, blocks[a], blocks[b], better=better, margin=margin, alpha=alpha, scale=scale)
        for (i, a), (j, b) in combinations(enumerate(blocks), 2)
    }
    adjacent = tuple(every[i, i + 1] for i in range(len(blocks) - 1))
    enough = adjacent[0].n >= 2
    supported = max(1.0 if pair.failed[0] else pair.p for pair in adjacent) if enough else 1.0
    contradicted = min(1.0, len(every) * min(pair.p_reversed for pair in every.values())) if enough else 1.0
    outcome = decide(supported, contradicted, alpha)
    power = POWER ** (1 / len(adjacent))
    needs = [pair.blocks_needed(alpha, power) for pair in adjacent] if outcome == "undetermined" and enough else [None]
    return OrderVerdict(
        verdict=outcome,
        pairs=adjacent,
        every_pair=tuple(every.values()),
        p_supported=supported,
        p_contradicted=contradicted,
        detectable_effect=float(np.max([pair.detectable_effect(alpha, power) for pair in adjacent])),
        blocks_needed=None if None in needs else max(need for need in needs if need is not None),
        reason=_reason(outcome, adjacent, tuple(every.values())),
    )


def decide(p_supported: float, p_contradicted: float, alpha: float) -> Outcome:
    """The three outcomes; two that exclude each other, both significant, are no evidence for either."""
    if min(p_supported, p_contradicted) > alpha or max(p_supported, p_contradicted) <= alpha:
        return "undetermined"
    return "supported" if p_supported <= alpha else "contradicted"


def compare(
    better_name: str,
    worse_name: str,
    better_values: ArrayLike,
    worse_values: ArrayLike,
    *,
    better: Better,
    margin: float = 0.0,
    alpha: float = 0.05,
    scale: Scale = "log",
) -> Pair:
    """Compare two sides, (n,) each, over the same blocks; for n < 2 nothing is tested and every p is 1."""
    first, second = np.asarray(better_values, dtype=float), np.asarray(worse_values, dtype=float)
    d, threshold, mirrored = _advantage(first, second, better, margin, scale)
    ahead, behind = _snapped(d - threshold, first, second, scale), _snapped(-d - mirrored, first, second, scale)
    failures = (int(np.isnan(first).sum()), int(np.isnan(second).sum()))
    wins = int((ahead > 0).sum() + (np.isnan(second) & ~np.isnan(first)).sum())
    losses = int((behind > 0).sum() + (np.isnan(first) & ~np.isnan(second)).sum())
    p, p_reversed, p_equivalent = 1.0, 1.0, 1.0
    if d.size >= 2 and any(failures):
        p, p_reversed = sign_test(wins, d.size), sign_test(losses, d.size)
    elif d.size >= 2:
        p, p_reversed = mean_above_zero(ahead), mean_above_zero(behind)
        if margin and scale == "identity":
            # A threshold that follows the level of its block can take spread away from d, and a lead of more than the margin
            # would be shown where no lead at all is: who leads by more must lead.
            p, p_reversed = max(p, mean_above_zero(d)), max(p_reversed, mean_above_zero(-d))
        p_equivalent = max(mean_above_zero(-ahead), mean_above_zero(-behind)) if margin else 1.0
    return Pair(
        better=better_name, worse=worse_name, scale=scale, margin=margin, alpha=alpha, d=tuple(d.tolist()),
        threshold=tuple(threshold.tolist()), mirrored=tuple(mirrored.tolist()), wins=wins, losses=losses, failed=failures,
        p=p, p_reversed=p_reversed, p_equivalent=p_equivalent, test=_test_name(d.size, any(failures)),
    )  # fmt: skip


def advantage(first: ArrayLike, second: ArrayLike, better: Better, scale: Scale = "log") -> Array:
    """By how much `first` is ahead in each block, (n,): the d of a `Pair`."""
    return _advantage(np.asarray(first, dtype=float), np.asarray(second, dtype=float), better, 0.0, scale)[0]


def _advantage(first: Array, second: Array, better: Better, margin: float, scale: Scale) -> tuple[Array, Array, Array]:
    """Advantage of `first` in each block, and the thresholds in both directions, (n,) each."""
    large, small = (second, first) if better == "lower" else (first, second)
    if scale == "log":
        level = np.full(first.shape, np.log1p(margin))
        return _snapped(np.log(large) - np.log(small), first, second, scale), level, level
    return _snapped(large - small, first, second, scale), margin * np.abs(small), margin * np.abs(large)


def _snapped(d: Array, first: Array, second: Array, scale: Scale) -> Array:
    """Differences that are nothing but rounding become 0."""
    size = 1.0 if scale == "log" else np.maximum(np.abs(first), np.abs(second))
    return np.where(np.abs(d) <= ROUNDING * size, 0.0, d)


def _test_name(blocks: int, failures: bool) -> str:
    if failures:
        return "exact sign test"
    return "paired t" if blocks < SIGN_FLIP_BLOCKS else "sign-flip"


def _checked(
    values: Mapping[str, ArrayLike], better: str, margin: float, alpha: float, scale: str
) -> dict[str, Array]:  # fmt: skip
    if better not in ("lower", "higher"):
        raise ValueError(f"better is {better!r}; write 'lower' or 'higher'")
    if scale not in ("log", "identity"):
        raise ValueError(f"scale is {scale!r}; write 'log' or 'identity'")
    if not 0 <= margin < np.inf:
        raise ValueError(f"margin is {margin}; give a relative effect of at least 0, such as 0.05 for 5 %")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is {alpha}; give a level between 0 and 0.5")
    if len(values) < 2:
        raise ValueError(f"an order needs at least two names; found {list(values)}")
    blocks = {name: np.asarray(column, dtype=float) for name, column in values.items()}
    shapes = {name: column.shape for name, column in blocks.items()}
    if len(set(shapes.values())) > 1 or len(next(iter(shapes.values()))) != 1:
        raise ValueError(f"every name needs one value for each of the same blocks; found the shapes {shapes}")
    for name, column in blocks.items():
        _check_values(name, column, scale)
    return blocks


def _check_values(name: str, column: Array, scale: str) -> None:
    infinite = column[np.isinf(column)]
    if infinite.size:
        raise ValueError(f"{name} has the value {infinite[0]}; give finite values, NaN for a failed cell")
    if scale == "log" and (column <= 0).any():
        raise ValueError(f"{name} has the value {column[column <= 0][0]:g}, which has no logarithm; use scale='identity'")


def _reason(outcome: Outcome, adjacent: Sequence[Pair], every: Sequence[Pair]) -> str:
    if outcome == "supported":
        weakest = max(adjacent, key=lambda pair: pair.p)
        return f"every neighbour is ahead of the next; the closest: {describe(weakest)}"
    if outcome == "contradicted":
        return f"{describe(turned(min(every, key=lambda pair: pair.p_reversed)))}, against the claim"
    if adjacent[0].n < 2:
        return f"too few blocks: {adjacent[0].n}, and a spread needs at least 2"
    return _why_undetermined(adjacent)


def _why_undetermined(adjacent: Sequence[Pair]) -> str:
    same = [pair for pair in adjacent if pair.identical]
    ties = [pair for pair in adjacent if pair.equivalent]
    failed = [pair for pair in adjacent if pair.failed[0]]
    if same:
        return f"identical: {same[0].better} and {same[0].worse} differ in no block"
    if ties:
        return f"equivalent: {ties[0].better} and {ties[0].worse} differ by less than the margin ({describe(ties[0])})"
    if failed:
        return f"{failed[0].better} failed in {failed[0].failed[0]} of {failed[0].n} blocks, so it cannot be shown to be better"
    weakest = max(adjacent, key=lambda pair: pair.p)
    return f"too few blocks to tell: {describe(weakest)}"


def turned(pair: Pair) -> Pair:
    """The same comparison told from the other side."""
    return Pair(
        better=pair.worse, worse=pair.better, scale=pair.scale, margin=pair.margin, alpha=pair.alpha,
        d=tuple(-d for d in pair.d), threshold=pair.mirrored, mirrored=pair.threshold, wins=pair.losses, losses=pair.wins,
        failed=pair.failed[::-1], p=pair.p_reversed, p_reversed=pair.p, p_equivalent=pair.p_equivalent, test=pair.test,
    )  # fmt: skip


def describe(pair: Pair) -> str:
    """`GAN ahead of VAE by a factor 1.42 [1.2, 1.7], p = 0.004 for more than 5% (parametric, paired t, n = 5, blocks +++++)`."""
    low, high = pair.interval
    size = f"a factor {pair.effect:.3g}" if pair.scale == "log" else f"{pair.effect:.3g}"
    limits = "" if np.isnan(low) else f" [{low:.3g}, {high:.3g}]"
    ahead = np.isnan(pair.effect) or pair.effect >= (1.0 if pair.scale == "log" else 0.0)
    kind = "parametric, " if pair.test == "paired t" else ""
    p = (f"p = {pair.p:.2g}" if pair.p >= 1e-4 else "p < 0.0001") + (f" for more than {pair.margin:.0%}" if pair.margin else "")
    told = f"{pair.better} ahead of {pair.worse} by {size}" if ahead else f"{pair.better} against {pair.worse}: {size}"
    return f"{told}{limits}, {p} ({kind}{pair.test}, n = {pair.n}, blocks {pair.signs})"
