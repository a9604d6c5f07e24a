"""What a run says of all claims, sorted for readers: headlines, sections, what is decided, what is open, what it cannot test."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from paragone.bench.judge.claims import CLAIMS, HEADLINES, Claim
from paragone.bench.judge.claims.claim import bounds_in_words
from paragone.bench.judge.components import Component
from paragone.bench.judge.orderings import Pair, turned
from paragone.bench.judge.reasons import deciding_pair
from paragone.bench.judge.verdicts import Verdict
from paragone.reports import facts, style
from paragone.reports.run import Run

_OF_A_TEST = re.compile(r" by (a factor )?nan|,? p [=<] [^()]*\([^()]*\)")
"""The p and the brackets with test, n and blocks in a sentence of the judge: they stand in the tables. An effect of cells that
all failed is none."""


@dataclass(frozen=True)
class Asked:
    """A claim, with the verdict on each track of its modality."""

    claim: Claim
    verdicts: tuple[Verdict, ...]

    @property
    def tested(self) -> bool:
        """Whether some track of the run had what its test needs."""
        return any(verdict.components for verdict in self.verdicts)


@dataclass(frozen=True)
class Section:
    """A section of the document and its claims: those that were tested, and those that this run could not test."""

    name: str
    tested: tuple[Asked, ...]
    untested: tuple[Asked, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts of the section."""
        return tuple(verdict for asked in (*self.tested, *self.untested) for verdict in asked.verdicts)


def headlines(run: Run) -> list[Verdict]:
    """The verdicts that open a report, claim by claim, track by track."""
    return [verdict for claim in HEADLINES for verdict in run.verdicts if verdict.claim.id == claim.id]


def sections(run: Run) -> list[Section]:
    """Sections that hold a user's own claims first, then the document's in its order."""
    asked = [Asked(claim, tuple(own)) for claim, own in groupby(run.verdicts, key=lambda verdict: verdict.claim)]
    documents = list(dict.fromkeys(claim.section for claim in CLAIMS))
    own = list(dict.fromkeys(one.claim.section for one in asked if one.claim.section not in documents))
    made = []
    for name in (*own, *documents):
        inside = [one for one in asked if one.claim.section == name]
        if inside:
            made.append(Section(name, tuple(a for a in inside if a.tested), tuple(a for a in inside if not a.tested)))
    return made


def decided(run: Run) -> list[Verdict]:
    """Supported and contradicted verdicts, in the order of the sections."""
    return [verdict for section in sections(run) for verdict in section.verdicts if verdict.decided]


def open_verdicts(run: Run) -> list[Verdict]:
    """Undetermined verdicts of claims that were tested, in the order of the sections."""
    return [v for section in sections(run) for v in section.verdicts if not v.decided and v.components]


def untested(run: Run) -> list[tuple[str, list[Verdict]]]:
    """What would let the run test what it could not, with the verdicts that wait for it; the most frequent first."""
    waiting: dict[str, list[Verdict]] = {}
    for section in sections(run):
        for verdict in section.verdicts:
            if not verdict.decided and not verdict.components:
                waiting.setdefault(verdict.remedy, []).append(verdict)
    return sorted(waiting.items(), key=lambda item: (-len(item[1]), item[0]))


def counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many verdicts are supported, contradicted, undetermined, and how many of these could not be tested."""
    words = [verdict.verdict for verdict in verdicts]
    found = {word: words.count(word) for word in ("supported", "contradicted", "undetermined")}
    return found | {"untested": sum(not verdict.components for verdict in verdicts)}


def counts_line(run: Run) -> str:
    """`80 claims: 8 supported, 9 contradicted, 63 undetermined, 52 of them not tested by this run`."""
    found, claims = counts(run.verdicts), len({verdict.claim.id for verdict in run.verdicts})
    head = style.plural(claims, "claim")
    if len(run.verdicts) > claims:
        head += f" on {style.plural(len(run.tracks), 'track')}, {style.plural(len(run.verdicts), 'verdict')}"
    told = f"{head}: {found['supported']} supported, {found['contradicted']} contradicted, {found['undetermined']} undetermined"
    return told + (f", {found['untested']} of them not tested by this run" if found["untested"] else "")


def measured(verdict: Verdict) -> str:
    """What was measured; of a claim that could not be tested, why."""
    return verdict.measured if verdict.components else verdict.reason


def percent(margin: float) -> str:
    """A margin, which is a round number, as a percentage."""
    return f"{100 * margin:g}{style.THIN}%"


def finding(verdict: Verdict) -> str:
    """The evidence in one sentence: of a decided claim the comparison that decides, of an open one why it is open."""
    if verdict.decided and verdict.claim.kind == "order" and verdict.pairs:
        return _told(verdict)
    if verdict.decided and verdict.tested and verdict.claim.kind in ("factor", "trend"):
        return _valued(verdict)
    if verdict.badge == "tie":
        return _tie(verdict)
    text = verdict.reason.partition("; adjusted p")[0].partition("; without this doubt")[0]
    return _OF_A_TEST.sub("", text)


def _told(verdict: Verdict) -> str:
    supported = verdict.verdict == "supported"
    weakest = _weakest(verdict)
    pair = deciding_pair(weakest, verdict.verdict)
    told = f"{lead(pair if supported else turned(pair))} in {facts.label(weakest.metric)}"
    if supported and len(weakest.pairs) > 1:
        told += f", and that is the closest of {len(weakest.pairs)} comparisons"
    return told


def _valued(verdict: Verdict) -> str:
    """The value against the bounds."""
    weakest = _weakest(verdict)
    if verdict.verdict == "supported":
        estimate = max(weakest.estimates, key=lambda e: e.p_inside)
    else:
        estimate = min(weakest.estimates, key=lambda e: e.p_outside)
    value, low, high = estimate.summary
    told = f"{facts.label(weakest.metric)} of {estimate.name}: {style.number(value)} {style.interval(low, high)}"
    return f"{told}, where the claim allows {bounds_in_words(estimate.within)}"


def _weakest(verdict: Verdict) -> Component:
    """The component that a decided verdict hangs on."""
    supported = verdict.verdict == "supported"
    return max(verdict.components, key=lambda c: c.p_supported if supported else c.p_contradicted)


def _tie(verdict: Verdict) -> str:
    component = next(component for component in verdict.components if component.tie)
    pair = next(pair for pair in component.pairs if pair.equivalent)
    size = "a factor of " if pair.scale == "log" else ""
    return (
        f"{pair.better} and {pair.worse} differ by less than {percent(pair.margin)} in {facts.label(component.metric)}: "
        f"{size}{style.number(pair.effect)} {style.interval(*pair.interval)}"
    )


def lead(pair: Pair) -> str:
    """`GAN is ahead of VAE by a factor of 1.42 [1.20, 1.70]`."""
    size = "a factor of " if pair.scale == "log" else ""
    limits = style.interval(*pair.interval)
    return f"{pair.better} is ahead of {pair.worse} by {size}{style.number(pair.effect)}" + (f" {limits}" if limits else "")
