"""A verdict in words: why it is what it is, and what would decide it."""

from typing import TYPE_CHECKING

import numpy as np

from paragone.bench.judge.components import Component
from paragone.bench.judge.families import VIEWS
from paragone.bench.judge.orderings import Outcome, Pair, describe, turned
from paragone.bench.judge.ranking import NO_VALID_TIMING

if TYPE_CHECKING:
    from paragone.bench.judge.verdicts import Verdict


def deciding_pair(component: Component, leans: Outcome) -> Pair:
    """The pair that a verdict hangs on: the weakest neighbours, or the pair most against the claim."""
    if leans == "supported":
        return max(component.pairs, key=lambda pair: pair.p)
    return min(component.every_pair, key=lambda pair: pair.p_reversed)


def reason(verdict: "Verdict", leans: Outcome, tests: int) -> str:
    """One sentence for a settled verdict that was tested; `leans` is what it was before correction and doubts."""
    over = f"adjusted p = {verdict.p_adjusted:.2g} over {tests} {'claim' if tests == 1 else 'claims'}"
    if verdict.decided:
        return f"{_telling(verdict, leans)}; {over}"
    if verdict.doubt:
        return f"{verdict.doubt}; without this doubt {leans}, {over}"
    return f"{_disagreement(verdict)}; {over}{_seeds(verdict)}"


def remedy(verdict: "Verdict") -> str:
    """What would decide an undetermined verdict; "" for others."""
    if verdict.decided:
        return ""
    why = verdict.reason
    if NO_VALID_TIMING in why:
        return "times that can be trusted: the same run on a quiet machine"
    if "no row for" in why:
        return f"a run with a row for it: {why.partition('no row for ')[2].partition(';')[0].partition(':')[0]}"
    if "not enough runs" in why or "did not measure" in why:
        return "a suite that measures it (`list claims` names it)"
    if "not trained out" in why:
        return "a longer budget, until the last doubling gains less than 10 %, or shifted learning-rate factors"
    if verdict.doubt.startswith("the order holds in"):
        return "a larger reference set: more seeds do not help"
    if " failed in " in why:
        return "cells that all end well: a failure of the side claimed better never supports"
    if verdict.badge == "tie":
        return "nothing: the difference is smaller than the margin that the claim asks for"
    if verdict.doubt:
        return "evidence of another kind: more seeds do not help"
    if verdict.blocks_needed and verdict.blocks_needed <= verdict.n:
        return "agreement of its metrics, and of the best with the typical contenders: each alone has seeds enough"
    if verdict.blocks_needed:
        return f"about {verdict.blocks_needed} seeds, if the effect is as large as seen here"
    return "no sensible number of seeds, if the effects are as small as seen here" if verdict.tested else "the missing measurement"


def _telling(verdict: "Verdict", leans: Outcome) -> str:
    """The numbers of the component that decides."""
    component = max(verdict.components, key=lambda c: c.p_supported if leans == "supported" else c.p_contradicted)
    where = "" if component.view == "only" else f", {component.view} of each family"
    if verdict.claim.kind == "order" and component.pairs:
        pair = deciding_pair(component, leans)
        return f"{describe(pair if leans == 'supported' else turned(pair))}; {component.metric}{where}"
    return f"{component.reason}; {component.metric}{where}"


def _disagreement(verdict: "Verdict") -> str:
    """Why a tested claim stays open: its components disagree, neighbours tie, failures, or the seeds are too few."""
    outcomes = {(c.metric, c.view): c.outcome for c in verdict.components}
    decided = {key: outcome for key, outcome in outcomes.items() if outcome != "undetermined"}
    if len(decided) == len(outcomes) and len(set(outcomes.values())) == 1:
        return f"{next(iter(decided.values()))} alone, but not after correction over the report's claims"
    by_view = {view: {outcome for (_, v), outcome in outcomes.items() if v in (view, "only")} for view in VIEWS}
    for view, other in (VIEWS[::-1], VIEWS):
        if by_view[view] == {"supported"} and by_view[other] == {"contradicted"}:
            return f"holds for the {view} of each family, is contradicted for the {other} one"
    for view, other in (VIEWS, VIEWS[::-1]):
        if by_view[view] in ({"supported"}, {"contradicted"}) and by_view[view] != by_view[other]:
            return f"{_holds(by_view[view].pop())} for the {view} of each family, not for the {other} one"
    if decided:
        parts = [f"{outcome} by {metric}{'' if view == 'only' else f' ({view})'}" for (metric, view), outcome in decided.items()]
        return f"components disagree: {', '.join(parts)}, undetermined by the others"
    return next((c.reason for c in verdict.components if c.tie), verdict.components[0].reason)


def _holds(outcome: str) -> str:
    return "holds" if outcome == "supported" else "is contradicted"


def _seeds(verdict: "Verdict") -> str:
    outcomes = {component.outcome for component in verdict.components}
    if verdict.badge == "tie" or np.isnan(verdict.detectable_effect) or {"supported", "contradicted"} <= outcomes:
        return ""
    if not verdict.pairs:
        return ""
    size = "a factor of" if verdict.pairs[0].scale == "log" else "a difference of"
    needed = f", about {verdict.blocks_needed} seeds would show what was seen" if verdict.blocks_needed else ""
    return f"; {verdict.n} seeds show {size} {verdict.detectable_effect:.3g} between neighbours{needed}"
