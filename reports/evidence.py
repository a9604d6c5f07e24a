"""A verdict with its evidence as a template shows it: one picture, one sentence, and everything behind them in tables."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from paragone.bench.judge.axes import NAMES, in_words
from paragone.bench.judge.blocks import definition
from paragone.bench.judge.claims import Claim
from paragone.bench.judge.claims.claim import bounds_in_words
from paragone.bench.judge.components import Component, Estimate
from paragone.bench.judge.crossovers import AtAxis, AtShare, at_shares, by_axis
from paragone.bench.judge.families import Blocks
from paragone.bench.judge.intervals import Interval, centre
from paragone.bench.judge.orderings import Pair
from paragone.bench.judge.reasons import deciding_pair
from paragone.bench.judge.verdicts import Verdict
from paragone.reports import claims, facts, page, style
from paragone.reports.forest import Bar, Scale, forest
from paragone.reports.run import Run

VIEWS = {"best": "best of each family", "typical": "typical of each family", "only": ""}


def evidence(run: Run, verdict: Verdict) -> dict[str, Any]:
    """Everything that `evidence.html.j2` writes down of a verdict."""
    claim = verdict.claim
    track = next((track.judged for track in run.tracks if track.name == verdict.track), None)
    pairs = [(c, pair) for c in verdict.components for pair in _pairs_shown(c, verdict)]
    estimates = [(c, e) for c in verdict.components for e in c.estimates]
    along = at_shares(claim, track) if track is not None and verdict.components else []
    axes = by_axis(claim, track) if track is not None and verdict.components else []
    return {
        "id": claim.id, "topic": claim.label.capitalize(), "section": claim.section, "statement": claim.statement,
        "track": verdict.track, "claimed": verdict.claimed, "measured": claims.measured(verdict),
        "badge": page.badge(verdict.badge), "finding": _sentence(verdict), "remedy": verdict.remedy,
        "picture": picture(verdict), "legend": legend(verdict), "facts": _facts(verdict),
        "effect_head": "ratio" if any(pair.scale == "log" for _, pair in pairs) else "difference",
        "components": [_component(component) for component in verdict.components],
        "pairs": [_pair(component, pair) for component, pair in pairs],
        "estimates": [_estimate(component, estimate) for component, estimate in estimates],
        "along": [_at_share(row) for row in along], "axes": [_at_axis(row) for row in axes],
    }  # fmt: skip


def picture(verdict: Verdict) -> Any:
    """The forest plot of the component that decides, with the others hollow under it; "" where nothing was tested."""
    if not verdict.components:
        return ""
    name = "-".join(["picture", verdict.claim.id, *verdict.track.split()])
    title = claims.finding(verdict)
    component = deciding(verdict)
    if definition(component.metric).group == "stability":
        bars = [_level(block) for block in component.sides]
        return forest(name, title, bars, Scale(log=False, limits=(-0.04, 1.04)))
    if component.pairs:
        return forest(
            name,
            title,
            [_bar(pair, component, verdict) for pair in _pairs_shown(component, verdict)],
            _scale(component, verdict.claim),
        )
    if component.estimates:
        log = component.estimates[0].scale == "log"
        within = component.estimates[0].within
        bars = [_estimated(e, component, verdict) for e in component.estimates]
        return forest(name, title, bars, Scale(log, shaded=within))
    return ""


def legend(verdict: Verdict) -> str:
    """How to read the picture: what was measured, what a dot and the shade are."""
    if not verdict.components:
        return ""
    component = deciding(verdict)
    known, view = definition(component.metric), VIEWS[component.view]
    seeds = "a dot a seed"
    if known.group == "stability":
        return f"Share of learning-rate factors at which the target is reached; {seeds}, line: 95{style.THIN}% interval."
    hollow = _others(component, verdict)
    told = [f"{facts.label(component.metric)}{f', {view}' if view else ''}"]
    if component.pairs:
        told[0] += ", as a ratio" if component.pairs[0].scale == "log" else f", difference{_unit(component)}"
        told.append(_shade(verdict.claim))
    else:
        told[0] += _unit(component)
        told.append("shaded: what the claim allows")
    told += [seeds, f"line: 95{style.THIN}% interval"] if verdict.claim.kind != "property" else [seeds]
    if hollow:
        told.append("hollow: " + ", ".join(_called(other, component) for other in hollow))
    return page.sentence("; ".join(part for part in told if part))


def deciding(verdict: Verdict) -> Component:
    """The component that a verdict hangs on: a claim is as strong as its weakest part."""
    if verdict.badge == "tie":
        return next(component for component in verdict.components if component.tie)
    tested = [component for component in verdict.components if component.tested]
    if not tested:
        return next((c for c in verdict.components if c.outcome == verdict.verdict), verdict.components[0])
    supported = max(tested, key=lambda c: c.p_supported)
    contradicted = max(tested, key=lambda c: c.p_contradicted)
    return supported if supported.p_supported <= contradicted.p_contradicted else contradicted


def _others(component: Component, verdict: Verdict) -> list[Component]:
    """Components that can stand on the same axis: ratios all, differences and values of the same metric."""
    if verdict.claim.kind == "property":
        return []
    ratios = all(pair.scale == "log" for c in verdict.components for pair in c.pairs) and bool(component.pairs)
    return [
        other for other in verdict.components if other is not component and (ratios or other.metric == component.metric)
    ]  # fmt: skip


def _called(other: Component, main: Component) -> str:
    view = VIEWS[other.view]
    if other.metric == main.metric:
        return view
    return facts.label(other.metric) + (f" ({view})" if view else "")


def _pairs_shown(component: Component, verdict: Verdict) -> list[Pair]:
    """Neighbours, and the pair most against the claim where it is none of them."""
    shown = list(component.pairs)
    if component.every_pair and verdict.verdict == "contradicted":
        against = deciding_pair(component, "contradicted")
        shown += [] if any((p.better, p.worse) == (against.better, against.worse) for p in shown) else [against]
    return shown


def _bar(pair: Pair, component: Component, verdict: Verdict) -> Bar:
    same = [p for other in _others(component, verdict) for p in _same_pair(other, pair)]
    failed = sum(math.isnan(d) for d in pair.d)
    text = f"{style.number(pair.effect)} {style.interval(*pair.interval)}".strip()
    text += f", {failed} failed" if failed else ""
    dots = tuple(math.exp(d) if pair.scale == "log" else d for d in pair.d)
    short = f"{style.line(pair.better, 22)} over {style.line(pair.worse, 22)}"
    colour = page.colour(_family(component, pair.better))
    return Bar(short, text, colour, pair.estimate, dots, tuple(p.estimate for p in same))


def _same_pair(component: Component, pair: Pair) -> list[Pair]:
    return [p for p in component.every_pair if (p.better, p.worse) == (pair.better, pair.worse)][:1]


def _estimated(e: Estimate, component: Component, verdict: Verdict) -> Bar:
    others = [o for c in _others(component, verdict) for o in c.estimates if o.name == e.name]
    value, low, high = e.summary
    exact = verdict.claim.kind == "property"
    mean = Interval(value, math.nan, math.nan) if exact else e.summary
    held = [v for v in e.values if not math.isnan(v)]
    span = f"{min(held):.4g}" + (f" to {max(held):.4g}" if max(held) > min(held) else "") if held else "no seed finished"
    text = span if exact else f"{style.number(value)} {style.interval(low, high)}".strip()
    colour = page.colour(_family(component, e.name.split(" over ")[0]))
    return Bar(e.name, text, colour, mean, e.values, tuple(o.summary for o in others))


def _level(block: Blocks) -> Bar:
    values = np.array([value for value in block.values.values() if not math.isnan(value)])
    mean = centre(values, "identity")
    limits = Interval(mean.value, max(0.0, mean.low), min(1.0, mean.high))
    text = f"{style.percent(mean.value)} [{style.percent(limits.low)}, {style.percent(limits.high)}]"
    return Bar(block.group, text, page.colour(_family_of(block)), limits, tuple(values.tolist()))


def _scale(component: Component, claim: Claim) -> Scale:
    """Equality, the margin, and which end speaks for the claim."""
    pair = component.pairs[0]
    log = pair.scale == "log"
    threshold, mirrored = (_mean_of(x) for x in (pair.threshold, pair.mirrored))
    low, high = (math.exp(-mirrored), math.exp(threshold)) if log else (-mirrored, threshold)
    ends = ("◂ against the claim", "for the claim ▸")
    if claim.kind == "parity":
        return Scale(log, 1.0 if log else 0.0, (low, None), ends)
    return Scale(log, 1.0 if log else 0.0, (low, high) if claim.margin else None, ends)


def _mean_of(values: Sequence[float]) -> float:
    held = [value for value in values if not math.isnan(value)]
    return float(np.mean(held)) if held else 0.0


def _shade(claim: Claim) -> str:
    if claim.kind == "parity":
        return f"shaded: no worse by more than {claims.percent(claim.margin)}"
    return f"shaded: within the margin of {claims.percent(claim.margin)}" if claim.margin else ""


def _unit(component: Component) -> str:
    unit = definition(component.metric).unit
    return f" ({unit})" if unit else ""


def _family(component: Component, side: str) -> str:
    return next((_family_of(block) for block in component.sides if block.group == side), "")


def _family_of(block: Blocks) -> str:
    return next((entry.family for entries in block.chosen.values() for entry in entries), "")


def _sentence(verdict: Verdict) -> str:
    """The finding as a sentence; a name at its head keeps its small letter."""
    text = claims.finding(verdict)
    return text + "." if text.startswith(verdict.claim.members) else page.sentence(text)


def _facts(verdict: Verdict) -> list[tuple[str, str]]:
    said = [("In full", page.sentence(verdict.reason))] if verdict.components else []
    if verdict.doubt:
        said.append(("Doubt", page.sentence(verdict.doubt)))
    if verdict.evidence and verdict.evidence != verdict.reason:
        said.append(("Numbers", verdict.evidence))
    if verdict.tested:
        said.append(("Test", facts.test_line(verdict)))
    if not math.isnan(verdict.omnibus):
        said.append(("Page's L", f"p = {style.probability(verdict.omnibus)} for the whole order; shown, decides nothing"))
    if not math.isnan(verdict.detectable_effect):
        said.append(("What this run could see", facts.power_line(verdict)))
    if verdict.remedy:
        said.append(("What would decide it", verdict.remedy))
    said.append(("Conditions", "; ".join(verdict.conditions)))
    return [(name, value) for name, value in said if value]


def _component(component: Component) -> dict[str, str]:
    chosen = {
        block.group: style.names(list(dict.fromkeys(e.name for entries in block.chosen.values() for e in entries))[:4])
        for block in component.sides
        if block.chosen
    }
    standing = "; ".join(group if group == names else f"{group}: {names}" for group, names in chosen.items())
    return {
        "metric": facts.label(component.metric), "view": VIEWS[component.view] or "one and the same", "outcome": component.outcome,
        "supported": style.probability(component.p_supported), "contradicted": style.probability(component.p_contradicted),
        "n": str(component.n), "standing": standing,
    }  # fmt: skip


def _pair(component: Component, pair: Pair) -> dict[str, str]:
    return {
        "better": pair.better, "worse": pair.worse, "metric": facts.label(component.metric), "view": VIEWS[component.view],
        "effect": style.number(pair.effect), "interval": style.interval(*pair.interval), "p": style.probability(pair.p),
        "against": style.probability(pair.p_reversed), "signs": pair.signs, "test": pair.test,
    }  # fmt: skip


def _estimate(component: Component, e: Estimate) -> dict[str, str]:
    value, low, high = e.summary
    return {
        "name": e.name, "metric": facts.label(component.metric), "view": VIEWS[component.view], "value": style.number(value),
        "interval": style.interval(low, high), "allowed": bounds_in_words(e.within),
        "seeds": ", ".join("failed" if math.isnan(v) else style.number(v) for v in e.values[:12])
        + (f" and {len(e.values) - 12} more" if len(e.values) > 12 else ""),
    }  # fmt: skip


def _at_share(row: AtShare) -> dict[str, Any]:
    return {
        "share": style.percent(row.share), "seconds": style.seconds(row.train_s), "badge": page.badge(row.verdict),
        "p": style.probability(row.p),
    }  # fmt: skip


def _at_axis(row: AtAxis) -> dict[str, str]:
    ahead, behind = (row.better, row.worse) if row.ratio >= 1 else (row.worse, row.better)
    return {
        "pair": f"{row.better}, {row.worse}", "axis": NAMES[row.axis][0], "amount": _amount(row.axis, row.amount),
        "leads": ahead if row.p <= 0.05 else f"{ahead}, within the noise", "ratio": style.number(row.ratio),
        "interval": style.interval(row.low, row.high), "p": style.probability(row.p), "behind": behind, "flips": _flip(row),
    }  # fmt: skip


def _flip(row: AtAxis) -> str:
    if row.flips is None:
        return "nowhere below"
    flip = row.flips
    low, high = (f"{_amount(row.axis, end)}" if end is not None else "open" for end in (flip.low, flip.high))
    return f"{flip.after} passes {flip.before} at {_amount(row.axis, flip.at)} [{low}, {high}]"


def _amount(axis: str, value: float) -> str:
    return style.seconds(value) if axis == "train_s" else in_words(axis, value)
