"""From contenders to families: who stands for "GAN", and with which value in each seed.

A claim of the document speaks of families, so its members are listed here by name, and a user's contender joins none: a verdict
on the document then says the same whatever else was run beside it (the user's own is in every ranking, and enters claims that
name it). "VAE" means contenders trained with a KL to the prior; a plain autoencoder with a density fitted to its codes is a
group of its own.

    best      in seed s, the member's sampler whose median validation FID over the other seeds is best (leave one seed out, so
              that no value is chosen by itself; also for speed: the claim is about the model one would use)
    typical   mean on the metric's scale over the members that are no ablation, each with its default sampler
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paragone.bench.judge.blocks import Entry, Track, definition
from paragone.bench.judge.gate import gate_entry
from paragone.bench.judge.ranking import OUTSIDE_BUDGET

View = Literal["best", "typical"]
VIEWS: tuple[View, ...] = ("best", "typical")
CHOSEN_BY = "validation_fid"

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "autoregressive": ("pixelcnn",),
    "autoencoder": ("autoencoder",),
    "VAE": ("vae",),
    "GAN": ("dcgan",),
    "diffusion": ("ddpm",),
    "flow": ("realnvp",),
    "hybrid": ("vqvae",),
}
"""Group -> contenders that stand for it."""


@dataclass(frozen=True)
class Blocks:
    """One value a seed for a group: NaN where its cell failed; `why_missing` says what is lacking, "" where nothing is."""

    group: str
    values: dict[int, float]
    why_missing: str = ""


def group_blocks(track: Track, group: str, metric: str, view: View, having: Sequence[str] = ()) -> Blocks:
    """The group's values of a metric in every seed of the track, from entries that have all metrics of `having`."""
    names = MEMBERS[group]
    entries = [
        entry
        for entry in track.entries
        if entry.contender in names and not entry.reference and all(track.outcomes(entry, other) for other in having)
    ]
    if not entries:
        return Blocks(group, {}, f"no row for {' or '.join(names)}")
    barred = {entry.name: reason for entry in entries if (reason := _barred(track, entry, metric))}
    allowed = [entry for entry in entries if entry.name not in barred]
    if not allowed:
        return Blocks(group, {}, "; ".join(sorted({f"{name} is {reason}" for name, reason in barred.items()})))
    values = _best(track, allowed, metric) if view == "best" else _typical(track, allowed, metric)
    missing = [seed for seed in track.seeds if seed not in values]
    if missing:
        shown = ", ".join(str(seed) for seed in missing)
        return Blocks(group, values, f"missing rows: no {metric} of {group} ({', '.join(names)}) in seed {shown}")
    return Blocks(group, values)


def _barred(track: Track, entry: Entry, metric: str) -> str:
    """Why an entry may stand for nobody: what has no rank in this metric decides no claim on it either."""
    if track.flagged(entry, OUTSIDE_BUDGET):
        return OUTSIDE_BUDGET
    quality = definition(metric).group == "quality"
    return "memorised" if quality and gate_entry(track, entry).memorised else ""


def _best(track: Track, entries: Sequence[Entry], metric: str) -> dict[int, float]:
    scores = {entry.name: track.outcomes(entry, CHOSEN_BY) for entry in entries}
    candidates = [entry for entry in entries if scores[entry.name]] or [entry for entry in entries if entry.default]
    values: dict[int, float] = {}
    for seed in track.seeds:
        chosen = min(candidates, key=lambda entry, seed=seed: _score_without(scores[entry.name], seed))  # type: ignore[misc]
        outcome = track.outcomes(chosen, metric)
        if seed in outcome:
            values[seed] = outcome[seed]
    return values


def _score_without(scores: Mapping[int, float], seed: int) -> float:
    """Median over the other seeds, failed ones being worst; no other seed is worst of all."""
    others = [np.inf if np.isnan(value) else value for other, value in scores.items() if other != seed]
    return float(np.median(others)) if others else np.inf


def _typical(track: Track, entries: Sequence[Entry], metric: str) -> dict[int, float]:
    """A failed member makes its family's block a failure: it has no mean without it."""
    standing = [entry for entry in entries if entry.default and not entry.ablation]
    columns = [column for entry in standing if (column := track.outcomes(entry, metric))]
    shared = [seed for seed in track.seeds if columns and all(seed in column for column in columns)]
    log = definition(metric).scale == "log"
    values: dict[int, float] = {}
    for seed in shared:
        block = np.array([column[seed] for column in columns])
        values[seed] = float(np.exp(np.log(block).mean()) if log else block.mean())
    return values
