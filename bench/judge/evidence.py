"""What stands beside a verdict: what is claimed and what was measured, as text, its numbers in a sentence, and the conditions."""

import itertools
from collections.abc import Sequence

import numpy as np

from paragone.bench.judge.blocks import Track, definition
from paragone.bench.judge.claims.claim import Claim, bounds_in_words
from paragone.bench.judge.families import MEMBERS, Blocks, group_blocks, mean_over_seeds
from paragone.bench.judge.orderings import compare
from paragone.bench.judge.significance import holm
from paragone.bench.records import REFERENCE, Axis, Manifest, Record

_UNITS: dict[Axis, str] = {
    "seconds": "s of training", "steps": "training steps", "samples": "training samples", "flops": "training flops",
    "joules": "J of training",
}  # fmt: skip
SAME, AHEAD = " ≈ ", " > "
NOBODY = "nothing: none of these was measured"


def claimed_order(claim: Claim) -> str:
    """What the claim says, as short as it goes: `diffusion > GAN > VAE`, `GAN > VAE, flow`, `modes found of GAN: at most 20`."""
    heads, tails = {chain[0] for chain in claim.sides}, {chain[-1] for chain in claim.sides}
    if claim.kind == "parity":
        return "; ".join(f"{a} as good as {b}, within {claim.margin:.0%}" for a, b in claim.sides)
    if claim.kind == "order" and len(claim.sides) > 1 and len(heads) == 1:
        return heads.pop() + AHEAD + ", ".join(chain[-1] for chain in claim.sides)
    if claim.kind == "order" and len(claim.sides) > 1 and len(tails) == 1:
        return ", ".join(chain[0] for chain in claim.sides) + AHEAD + tails.pop()
    if claim.kind == "order":
        return "; ".join(AHEAD.join(chain) for chain in claim.sides)
    what, of = definition(claim.metrics[0]).label, " and ".join(" over ".join(chain) for chain in claim.sides)
    if claim.kind == "trend":
        rises = claim.within is not None and claim.within[0] is not None
        return f"{what} of {of}: {'rises' if rises else 'falls'}"
    return f"{what} of {of}: {bounds_in_words(claim.within or (None, None))}"


def measured(claim: Claim, track: Track) -> str:
    """The order that was measured on the claim's first metric, or its value with the interval."""
    if claim.kind in ("order", "parity"):
        return measured_order(track, claim.metrics[0], _shown(claim))
    return numbers(claim, track)


def numbers(claim: Claim, track: Track) -> str:
    """The claim's first metric on each side, with 95 % intervals, in a sentence."""
    return sizes(track, claim.metrics[0], _shown(claim))


def _shown(claim: Claim) -> tuple[str, ...]:
    """All families where the claim orders families, else its own sides."""
    families = claim.kind in ("order", "parity") and set(claim.members) <= set(MEMBERS)
    return tuple(MEMBERS) if families else claim.members


def measured_order(track: Track, metric: str, groups: Sequence[str] = tuple(MEMBERS)) -> str:
    """`GAN ≈ VAE > flow > diffusion`: the best of every family present, best first; families with failures stand apart.

    `>` where neighbours differ by two-sided paired tests at 5 %, Holm-corrected over the neighbours.
    """
    whole, broken = _present(track, metric, groups)
    if not whole and not broken:
        return NOBODY
    known = definition(metric)
    tests = [
        compare(a.group, b.group, *_shared(a, b), better=known.better, scale=known.scale).p_two_sided
        for a, b in itertools.pairwise(whole)
    ]
    if len(track.seeds) < 2:
        return "one seed tells no order: " + ", ".join(block.group for block in [*whole, *broken])
    signs = [AHEAD if p <= 0.05 else SAME for p in holm(tests)]
    text = "".join(block.group + sign for block, sign in zip(whole, [*signs, ""], strict=False)) or "no family finished"
    return "; ".join([text, *(_broken(block) for block in broken)])


def sizes(track: Track, metric: str, groups: Sequence[str] = tuple(MEMBERS)) -> str:
    """`FID: GAN 4.65 [4.15, 5.22], ...`: the best of every family present, with 95 % intervals."""
    known = definition(metric)
    whole, broken = _present(track, metric, groups)
    if not whole and not broken:
        return NOBODY
    parts = []
    for block in whole:
        value, low, high = mean_over_seeds(block, metric)
        parts.append(f"{block.group} {_number(value)}" + ("" if np.isnan(low) else f" [{_number(low)}, {_number(high)}]"))
    return f"{known.label}: " + ", ".join([*parts, *(_broken(block) for block in broken)])


def conditions(track: Track, manifest: Manifest) -> tuple[str, ...]:
    """What every verdict of this run was measured under, and what was not tested."""
    trained = [record for record in track.records.values() if record.family != REFERENCE]
    device = manifest.fingerprint.get("device", "unknown device")
    return (
        f"data: {track.dataset}",
        f"budget: {_budget(trained)}",
        f"seeds: {len(track.seeds)}",
        f"device: {device}",
    )


def _budget(trained: Sequence[Record]) -> str:
    audits = [record.audit for record in trained if record.audit is not None]
    if not audits:
        return "not recorded"
    unit = _UNITS[audits[0].axis]
    asked = audits[0].parameters_asked
    return f"{_number(audits[0].asked)} {unit}" + (f", {_number(asked)} parameters" if asked else "")


def _present(track: Track, metric: str, groups: Sequence[str]) -> tuple[list[Blocks], list[Blocks]]:
    """Groups that have values: those that finished in every seed, best first, and those with failures."""
    known = definition(metric)
    found = [block for group in groups if (block := group_blocks(track, group, metric, "best")).values]
    sound = [b for b in found if known.scale != "log" or not any(value <= 0 for value in b.values.values())]
    whole = [block for block in sound if not np.isnan(list(block.values.values())).any()]
    sign = -1.0 if known.direction == "higher" else 1.0
    whole.sort(key=lambda block: sign * mean_over_seeds(block, metric).value)
    return whole, [block for block in sound if block not in whole]


def _shared(a: Blocks, b: Blocks) -> tuple[list[float], list[float]]:
    seeds = [seed for seed in a.values if seed in b.values]
    return [a.values[seed] for seed in seeds], [b.values[seed] for seed in seeds]


def _broken(block: Blocks) -> str:
    failed = sum(np.isnan(value) for value in block.values.values())
    return f"{block.group} failed in {failed} of {len(block.values)} seeds"


def _number(value: float) -> str:
    """Three significant digits, thin spaces in thousands."""
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}".replace(",", "\u2009")
    return f"{value:.3g}"
