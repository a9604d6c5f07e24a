"""What keeps a significant result from being a verdict: doubts that no number of seeds removes. Each is a sentence, "" is none.

reference   a verdict on FID keeps its sign in 95 % of 200 common bootstraps of the reference, and under a second encoder:
            which real images the reference happens to hold is in no interval over seeds
bounds      a likelihood that is a bound says who is better only in one direction: a bound below an exact figure shows that
            its model is better; an exact figure below a bound, or two bounds, show nothing
guard       a metric that must not contradict the claim does
training    stability of a family that still gains more than 10 % over the last doubling of its budget, or whose best
            learning rate lies at the edge of those tried
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from paragone.bench.judge.blocks import Entry, Track, definition
from paragone.bench.judge.claims.claim import Claim
from paragone.bench.judge.components import Component, Missing, components
from paragone.bench.judge.families import Blocks, members
from paragone.bench.judge.orderings import Outcome, Pair

KEPT = 0.95
ON_REFERENCE, SECOND = "fid_bootstrap", "fid_second_encoder"
TRAINED_OUT = 1.10


def veto(claim: Claim, track: Track, found: Sequence[Component], leans: Outcome) -> str:
    """The first doubt about a claim that its components support, or contradict."""
    for component in found:
        doubt = _reference(claim, track, component, leans) or _bounds(track, component, leans)
        if doubt:
            return doubt
    return _training(claim, track) or _guard(claim, track, leans)


def reference_tested(track: Track, found: Sequence[Component]) -> bool:
    """Whether every entry of a verdict on FID was measured on resampled references and under a second encoder."""
    entries = {entry for c in found for block in c.sides for chosen in block.chosen.values() for entry in chosen}
    seeds = [(entry, seed) for entry in entries for seed in track.seeds]
    return bool(seeds) and all(track.measurement(e, m, s) is not None for e, s in seeds for m in (ON_REFERENCE, SECOND))


def _reference(claim: Claim, track: Track, component: Component, leans: Outcome) -> str:
    if component.metric != "fid" or not component.pairs:
        return ""
    shift = np.log1p(claim.margin) if claim.kind == "parity" else 0.0
    pairs = component.pairs if leans == "supported" else [min(component.every_pair, key=lambda pair: pair.p_reversed)]
    sign = 1.0 if leans == "supported" else -1.0
    blocks = {block.group: block for block in component.sides}
    kept = np.ones(1, dtype=bool)
    for pair in pairs:
        resampled = _advantages(track, pair, blocks, ON_REFERENCE)
        if resampled is not None:
            kept = kept & (sign * (resampled + shift) > 0)
        second = _advantages(track, pair, blocks, SECOND)
        if second is not None and sign * (float(second[0]) + shift) <= 0:
            return f"under the second encoder {pair.better} and {pair.worse} change places (a factor {np.exp(second[0]):.3g})"
    share = float(kept.mean())
    if share < KEPT:
        return (
            f"the order holds in {share:.0%} of {kept.size} resampled references only: which real images are the reference decides"
        )
    return ""


def _advantages(track: Track, pair: Pair, blocks: dict[str, Blocks], metric: str) -> NDArray[np.float64] | None:
    """Mean over seeds of log(worse / better), one a resampled reference (one in all for a single value); None: not measured."""
    logs = [_log_levels(track, blocks[side], metric) for side in (pair.better, pair.worse)]
    if logs[0] is None or logs[1] is None:
        return None
    shared = [seed for seed in logs[0] if seed in logs[1]]
    if not shared:
        return None
    return np.asarray(np.mean([logs[1][seed] - logs[0][seed] for seed in shared], axis=0))


def _log_levels(track: Track, block: Blocks, metric: str) -> dict[int, NDArray[np.float64]] | None:
    """Seed -> log FID on each resampled reference, mean over the entries that stand for the side; failed seeds are left out."""
    levels: dict[int, NDArray[np.float64]] = {}
    for seed, entries in block.chosen.items():
        if np.isnan(block.values[seed]):
            continue
        values = [_values(track, entry, metric, seed) for entry in entries]
        if any(value is None or (value <= 0).any() for value in values):
            return None
        levels[seed] = np.mean([np.log(value) for value in values if value is not None], axis=0)
    return levels


def _values(track: Track, entry: Entry, metric: str, seed: int) -> NDArray[np.float64] | None:
    found = track.measurement(entry, metric, seed)
    if found is None or found.value is None:
        return None
    return np.array(found.repeats or (found.value,))


def _bounds(track: Track, component: Component, leans: Outcome) -> str:
    if definition(component.metric).group != "likelihood" or not component.pairs:
        return ""
    pairs = component.pairs if leans == "supported" else [min(component.every_pair, key=lambda pair: pair.p_reversed)]
    for pair in pairs:
        behind = pair.worse if leans == "supported" else pair.better
        block = next(block for block in component.sides if block.group == behind)
        for seed, entries in block.chosen.items():
            found = [track.measurement(entry, component.metric, seed) for entry in entries]
            if any(m is not None and not m.source.startswith("exact") for m in found):
                return f"the likelihood of {behind} is a bound: its exact figure may be better than the one it is compared with"
    return ""


def _guard(claim: Claim, track: Track, leans: Outcome) -> str:
    for metric in claim.guard:
        found = components(claim, track, (metric,))
        if isinstance(found, Missing):
            return f"{definition(metric).label} was not measured"
        against: Outcome = "contradicted" if leans == "supported" else "supported"
        if any(component.outcome == against for component in found):
            return f"components disagree: {leans} by {definition(claim.metrics[0]).label}, {against} by {definition(metric).label}"
    return ""


def _training(claim: Claim, track: Track) -> str:
    if definition(claim.metrics[0]).group != "stability":
        return ""
    told = []
    for side in claim.members:
        for name in dict.fromkeys(entry.contender for entry in members(track, side)):
            own = track.stability.get(name)
            if own is not None and own.edge:
                told.append(f"the best learning-rate factor of {side} ({own.best_factor:g}) lies at the edge of those tried")
            elif own is not None and own.gain > TRAINED_OUT:
                told.append(f"{side} still gains a factor {own.gain:.2f} over the last doubling of its budget")
    return f"not trained out: {'; '.join(told)}" if told else ""
