"""The outcome of a check: the judgement, who knows of which alert, and the exit code.

3  regression    an alert was opened tonight, or its acknowledgement ran out and it is still there, in a kind that fails
4  not judged    with --strict: some series, or the whole night, could not be judged
0  else          alerts that stay open are listed, those acknowledged with their date
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from paragone.bench.history.findings import Finding, Judgement
from paragone.bench.history.life import Acknowledgement, Alert
from paragone.bench.history.segments import LONG
from paragone.bench.history.series import Kind
from paragone.bench.history.watched import KINDS

Verdict = Literal["regression", "not judged", "warming up", "ok"]


@dataclass(frozen=True)
class Outcome:
    """A judged night as it is told.

    Attributes:
        acknowledgements: those that are on file, by alert id, whether they still hold or not.
        fail_on: kinds whose alerts end in exit code 3.
        strict: what could not be judged ends in exit code 4.
        skipped: files of the history that could not be read, each with the reason.
        located: by alert id, the first bad run as seen from the nights since.
    """

    judgement: Judgement
    acknowledgements: Mapping[str, Acknowledgement] = field(default_factory=dict)
    fail_on: tuple[Kind, ...] = KINDS
    strict: bool = False
    skipped: tuple[str, ...] = ()
    located: Mapping[str, str] = field(default_factory=dict)

    def acknowledgement(self, alert: Alert) -> Acknowledgement | None:
        """The acknowledgement that holds for this alert tonight."""
        known = self.acknowledgements.get(alert.id)
        return known if known is not None and known.holds(self.judgement.night.started) else None

    def expired(self, alert: Alert) -> Acknowledgement | None:
        """The acknowledgement of this alert that has run out."""
        known = self.acknowledgements.get(alert.id)
        return known if known is not None and not known.holds(self.judgement.night.started) else None

    def fails(self, finding: Finding) -> bool:
        """True where this finding alone ends the check with exit code 3."""
        alert = finding.alert
        if alert is None or alert.kind not in self.fail_on or self.acknowledgement(alert) is not None:
            return False
        return finding.state == "alert" or (finding.state == "open" and self.expired(alert) is not None)

    @property
    def failing(self) -> tuple[Finding, ...]:
        """Findings that end in exit code 3, worst first."""
        return tuple(f for f in self.judgement.worst_first if self.fails(f))

    @property
    def standing(self) -> tuple[Finding, ...]:
        """Alerts that do not fail tonight: open, acknowledged, of a kind that does not fail, or not to be seen; worst first."""
        there = (f for f in self.judgement.worst_first if f.state in ("alert", "open") or (f.alert is not None and not f.judged))
        return tuple(f for f in there if not self.fails(f))

    @property
    def not_judged(self) -> tuple[Finding, ...]:
        """Series of which nothing could be said."""
        return tuple(f for f in self.judgement.findings if not f.judged)

    @property
    def verdict(self) -> Verdict:
        """The night in two words. A night of which nothing could be judged is no pass."""
        if self.failing:
            return "regression"
        if any(f.judged for f in self.judgement.findings):
            return "ok"
        states = {f.state for f in self.judgement.findings}
        return "warming up" if "warming up" in states and states <= {"warming up", "invalid"} else "not judged"

    @property
    def exit_code(self) -> int:
        """0, 3 or 4."""
        if self.failing:
            return 3
        return 4 if self.strict and (self.not_judged or self.verdict != "ok") else 0

    @property
    def headline(self) -> str:
        """One sentence for a title."""
        night, total = self.judgement.night, len(self.judgement.findings)
        if night.problem and self.verdict == "not judged":
            return f"not judged: {night.problem}"
        if self.verdict == "regression":
            found = len(self.failing)
            return f"{found} confirmed regression{'s' if found > 1 else ''} in {total} series"
        if self.verdict == "warming up":
            night_number = 1 + max(f.nights for f in self.judgement.findings)
            young = [f for f in self.not_judged if f.state == "warming up"]
            others = [f for f in self.not_judged if f.state != "warming up"]
            told = f"warming up: {night_number} of {LONG + 1} nights of {len(young)} series"
            return told + (f"; {len(others)} not judged: {_reasons(others)}" if others else "")
        if self.verdict == "not judged":
            return f"not judged: {_reasons(self.not_judged)}"
        left_out = f"; {len(self.not_judged)} not judged: {_reasons(self.not_judged)}" if self.not_judged else ""
        opened = sum(f.state == "alert" and f.alert is not None and self.acknowledgement(f.alert) is None for f in self.standing)
        known = len(self.standing) - opened
        told = f", {known} known" if known else ""
        told += f", {opened} opened tonight in kinds that do not fail" if opened else ""
        word = "failing" if opened else "new"
        return f"no {word} regression in {total - len(self.not_judged)} series{told}{left_out}"


def _reasons(findings: Sequence[Finding], most: int = 2) -> str:
    """The commonest reasons, each with its number of series."""
    counted: dict[str, int] = {}
    for f in findings:
        words = f"{f.state} ({f.reason})" if f.reason else f.state
        counted[words] = counted.get(words, 0) + 1
    ordered = sorted(counted.items(), key=lambda item: -item[1])
    told = "; ".join(f"{words} in {n} series" for words, n in ordered[:most])
    left = len(ordered) - most
    return told + (f"; and {left} more reason{'s' if left > 1 else ''}" if left > 0 else "")
