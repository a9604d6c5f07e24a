"""Who stands for a side of a claim, such as "GAN", and with which value in each seed.

A claim of the document speaks of families, so its members are listed here by name, and a user's contender joins none: a verdict
on the document then says the same whatever else was run beside it (the user's own is in every ranking, and enters claims that
name it). "VAE" means contenders trained with a KL to the prior; a plain autoencoder with a density fitted to its codes is a
group of its own.

    best      in seed s, the member's sampler whose median validation FID over the other seeds is best (leave one seed out, so
              that no value is chosen by itself; also for speed: the claim is about the model one would use)
    typical   mean on the metric's scale over the members that are no ablation, each with its default sampler
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from paragone.bench.judge.blocks import EVERYBODY, Entry, Track, definition, remembered
from paragone.bench.judge.gate import gate_entry
from paragone.bench.judge.intervals import Interval, Scale, centre
from paragone.bench.judge.ranking import NO_VALID_TIMING, OUTSIDE_BUDGET
from paragone.bench.metrics.modalities import of_validation

View = Literal["best", "typical"]
VIEWS: tuple[View, ...] = ("best", "typical")
UNTIMED = "without a valid timing"
Limit = tuple[str, float]

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "autoregressive": ("pixelcnn", "imagegpt", "made"),
    "autoencoder": ("autoencoder",),
    "VAE": ("vae", "mlp-vae"),
    "GAN": ("dcgan", "stylegan", "biggan", "mlp-gan"),
    "diffusion": ("ddpm", "flow-matching", "consistency", "progressive-distillation"),
    "flow": ("realnvp", "glow", "spline-flow"),
    "hybrid": ("vqvae", "mlp-vqvae"),
}
"""Group -> contenders that stand for it."""


@dataclass(frozen=True)
class Blocks:
    """One value a seed for a side: NaN where its cell failed; `why_missing` says what is lacking, "" where nothing is.

    `kept_out`: seeds without value because the times of a cell were disturbed: they are nobody's failure, and are left out.
    `chosen`: the entries that stand for it in each seed; the value is their mean on the metric's scale. `out_of_choice`: all
    its entries are there, and none keeps the limit of the choice.
    """

    group: str
    values: dict[int, float]
    why_missing: str = ""
    chosen: dict[int, tuple[Entry, ...]] = field(default_factory=dict)
    out_of_choice: bool = False
    kept_out: tuple[int, ...] = ()


@remembered
def group_blocks(
    track: Track, side: str, metric: str, view: View, having: tuple[str, ...] = (), under: Limit | None = None
) -> Blocks:
    """The side's values of a metric in every seed of the track.

    Args:
        side: a group of `MEMBERS`, else a contender, an entry or a reference by name.
        having: metrics that an entry must have to stand for the side.
        under: (metric, limit) that an entry must keep, on its mean over seeds.
    """
    entries = [entry for entry in members(track, side) if all(track.outcomes(entry, other) for other in having)]
    if not entries:
        return Blocks(side, {}, f"no row for {' or '.join(MEMBERS.get(side, (side,)))}")
    barred = {entry.name: reason for entry in entries if (reason := _barred(track, entry, metric, under))}
    allowed = [entry for entry in entries if entry.name not in barred]
    if not allowed and under is not None and UNTIMED in barred.values():
        return Blocks(side, {}, _why_untimed(track, side, entries, under[0]))
    if not allowed:
        why = "; ".join(sorted({f"{name} is {reason}" for name, reason in barred.items()}))
        return Blocks(side, {}, why, out_of_choice=under is not None)
    chosen = _best(track, allowed, metric) if view == "best" else _typical(track, allowed, metric)
    values = {seed: mean_of(track, entries, metric, seed) for seed, entries in chosen.items()}
    missing = [seed for seed in track.seeds if seed not in values]
    measured = [found for entry in allowed if (found := track.all_outcomes(entry, metric))]
    kept_out = tuple(seed for seed in missing if measured and all(seed in found for found in measured))
    if kept_out and not values:
        return Blocks(side, {}, _why_untimed(track, side, allowed, metric), kept_out=kept_out)
    unknown = [seed for seed in missing if seed not in kept_out]
    return Blocks(side, values, _why_missing(track, side, metric, unknown) if unknown else "", chosen, kept_out=kept_out)


def mean_over_seeds(block: Blocks, metric: str) -> Interval:
    """Mean of a side's values on the metric's scale, with its 95 % interval; no failures."""
    return centre(list(block.values.values()), definition(metric).scale)


def members(track: Track, side: str) -> list[Entry]:
    """The entries that may stand for a side, in the track's order."""
    if side == EVERYBODY.name:
        return [EVERYBODY]
    if side in MEMBERS:
        return [entry for entry in track.entries if entry.contender in MEMBERS[side] and not entry.reference]
    return [entry for entry in track.entries if side in (entry.name, entry.contender)]


def mean_of(track: Track, entries: Sequence[Entry], metric: str, seed: int) -> float:
    """Mean over entries on the metric's scale in one seed; a failed entry makes it a failure."""
    block = np.array([track.outcomes(entry, metric)[seed] for entry in entries])
    if len(block) == 1 or definition(metric).scale != "log" or not (block > 0).all():
        return float(block.mean())
    return float(np.exp(np.log(block).mean()))


def _why_missing(track: Track, side: str, metric: str, seeds: Sequence[int]) -> str:
    """No value anywhere names the reason that the cells gave; a hole names its seeds."""
    names = ", ".join(MEMBERS.get(side, (side,)))
    if len(seeds) == len(track.seeds):
        reasons = [why for entry in members(track, side) if (why := track.why_empty(entry, metric))]
        return f"no {metric} of {side}" + (f" ({reasons[0]})" if reasons else ": this run did not measure it")
    return f"missing rows: no {metric} of {side} ({names}) in seed {', '.join(str(seed) for seed in seeds)}"


def _why_untimed(track: Track, side: str, entries: Sequence[Entry], metric: str) -> str:
    reasons = [why for entry in entries for own in track.kept_out(entry, metric).values() for why in own]
    return f"{NO_VALID_TIMING} of {side}: {'; '.join(dict.fromkeys(reasons))}"


def _barred(track: Track, entry: Entry, metric: str, under: Limit | None) -> str:
    """Why an entry may stand for nobody: what has no rank in this metric decides no claim on it either."""
    if track.flagged(entry, OUTSIDE_BUDGET):
        return OUTSIDE_BUDGET
    if under is not None and (why := _beyond(track, entry, *under)):
        return why
    quality = definition(metric).group == "quality"
    return "memorised" if quality and not entry.reference and gate_entry(track, entry).memorised else ""


def _beyond(track: Track, entry: Entry, metric: str, limit: float) -> str:
    known = definition(metric)
    values = [value for value in track.outcomes(entry, metric).values() if not np.isnan(value)]
    if not values:
        return UNTIMED if track.kept_out(entry, metric) else f"without a measured {metric}"
    scale: Scale = "log" if known.scale == "log" and min(values) > 0 else "identity"
    mean = centre(values, scale).value
    kept = mean >= limit if known.direction == "higher" else mean <= limit
    return "" if kept else f"beyond the limit: {known.label} {mean:.3g} {known.unit} where {limit:g} is allowed".replace("  ", " ")


def _best(track: Track, entries: Sequence[Entry], metric: str) -> dict[int, tuple[Entry, ...]]:
    scores = {entry.name: track.outcomes(entry, of_validation(track.primary)) for entry in entries}
    candidates = (
        [entry for entry in entries if scores[entry.name]] or [entry for entry in entries if entry.default] or list(entries)
    )
    chosen: dict[int, tuple[Entry, ...]] = {}
    for seed in track.seeds:
        best = min(candidates, key=lambda entry, seed=seed: _score_without(scores[entry.name], seed))  # type: ignore[misc]
        entry = best if track.outcomes(best, metric) else _whole(entries, best)
        if seed in track.outcomes(entry, metric):
            chosen[seed] = (entry,)
    return chosen


def _whole(entries: Sequence[Entry], entry: Entry) -> Entry:
    """The entry to which what belongs to the whole contender, such as a likelihood, is attributed."""
    return next((other for other in entries if other.contender == entry.contender and other.default), entry)


def _score_without(scores: Mapping[int, float], seed: int) -> float:
    """Median over the other seeds, failed ones being worst; no other seed is worst of all."""
    others = [np.inf if np.isnan(value) else value for other, value in scores.items() if other != seed]
    return float(np.median(others)) if others else np.inf


def _typical(track: Track, entries: Sequence[Entry], metric: str) -> dict[int, tuple[Entry, ...]]:
    """Seeds in which every standing member has an outcome: a family without one of its members has no mean."""
    standing = [entry for entry in entries if entry.default and not entry.ablation] or list(entries)[:1]
    having = [entry for entry in standing if track.all_outcomes(entry, metric)]
    shared = [seed for seed in track.seeds if having and all(seed in track.outcomes(entry, metric) for entry in having)]
    return {seed: tuple(having) for seed in shared}
