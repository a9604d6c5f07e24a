"""One part of a claim tested: on one metric, for the best or the typical contender of each family. Every kind of claim ends here.

With one value x_s a seed on the metric's scale (logarithms where it says so), paired over seeds:

    order      chains of neighbours, bench/judge/orderings.py; over all chains
                   p(supported) = largest p of the neighbours      p(contradicted) = smallest reversed p x number of pairs
    parity     A no worse than B by more than m:  d_s + log(1 + m) > 0 on average; contradicted: B ahead by more than m
    factor     the 95 % interval of the mean of x lies inside `within`: supported; outside it: contradicted
    trend      as factor, on slopes, with one bound; never supported where first and last point are reversed significantly
    property   every seed inside `within`: supported; any finished seed outside: contradicted; no p

Seeds in which the time of any side was disturbed are left out, for all sides alike. Tests of a mean are those of
bench/judge/significance.py. A failed cell (NaN) of the side that a claim speaks for never lets it
be supported; the exact sign test over all planned seeds decides then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paragone.bench.judge.blocks import Track, definition
from paragone.bench.judge.claims.claim import Bounds, Claim, bounds_in_words, inside
from paragone.bench.judge.families import VIEWS, Blocks, View, group_blocks
from paragone.bench.judge.intervals import Interval, centre
from paragone.bench.judge.orderings import OrderVerdict, Outcome, Pair, compare, decide, order_verdict
from paragone.bench.judge.ranking import NO_VALID_TIMING
from paragone.bench.judge.significance import POWER, blocks_needed, detectable_mean, mean_above_zero, sign_test
from paragone.bench.judge.stability import NEEDED_FACTORS, NEEDED_SEEDS

Array = NDArray[np.float64]
ALPHA = 0.05


@dataclass(frozen=True)
class Estimate:
    """The value of a side, or the ratio of two, against its bounds (factor, trend, property).

    `values` has one a seed, NaN where a cell failed; `scale` is the one on which they were averaged.
    """

    name: str
    values: tuple[float, ...]
    summary: Interval
    within: Bounds
    scale: str
    p_inside: float
    p_outside: float


@dataclass(frozen=True)
class Component:
    """A claim tested on one metric in one view.

    Attributes:
        view: `best` or `typical` of each family, `only` where both are the same.
        outcome: alone, uncorrected.
        pairs, every_pair: of kinds order and parity: neighbours in the claimed order, and all pairs of every chain.
        estimates: of the other kinds, one a chain.
        sides: who stood for each side.
        exact: False for a property that was decided without a test.
    """

    metric: str
    view: str
    outcome: Outcome
    p_supported: float
    p_contradicted: float
    n: int
    detectable_effect: float
    blocks_needed: int | None
    reason: str
    sides: tuple[Blocks, ...]
    pairs: tuple[Pair, ...] = ()
    every_pair: tuple[Pair, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    tested: bool = True

    @property
    def tie(self) -> bool:
        """Undetermined because neighbours are equivalent."""
        return self.outcome == "undetermined" and any(pair.equivalent for pair in self.pairs)


@dataclass(frozen=True)
class Missing:
    """What no test could be made without."""

    reason: str


def components(claim: Claim, track: Track, metrics: Sequence[str]) -> list[Component] | Missing:
    """The claim tested on each metric in each view; views that have the same values stand once, as `only`."""
    made: list[Component] = []
    for metric in metrics:
        columns = {view: _columns(claim, track, metric, view) for view in VIEWS}
        lacking = _unstable(track, metric) or _lacking(
            claim, metric, [block for column in columns.values() for block in column.values()], track.seeds
        )
        if lacking:
            return Missing(lacking)
        same = all(columns["best"][side].values == columns["typical"][side].values for side in claim.members)
        views: tuple[tuple[View, str], ...] = (("best", "only"),) if same else tuple((view, view) for view in VIEWS)
        made += [_component(claim, track, metric, name, columns[view]) for view, name in views]
    return made


def _unstable(track: Track, metric: str) -> str:
    """Stability is decided on learning-rate variants of a run, and never from its losses."""
    if definition(metric).group != "stability" or (len(track.seeds) >= NEEDED_SEEDS and track.factors >= NEEDED_FACTORS):
        return ""
    seeds, factors = _count(len(track.seeds), "seed"), _count(track.factors, "learning-rate factor")
    varied = f"{factors}: this suite varies no learning rates" if track.factors <= 1 else factors
    return f"not enough runs: {seeds} x {varied}; needed are at least {NEEDED_SEEDS} seeds x {NEEDED_FACTORS} factors"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _columns(claim: Claim, track: Track, metric: str, view: View) -> dict[str, Blocks]:
    return {side: group_blocks(track, side, metric, view, under=claim.under) for side in claim.members}


def _seeds(track: Track, blocks: Iterable[Blocks]) -> tuple[int, ...]:
    """Seeds of the track in which no time of any side was disturbed."""
    kept_out = {seed for block in blocks for seed in block.kept_out}
    return tuple(seed for seed in track.seeds if seed not in kept_out)


def _lacking(claim: Claim, metric: str, blocks: Sequence[Blocks], seeds: Sequence[int]) -> str:
    chosen = {chain[0] for chain in claim.sides}  # others that break the limit of a choice are merely out of it
    reasons = list(dict.fromkeys(b.why_missing for b in blocks if b.why_missing and (b.group in chosen or not b.out_of_choice)))
    if reasons:
        return "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    if definition(metric).scale == "log":
        for block in blocks:
            bad = [value for value in block.values.values() if value <= 0]
            if bad:
                return f"{block.group} has the value {bad[0]:g}, which has no logarithm"
    valid = [seed for seed in seeds if not any(seed in block.kept_out for block in blocks)]
    if len(valid) < 2 <= len(seeds) and (claim.kind != "property" or not valid):
        return f"{NO_VALID_TIMING} of all sides at once in {len(seeds) - len(valid)} of {len(seeds)} seeds, and a test needs 2"
    return "1 seed, and a spread needs at least 2" if len(seeds) < 2 and claim.kind != "property" else ""


def _component(claim: Claim, track: Track, metric: str, view: str, columns: dict[str, Blocks]) -> Component:
    sides = tuple(columns.values())
    seeds = _seeds(track, sides)
    if claim.kind in ("order", "parity"):
        chains = [chain for chain in claim.sides if all(columns[side].values for side in chain)]
        if not chains:
            return _nobody(metric, view, sides, len(seeds))
        values = {side: np.array([columns[side].values[s] for s in seeds]) for chain in chains for side in chain}
        made = _orders if claim.kind == "order" else _parity
        return made(claim, chains, values, metric, view, sides)
    return _bounded(claim, track, metric, view, columns)


def _nobody(metric: str, view: str, sides: tuple[Blocks, ...], n: int) -> Component:
    """A choice under a constraint that nobody else keeps."""
    return Component(
        metric, view, "supported", 0.0, 1.0, n, float("nan"), None, "nobody else keeps the limit", sides, tested=False
    )  # fmt: skip


def _orders(
    claim: Claim, chains: Sequence[tuple[str, ...]], values: dict[str, Array], metric: str, view: str, sides: tuple[Blocks, ...]
) -> Component:
    known = definition(metric)
    found = [
        order_verdict({side: values[side] for side in chain}, better=known.better, margin=claim.margin, scale=known.scale)
        for chain in chains
    ]
    pairs = tuple(pair for result in found for pair in result.pairs)
    every = tuple(pair for result in found for pair in result.every_pair)
    supported = max(result.p_supported for result in found)
    contradicted = min(1.0, len(every) * min(pair.p_reversed for pair in every))
    outcome = decide(supported, contradicted, ALPHA)
    telling = _telling(found, outcome)
    power = POWER ** (1 / len(pairs))
    needs = [pair.blocks_needed(ALPHA, power) for pair in pairs]
    return Component(
        metric, view, outcome, supported, contradicted, found[0].n, max(pair.detectable_effect(ALPHA, power) for pair in pairs),
        None if None in needs else max(need for need in needs if need is not None), telling.reason, sides, pairs, every,
    )  # fmt: skip


def _telling(found: Sequence[OrderVerdict], outcome: Outcome) -> OrderVerdict:
    """The chain whose reason is the reason of all: the one that decides, else the weakest."""
    if outcome == "contradicted":
        return min(found, key=lambda result: result.p_contradicted)
    return max(found, key=lambda result: (result.verdict != "supported", result.p_supported))


def _parity(
    claim: Claim, chains: Sequence[tuple[str, ...]], values: dict[str, Array], metric: str, view: str, sides: tuple[Blocks, ...]
) -> Component:
    known = definition(metric)
    pairs = tuple(
        compare(a, b, values[a], values[b], better=known.better, margin=claim.margin, scale=known.scale) for a, b in chains
    )
    supported = max(1.0 if pair.failed[0] else pair.p_not_worse for pair in pairs)
    contradicted = min(1.0, len(pairs) * min(pair.p_reversed for pair in pairs))
    outcome = decide(supported, contradicted, ALPHA)
    weakest = max(pairs, key=lambda pair: pair.p_not_worse)
    return Component(
        metric, view, outcome, supported, contradicted, pairs[0].n, max(pair.detectable_effect(ALPHA) for pair in pairs), None,
        _parity_reason(weakest, claim.margin, outcome), sides, pairs, pairs,
    )  # fmt: skip


def _parity_reason(pair: Pair, margin: float, outcome: Outcome) -> str:
    low, high = pair.interval
    told = f"{pair.better} against {pair.worse}: a factor {pair.effect:.3g} [{low:.3g}, {high:.3g}], n = {pair.n}"
    words = {"supported": "no worse by", "contradicted": "worse by", "undetermined": "too few blocks to tell whether worse by"}
    return f"{words[outcome]} more than {margin:.0%}: {told}"


def _bounded(claim: Claim, track: Track, metric: str, view: str, columns: dict[str, Blocks]) -> Component:
    """Kinds factor, trend and property: each chain's value or ratio against the claim's bounds."""
    known, within = definition(metric), claim.within or (None, None)
    seeds = _seeds(track, columns.values())
    log = known.scale == "log" or any(len(chain) == 2 for chain in claim.sides)
    made = []
    for chain in claim.sides:
        first, *second = (np.array([columns[side].values[s] for s in seeds]) for side in chain)
        values = first / second[0] if second else first
        made.append(_estimate(" over ".join(chain), values, within, "log" if log else "identity", claim.kind == "property"))
    if claim.kind == "property":
        return _property(made, metric, view, tuple(columns.values()), len(seeds))
    supported = max(e.p_inside for e in made)
    contradicted = min(1.0, len(made) * min(e.p_outside for e in made))
    if claim.kind == "trend" and _reversed_ends(track, columns, metric, rising=within[1] is None):
        supported = 1.0
    # Both bounds of a 95 % interval are one-sided tests at half of 5 %.
    outcome = decide(supported, contradicted, ALPHA / 2)
    worst = max(made, key=lambda e: e.p_inside) if outcome != "contradicted" else min(made, key=lambda e: e.p_outside)
    return Component(
        metric, view, outcome, supported, contradicted, len(seeds), max(map(_detectable, made)), _needed(worst),
        _bounded_reason(worst, outcome), tuple(columns.values()), estimates=tuple(made),
    )  # fmt: skip


def _estimate(name: str, values: Array, within: Bounds, scale: str, certain: bool) -> Estimate:
    finished = values[~np.isnan(values)]
    x = np.log(finished) if scale == "log" else finished
    low, high = (None if b is None else float(np.log(b)) if scale == "log" and b > 0 else b for b in within)
    gaps = ([x - low] if low is not None and not (scale == "log" and within[0] == 0) else []) + (
        [high - x] if high is not None else []
    )
    summary = centre(finished, "log" if scale == "log" else "identity")
    if certain or x.size < 2:
        inside, outside = 1.0, 1.0
    elif finished.size < values.size:
        held = np.all([gap >= 0 for gap in gaps], axis=0)
        inside, outside = 1.0, sign_test(int((~held).sum()), values.size)
    else:
        inside, outside = max(mean_above_zero(gap) for gap in gaps), min(mean_above_zero(-gap) for gap in gaps)
    return Estimate(name, tuple(values.tolist()), summary, within, scale, inside, outside)


def _property(made: Sequence[Estimate], metric: str, view: str, sides: tuple[Blocks, ...], n: int) -> Component:
    broken = [(e, v) for e in made for v in e.values if not np.isnan(v) and not inside(v, e.within)]
    failed = [e for e in made if np.isnan(e.values).any()]
    outcome: Outcome = "contradicted" if broken else "undetermined" if failed else "supported"
    if broken:
        worst, value = broken[0]
        reason = f"{worst.name}: {value:.4g} is not {bounds_in_words(worst.within)}"
    elif failed:
        reason = f"{failed[0].name} failed in {int(np.isnan(failed[0].values).sum())} of {n} seeds"
    else:
        spans = [f"{e.name} {min(e.values):.4g} to {max(e.values):.4g}" for e in made]
        reason = f"in every seed {bounds_in_words(made[0].within)}: {'; '.join(spans)}"
    return Component(
        metric, view, outcome, float("nan"), float("nan"), n, float("nan"), None, reason, sides, estimates=tuple(made),
        tested=False,
    )  # fmt: skip


def _bounded_reason(e: Estimate, outcome: Outcome) -> str:
    value, low, high = e.summary
    told = f"{e.name}: {value:.3g} [{low:.3g}, {high:.3g}]"
    if any(np.isnan(e.values)) and outcome == "undetermined":
        return f"{e.name} failed in {int(np.isnan(e.values).sum())} of {len(e.values)} seeds"
    words = {"supported": "surely", "contradicted": "surely not", "undetermined": "the interval does not tell whether"}
    return f"{told}, {words[outcome]} {bounds_in_words(e.within)} (n = {len(e.values)})"


def _reversed_ends(track: Track, columns: dict[str, Blocks], metric: str, rising: bool) -> bool:
    """Whether last minus first point of the measured slopes lies significantly on the other side of 0."""
    for block in columns.values():
        ends = [
            m.repeats[-1] - m.repeats[0]
            for seed, entries in block.chosen.items()
            for entry in entries
            if (m := track.measurement(entry, metric, seed)) is not None and len(m.repeats) >= 2
        ]
        if len(ends) >= 2 and mean_above_zero(np.array(ends) * (-1.0 if rising else 1.0)) <= ALPHA:
            return True
    return False


def _finished(e: Estimate) -> Array:
    values = np.array([v for v in e.values if not np.isnan(v)])
    return np.log(values) if e.scale == "log" else values


def _detectable(e: Estimate) -> float:
    """Smallest distance from a bound that this n and noise show: a factor on `log`, a difference on `identity`."""
    x = _finished(e)
    if x.size < 2:
        return float("nan")
    size = detectable_mean(float(x.std(ddof=1)), x.size, ALPHA / 2)
    return float(np.exp(size)) if e.scale == "log" else size


def _needed(e: Estimate) -> int | None:
    """Seeds that the distance of the mean from its nearest bound needs."""
    x = _finished(e)
    bounds = [np.log(b) if e.scale == "log" else b for b in e.within if b is not None and not (e.scale == "log" and b <= 0)]
    if x.size < 2 or not bounds:
        return None
    return blocks_needed(float(min(abs(x.mean() - b) for b in bounds)), float(x.std(ddof=1)), ALPHA / 2)
