"""The document's table "When to Use Each Model Type" as measured choices: each line with the claim that tests it.

The best choice of a line is who leads in the claim's first metric among those that keep the claim's limit: the best of each
family by its mean over seeds, with all that paired tests over seeds (two-sided 5 %, Holm) do not tell apart from it.
"""

from dataclasses import dataclass

import numpy as np

from paragone.bench.judge.blocks import Track, definition
from paragone.bench.judge.claims import Claim
from paragone.bench.judge.families import MEMBERS, Blocks, group_blocks, mean_over_seeds
from paragone.bench.judge.orderings import compare
from paragone.bench.judge.significance import holm
from paragone.bench.judge.verdicts import Verdict
from paragone.reports import facts, style
from paragone.reports.run import Run


@dataclass(frozen=True)
class Line:
    """A line of the document's table: model type, what it says of it, the claim that tests it, and how that asks."""

    model: str
    advice: str
    claim: str
    constraint: str


TABLE = (
    Line("Autoregressive (GPT)", "best for text, code", "g5-text", "unseen text gets the most probability"),
    Line("Autoregressive (GPT)", "avoid for images: too slow", "a1", "images, no limit but time a sample"),
    Line("VAE", "best for latent representations", "g5-codes", "classes are read best from the codes"),
    Line("VAE", "avoid when outputs must be sharp", "g5-sharp", "as many high frequencies as real images"),
    Line("GAN", "best for fast generation", "g5-fast", "an image within 10 ms, best FID"),
    Line("GAN", "avoid when training must be stable", "c3", "learning rate from a quarter to four times one's own"),
    Line("Diffusion", "best for high-quality images", "g5-quality", "best FID, no limit on time"),
    Line("Diffusion", "avoid when generation must be fast", "d4", "most samples a second, no limit on quality"),
    Line("Flow", "best for exact likelihood", "g5-likelihood", "unseen images get the most probability"),
    Line("Flow", "avoid when results must be the best", "e6", "best FID at equal parameters"),
)


@dataclass(frozen=True)
class Choice:
    """A line with its verdict on a track, and who is the measured best choice there."""

    line: Line
    verdict: Verdict
    best: str


def choices(run: Run) -> list[Choice]:
    """Every line of the document's table, once for each track on which its claim was judged."""
    tracks = {track.name: track.judged for track in run.tracks}
    made = []
    for line in TABLE:
        for verdict in run.verdicts:
            if verdict.claim.id == line.claim:
                track = tracks.get(verdict.track)
                made.append(Choice(line, verdict, best_choice(verdict.claim, track) if track is not None else ""))
    return made


def best_choice(claim: Claim, track: Track) -> str:
    """`GAN (dcgan), FID: 4.65; not told apart: VAE`; "" where nobody has a value in every seed."""
    metric = claim.metrics[0]
    groups = MEMBERS if set(claim.members) <= set(MEMBERS) else claim.members
    found = [group_blocks(track, group, metric, "best", under=claim.under) for group in groups]
    known = definition(metric)
    whole = [b for b in found if b.values and all(np.isfinite(v) and (v > 0 or known.scale != "log") for v in b.values.values())]
    if not whole:
        return ""
    whole.sort(key=lambda block: _cost(block, metric))
    best, *others = whole
    told = f"{_named(best)}, {facts.label(metric)}: {style.number(mean_over_seeds(best, metric).value)}"
    close = [block.group for block, p in zip(others, _differences(best, others, metric), strict=True) if p > 0.05]
    return told + (f"; not told apart: {style.names(close)}" if close else "")


def _differences(best: Blocks, others: list[Blocks], metric: str) -> list[float]:
    """Two-sided p of each other one against the best, Holm-corrected; 1 where one seed tells nothing."""
    tests = []
    for other in others:
        seeds = [seed for seed in best.values if seed in other.values]
        costs = [[_closeness(block.values[seed], metric) for seed in seeds] for block in (best, other)]
        tests.append(compare(best.group, other.group, *costs, better="lower", scale="identity").p_two_sided if seeds else 1.0)
    return [float(p) for p in holm(tests)]


def _cost(block: Blocks, metric: str) -> float:
    return float(np.mean([_closeness(value, metric) for value in block.values.values()]))


def _closeness(value: float, metric: str) -> float:
    """What is to be small: the value, its negative, or for a ratio without better direction its distance from 1, by logarithm."""
    known = definition(metric)
    if known.direction == "none":
        return abs(float(np.log(max(value, 1e-12))))
    on_scale = float(np.log(value)) if known.scale == "log" else value
    return -on_scale if known.direction == "higher" else on_scale


def _named(block: Blocks) -> str:
    names = list(dict.fromkeys(entry.name for entries in block.chosen.values() for entry in entries))
    return block.group if names in ([], [block.group]) else f"{block.group} ({style.names(names[:3])})"
