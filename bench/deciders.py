"""Which shipped suite can decide which claim: it has the rows that the claim names, and measures what the claim is about."""

from functools import cache

from paragone.bench.data import load
from paragone.bench.judge.blocks import EVERYBODY
from paragone.bench.judge.claims import Claim
from paragone.bench.judge.derived import EXPONENTS
from paragone.bench.judge.families import MEMBERS
from paragone.bench.judge.stability import NEEDED_FACTORS, NEEDED_SEEDS
from paragone.bench.metrics.modalities import REFERENCES
from paragone.bench.metrics.table import METRICS
from paragone.bench.probes import owed_by
from paragone.bench.suite import Suite, Track, load_suite, shipped
from paragone.models import DataSpec, registered

SEEDS_FOR_A_VERDICT = 5
"""With fewer, only large effects survive the correction over a report's claims."""


def deciding_suites(claim: Claim) -> list[str]:
    """Names of the shipped suites that can decide the claim, those with enough seeds for a correction first."""
    found = [suite for suite in _suites() if not lacking(claim, suite)]
    return [suite.name for suite in sorted(found, key=lambda s: (s.seeds < SEEDS_FOR_A_VERDICT, s.stability is not None, s.name))]


@cache
def _suites() -> tuple[Suite, ...]:
    """The shipped suites that are made for verdicts, read once for all claims."""
    return tuple(suite for suite in map(load_suite, shipped()) if suite.name not in ("smoke", "nightly"))


@cache
def _spec(data: str) -> DataSpec:
    return load(data).spec


def lacking(claim: Claim, suite: Suite) -> str:
    """What the suite lacks to decide the claim, "" where nothing."""
    reasons = [_lacking_on(claim, suite, track) for track in suite.tracks]
    return "" if "" in reasons else reasons[0]


def _lacking_on(claim: Claim, suite: Suite, track: Track) -> str:
    spec = _spec(track.data)
    if spec.modality != claim.modality:
        return f"no {claim.modality} data"
    for side in claim.members:
        samplers = _samplers(side, suite, track)
        if not samplers:
            return f"no row for {side}"
        for metric in claim.metrics:
            if not any(metric in _measured(name, sampler, suite, track) for name, sampler in samplers):
                return f"no {metric} of {side}"
    return ""


def _samplers(side: str, suite: Suite, track: Track) -> list[tuple[str, str]]:
    """(contender, sampler) that may stand for a side in this suite; a reference has the sampler `default`."""
    if side == EVERYBODY.name:
        return [(side, "")]
    if side in REFERENCES:
        return [(side, "default")]
    contender, _, sampler = side.partition("/")
    names = [name for name in MEMBERS.get(contender, (contender,)) if name in track.contenders and name in registered()]
    return [(name, own) for name in names for own in _run(name, suite, track) if sampler in ("", own)]


def _run(name: str, suite: Suite, track: Track) -> tuple[str, ...]:
    keys = suite.sampler_keys(track, name)
    return (*keys.of(registered()[name].offered_samplers(_spec(track.data))), *keys.timed)


def _measured(name: str, sampler: str, suite: Suite, track: Track) -> set[str]:
    """Metrics that a cell of this track gives for a contender and its sampler."""
    spec = _spec(track.data)
    probes = suite.evaluation.probes
    if name == EVERYBODY.name:
        return {"rank_agreement"}
    if name in REFERENCES:
        own = _on_data("quality", spec) | {metric for _, metric in owed_by(probes, name, spec.modality)}
        return own | ({"share_right"} if "classifier_accuracy" in own else set())
    cls = registered()[name]
    found = _of_groups("speed", "cost", "memory") | {metric for _, metric in owed_by(probes, cls, spec.modality)}
    if sampler not in suite.sampler_keys(track, name).timed:
        found |= _on_data("quality", spec) | {"share_right"}
    if "log_prob" in cls.abilities():
        found |= _on_data("likelihood", spec)
    if len(_run(name, suite, track)) > 1:
        found |= set(EXPONENTS)
    if suite.stability is not None and suite.seeds >= NEEDED_SEEDS and len(suite.stability.factors) >= NEEDED_FACTORS:
        found |= _of_groups("stability")
    return found


def _on_data(group: str, spec: DataSpec) -> set[str]:
    """Metrics of quality or likelihood that exist on this data."""
    data = {spec.modality, *(("labelled",) if spec.classes is not None else ())}
    return {m.name for m in METRICS.values() if m.group == group and m.data in data}


def _of_groups(*groups: str) -> set[str]:
    return {metric.name for metric in METRICS.values() if metric.group in groups}
