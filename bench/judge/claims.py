"""The document's statements in testable form, and what a run says of each.

A claim of kind *order* names groups from best to worst, metrics, and the smallest effect that counts. It is tested on each
metric, for the best of each family and for the typical one. It is supported only if every one of these components supports it,
contradicted only if every one contradicts it, so

    p(supported) = largest of the components' p(supported)       p(contradicted) likewise
    p            = min(1, 2 min(p(supported), p(contradicted)))

and p enters Benjamini-Hochberg over the report's claims at 5 % once. (Undoubled, 30 true nulls give a false verdict in 10 % of
reports: the test by simulation shows it.) What does not survive is undetermined, and says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from paragone.bench.judge.blocks import Track, definition, tracks
from paragone.bench.judge.curves import still_improving
from paragone.bench.judge.evidence import conditions, measured_order, sizes
from paragone.bench.judge.families import VIEWS, Blocks, View, group_blocks
from paragone.bench.judge.orderings import Better, OrderVerdict, Outcome, Pair, describe, order_verdict, turned
from paragone.bench.judge.significance import benjamini_hochberg, holm
from paragone.bench.records import REFERENCE, Manifest, Record

COLUMNS = (
    "claim", "statement", "track", "metric", "verdict", "effect", "ci_low", "ci_high", "p", "n", "detectable_effect", "reason",
)  # fmt: skip
ALPHA = 0.05
NEEDED_SEEDS, NEEDED_FACTORS = 3, 3


@dataclass(frozen=True)
class Claim:
    """One statement of the document.

    Attributes:
        id: as in tables and reports: `g1`.
        topic: one or two words for a table.
        section: the document's heading under which it stands.
        statement: the statement in our own words.
        order: groups from best to worst.
        metrics: on which it must hold, all of them; empty where the run's records cannot hold what it asks for.
        margin: relative smallest effect that counts.
        kind: how it is decided: an `order` of groups, or `stability`, an order on learning-rate variants.
    """

    id: str
    topic: str
    section: str
    statement: str
    order: tuple[str, ...]
    metrics: tuple[str, ...]
    margin: float
    kind: str = "order"
    modality: str = "image"


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "g1", "speed", "Key Takeaways",
        "GANs generate fastest, VAEs come second and diffusion third; autoregressive models are slowest by far on images.",
        ("GAN", "VAE", "diffusion", "autoregressive"), ("sample_throughput_per_s", "sample_latency_s"), 0.05,
    ),
    Claim(
        "g3", "quality", "Key Takeaways", "Images of diffusion models are better than those of GANs, and these better than VAEs'.",
        ("diffusion", "GAN", "VAE"), ("fid",), 0.05,
    ),
    Claim(
        "g2", "stability", "Key Takeaways", "Diffusion trains most stably, a VAE less so, and a GAN least.",
        ("diffusion", "VAE", "GAN"), ("stability",), 0.0, kind="stability",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Component:
    """A claim tested on one metric, for the best or the typical contender of each family."""

    metric: str
    view: View
    result: OrderVerdict


@dataclass(frozen=True)
class Verdict:
    """What a run says of a claim on one track.

    Attributes:
        claimed, measured: the orders as text; in `measured`, `>` joins neighbours that differ significantly (two-sided 5 %,
            Holm over the neighbours), `≈` those that cannot be told apart.
        badge: the verdict, or `tie` where neighbours are equivalent.
        effect: of the pair that decides, the side claimed better against the other: a ratio, above 1 in the claim's favour;
            `interval` is its 95 % interval.
        p: two-sided, uncorrected; `p_adjusted` after Benjamini-Hochberg and `p_holm` after Holm over the report's claims.
        detectable_effect: smallest ratio between neighbours that this n and noise would show (95 % power, uncorrected);
            `detectable_corrected` at the level that the correction may ask for.
        blocks_needed: seeds with which the observed effects would be shown after correction; None: no sensible number.
        evidence: one sentence of numbers.
        conditions: what it was measured under, and what was not tested.
    """

    claim: Claim
    track: str
    verdict: Outcome
    badge: str
    claimed: str
    measured: str
    reason: str
    evidence: str
    conditions: tuple[str, ...]
    components: tuple[Component, ...] = ()
    pairs: tuple[Pair, ...] = ()
    effect: float = float("nan")
    interval: tuple[float, float] = (float("nan"), float("nan"))
    p: float = float("nan")
    p_adjusted: float = float("nan")
    p_holm: float = float("nan")
    n: int = 0
    detectable_effect: float = float("nan")
    detectable_corrected: float = float("nan")
    blocks_needed: int | None = None


def verdicts(records: Sequence[Record], manifest: Manifest, claims: Sequence[Claim] = CLAIMS) -> list[Verdict]:
    """A verdict for every claim on every track of its modality, corrected over all of them; claims outermost."""
    found = tracks(records)
    made = []
    for claim in claims:
        own = [track for track in found if track.modality == claim.modality]
        made += [_judge(claim, track, records, manifest) for track in own]
        if not own:
            made.append(_undetermined(claim, "", f"no row for {claim.modality} data in this run", (), "", ""))
    return _corrected(made)


def verdict_table(made: Sequence[Verdict]) -> pd.DataFrame:
    """The rows of tables/verdicts.csv, `COLUMNS` in order."""
    rows = [
        (v.claim.id, v.claim.statement, v.track, " ".join(v.claim.metrics), v.verdict, v.effect, *v.interval, v.p, v.n,
         v.detectable_effect, v.reason)
        for v in made
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(("effect", "ci_low", "ci_high", "p", "detectable_effect"), "float64") | {"n": "int64"})


def _judge(claim: Claim, track: Track, records: Sequence[Record], manifest: Manifest) -> Verdict:
    held = conditions(track, manifest)
    if claim.kind == "stability":
        return _stability(claim, track, records, held)
    primary = claim.metrics[0]
    held += still_improving(track, primary, claim.order)
    measured, evidence = measured_order(track, primary), sizes(track, primary)
    blocks = {(m, view): [group_blocks(track, g, m, view) for g in claim.order] for m in claim.metrics for view in VIEWS}
    missing = _missing([block for column in blocks.values() for block in column], len(track.seeds))
    if missing:
        return _undetermined(claim, track.name, missing, held, measured, evidence)
    components = tuple(
        Component(metric, view, _order(column, metric, claim.margin, track)) for (metric, view), column in blocks.items()
    )
    return _combined(claim, track.name, components, held, measured, evidence)


def _missing(blocks: Sequence[Blocks], seeds: int) -> str:
    """What no test could be made without; "" where every block is there."""
    lacking = list(dict.fromkeys(block.why_missing for block in blocks if block.why_missing))
    if lacking:
        return "; ".join(lacking[:3])
    for block in blocks:
        bad = [value for value in block.values.values() if value <= 0]
        if bad:
            return f"{block.group} has the value {bad[0]:g}, which has no logarithm"
    return "1 seed, and a spread needs at least 2" if seeds < 2 else ""


def _order(column: Sequence[Blocks], metric: str, margin: float, track: Track) -> OrderVerdict:
    known = definition(metric)
    better: Better = "higher" if known.direction == "higher" else "lower"
    values = {block.group: [block.values[seed] for seed in track.seeds] for block in column}
    return order_verdict(values, better=better, margin=margin, alpha=ALPHA, scale=known.scale)


def _combined(
    claim: Claim, track: str, components: tuple[Component, ...], held: tuple[str, ...], measured: str, evidence: str
) -> Verdict:
    """The claim's verdict before correction; `_corrected` settles `verdict` and `reason`."""
    supported = max(component.result.p_supported for component in components)
    contradicted = max(component.result.p_contradicted for component in components)
    leans = supported <= contradicted
    weakest = max(components, key=lambda c: c.result.p_supported if leans else c.result.p_contradicted)
    pair = _deciding(weakest.result, leans)
    return Verdict(
        claim=claim, track=track, verdict="supported" if leans else "contradicted", badge="", claimed=" > ".join(claim.order),
        measured=measured, reason="", evidence=evidence, conditions=held, components=components, pairs=components[0].result.pairs,
        effect=pair.effect, interval=pair.interval, p=min(1.0, 2 * min(supported, contradicted)), n=weakest.result.n,
        detectable_effect=max(component.result.detectable_effect for component in components),
    )  # fmt: skip


def _deciding(result: OrderVerdict, leans_to_claim: bool) -> Pair:
    """The pair that the verdict hangs on: the weakest neighbours, or the pair most against the claim."""
    if leans_to_claim:
        return max(result.pairs, key=lambda pair: pair.p)
    return min(result.every_pair, key=lambda pair: pair.p_reversed)


def _corrected(made: Sequence[Verdict]) -> list[Verdict]:
    """Benjamini-Hochberg at 5 % over the tests that were made, Holm's beside it; claims that share one test enter once."""
    raw = {_test(verdict): verdict.p for verdict in made if not np.isnan(verdict.p)}
    adjusted = dict(zip(raw, benjamini_hochberg(list(raw.values())), strict=True))
    strict = dict(zip(raw, holm(list(raw.values())), strict=True))
    return [
        _settled(verdict, float(adjusted[_test(verdict)]), float(strict[_test(verdict)]), len(raw))
        if _test(verdict) in raw
        else verdict
        for verdict in made
    ]


def _test(verdict: Verdict) -> tuple[object, ...]:
    """What makes two claims one test."""
    claim = verdict.claim
    return (verdict.track, claim.order, claim.metrics, claim.margin)


def _settled(verdict: Verdict, adjusted: float, strict: float, tests: int) -> Verdict:
    alpha = ALPHA / 2 / tests
    results = [component.result for component in verdict.components]
    corrected = max(pair.detectable_effect(alpha) for result in results for pair in result.pairs)
    outcome: Outcome = verdict.verdict if adjusted <= ALPHA else "undetermined"
    needs = [pair.blocks_needed(alpha) for result in results for pair in result.pairs]
    needed = None if outcome != "undetermined" or None in needs else max(n for n in needs if n is not None)
    tie = outcome == "undetermined" and any(result.equivalent for result in results)
    settled = replace(
        verdict, verdict=outcome, badge="tie" if tie else outcome, p_adjusted=adjusted, p_holm=strict,
        detectable_corrected=corrected, blocks_needed=needed,
    )  # fmt: skip
    return replace(settled, reason=_reason(settled, tests))


def _reason(verdict: Verdict, tests: int) -> str:
    """One sentence for a settled verdict."""
    over = f"adjusted p = {verdict.p_adjusted:.2g} over {tests} {'claim' if tests == 1 else 'claims'}"
    if verdict.verdict != "undetermined":
        leans = verdict.verdict == "supported"
        weakest = max(verdict.components, key=lambda c: c.result.p_supported if leans else c.result.p_contradicted)
        pair = _deciding(weakest.result, leans)
        said = describe(pair if leans else turned(pair))
        return f"{said}; {weakest.metric}, {weakest.view} of each family; {over}"
    return f"{_disagreement(verdict)}; {over}{_seeds(verdict)}"


def _disagreement(verdict: Verdict) -> str:
    """Why a tested claim stays open: its components disagree, neighbours tie, failures, or the seeds are too few."""
    outcomes = {(c.metric, c.view): c.result.verdict for c in verdict.components}
    decided = {key: outcome for key, outcome in outcomes.items() if outcome != "undetermined"}
    if len(decided) == len(outcomes) and len(set(outcomes.values())) == 1:
        return f"{next(iter(decided.values()))} alone, but not after correction over the report's claims"
    by_view = {view: {outcome for (_, v), outcome in outcomes.items() if v == view} for view in VIEWS}
    for view, other in (VIEWS[::-1], VIEWS):
        if by_view[view] == {"supported"} and by_view[other] == {"contradicted"}:
            return f"holds for the {view} of each family, is contradicted for the {other} one"
    for view, other in (VIEWS, VIEWS[::-1]):
        if by_view[view] in ({"supported"}, {"contradicted"}) and by_view[view] != by_view[other]:
            return f"{_holds(by_view[view].pop())} for the {view} of each family, not for the {other} one"
    if decided:
        parts = [f"{outcome} by {metric} ({view})" for (metric, view), outcome in decided.items()]
        return f"components disagree: {', '.join(parts)}, undetermined by the others"
    results = [component.result for component in verdict.components]
    return next((result.reason for result in results if result.tie), results[0].reason)


def _holds(outcome: str) -> str:
    return "holds" if outcome == "supported" else "is contradicted"


def _seeds(verdict: Verdict) -> str:
    outcomes = {component.result.verdict for component in verdict.components}
    if verdict.badge == "tie" or np.isnan(verdict.detectable_effect) or {"supported", "contradicted"} <= outcomes:
        return ""
    needed = f", about {verdict.blocks_needed} seeds would show what was seen" if verdict.blocks_needed else ""
    return f"; {verdict.n} seeds show a factor of {verdict.detectable_effect:.3g} between neighbours{needed}"


def _stability(claim: Claim, track: Track, records: Sequence[Record], held: tuple[str, ...]) -> Verdict:
    """Training stability is decided on learning-rate variants of a run, and never from its losses."""
    variants = {r.cell.variant for r in records if r.cell.track == track.name and r.family != REFERENCE}
    seeds, factors = _count(len(track.seeds), "seed"), _count(len(variants), "learning-rate factor")
    if len(track.seeds) >= NEEDED_SEEDS and len(variants) >= NEEDED_FACTORS:
        return _undetermined(claim, track.name, f"no row for stability ({seeds} x {factors})", held, "", "")
    varied = f"{factors}: this suite varies no learning rates" if len(variants) == 1 else factors
    needed = f"at least {NEEDED_SEEDS} seeds x {NEEDED_FACTORS} factors"
    reason = f"not enough runs: {seeds} x {varied}; needed are {needed}"
    return _undetermined(claim, track.name, reason, held, f"not enough runs: {seeds} x {factors}", "")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _undetermined(
    claim: Claim, track: str, reason: str, held: tuple[str, ...], measured: str, evidence: str
) -> Verdict:  # fmt: skip
    return Verdict(
        claim=claim, track=track, verdict="undetermined", badge="undetermined", claimed=" > ".join(claim.order),
        measured=measured or "nothing", reason=reason, evidence=evidence or reason, conditions=held,
    )  # fmt: skip
