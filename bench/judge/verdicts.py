"""What a run says of each claim: its components combined, corrected over the report, and put into words.

A claim is tested on each of its metrics, for the best contender of each family and for the typical one. It is supported only if
every one of these components supports it, contradicted only if every one contradicts it, so

    p(supported) = largest of the components' p(supported)       p(contradicted) likewise
    p            = min(1, 2 min(p(supported), p(contradicted)))

and p enters Benjamini-Hochberg over the report's claims at 5 % once. (Undoubled, 30 true nulls give a false verdict in 10 % of
reports: the test by simulation shows it.) What does not survive is undetermined, and so is what a doubt stands against
(bench/judge/vetoes.py); both say why, and what would decide. Properties are deterministic: they have no p and are not corrected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import page_trend_test

from paragone.bench.judge.blocks import Track, definition, tracks
from paragone.bench.judge.claims import CLAIMS, Claim, from_suite
from paragone.bench.judge.components import ALPHA, Component, Missing, components
from paragone.bench.judge.curves import still_improving
from paragone.bench.judge.evidence import claimed_order, conditions, measured, numbers
from paragone.bench.judge.orderings import Outcome, Pair
from paragone.bench.judge.reasons import deciding_pair, reason, remedy
from paragone.bench.judge.significance import benjamini_hochberg, holm
from paragone.bench.judge.vetoes import reference_tested, veto
from paragone.bench.records import Manifest, Record

COLUMNS = (
    "claim", "statement", "track", "metric", "verdict", "effect", "ci_low", "ci_high", "p", "n", "detectable_effect", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What a run says of a claim on one track.

    Attributes:
        claimed, measured: both as text; in `measured`, `>` joins neighbours that differ significantly (two-sided 5 %,
            Holm over the neighbours), `≈` those that cannot be told apart.
        badge: the verdict, or `tie` where neighbours are equivalent.
        effect: of what decides: for pairs the side claimed better against the other, a ratio above 1 (a difference above 0) in
            the claim's favour; for the other kinds the value itself. `interval` is its 95 % interval.
        p: two-sided, uncorrected; `p_adjusted` after Benjamini-Hochberg and `p_holm` after Holm over the report's claims;
            NaN where nothing was tested.
        doubt: what stands against a significant result, "" where nothing does.
        omnibus: p of Page's L test of the whole order (shown, decides nothing); NaN for other claims.
        detectable_effect: smallest ratio between neighbours that this n and noise would show (95 % power, uncorrected);
            `detectable_corrected` at the level that the correction may ask for.
        blocks_needed: seeds with which the observed effects would be shown after correction; None: no sensible number.
        remedy: what would decide an undetermined verdict.
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
    effect: float = float("nan")
    interval: tuple[float, float] = (float("nan"), float("nan"))
    p: float = float("nan")
    p_adjusted: float = float("nan")
    p_holm: float = float("nan")
    doubt: str = ""
    omnibus: float = float("nan")
    n: int = 0
    detectable_effect: float = float("nan")
    detectable_corrected: float = float("nan")
    blocks_needed: int | None = None
    remedy: str = ""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Pairs of the first component."""
        return self.components[0].pairs if self.components else ()

    @property
    def tested(self) -> bool:
        """Whether there is a p that entered the correction."""
        return not np.isnan(self.p)

    @property
    def decided(self) -> bool:
        """Supported or contradicted."""
        return self.verdict != "undetermined"


def verdicts(records: Sequence[Record], manifest: Manifest, claims: Sequence[Claim] | None = None) -> list[Verdict]:
    """A verdict for every claim on every track of its modality, corrected over all of them; claims outermost.

    `claims` defaults to the document's, and those that the run's own suite adds.
    """
    asked = (*CLAIMS, *from_suite(manifest.suite)) if claims is None else claims
    found = tracks(records, manifest)
    made = []
    for claim in asked:
        own = [track for track in found if track.modality == claim.modality]
        made += [_judge(claim, track, manifest) for track in own]
        if not own:
            names = ", ".join(claim.members)
            made.append(_undetermined(claim, "", f"no row for {names}: this run has no {claim.modality} data", (), "", ""))
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


def _judge(claim: Claim, track: Track, manifest: Manifest) -> Verdict:
    found = components(claim, track, claim.metrics)
    held = conditions(track, manifest)
    if isinstance(found, Missing):
        return _undetermined(claim, track.name, found.reason, held, measured(claim, track), numbers(claim, track))
    disturbed = sorted({seed for component in found for block in component.sides for seed in block.kept_out})
    if disturbed:
        held += (f"without seed {', '.join(map(str, disturbed))}, where a timing is invalid",)
    if claim.kind in ("order", "parity"):
        held += still_improving(track, claim.metrics[0], claim.members)
    if "fid" in claim.metrics:
        held += (
            "reference noise: 200 bootstraps and a second encoder"
            if reference_tested(track, found)
            else "reference noise not tested",
        )
    return _combined(claim, track, tuple(found), held)


def _combined(claim: Claim, track: Track, found: tuple[Component, ...], held: tuple[str, ...]) -> Verdict:
    """The claim's verdict before correction; `_corrected` settles `verdict` and `reason`."""
    verdict = Verdict(
        claim=claim, track=track.name, verdict="undetermined", badge="undetermined", claimed=claimed_order(claim),
        measured=measured(claim, track), reason="", evidence=numbers(claim, track), conditions=held, components=found,
    )  # fmt: skip
    if not any(component.tested for component in found):
        return _untested(verdict)
    supported = max(component.p_supported for component in found)
    contradicted = max(component.p_contradicted for component in found)
    leans: Outcome = "supported" if supported <= contradicted else "contradicted"
    weakest = max(found, key=lambda c: c.p_supported if leans == "supported" else c.p_contradicted)
    effect, interval = _effect(weakest, leans)
    p = min(1.0, 2 * min(supported, contradicted))
    return replace(
        verdict, verdict=leans, effect=effect, interval=interval, p=p, n=weakest.n,
        omnibus=_omnibus(claim, found[0]), doubt=veto(claim, track, found, leans) if p <= ALPHA else "",
        detectable_effect=max(component.detectable_effect for component in found),
    )  # fmt: skip


def _untested(verdict: Verdict) -> Verdict:
    """Properties, and choices that nobody else competes for: decided without p."""
    found = verdict.components
    outcomes = {component.outcome for component in found}
    outcome: Outcome = outcomes.pop() if len(outcomes) == 1 else "contradicted" if "contradicted" in outcomes else "undetermined"
    telling = next(component for component in found if component.outcome == outcome or outcome == "undetermined")
    effect, interval = _effect(telling, outcome)
    settled = replace(
        verdict, verdict=outcome, badge=outcome, reason=telling.reason, effect=effect, interval=interval, n=telling.n,
    )  # fmt: skip
    return replace(settled, remedy=remedy(settled))


def _effect(component: Component, leans: Outcome) -> tuple[float, tuple[float, float]]:
    if component.pairs:
        pair = deciding_pair(component, leans)
        return pair.effect, pair.interval
    if not component.estimates:
        return float("nan"), (float("nan"), float("nan"))
    value, low, high = component.estimates[0].summary
    return value, (low, high)


def _omnibus(claim: Claim, component: Component) -> float:
    """Page's (1963) L over the blocks of a single chain of three or more; failed cells leave it out."""
    if claim.kind != "order" or len(claim.sides) > 1 or len(claim.sides[0]) < 3:
        return float("nan")
    sides = {block.group: block.values for block in component.sides}
    shared = [seed for seed in sides[claim.sides[0][0]] if all(seed in sides[side] for side in claim.sides[0])]
    table = np.array([[sides[side][seed] for side in claim.sides[0]] for seed in shared])  # (seeds, sides)
    if len(table) < 2 or np.isnan(table).any():
        return float("nan")
    rises_to_best = table if definition(component.metric).direction == "higher" else -table
    return float(page_trend_test(rises_to_best[:, ::-1]).pvalue)


def _corrected(made: Sequence[Verdict]) -> list[Verdict]:
    """Benjamini-Hochberg at 5 % over the tests that were made, Holm's beside it; claims that share one test enter once."""
    raw = {_test(verdict): verdict.p for verdict in made if verdict.tested}
    adjusted = dict(zip(raw, benjamini_hochberg(list(raw.values())), strict=True))
    strict = dict(zip(raw, holm(list(raw.values())), strict=True))
    return [
        _settled(verdict, float(adjusted[_test(verdict)]), float(strict[_test(verdict)]), len(raw)) if verdict.tested else verdict
        for verdict in made
    ]


def _test(verdict: Verdict) -> tuple[object, ...]:
    """What makes two claims one test."""
    claim = verdict.claim
    return (verdict.track, claim.kind, claim.sides, claim.metrics, claim.margin, claim.within, claim.under)


def _settled(verdict: Verdict, adjusted: float, strict: float, tests: int) -> Verdict:
    alpha = ALPHA / 2 / tests
    pairs = [pair for component in verdict.components for pair in component.pairs]
    significant = adjusted <= ALPHA
    if not significant:
        verdict = replace(verdict, doubt="")  # a doubt is about a result, and there is none
    outcome: Outcome = verdict.verdict if significant and not verdict.doubt else "undetermined"
    tie = outcome == "undetermined" and not verdict.doubt and any(component.tie for component in verdict.components)
    settled = replace(
        verdict, verdict=outcome, badge="tie" if tie else outcome, p_adjusted=adjusted, p_holm=strict,
        detectable_corrected=max((pair.detectable_effect(alpha) for pair in pairs), default=float("nan")),
        blocks_needed=_needed(verdict, pairs, alpha) if outcome == "undetermined" else None,
    )  # fmt: skip
    settled = replace(settled, reason=reason(settled, verdict.verdict, tests))
    return replace(settled, remedy=remedy(settled))


def _needed(verdict: Verdict, pairs: Sequence[Pair], alpha: float) -> int | None:
    needs = [pair.blocks_needed(alpha) for pair in pairs] if pairs else [c.blocks_needed for c in verdict.components]
    return None if None in needs else max((need for need in needs if need is not None), default=None)


def _undetermined(
    claim: Claim, track: str, why: str, held: tuple[str, ...], measured_text: str, evidence: str
) -> Verdict:  # fmt: skip
    verdict = Verdict(
        claim=claim, track=track, verdict="undetermined", badge="undetermined", claimed=claimed_order(claim),
        measured=measured_text or "nothing", reason=why, evidence=evidence or why, conditions=held,
    )  # fmt: skip
    return replace(verdict, remedy=remedy(verdict))
